//! The tables of the crate against the XML of the specification: the specification is right.
//!
//! The XML files are looked for in the directory that `DEUTERON_SPEC` names, else beside the workspace. Without them
//! nothing can be compared; with `CI` set that is a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use deuteron_codec::{CompositeInfo, FieldInfo, MIN_MAX_FRAME_SIZE, tables};

type Attributes = BTreeMap<String, String>;

/// A start tag.
#[derive(Debug)]
struct Tag {
    name: String,
    attributes: Attributes,
}

impl Tag {
    fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).map(String::as_str)
    }

    fn name_attribute(&self) -> &str {
        self.get("name").unwrap_or_else(|| panic!("<{}> without a name", self.name))
    }
}

/// A `<type>` with the tags inside it.
#[derive(Debug)]
struct SpecType {
    tag: Tag,
    children: Vec<Tag>,
}

/// Start tags in order; an empty name stands for the end of a `<type>`. Enough of XML for these files.
fn tags(xml: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = xml;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = &comment[comment.find("-->").expect("the comment ends") + 3..];
            continue;
        }
        let end = rest.find('>').expect("the tag ends");
        let text = &rest[..end];
        rest = &rest[end + 1..];
        if text.starts_with('?') {
            continue;
        }
        if text == "/type" {
            tags.push(Tag { name: String::new(), attributes: Attributes::new() });
        }
        if text.starts_with('/') {
            continue;
        }
        let empty = text.ends_with('/');
        let text = text.trim_end_matches('/');
        let (name, mut attributes_text) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let mut attributes = Attributes::new();
        while let Some((key, after)) = attributes_text.split_once("=\"") {
            let (value, after) = after.split_once('"').expect("the attribute ends");
            attributes.insert(key.trim().to_owned(), value.to_owned());
            attributes_text = after;
        }
        tags.push(Tag { name: name.to_owned(), attributes });
        if name == "type" && empty {
            tags.push(Tag { name: String::new(), attributes: Attributes::new() });
        }
    }
    tags
}

struct Spec {
    types: BTreeMap<String, SpecType>,
    definitions: BTreeMap<String, String>,
}

fn spec() -> Option<Spec> {
    let directory = std::env::var_os("DEUTERON_SPEC").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/spec"),
        PathBuf::from,
    );
    let mut spec = Spec { types: BTreeMap::new(), definitions: BTreeMap::new() };
    for file in ["types", "transport", "messaging", "transactions", "security"] {
        let path = directory.join(file).with_extension("xml");
        let Ok(xml) = std::fs::read_to_string(&path) else {
            let missing = format!("{} cannot be read: name the directory in DEUTERON_SPEC", path.display());
            assert!(std::env::var_os("CI").is_none(), "{missing}");
            eprintln!("LEFT OUT: the tables were not compared with the specification. {missing}");
            return None;
        };
        let mut open: Option<SpecType> = None;
        for tag in tags(&xml) {
            match tag.name.as_str() {
                "type" => open = Some(SpecType { tag, children: Vec::new() }),
                "" => {
                    let closed = open.take().expect("a type is open");
                    spec.types.insert(closed.tag.name_attribute().to_owned(), closed);
                }
                "definition" => {
                    let value = tag.get("value").expect("a definition has a value").to_owned();
                    spec.definitions.insert(tag.name_attribute().to_owned(), value);
                }
                _ => {
                    if let Some(open) = &mut open {
                        open.children.push(tag);
                    }
                }
            }
        }
    }
    Some(spec)
}

fn code(descriptor: &Tag) -> u64 {
    let (domain, id) = descriptor.get("code").and_then(|code| code.split_once(':')).expect("a code");
    let parse = |hex: &str| u64::from_str_radix(hex.trim_start_matches("0x"), 16).expect("hexadecimal");
    parse(domain) << 32 | parse(id)
}

/// `SenderSettleMode::Mixed` is `mixed`, `4` is `4`.
fn default_in_words_of_the_spec(default: &str) -> String {
    let last = default.rsplit("::").next().unwrap_or(default).trim();
    let mut words = String::new();
    for (i, letter) in last.chars().enumerate() {
        if letter.is_uppercase() && i > 0 {
            words.push('-');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn check_field(composite: &CompositeInfo, field: &FieldInfo, expected: &Tag) {
    let place = format!("{} of {}", expected.name_attribute(), composite.name);
    assert_eq!(field.name, expected.name_attribute(), "{place}: name or order");
    assert_eq!(Some(field.type_name), expected.get("type"), "{place}: type");
    assert_eq!(field.mandatory, expected.get("mandatory") == Some("true"), "{place}: mandatory");
    assert_eq!(field.multiple, expected.get("multiple") == Some("true"), "{place}: multiple");
    let default = field.default.map(default_in_words_of_the_spec);
    assert_eq!(default.as_deref(), expected.get("default"), "{place}: default");
}

#[test]
fn composites_are_those_of_the_specification() {
    let Some(spec) = spec() else { return };
    let mut seen = BTreeSet::new();
    for composite in tables::COMPOSITES {
        let name = composite.short_name();
        assert!(seen.insert(name), "{name} is listed twice");
        let expected = spec.types.get(name).unwrap_or_else(|| panic!("the specification has no {name}"));
        assert_eq!(expected.tag.get("class"), Some("composite"), "{name}");
        let descriptor = &expected.children[0];
        assert_eq!(Some(composite.name), descriptor.get("name"));
        assert_eq!(composite.code, code(descriptor), "{name}");
        let fields: Vec<&Tag> = expected.children.iter().filter(|tag| tag.name == "field").collect();
        assert_eq!(composite.fields.len(), fields.len(), "number of fields of {name}");
        for (field, expected) in composite.fields.iter().zip(fields) {
            check_field(composite, field, expected);
        }
    }
    let all: BTreeSet<&str> = spec
        .types
        .values()
        .filter(|expected| expected.tag.get("class") == Some("composite"))
        .map(|expected| expected.tag.name_attribute())
        .collect();
    assert_eq!(seen, all, "left: ours, right: the specification's");
}

#[test]
fn choices_are_those_of_the_specification() {
    let Some(spec) = spec() else { return };
    let mut seen = BTreeSet::new();
    for restricted in tables::RESTRICTED {
        assert!(seen.insert(restricted.name), "{} is listed twice", restricted.name);
        let expected = spec.types.get(restricted.name);
        let expected = expected.unwrap_or_else(|| panic!("the specification has no {}", restricted.name));
        assert_eq!(Some(restricted.source), expected.tag.get("source"), "{}", restricted.name);
        let choices: Vec<(&str, &str)> = expected
            .children
            .iter()
            .filter(|tag| tag.name == "choice")
            .map(|tag| (tag.name_attribute(), tag.get("value").expect("a choice has a value")))
            .collect();
        assert_eq!(restricted.choices, choices, "{}", restricted.name);
    }
    let all: BTreeSet<&str> = spec
        .types
        .values()
        .filter(|expected| expected.children.iter().any(|tag| tag.name == "choice"))
        .map(|expected| expected.tag.name_attribute())
        .collect();
    assert_eq!(seen, all, "left: ours, right: the specification's");
}

#[test]
fn sections_are_those_of_the_specification() {
    let Some(spec) = spec() else { return };
    let described: BTreeSet<(&str, u64)> = spec
        .types
        .values()
        .filter(|expected| expected.tag.get("class") == Some("restricted"))
        .flat_map(|expected| expected.children.iter().filter(|tag| tag.name == "descriptor"))
        .map(|descriptor| (descriptor.name_attribute(), code(descriptor)))
        .collect();
    assert_eq!(tables::SECTIONS.iter().copied().collect::<BTreeSet<_>>(), described);
}

#[test]
fn definitions_are_those_of_the_specification() {
    let Some(spec) = spec() else { return };
    assert_eq!(spec.definitions["MIN-MAX-FRAME-SIZE"], MIN_MAX_FRAME_SIZE.to_string());
    for (header, prefix) in [
        (deuteron_codec::AMQP_HEADER, ""),
        (deuteron_codec::TLS_HEADER, "TLS-"),
        (deuteron_codec::SASL_HEADER, "SASL-"),
    ] {
        assert_eq!(spec.definitions[&format!("{prefix}MAJOR")], header.major.to_string());
        assert_eq!(spec.definitions[&format!("{prefix}MINOR")], header.minor.to_string());
        assert_eq!(spec.definitions[&format!("{prefix}REVISION")], header.revision.to_string());
    }
}

#[test]
fn every_primitive_encoding_of_the_specification_is_read() {
    let Some(spec) = spec() else { return };
    let mut encodings = 0;
    for primitive in spec.types.values().filter(|expected| expected.tag.get("class") == Some("primitive")) {
        let name = primitive.tag.name_attribute();
        for encoding in primitive.children.iter().filter(|tag| tag.name == "encoding") {
            let code = encoding.get("code").expect("a code").trim_start_matches("0x");
            let code = u8::from_str_radix(code, 16).expect("hexadecimal");
            let width: usize = encoding.get("width").expect("a width").parse().expect("a number");
            let bytes: Vec<u8> = match encoding.get("category") {
                Some("fixed") => [vec![code], vec![0; width]].concat(),
                Some("variable") => [vec![code], vec![0; width]].concat(),
                // Size, count 0; and for arrays the constructor of the elements that are not there.
                Some("compound") if width == 1 => vec![code, 1, 0],
                Some("compound") => vec![code, 0, 0, 0, 4, 0, 0, 0, 0],
                Some("array") if width == 1 => vec![code, 2, 0, 0x40],
                Some("array") => vec![code, 0, 0, 0, 5, 0, 0, 0, 0, 0x40],
                other => panic!("{name} has an encoding of category {other:?}"),
            };
            let mut reader = deuteron_codec::Reader::new(&bytes);
            let value: deuteron_codec::Value = deuteron_codec::Decode::decode(&mut reader)
                .unwrap_or_else(|error| panic!("{name} 0x{code:02x}: {error}"));
            assert!(reader.is_empty(), "{name} 0x{code:02x}");
            let primitive = deuteron_codec::Primitive::of(&value).expect("a primitive");
            assert_eq!(primitive.name(), name, "0x{code:02x}");
            encodings += 1;
        }
    }
    assert_eq!(encodings, 39, "the specification has 39 encodings");
}
