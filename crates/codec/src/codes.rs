//! Constructor bytes of the primitive encodings (1.6).

macro_rules! codes {
    ($($name:ident = $code:literal $text:literal;)*) => {
        $(#[doc = concat!("Constructor of ", $text, ".")] pub const $name: u8 = $code;)*

        /// The type that a constructor stands for, in the words of the specification.
        pub(crate) fn name(code: u8) -> &'static str {
            match code {
                $($name => $text,)*
                _ => "an unknown constructor",
            }
        }
    };
}

codes! {
    DESCRIBED = 0x00 "a described value";
    NULL = 0x40 "null";
    TRUE = 0x41 "boolean";
    FALSE = 0x42 "boolean";
    UINT0 = 0x43 "uint";
    ULONG0 = 0x44 "ulong";
    LIST0 = 0x45 "list";
    UBYTE = 0x50 "ubyte";
    BYTE = 0x51 "byte";
    SMALLUINT = 0x52 "uint";
    SMALLULONG = 0x53 "ulong";
    SMALLINT = 0x54 "int";
    SMALLLONG = 0x55 "long";
    BOOLEAN = 0x56 "boolean";
    USHORT = 0x60 "ushort";
    SHORT = 0x61 "short";
    UINT = 0x70 "uint";
    INT = 0x71 "int";
    FLOAT = 0x72 "float";
    CHAR = 0x73 "char";
    DECIMAL32 = 0x74 "decimal32";
    ULONG = 0x80 "ulong";
    LONG = 0x81 "long";
    DOUBLE = 0x82 "double";
    TIMESTAMP = 0x83 "timestamp";
    DECIMAL64 = 0x84 "decimal64";
    DECIMAL128 = 0x94 "decimal128";
    UUID = 0x98 "uuid";
    VBIN8 = 0xa0 "binary";
    STR8 = 0xa1 "string";
    SYM8 = 0xa3 "symbol";
    VBIN32 = 0xb0 "binary";
    STR32 = 0xb1 "string";
    SYM32 = 0xb3 "symbol";
    LIST8 = 0xc0 "list";
    MAP8 = 0xc1 "map";
    LIST32 = 0xd0 "list";
    MAP32 = 0xd1 "map";
    ARRAY8 = 0xe0 "array";
    ARRAY32 = 0xf0 "array";
}
