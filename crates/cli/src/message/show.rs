//! Messages to read: the lines of `--full`, and bodies alone.

use std::io::Write as _;

use deuteron::{Body, Map, Message};

use super::{json_write, time};

/// Writes the body as a line without its end: text as it is, other bytes by their number, other values as JSON.
pub(crate) fn body(out: &mut Vec<u8>, body: &Body) {
    match (body.as_text(), body) {
        (Some(text), _) => out.extend_from_slice(text.as_bytes()),
        (None, Body::Data(sections)) => {
            let size: usize = sections.iter().map(|section| section.len()).sum();
            let _ = write!(out, "({size} bytes)");
        }
        (None, Body::Value(value)) => match value.as_bytes() {
            Some(bytes) => drop(write!(out, "({} bytes)", bytes.len())),
            None => json_write::value(out, value),
        },
        (None, Body::Sequence(sections)) => {
            let values: Vec<_> = sections.iter().flatten().cloned().collect();
            json_write::value(out, &values.into());
        }
        (None, Body::Empty) => {}
    }
}

/// The bytes of the body: text and binaries as they are, other values as JSON.
pub(crate) fn bytes(out: &mut Vec<u8>, content: &Body) {
    match content {
        Body::Data(sections) => sections.iter().for_each(|section| out.extend_from_slice(section)),
        Body::Value(value) if value.as_bytes().is_some() => {
            out.extend_from_slice(value.as_bytes().map_or(&[], |bytes| bytes));
        }
        other => body(out, other),
    }
}

/// Writes all of the message, several lines and an empty one.
pub(crate) fn full(out: &mut Vec<u8>, number: u64, message: &Message) {
    line(out, &format!("message {number}"), "");
    if let Some(header) = &message.header {
        let ttl = header.ttl.map_or_else(String::new, |ttl| format!(" ttl={ttl}ms"));
        let durable = if header.durable { "durable " } else { "" };
        let acquirer = if header.first_acquirer { " first-acquirer" } else { "" };
        let text = format!(
            "{durable}priority={}{ttl} delivery-count={}{acquirer}",
            header.priority, header.delivery_count
        );
        line(out, "  header", &text);
    }
    properties(out, message);
    for (name, map) in [
        ("delivery annotation", &message.delivery_annotations),
        ("annotation", &message.message_annotations),
        ("property", &message.application_properties),
    ] {
        entries(out, name, map.as_ref());
    }
    let kind = match &message.body {
        Body::Empty => "no body",
        Body::Value(_) => "body (value)",
        Body::Data(_) => "body (data)",
        Body::Sequence(_) => "body (sequence)",
    };
    let mut text = Vec::new();
    body(&mut text, &message.body);
    line(out, &format!("  {kind}"), &String::from_utf8_lossy(&text));
    entries(out, "footer", message.footer.as_ref());
    out.push(b'\n');
}

fn properties(out: &mut Vec<u8>, message: &Message) {
    let Some(properties) = &message.properties else { return };
    let mut show = |name: &str, text: Option<String>| {
        if let Some(text) = text {
            line(out, &format!("  {name}"), &text);
        }
    };
    let when = |at: deuteron::codec::Timestamp| time::format(at).unwrap_or_else(|| format!("{at} ms"));
    show("message-id", properties.message_id.as_ref().map(ToString::to_string));
    show("user-id", properties.user_id.as_ref().map(|id| id.escape_ascii().to_string()));
    show("to", properties.to.clone());
    show("subject", properties.subject.clone());
    show("reply-to", properties.reply_to.clone());
    show("correlation-id", properties.correlation_id.as_ref().map(ToString::to_string));
    show("content-type", properties.content_type.as_ref().map(|name| name.as_str().to_owned()));
    show("content-encoding", properties.content_encoding.as_ref().map(|name| name.as_str().to_owned()));
    show("absolute-expiry-time", properties.absolute_expiry_time.map(when));
    show("creation-time", properties.creation_time.map(when));
    show("group-id", properties.group_id.clone());
    show("group-sequence", properties.group_sequence.map(|number| number.to_string()));
    show("reply-to-group-id", properties.reply_to_group_id.clone());
}

fn entries(out: &mut Vec<u8>, name: &str, map: Option<&Map>) {
    for (key, value) in map.into_iter().flat_map(Map::iter) {
        let mut text = Vec::new();
        match key.as_str() {
            Some(key) => text.extend_from_slice(key.as_bytes()),
            None => json_write::value(&mut text, key),
        }
        text.extend_from_slice(b" = ");
        json_write::value(&mut text, value);
        line(out, &format!("  {name}"), &String::from_utf8_lossy(&text));
    }
}

fn line(out: &mut Vec<u8>, name: &str, text: &str) {
    // Writing to a vector cannot fail.
    let _ = match text {
        "" => writeln!(out, "{name}"),
        text => writeln!(out, "{name}: {text}"),
    };
}
