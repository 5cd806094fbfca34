//! Who a certificate is about, as text: the identity that SASL EXTERNAL authenticates.

use std::fmt::Write as _;

use rustls::pki_types::CertificateDer;

pub(super) const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const BMP_STRING: u8 = 0x1e;

/// The certificate's subject in the form of RFC 4514 (which replaced RFC 2253): the most specific part first, as in
/// `CN=alice,O=Example`. `None` if it has none, or one that cannot be read.
#[must_use]
pub fn subject_of(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let subject = distinguished_name(certificate.subject())?;
    (!subject.is_empty()).then_some(subject)
}

/// The parts of the certificate's subject in the order in which they stand in it, the most general first: short names (`CN`,
/// `O`; dotted numbers where there is none) and values. Empty if it has none, or one that cannot be read.
#[must_use]
pub fn subject_fields(certificate: &CertificateDer<'_>) -> Vec<(String, String)> {
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return Vec::new() };
    fields(certificate.subject()).unwrap_or_default()
}

fn fields(mut sequence: &[u8]) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    while !sequence.is_empty() {
        let (mut set, rest) = expect(SET, sequence)?;
        sequence = rest;
        while !set.is_empty() {
            let (attribute, rest) = expect(SEQUENCE, set)?;
            set = rest;
            let (kind, value) = expect(OBJECT_IDENTIFIER, attribute)?;
            let (tag, value, _) = element(value)?;
            let mut name = String::new();
            match short_name(kind) {
                Some(known) => name.push_str(known),
                None => write_oid(&mut name, kind)?,
            }
            if let Some(value) = string(tag, value) {
                fields.push((name, value));
            }
        }
    }
    Some(fields)
}

/// The text of an RDNSequence (RFC 5280 section 4.1.2.4), without the outermost tag and length.
fn distinguished_name(mut sequence: &[u8]) -> Option<String> {
    let mut names = Vec::new();
    while !sequence.is_empty() {
        let (mut set, rest) = expect(SET, sequence)?;
        sequence = rest;
        let mut name = String::new();
        while !set.is_empty() {
            let (attribute, rest) = expect(SEQUENCE, set)?;
            set = rest;
            if !name.is_empty() {
                name.push('+');
            }
            write_attribute(&mut name, attribute)?;
        }
        names.push(name);
    }
    names.reverse();
    Some(names.join(","))
}

fn write_attribute(text: &mut String, attribute: &[u8]) -> Option<()> {
    let (kind, rest) = expect(OBJECT_IDENTIFIER, attribute)?;
    let (tag, value, _) = element(rest)?;
    match short_name(kind) {
        Some(name) => text.push_str(name),
        None => write_oid(text, kind)?,
    }
    text.push('=');
    match string(tag, value) {
        Some(value) => escape(text, &value),
        // RFC 4514 section 2.4: '#' and the whole encoding in hexadecimal.
        None => {
            text.push('#');
            for byte in &rest[..rest.len() - element(rest)?.2.len()] {
                write!(text, "{byte:02x}").ok()?;
            }
        }
    }
    Some(())
}

/// The names of RFC 4514 section 3, and the e-mail address, which is common in certificates.
fn short_name(oid: &[u8]) -> Option<&'static str> {
    Some(match oid {
        [0x55, 4, 3] => "CN",
        [0x55, 4, 6] => "C",
        [0x55, 4, 7] => "L",
        [0x55, 4, 8] => "ST",
        [0x55, 4, 9] => "STREET",
        [0x55, 4, 10] => "O",
        [0x55, 4, 11] => "OU",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1] => "UID",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25] => "DC",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1] => "emailAddress",
        _ => return None,
    })
}

/// An object identifier in dotted form (X.690 section 8.19).
fn write_oid(text: &mut String, oid: &[u8]) -> Option<()> {
    let mut arc: u64 = 0;
    let mut first = true;
    for byte in oid {
        arc = arc.checked_mul(128)?.checked_add(u64::from(byte & 0x7f))?;
        if byte & 0x80 != 0 {
            continue;
        }
        if first {
            let root = (arc / 40).min(2);
            write!(text, "{root}.{}", arc - root * 40).ok()?;
            first = false;
        } else {
            write!(text, ".{arc}").ok()?;
        }
        arc = 0;
    }
    Some(())
}

/// The text of a string type; `None` for anything else, or if it is not what its type says.
fn string(tag: u8, value: &[u8]) -> Option<String> {
    match tag {
        // UTF8String, NumericString, PrintableString, IA5String, VisibleString
        0x0c | 0x12 | 0x13 | 0x16 | 0x1a => std::str::from_utf8(value).ok().map(str::to_owned),
        // TeletexString: in practice Latin-1, which is what other readers take it for.
        0x14 => Some(value.iter().map(|byte| char::from(*byte)).collect()),
        BMP_STRING if value.len().is_multiple_of(2) => {
            let units = value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).collect::<Result<_, _>>().ok()
        }
        _ => None,
    }
}

/// RFC 4514 section 2.4. Without it, a name with a comma in it could pass for another one.
fn escape(text: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (index, c) in value.chars().enumerate() {
        let special = matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=')
            || (index == 0 && matches!(c, ' ' | '#'))
            || (index == last && c == ' ');
        if c == '\0' {
            text.push_str("\\00");
            continue;
        }
        if special {
            text.push('\\');
        }
        text.push(c);
    }
}

/// The contents of the element at the start, which has to have this tag, and what follows it.
pub(super) fn expect(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, contents, rest) = element(der)?;
    (found == tag).then_some((contents, rest))
}

/// Tag, contents and rest of the DER element at the start (X.690 section 8.1), with lengths of up to two bytes: more
/// than any name has.
pub(super) fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (length, rest) = match rest {
        [length @ 0..=0x7f, rest @ ..] => (usize::from(*length), rest),
        [0x81, length, rest @ ..] => (usize::from(*length), rest),
        [0x82, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((*tag, contents, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn der(tag: u8, contents: &[u8]) -> Vec<u8> {
        let mut der = vec![tag, u8::try_from(contents.len()).unwrap()];
        der.extend_from_slice(contents);
        der
    }

    fn attribute(oid: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
        der(SEQUENCE, &[der(OBJECT_IDENTIFIER, oid), der(tag, value)].concat())
    }

    const CN: &[u8] = &[0x55, 4, 3];
    const O: &[u8] = &[0x55, 4, 10];

    #[test]
    fn most_specific_part_comes_first() {
        let name = [
            der(SET, &attribute(O, 0x13, b"Example")),
            der(SET, &[attribute(CN, 0x0c, "\u{fc}".as_bytes()), attribute(O, 0x0c, b"b")].concat()),
        ];
        assert_eq!(distinguished_name(&name.concat()).unwrap(), "CN=\u{fc}+O=b,O=Example");
    }

    #[test]
    fn parts_in_their_order() {
        let name = [der(SET, &attribute(O, 0x13, b"Example, Inc.")), der(SET, &attribute(CN, 0x0c, b"a"))];
        let expected = [("O", "Example, Inc."), ("CN", "a")].map(|(name, value)| (name.into(), value.into()));
        assert_eq!(fields(&name.concat()).unwrap(), expected);
    }

    #[test]
    fn special_characters_are_escaped() {
        let name = der(SET, &attribute(CN, 0x0c, b" a,O=x\\\0#\" "));
        assert_eq!(distinguished_name(&name).unwrap(), "CN=\\ a\\,O\\=x\\\\\\00#\\\"\\ ");
        let name = der(SET, &attribute(CN, 0x0c, b"#1"));
        assert_eq!(distinguished_name(&name).unwrap(), "CN=\\#1");
    }

    #[test]
    fn other_types_and_other_strings() {
        let name = der(SET, &attribute(&[0x2a, 0x86, 0x48, 0x01], BMP_STRING, &[0, b'x', 0x20, 0xac]));
        assert_eq!(distinguished_name(&name).unwrap(), "1.2.840.1=x\u{20ac}");
        let name = der(SET, &attribute(CN, 0x02, &[7]));
        assert_eq!(distinguished_name(&name).unwrap(), "CN=#020107");
        let name = der(SET, &attribute(&[0x88, 0x37, 3], 0x14, &[0xfc]));
        assert_eq!(distinguished_name(&name).unwrap(), "2.999.3=\u{fc}");
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(prop_oneof![
            any::<u8>(), Just(SET), Just(SEQUENCE), Just(6), Just(3), Just(0x0c), Just(1)], 0..40)) {
            let _ = distinguished_name(&bytes);
        }
    }
}
