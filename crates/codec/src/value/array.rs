//! Arrays: values of one type (1.6.24).

use crate::codes;
use crate::value::Primitive;
use crate::write::length32;
use crate::{Encode, Value, Writer};

/// 1.6.24 Values of one type. The type is written once, so it is known even if there are no elements.
///
/// If the elements are described, the descriptor is written once as well, and
/// [`elements`](Self::elements) holds what it describes.
///
/// ```
/// use deuteron_codec::{Array, Primitive, Value};
///
/// let array = Array::new(Primitive::Uint, vec![Value::Uint(1), Value::Uint(2)])?;
/// assert_eq!(array.elements().len(), 2);
/// assert!(Array::new(Primitive::Uint, vec![Value::from("one")]).is_err());
/// # Ok::<(), deuteron_codec::MixedArray>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    element_type: Primitive,
    descriptors: Vec<Value>,
    elements: Vec<Value>,
}

/// The elements of an array have different types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MixedArray {
    /// The first element that is wrong.
    pub index: usize,
    /// What it should be.
    pub expected: Primitive,
}

impl std::fmt::Display for MixedArray {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "element {} of the array is not of type {}, as the others",
            self.index,
            self.expected.name()
        )
    }
}

impl std::error::Error for MixedArray {}

impl Array {
    /// An array of elements that are not described.
    ///
    /// # Errors
    /// If an element has another type.
    pub fn new(element_type: Primitive, elements: Vec<Value>) -> Result<Self, MixedArray> {
        Self::with_descriptors(Vec::new(), element_type, elements)
    }

    /// An array of elements that are all described by one descriptor.
    ///
    /// # Errors
    /// If an element, without its descriptor, has another type.
    pub fn described(
        descriptor: impl Into<Value>,
        element_type: Primitive,
        elements: Vec<Value>,
    ) -> Result<Self, MixedArray> {
        Self::with_descriptors(vec![descriptor.into()], element_type, elements)
    }

    /// An array of elements that are all described by `descriptors`, the outermost first: what describes a value may be
    /// described itself. Without any they are not described.
    ///
    /// # Errors
    /// If an element, without its descriptors, has another type.
    pub fn with_descriptors(
        descriptors: Vec<Value>,
        element_type: Primitive,
        elements: Vec<Value>,
    ) -> Result<Self, MixedArray> {
        match elements.iter().position(|element| Primitive::of(element) != Some(element_type)) {
            Some(index) => Err(MixedArray { index, expected: element_type }),
            None => Ok(Self { element_type, descriptors, elements }),
        }
    }

    /// What came from the wire, where elements of different types cannot be written.
    pub(super) fn decoded(element_type: Primitive, descriptors: Vec<Value>, elements: Vec<Value>) -> Self {
        Self { element_type, descriptors, elements }
    }

    /// An array of symbols.
    #[must_use]
    pub fn symbols<S: Into<crate::Symbol>>(symbols: impl IntoIterator<Item = S>) -> Self {
        let elements = symbols.into_iter().map(|symbol| Value::Symbol(symbol.into())).collect();
        Self { element_type: Primitive::Symbol, descriptors: Vec::new(), elements }
    }

    /// The type of the elements, without their descriptor.
    #[must_use]
    pub fn element_type(&self) -> Primitive {
        self.element_type
    }

    /// What describes each element, if anything does.
    #[must_use]
    pub fn descriptor(&self) -> Option<&Value> {
        self.descriptors.first()
    }

    /// All descriptors, outermost first: more than one if described values are described again.
    #[must_use]
    pub fn descriptors(&self) -> &[Value] {
        &self.descriptors
    }

    /// The elements, without their descriptor.
    #[must_use]
    pub fn elements(&self) -> &[Value] {
        &self.elements
    }

    /// The elements, without their descriptor.
    #[must_use]
    pub fn into_elements(self) -> Vec<Value> {
        self.elements
    }

    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// Writes constructor and elements.
    fn encode_elements(&self, writer: &mut Writer<'_>) {
        for descriptor in &self.descriptors {
            writer.described();
            descriptor.encode(writer);
        }
        let constructor = self.constructor();
        writer.raw(&[constructor]);
        for element in &self.elements {
            encode_element(element, constructor, writer);
        }
    }

    /// The constructor that fits all elements.
    fn constructor(&self) -> u8 {
        let fits = |fits: fn(&Value) -> bool| self.elements.iter().all(fits);
        match self.element_type {
            Primitive::Null => codes::NULL,
            Primitive::Boolean => codes::BOOLEAN,
            Primitive::Ubyte => codes::UBYTE,
            Primitive::Ushort => codes::USHORT,
            Primitive::Uint if fits(|v| matches!(v, Value::Uint(..=0xff))) => codes::SMALLUINT,
            Primitive::Uint => codes::UINT,
            Primitive::Ulong if fits(|v| matches!(v, Value::Ulong(..=0xff))) => codes::SMALLULONG,
            Primitive::Ulong => codes::ULONG,
            Primitive::Byte => codes::BYTE,
            Primitive::Short => codes::SHORT,
            Primitive::Int if fits(|v| matches!(v, Value::Int(-128..=127))) => codes::SMALLINT,
            Primitive::Int => codes::INT,
            Primitive::Long if fits(|v| matches!(v, Value::Long(-128..=127))) => codes::SMALLLONG,
            Primitive::Long => codes::LONG,
            Primitive::Float => codes::FLOAT,
            Primitive::Double => codes::DOUBLE,
            Primitive::Decimal32 => codes::DECIMAL32,
            Primitive::Decimal64 => codes::DECIMAL64,
            Primitive::Decimal128 => codes::DECIMAL128,
            Primitive::Char => codes::CHAR,
            Primitive::Timestamp => codes::TIMESTAMP,
            Primitive::Uuid => codes::UUID,
            Primitive::Binary if fits(is_short) => codes::VBIN8,
            Primitive::Binary => codes::VBIN32,
            Primitive::String if fits(is_short) => codes::STR8,
            Primitive::String => codes::STR32,
            Primitive::Symbol if fits(is_short) => codes::SYM8,
            Primitive::Symbol => codes::SYM32,
            // Sizes of compound elements are known only after writing them.
            Primitive::List => codes::LIST32,
            Primitive::Map => codes::MAP32,
            Primitive::Array => codes::ARRAY32,
        }
    }
}

fn variable_bytes(value: &Value) -> &[u8] {
    match value {
        Value::Binary(bytes) => bytes,
        Value::String(text) => text.as_bytes(),
        Value::Symbol(symbol) => symbol.as_str().as_bytes(),
        _ => &[],
    }
}

fn is_short(value: &Value) -> bool {
    variable_bytes(value).len() <= 0xff
}

/// Writes an element without its constructor, which says how wide it is.
fn encode_element(element: &Value, constructor: u8, writer: &mut Writer<'_>) {
    match element {
        Value::Null => {}
        Value::Bool(value) => writer.raw(&[u8::from(*value)]),
        Value::Ubyte(value) => writer.raw(&[*value]),
        Value::Ushort(value) => writer.raw(&value.to_be_bytes()),
        Value::Uint(value) if constructor == codes::SMALLUINT => writer.raw(&[*value as u8]),
        Value::Uint(value) => writer.raw(&value.to_be_bytes()),
        Value::Ulong(value) if constructor == codes::SMALLULONG => writer.raw(&[*value as u8]),
        Value::Ulong(value) => writer.raw(&value.to_be_bytes()),
        Value::Byte(value) => writer.raw(&value.to_be_bytes()),
        Value::Short(value) => writer.raw(&value.to_be_bytes()),
        Value::Int(value) if constructor == codes::SMALLINT => writer.raw(&[*value as u8]),
        Value::Int(value) => writer.raw(&value.to_be_bytes()),
        Value::Long(value) if constructor == codes::SMALLLONG => writer.raw(&[*value as u8]),
        Value::Long(value) => writer.raw(&value.to_be_bytes()),
        Value::Float(value) => writer.raw(&value.to_be_bytes()),
        Value::Double(value) => writer.raw(&value.to_be_bytes()),
        Value::Decimal32(value) => writer.raw(&value.0),
        Value::Decimal64(value) => writer.raw(&value.0),
        Value::Decimal128(value) => writer.raw(&value.0),
        Value::Char(value) => writer.raw(&u32::from(*value).to_be_bytes()),
        Value::Timestamp(value) => writer.raw(&value.0.to_be_bytes()),
        Value::Uuid(value) => writer.raw(&value.0),
        Value::Binary(_) | Value::String(_) | Value::Symbol(_) => {
            let bytes = variable_bytes(element);
            match constructor {
                codes::VBIN8 | codes::STR8 | codes::SYM8 => writer.raw(&[bytes.len() as u8]),
                _ => writer.raw(&length32(bytes.len()).to_be_bytes()),
            }
            writer.raw(bytes);
        }
        Value::List(list) => writer.wide_body(length32(list.len()), |writer| {
            for value in list {
                value.encode(writer);
            }
        }),
        Value::Map(map) => writer.wide_body(map.element_count(), |writer| map.encode_entries(writer)),
        Value::Array(array) => {
            writer.wide_body(length32(array.len()), |writer| array.encode_elements(writer));
        }
        // An array has no described elements: their descriptors are part of its constructor.
        Value::Described(_) => {}
    }
}

impl Encode for Array {
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.array(length32(self.elements.len()), |writer| self.encode_elements(writer));
    }
}
