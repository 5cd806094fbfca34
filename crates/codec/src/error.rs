//! What can be wrong with bytes that came from a peer.

use std::fmt;

/// The bytes do not hold what they should.
///
/// Says what is wrong ([`kind`](Self::kind)), at which byte of the input ([`offset`](Self::offset)) and, where it is
/// known, in which field of which type. The error is one pointer wide, so that the good path stays cheap.
///
/// ```
/// use deuteron_codec::{Decode, Open, Reader};
///
/// // An open performative whose container-id, a mandatory field, is null.
/// let bytes = [0x00, 0x53, 0x10, 0xc0, 0x02, 0x01, 0x40];
/// let error = Open::decode(&mut Reader::new(&bytes)).unwrap_err();
/// assert_eq!(error.to_string(), "field container-id of amqp:open:list at byte 7: the field is mandatory, but absent");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct DecodeError(Box<Fault>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    kind: DecodeErrorKind,
    offset: usize,
    type_name: &'static str,
    field: &'static str,
}

/// What is wrong, without the place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The input ends before the value does; this many bytes more would be needed to go on.
    Truncated {
        /// Bytes that are missing.
        missing: usize,
    },
    /// No type of AMQP 1.0 has this constructor.
    UnknownConstructor(u8),
    /// A value of another type stands here.
    UnexpectedType {
        /// What the reader was asked for, in the words of the specification.
        expected: &'static str,
        /// The constructor that was found.
        found: u8,
    },
    /// The value is described by something else than what the reader was asked for.
    UnexpectedDescriptor {
        /// What the reader was asked for.
        expected: &'static str,
        /// The descriptor that was found.
        found: String,
    },
    /// A string is not UTF-8.
    InvalidUtf8,
    /// A symbol is not ASCII.
    InvalidAscii,
    /// A char is not a Unicode scalar value.
    InvalidChar(u32),
    /// A boolean byte is neither 0 nor 1.
    InvalidBool(u8),
    /// A value that a restricted type does not list among its choices.
    InvalidChoice(String),
    /// A map with an odd number of elements: a key without a value.
    OddMap(u32),
    /// A compound value's size is too small for its own count or elements.
    InvalidSize {
        /// The size it declares, in bytes.
        size: usize,
        /// The elements it declares.
        count: u32,
    },
    /// A compound value has bytes left after its last element.
    TrailingBytes(usize),
    /// A mandatory field is null or missing.
    MissingField,
    /// A composite has more fields than its type.
    TooManyFields {
        /// Fields of the type.
        limit: usize,
        /// Fields that were found.
        found: u32,
    },
    /// A delivery tag of more than 32 bytes.
    TagTooLong(usize),
    /// Values are nested deeper than [`Limits::depth`](crate::Limits::depth).
    DepthLimit(u16),
    /// More elements than [`Limits::count`](crate::Limits::count).
    CountLimit {
        /// The limit.
        limit: u32,
        /// What was declared.
        found: u32,
    },
    /// A value longer than [`Limits::size`](crate::Limits::size).
    SizeLimit {
        /// The limit in bytes.
        limit: usize,
        /// What was declared, in bytes.
        found: usize,
    },
    /// A frame whose size and data offset contradict each other.
    InvalidFrame {
        /// The frame's size in bytes.
        size: u32,
        /// The frame's data offset in words of 4 bytes.
        doff: u8,
    },
    /// Eight bytes that are not an AMQP protocol header.
    InvalidProtocolHeader([u8; 8]),
    /// A message section that may not stand here: out of order, twice, or bodies of two kinds (3.2).
    UnexpectedSection(&'static str),
}

impl DecodeError {
    /// An error of this kind at this byte of the input.
    #[cold]
    #[must_use]
    pub fn new(kind: DecodeErrorKind, offset: usize) -> Self {
        Self(Box::new(Fault { kind, offset, type_name: "", field: "" }))
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &DecodeErrorKind {
        &self.0.kind
    }

    /// Where: bytes from the start of the input that was given to the [`Reader`](crate::Reader).
    #[must_use]
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// The composite that was being read, like `amqp:open:list`; empty if there was none.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.0.type_name
    }

    /// The field that was being read, like `container-id`; empty if there was none.
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.0.field
    }

    /// Whether the input just ended too early, so that more bytes could make it right.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        matches!(self.0.kind, DecodeErrorKind::Truncated { .. })
    }

    /// Names the place; the innermost one, which is named first, stays.
    #[cold]
    #[must_use]
    pub fn within(mut self, type_name: &'static str, field: &'static str) -> Self {
        if self.0.type_name.is_empty() {
            self.0.type_name = type_name;
            self.0.field = field;
        }
        self
    }

    /// The same error for an input that starts this many bytes into a larger one.
    #[cold]
    #[must_use]
    pub fn shifted(mut self, bytes: usize) -> Self {
        self.0.offset += bytes;
        self
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodeError")
            .field("kind", &self.0.kind)
            .field("offset", &self.0.offset)
            .field("type_name", &self.0.type_name)
            .field("field", &self.0.field)
            .finish()
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { kind, offset, type_name, field } = &*self.0;
        match (*type_name, *field) {
            ("", _) => write!(f, "at byte {offset}: {kind}"),
            (type_name, "") => write!(f, "{type_name} at byte {offset}: {kind}"),
            (type_name, field) => write!(f, "field {field} of {type_name} at byte {offset}: {kind}"),
        }
    }
}

impl fmt::Display for DecodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { missing } => write!(f, "the input ends {missing} bytes too early"),
            Self::UnknownConstructor(code) => write!(f, "0x{code:02x} is not a constructor of AMQP 1.0"),
            Self::UnexpectedType { expected, found } => {
                write!(f, "expected {expected}, found {} (0x{found:02x})", crate::codes::name(*found))
            }
            Self::UnexpectedDescriptor { expected, found } => {
                write!(f, "expected {expected}, found a value described by {found}")
            }
            Self::InvalidUtf8 => f.write_str("the string is not UTF-8"),
            Self::InvalidAscii => f.write_str("the symbol is not ASCII"),
            Self::InvalidChar(code) => write!(f, "0x{code:x} is not a Unicode character"),
            Self::InvalidBool(byte) => write!(f, "0x{byte:02x} is not a boolean"),
            Self::InvalidChoice(value) => write!(f, "{value} is not among the choices of the type"),
            Self::OddMap(count) => write!(f, "a map of {count} elements has a key without a value"),
            Self::InvalidSize { size, count } => {
                write!(f, "a compound value of {size} bytes cannot hold the {count} elements it declares")
            }
            Self::TrailingBytes(bytes) => {
                write!(f, "{bytes} bytes follow the last element of the compound value")
            }
            Self::MissingField => f.write_str("the field is mandatory, but absent"),
            Self::TooManyFields { limit, found } => {
                write!(f, "{found} fields, but the type has only {limit}")
            }
            Self::TagTooLong(bytes) => write!(f, "a delivery tag of {bytes} bytes; at most 32 are allowed"),
            Self::DepthLimit(limit) => write!(f, "values are nested deeper than the limit of {limit}"),
            Self::CountLimit { limit, found } => {
                write!(f, "{found} elements are more than the limit of {limit}")
            }
            Self::SizeLimit { limit, found } => write!(f, "{found} bytes are more than the limit of {limit}"),
            Self::InvalidFrame { size, doff } => {
                write!(f, "a frame of {size} bytes cannot have a data offset of {doff} words")
            }
            Self::InvalidProtocolHeader(bytes) => write!(f, "{bytes:02x?} is not an AMQP protocol header"),
            Self::UnexpectedSection(name) => write!(f, "the section {name} may not stand here"),
        }
    }
}

impl std::error::Error for DecodeError {}
