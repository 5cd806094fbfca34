//! Frames as lines of text, in the manner of Proton's `PN_TRACE_FRM`.
//!
//! Lines are made from the encoded frame, so they show what is on the wire. What may hold a password shows as `***`.

use std::fmt::Write;

use crate::composite::{CompositeInfo, FieldInfo};
use crate::error::DecodeError;
use crate::value::TextVisitor;
use crate::{Limits, ProtocolHeader, Reader, codes, tables, visit};

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the peer.
    In,
    /// To the peer.
    Out,
}

impl Direction {
    const fn arrow(self) -> &'static str {
        match self {
            Self::In => "<-",
            Self::Out => "->",
        }
    }
}

/// How many bytes of a payload, string or binary are shown.
const LONGEST: usize = 64;

/// One line for the body of a frame: performative, and payload if there is one. Works for AMQP and SASL frames.
///
/// ```
/// use deuteron_codec::trace::{Direction, trace_frame};
/// use deuteron_codec::{Open, to_bytes};
///
/// let open = Open { container_id: "north".into(), ..Open::default() };
/// assert_eq!(
///     trace_frame(Direction::Out, 0, &to_bytes(&open)),
///     "0 -> @open(16) [container-id=\"north\"]",
/// );
/// ```
#[must_use]
pub fn trace_frame(direction: Direction, channel: u16, body: &[u8]) -> String {
    let mut line = format!("{channel} {} ", direction.arrow());
    if body.is_empty() {
        line.push_str("(empty frame)");
        return line;
    }
    let mut reader = Reader::with_limits(body, Limits::default());
    match write_value(&mut line, &mut reader) {
        Ok(()) => write_payload(&mut line, reader.remaining(), reader.remaining().len()),
        Err(error) => {
            let _ = write!(line, " (malformed: {error})");
        }
    }
    line
}

/// One line for a frame whose payload is kept apart from its performative.
#[must_use]
pub fn trace_frame_with(direction: Direction, channel: u16, performative: &[u8], payload: &[u8]) -> String {
    let mut line = trace_frame(direction, channel, performative);
    write_payload(&mut line, payload, payload.len());
    line
}

/// One line for a protocol header.
///
/// ```
/// use deuteron_codec::SASL_HEADER;
/// use deuteron_codec::trace::{Direction, trace_header};
///
/// assert_eq!(trace_header(Direction::In, SASL_HEADER), "  <- SASL 1.0.0");
/// ```
#[must_use]
pub fn trace_header(direction: Direction, header: ProtocolHeader) -> String {
    let ProtocolHeader { major, minor, revision, .. } = header;
    format!("  {} {} {major}.{minor}.{revision}", direction.arrow(), header.name())
}

fn write_payload(line: &mut String, payload: &[u8], size: usize) {
    if size > 0 {
        let shown = payload.get(..LONGEST).unwrap_or(payload);
        let more = if shown.len() < size { "..." } else { "" };
        let _ = write!(line, " ({size}) \"{}\"{more}", shown.escape_ascii());
    }
}

/// Composites of the specification are shown with their field names, all other values as they are.
fn write_value(line: &mut String, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    if reader.peek_code() == Some(codes::DESCRIBED)
        && let Ok(Some(code)) = reader.peek_descriptor()
        && let Some(info) = tables::composite(code)
    {
        reader.read_descriptor()?;
        return write_composite(line, reader, info);
    }
    visit(reader, &mut TextVisitor { text: line, longest: LONGEST })
}

fn write_composite(
    line: &mut String,
    reader: &mut Reader<'_>,
    info: &CompositeInfo,
) -> Result<(), DecodeError> {
    let _ = write!(line, "@{}({}) [", info.short_name(), info.code);
    let list = reader.begin_list()?;
    let mut first = true;
    for i in 0..list.count() {
        if reader.take_null() {
            continue;
        }
        if !std::mem::take(&mut first) {
            line.push_str(", ");
        }
        let field = info.fields.get(i as usize);
        let _ = write!(line, "{}=", field.map_or("?", |field| field.name));
        write_field(line, reader, field)?;
    }
    reader.end(list)?;
    line.push(']');
    Ok(())
}

fn write_field(
    line: &mut String,
    reader: &mut Reader<'_>,
    field: Option<&FieldInfo>,
) -> Result<(), DecodeError> {
    if field.is_some_and(|field| field.secret) {
        reader.skip()?;
        line.push_str("***");
        return Ok(());
    }
    write_value(line, reader)
}
