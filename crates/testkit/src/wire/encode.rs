use super::Plain;

/// The bytes of a value, each in its shortest encoding.
pub fn encoded(value: &Plain) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out);
    out
}

/// Appends the bytes of a value, each in its shortest encoding.
///
/// # Panics
/// If an array mixes types, or a size does not fit its four-byte length.
pub fn encode(value: &Plain, out: &mut Vec<u8>) {
    match value {
        Plain::Null => out.push(0x40),
        Plain::Bool(true) => out.push(0x41),
        Plain::Bool(false) => out.push(0x42),
        Plain::Uint(0) => out.push(0x43),
        Plain::Ulong(0) => out.push(0x44),
        Plain::Uint(n) if *n < 256 => out.extend([0x52, *n as u8]),
        Plain::Ulong(n) if *n < 256 => out.extend([0x53, *n as u8]),
        Plain::Int(n) if (-128..128).contains(n) => out.extend([0x54, *n as u8]),
        Plain::Long(n) if (-128..128).contains(n) => out.extend([0x55, *n as u8]),
        Plain::Binary(bytes) if bytes.len() < 256 => short(0xa0, bytes, out),
        Plain::String(text) if text.len() < 256 => short(0xa1, text.as_bytes(), out),
        Plain::Symbol(text) if text.len() < 256 => short(0xa3, text.as_bytes(), out),
        Plain::List(values) if values.is_empty() => out.push(0x45),
        Plain::List(values) => compound(0xc0, values.len(), &contents(values), out),
        Plain::Map(entries) => compound(0xc1, entries.len() * 2, &map_contents(entries), out),
        Plain::Array(values) => compound(0xe0, values.len(), &array_contents(values), out),
        Plain::Described(descriptor, value) => {
            out.push(0x00);
            encode(descriptor, out);
            encode(value, out);
        }
        wide => {
            out.push(wide_code(wide));
            wide_body(wide, out);
        }
    }
}

fn short(code: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.extend([code, bytes.len() as u8]);
    out.extend(bytes);
}

/// A list, map or array: `code` is the one-byte-length form, 0x10 higher is the four-byte-length form.
fn compound(code: u8, count: usize, contents: &[u8], out: &mut Vec<u8>) {
    if count < 256 && contents.len() + 1 < 256 {
        out.extend([code, contents.len() as u8 + 1, count as u8]);
    } else {
        out.push(code + 0x10);
        wide_length(contents.len() + 4, out);
        wide_length(count, out);
    }
    out.extend(contents);
}

fn wide_length(length: usize, out: &mut Vec<u8>) {
    out.extend(u32::try_from(length).expect("the length fits four bytes").to_be_bytes());
}

fn contents(values: &[Plain]) -> Vec<u8> {
    let mut out = Vec::new();
    values.iter().for_each(|value| encode(value, &mut out));
    out
}

fn map_contents(entries: &[(Plain, Plain)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in entries {
        encode(key, &mut out);
        encode(value, &mut out);
    }
    out
}

/// One constructor for all elements, then their bodies. The wide encoding is always right. An empty array has
/// to name some type: it says null.
fn array_contents(values: &[Plain]) -> Vec<u8> {
    let mut out = Vec::new();
    let Some(first) = values.first() else { return vec![0x40] };
    if let Plain::Described(descriptor, _) = first {
        out.push(0x00);
        encode(descriptor, &mut out);
    }
    let code = wide_code(bare(first));
    out.push(code);
    for value in values {
        assert_eq!(wide_code(bare(value)), code, "an array holds one type: {value} beside {first}");
        wide_body(bare(value), &mut out);
    }
    out
}

fn bare(value: &Plain) -> &Plain {
    if let Plain::Described(_, value) = value { value } else { value }
}

/// The code of the encoding that holds every value of the type.
fn wide_code(value: &Plain) -> u8 {
    match value {
        Plain::Null => 0x40,
        Plain::Bool(_) => 0x56,
        Plain::Ubyte(_) => 0x50,
        Plain::Ushort(_) => 0x60,
        Plain::Uint(_) => 0x70,
        Plain::Ulong(_) => 0x80,
        Plain::Byte(_) => 0x51,
        Plain::Short(_) => 0x61,
        Plain::Int(_) => 0x71,
        Plain::Long(_) => 0x81,
        Plain::Float(_) => 0x72,
        Plain::Double(_) => 0x82,
        Plain::Decimal32(_) => 0x74,
        Plain::Decimal64(_) => 0x84,
        Plain::Decimal128(_) => 0x94,
        Plain::Char(_) => 0x73,
        Plain::Timestamp(_) => 0x83,
        Plain::Uuid(_) => 0x98,
        Plain::Binary(_) => 0xb0,
        Plain::String(_) => 0xb1,
        Plain::Symbol(_) => 0xb3,
        Plain::List(_) => 0xd0,
        Plain::Map(_) => 0xd1,
        Plain::Array(_) => 0xf0,
        Plain::Described(..) => panic!("a described value has no code of its own: {value}"),
    }
}

/// The value after its code, in the wide encoding.
fn wide_body(value: &Plain, out: &mut Vec<u8>) {
    match value {
        Plain::Null => {}
        Plain::Bool(value) => out.push(u8::from(*value)),
        Plain::Ubyte(n) => out.push(*n),
        Plain::Ushort(n) => out.extend(n.to_be_bytes()),
        Plain::Uint(n) => out.extend(n.to_be_bytes()),
        Plain::Ulong(n) => out.extend(n.to_be_bytes()),
        Plain::Byte(n) => out.push(*n as u8),
        Plain::Short(n) => out.extend(n.to_be_bytes()),
        Plain::Int(n) => out.extend(n.to_be_bytes()),
        Plain::Long(n) => out.extend(n.to_be_bytes()),
        Plain::Float(n) => out.extend(n.to_be_bytes()),
        Plain::Double(n) => out.extend(n.to_be_bytes()),
        Plain::Decimal32(bytes) => out.extend(bytes),
        Plain::Decimal64(bytes) => out.extend(bytes),
        Plain::Decimal128(bytes) => out.extend(bytes),
        Plain::Char(c) => out.extend(u32::from(*c).to_be_bytes()),
        Plain::Timestamp(ms) => out.extend(ms.to_be_bytes()),
        Plain::Uuid(bytes) => out.extend(bytes),
        Plain::Binary(bytes) => long(bytes, out),
        Plain::String(text) | Plain::Symbol(text) => long(text.as_bytes(), out),
        Plain::List(values) => long_compound(values.len(), &contents(values), out),
        Plain::Map(entries) => long_compound(entries.len() * 2, &map_contents(entries), out),
        Plain::Array(values) => long_compound(values.len(), &array_contents(values), out),
        Plain::Described(..) => panic!("arrays of twice described values are not supported: {value}"),
    }
}

fn long(bytes: &[u8], out: &mut Vec<u8>) {
    wide_length(bytes.len(), out);
    out.extend(bytes);
}

fn long_compound(count: usize, contents: &[u8], out: &mut Vec<u8>) {
    wide_length(contents.len() + 4, out);
    wide_length(count, out);
    out.extend(contents);
}
