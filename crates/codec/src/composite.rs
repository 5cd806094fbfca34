//! The two macros that turn tables of the specification into types.

use crate::codes;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::read::Reader;
use crate::value::Symbol;
use crate::write::{Writer, length32};

/// What the specification says about one field of a composite type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldInfo {
    /// The field's name, like `container-id`.
    pub name: &'static str,
    /// The field's type, like `milliseconds`; `*` where several are allowed.
    pub type_name: &'static str,
    /// Whether the field must be present.
    pub mandatory: bool,
    /// Whether the field may hold several values.
    pub multiple: bool,
    /// What an absent field means; a Rust expression, whose last path segment is the choice of a restricted type.
    pub default: Option<&'static str>,
    /// Whether the field may hold a password, and so is masked wherever it is printed.
    pub secret: bool,
}

/// What the specification says about one composite type.
#[derive(Clone, Copy, Debug)]
pub struct CompositeInfo {
    /// The symbolic descriptor, like `amqp:open:list`.
    pub name: &'static str,
    /// The numeric descriptor.
    pub code: u64,
    /// The fields in their order on the wire.
    pub fields: &'static [FieldInfo],
}

impl CompositeInfo {
    /// The type's own name: the middle of its symbolic descriptor, like `open`.
    #[must_use]
    pub fn short_name(&self) -> &'static str {
        self.name.split(':').nth(1).unwrap_or(self.name)
    }
}

/// What the specification says about one restricted type with a closed set of choices.
#[derive(Clone, Copy, Debug)]
pub struct RestrictedInfo {
    /// The type's name, like `sender-settle-mode`.
    pub name: &'static str,
    /// The primitive type it restricts.
    pub source: &'static str,
    /// Names and values of the choices.
    pub choices: &'static [(&'static str, &'static str)],
}

/// A field name in the words of the specification: dashes, where Rust has underscores.
pub(crate) const fn dashed<const N: usize>(name: &str) -> [u8; N] {
    let bytes = name.as_bytes();
    let mut dashed = [0; N];
    let mut i = 0;
    while i < N {
        dashed[i] = if bytes[i] == b'_' { b'-' } else { bytes[i] };
        i += 1;
    }
    dashed
}

pub(crate) const fn text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => "",
    }
}

/// The name of a field as `&'static str`.
macro_rules! field_name {
    ($field:ident) => {{
        const NAME: [u8; stringify!($field).len()] = $crate::composite::dashed(stringify!($field));
        const { $crate::composite::text(&NAME) }
    }};
}

/// What depends on the kind of a field: `[mandatory]`, `[optional]`, `[default x]`, `[flag]` (a boolean
/// without default, whose absence means false all the same), `[stated]` (such a boolean that is written even if false,
/// since there are peers that cannot read its absence), `[multiple]`, `[mandatory multiple]`, `[mandatory secret]`, `[optional secret]`.
macro_rules! field_kind {
    (@info $info:ident mandatory $($rest:tt)*) => { $info.mandatory = true; field_kind!(@info $info $($rest)*); };
    (@info $info:ident multiple) => { $info.multiple = true; };
    (@info $info:ident optional $($rest:tt)*) => { field_kind!(@info $info $($rest)*); };
    (@info $info:ident flag) => {};
    (@info $info:ident stated) => {};
    (@info $info:ident secret) => { $info.secret = true; };
    (@info $info:ident default $default:expr) => { $info.default = Some(stringify!($default)); };
    (@info $info:ident) => {};

    (@default mandatory $($rest:tt)*) => { Default::default() };
    (@default optional $($rest:tt)*) => { None };
    (@default flag) => { false };
    (@default stated) => { false };
    (@default multiple) => { Vec::new() };
    (@default default $default:expr) => { $default };

    (@decode [$($place:tt)*] mandatory multiple) => { $crate::composite::mandatory_multiple($($place)*) };
    (@decode [$($place:tt)*] mandatory $($rest:tt)*) => { $crate::composite::mandatory($($place)*) };
    (@decode [$($place:tt)*] optional $($rest:tt)*) => { $crate::composite::optional($($place)*) };
    (@decode [$($place:tt)*] multiple) => { $crate::composite::multiple($($place)*) };
    (@decode [$($place:tt)*] flag) => {
        $crate::composite::optional($($place)*).map(Option::unwrap_or_default)
    };
    (@decode [$($place:tt)*] stated) => {
        $crate::composite::optional($($place)*).map(Option::unwrap_or_default)
    };
    (@decode [$($place:tt)*] default $default:expr) => {
        $crate::composite::optional($($place)*).map(|value| value.unwrap_or($default))
    };

    (@present $value:expr; mandatory $($rest:tt)*) => { true };
    (@present $value:expr; optional $($rest:tt)*) => { $value.is_some() };
    (@present $value:expr; flag) => { $value };
    (@present $value:expr; stated) => { true };
    (@present $value:expr; multiple) => { !$value.is_empty() };
    (@present $value:expr; default $default:expr) => { $value != $default };

    (@encode $writer:ident $value:expr; mandatory multiple) => {
        $crate::composite::encode_multiple($writer, &$value)
    };
    (@encode $writer:ident $value:expr; mandatory $($rest:tt)*) => { $crate::Encode::encode(&$value, $writer) };
    (@encode $writer:ident $value:expr; optional $($rest:tt)*) => { $crate::Encode::encode(&$value, $writer) };
    (@encode $writer:ident $value:expr; multiple) => {
        if $value.is_empty() { $writer.null() } else { $crate::composite::encode_multiple($writer, &$value) }
    };
    (@encode $writer:ident $value:expr; flag) => {
        if $value { $writer.bool(true) } else { $writer.null() }
    };
    (@encode $writer:ident $value:expr; stated) => { $writer.bool($value) };
    (@encode $writer:ident $value:expr; default $default:expr) => {
        if $value == $default { $writer.null() } else { $crate::Encode::encode(&$value, $writer) }
    };

    (@debug $print:ident $name:expr, $value:expr; $kind:tt secret) => {
        $print.field($name, &format_args!("***"))
    };
    (@debug $print:ident $name:expr, $value:expr; $($kind:tt)*) => { $print.field($name, $value) };
}

/// A composite type (1.4) from its table: the fields in the order of the specification, each with its Rust type, the
/// specification's type, and its kind.
macro_rules! composite {
    (
        $(#[$meta:meta])*
        pub struct $name:ident = $code:literal $symbol:literal {
            $(
                $(#[$field_meta:meta])*
                $field:ident: $type:ty as $spec:literal [$($kind:tt)+]
            ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        #[allow(unused_mut, unused_variables, unused_assignments, reason = "tables without fields")]
        impl $name {
            /// The numeric descriptor.
            pub const CODE: u64 = $code;
            /// The symbolic descriptor.
            pub const NAME: &'static str = $symbol;
            /// The fields in their order on the wire.
            pub const FIELDS: &'static [$crate::FieldInfo] = &[$({
                let mut info = $crate::FieldInfo {
                    name: field_name!($field),
                    type_name: $spec,
                    mandatory: false,
                    multiple: false,
                    default: None,
                    secret: false,
                };
                field_kind!(@info info $($kind)+);
                info
            }),*];
            /// The whole table.
            pub const INFO: $crate::CompositeInfo =
                $crate::CompositeInfo { name: Self::NAME, code: Self::CODE, fields: Self::FIELDS };

            /// Reads the list that follows the descriptor.
            #[inline]
            pub(crate) fn decode_list(reader: &mut $crate::Reader<'_>) -> Result<Self, $crate::DecodeError> {
                let list = reader.begin_list().map_err(|error| error.within($symbol, ""))?;
                let mut left = list.count();
                if left as usize > Self::FIELDS.len() {
                    return Err($crate::composite::too_many(reader, Self::FIELDS.len(), left).within($symbol, ""));
                }
                $(
                    let $field: $type = field_kind!(
                        @decode [reader, &mut left, $symbol, field_name!($field)] $($kind)+
                    )?;
                )*
                reader.end(list).map_err(|error| error.within($symbol, ""))?;
                Ok(Self { $($field),* })
            }
        }

        impl<'a> $crate::Decode<'a> for $name {
            #[inline]
            fn decode(reader: &mut $crate::Reader<'a>) -> Result<Self, $crate::DecodeError> {
                $crate::composite::expect_descriptor(reader, $code, $symbol)?;
                Self::decode_list(reader)
            }
        }

        impl $crate::Encode for $name {
            #[inline]
            #[allow(unused_mut, unused_variables, unused_assignments, reason = "tables without fields")]
            fn encode(&self, writer: &mut $crate::Writer<'_>) {
                // Trailing fields that would say nothing are left out (1.4).
                let (mut index, mut count) = (0_u32, 0_u32);
                $(
                    index += 1;
                    if field_kind!(@present self.$field; $($kind)+) {
                        count = index;
                    }
                )*
                writer.composite($code, count, |writer| {
                    let mut index = 0_u32;
                    $(
                        if index < count {
                            field_kind!(@encode writer self.$field; $($kind)+);
                        }
                        index += 1;
                    )*
                });
            }
        }

        impl Default for $name {
            #[inline]
            fn default() -> Self {
                Self { $($field: field_kind!(@default $($kind)+)),* }
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut print = f.debug_struct(stringify!($name));
                $(field_kind!(@debug print stringify!($field), &self.$field; $($kind)+);)*
                print.finish()
            }
        }
    };
}

/// A restricted type (1.4) with choices. An `enum` where the set of choices is closed, constants where it is open.
macro_rules! restricted {
    (
        $(#[$meta:meta])*
        pub enum $name:ident: $source:ident as $spec:literal {
            $($(#[$choice_meta:meta])* $choice:ident = $value:literal $text:literal),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$choice_meta])* $choice,)*
        }

        impl $name {
            /// What the specification says about the type.
            pub const INFO: $crate::RestrictedInfo = $crate::RestrictedInfo {
                name: $spec,
                source: restricted!(@source $source),
                choices: &[$(($text, restricted!(@text $value))),*],
            };

            /// The choice in the words of the specification.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$choice => $text,)* }
            }
        }

        impl<'a> $crate::Decode<'a> for $name {
            #[inline]
            fn decode(reader: &mut $crate::Reader<'a>) -> Result<Self, $crate::DecodeError> {
                match restricted!(@read reader $source)? {
                    $($value => Ok(Self::$choice),)*
                    #[allow(unreachable_patterns, reason = "a boolean has no third choice")]
                    other => Err($crate::composite::invalid_choice(reader, $spec, &other)),
                }
            }
        }

        impl $crate::Encode for $name {
            #[inline]
            fn encode(&self, writer: &mut $crate::Writer<'_>) {
                match self { $(Self::$choice => writer.$source($value),)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
    (
        $(#[$meta:meta])*
        pub symbols $table:ident as $spec:literal {
            $($(#[$choice_meta:meta])* $choice:ident = $value:literal $text:literal),* $(,)?
        }
    ) => {
        $($(#[$choice_meta])* pub const $choice: $crate::Symbol = $crate::Symbol::from_static($value);)*

        $(#[$meta])*
        pub const $table: $crate::RestrictedInfo = $crate::RestrictedInfo {
            name: $spec,
            source: "symbol",
            choices: &[$(($text, $value)),*],
        };
    };
    (@source bool) => { "boolean" };
    (@source $source:ident) => { stringify!($source) };
    (@read $reader:ident bool) => { $reader.read_bool() };
    (@read $reader:ident ubyte) => { $reader.read_ubyte() };
    (@read $reader:ident uint) => { $reader.read_uint() };
    (@read $reader:ident symbol) => { $reader.read_symbol() };
    (@text $value:literal) => { concat!($value) };
}

#[inline]
pub(crate) fn expect_descriptor(
    reader: &mut Reader<'_>,
    code: u64,
    name: &'static str,
) -> Result<(), DecodeError> {
    let at = reader.offset();
    match reader.read_descriptor()? {
        crate::Descriptor::Code(found) if found == code => Ok(()),
        crate::Descriptor::Symbol(found) if found == name => Ok(()),
        found => Err(crate::skip::unexpected_descriptor(name, found, at)),
    }
}

#[cold]
pub(crate) fn too_many(reader: &Reader<'_>, limit: usize, found: u32) -> DecodeError {
    reader.error(DecodeErrorKind::TooManyFields { limit, found })
}

#[cold]
pub(crate) fn invalid_choice(
    reader: &Reader<'_>,
    type_name: &'static str,
    value: &dyn std::fmt::Debug,
) -> DecodeError {
    reader.error(DecodeErrorKind::InvalidChoice(format!("{value:?} of {type_name}")))
}

/// Whether the next field is there: not left out at the end of the list, and not null.
#[inline(always)]
fn present(reader: &mut Reader<'_>, left: &mut u32) -> bool {
    if *left == 0 {
        return false;
    }
    *left -= 1;
    !reader.take_null()
}

#[inline(always)]
pub(crate) fn optional<'a, T: crate::Decode<'a>>(
    reader: &mut Reader<'a>,
    left: &mut u32,
    type_name: &'static str,
    field: &'static str,
) -> Result<Option<T>, DecodeError> {
    if present(reader, left) {
        T::decode(reader).map(Some).map_err(|error| error.within(type_name, field))
    } else {
        Ok(None)
    }
}

#[inline(always)]
pub(crate) fn mandatory<'a, T: crate::Decode<'a>>(
    reader: &mut Reader<'a>,
    left: &mut u32,
    type_name: &'static str,
    field: &'static str,
) -> Result<T, DecodeError> {
    if present(reader, left) {
        T::decode(reader).map_err(|error| error.within(type_name, field))
    } else {
        Err(missing(reader, type_name, field))
    }
}

#[cold]
fn missing(reader: &Reader<'_>, type_name: &'static str, field: &'static str) -> DecodeError {
    reader.error(DecodeErrorKind::MissingField).within(type_name, field)
}

pub(crate) fn mandatory_multiple(
    reader: &mut Reader<'_>,
    left: &mut u32,
    type_name: &'static str,
    field: &'static str,
) -> Result<Vec<Symbol>, DecodeError> {
    if *left == 0 || reader.peek_code() == Some(codes::NULL) {
        return Err(missing(reader, type_name, field));
    }
    multiple(reader, left, type_name, field)
}

/// A field with several values: null for none, the value itself for one, else an array (1.4).
pub(crate) fn multiple(
    reader: &mut Reader<'_>,
    left: &mut u32,
    type_name: &'static str,
    field: &'static str,
) -> Result<Vec<Symbol>, DecodeError> {
    if present(reader, left) {
        decode_multiple(reader).map_err(|error| error.within(type_name, field))
    } else {
        Ok(Vec::new())
    }
}

fn decode_multiple(reader: &mut Reader<'_>) -> Result<Vec<Symbol>, DecodeError> {
    let at = reader.offset();
    if let Some(codes::SYM8 | codes::SYM32) = reader.peek_code() {
        return Ok(vec![Symbol::from(reader.read_symbol()?)]);
    }
    let code = reader.byte()?;
    let array = reader.enter_array(code, at)?;
    let at = reader.offset();
    let constructor = reader.byte()?;
    let mut symbols = Vec::new();
    for _ in 0..array.count() {
        let bytes = match constructor {
            codes::SYM8 => reader.raw_bytes8()?,
            codes::SYM32 => reader.raw_bytes32()?,
            found => {
                return Err(DecodeError::new(
                    DecodeErrorKind::UnexpectedType { expected: "symbol", found },
                    at,
                ));
            }
        };
        symbols.push(Symbol::from(reader.ascii(bytes)?));
    }
    reader.end(array)?;
    Ok(symbols)
}

/// Always an array, even for one value: every peer understands that.
pub(crate) fn encode_multiple(writer: &mut Writer<'_>, symbols: &[Symbol]) {
    writer.array(length32(symbols.len()), |writer| {
        let short = symbols.iter().all(|symbol| symbol.as_str().len() <= 0xff);
        writer.raw(&[if short { codes::SYM8 } else { codes::SYM32 }]);
        for symbol in symbols {
            let bytes = symbol.as_str().as_bytes();
            if short {
                writer.raw(&[bytes.len() as u8]);
            } else {
                writer.raw(&length32(bytes.len()).to_be_bytes());
            }
            writer.raw(bytes);
        }
    });
}

/// The numeric descriptor for a symbolic one of the specification.
#[cold]
pub(crate) fn code_of(symbol: &str) -> Option<u64> {
    crate::tables::COMPOSITES
        .iter()
        .map(|info| (info.name, info.code))
        .chain(crate::tables::SECTIONS.iter().copied())
        .find(|(name, _)| *name == symbol)
        .map(|(_, code)| code)
}
