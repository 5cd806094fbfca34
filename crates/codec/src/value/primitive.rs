//! The names of the primitive types.

use crate::codes;
use crate::value::Value;

macro_rules! primitives {
    ($($name:ident $text:literal ($($value:ident),+) [$($code:ident)*],)*) => {
        /// A primitive type (1.6).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Primitive {
            $(#[doc = $text] $name,)*
        }

        impl Primitive {
            /// The type's name in the specification.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The type of a value; `None` for described values.
            #[must_use]
            pub const fn of(value: &Value) -> Option<Self> {
                match value {
                    $($(Value::$value { .. } => Some(Self::$name),)+)*
                    Value::Described(_) => None,
                }
            }

            /// The type that a constructor stands for.
            pub(crate) const fn of_code(code: u8) -> Option<Self> {
                match code {
                    $($(codes::$code)|* => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

primitives! {
    Null "null" (Null) [NULL],
    Boolean "boolean" (Bool) [TRUE FALSE BOOLEAN],
    Ubyte "ubyte" (Ubyte) [UBYTE],
    Ushort "ushort" (Ushort) [USHORT],
    Uint "uint" (Uint) [UINT0 SMALLUINT UINT],
    Ulong "ulong" (Ulong) [ULONG0 SMALLULONG ULONG],
    Byte "byte" (Byte) [BYTE],
    Short "short" (Short) [SHORT],
    Int "int" (Int) [SMALLINT INT],
    Long "long" (Long) [SMALLLONG LONG],
    Float "float" (Float) [FLOAT],
    Double "double" (Double) [DOUBLE],
    Decimal32 "decimal32" (Decimal32) [DECIMAL32],
    Decimal64 "decimal64" (Decimal64) [DECIMAL64],
    Decimal128 "decimal128" (Decimal128) [DECIMAL128],
    Char "char" (Char) [CHAR],
    Timestamp "timestamp" (Timestamp) [TIMESTAMP],
    Uuid "uuid" (Uuid) [UUID],
    Binary "binary" (Binary) [VBIN8 VBIN32],
    String "string" (String) [STR8 STR32],
    Symbol "symbol" (Symbol) [SYM8 SYM32],
    List "list" (List) [LIST0 LIST8 LIST32],
    Map "map" (Map) [MAP8 MAP32],
    Array "array" (Array) [ARRAY8 ARRAY32],
}
