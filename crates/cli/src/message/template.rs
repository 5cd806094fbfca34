//! Messages as the arguments describe them.

use bytes::Bytes;
use deuteron::{Body, Map, Message, Symbol, Value};

use super::{json_read, scalar, time};
use crate::args::{BodyType, MessageArgs};
use crate::failure::Failure;

/// What all messages of a command have.
#[derive(Debug)]
pub(crate) struct Template {
    message: Message,
    priority: Option<u8>,
    body_type: Option<BodyType>,
}

impl Template {
    /// Reads the arguments.
    pub(crate) fn new(args: &MessageArgs) -> Result<Self, Failure> {
        let mut message = Message::default();
        read_header(&mut message, args);
        read_properties(&mut message, args).map_err(Failure::usage)?;
        for property in &args.property {
            let (name, value) = option("--property", scalar::named(property)).map_err(Failure::usage)?;
            message.application_properties.get_or_insert_default().insert(name, value);
        }
        for (name, texts, annotations) in [
            ("--annotation", &args.annotation, &mut message.message_annotations),
            ("--delivery-annotation", &args.delivery_annotation, &mut message.delivery_annotations),
            ("--footer", &args.footer, &mut message.footer),
        ] {
            for text in texts {
                let entry = scalar::named(text).and_then(|(key, value)| Ok((scalar::symbol(&key)?, value)));
                let (key, value) = option(name, entry).map_err(Failure::usage)?;
                annotations.get_or_insert_default().insert(key, value);
            }
        }
        Ok(Self { message, priority: args.priority, body_type: args.body_type })
    }

    /// A message with a body that is text unless the arguments say otherwise.
    pub(crate) fn text(&self, text: String) -> Result<Message, String> {
        let body = match self.body_type.unwrap_or(BodyType::Text) {
            BodyType::Text => Body::from(text),
            BodyType::Binary => Body::Data(vec![text.into()]),
            BodyType::Value => Body::from(json_read::value_text(&text)?),
            BodyType::Sequence => Body::Sequence(vec![json_read::values_text(&text)?]),
        };
        Ok(Message { body, ..self.message.clone() })
    }

    /// A message with a line as its body, which is text unless the arguments say otherwise.
    pub(crate) fn line(&self, line: Vec<u8>) -> Result<Message, String> {
        match self.body_type {
            Some(BodyType::Binary) => self.bytes(line.into()),
            _ => self
                .text(String::from_utf8(line).map_err(|_| "it is not UTF-8; --body-type binary takes it")?),
        }
    }

    /// A message with a body that is binary unless the arguments say otherwise.
    pub(crate) fn bytes(&self, bytes: Bytes) -> Result<Message, String> {
        if self.body_type.is_none_or(|body_type| body_type == BodyType::Binary) {
            return Ok(Message { body: Body::Data(vec![bytes]), ..self.message.clone() });
        }
        let text = String::from_utf8(bytes.into())
            .map_err(|_| "the body is not UTF-8; --body-type binary takes it")?;
        self.text(text)
    }

    /// A message of its own, with what the arguments say instead of what it says itself.
    pub(crate) fn over(&self, mut message: Message) -> Message {
        let template = &self.message;
        if let Some(header) = template.header {
            let own = message.header_mut();
            own.durable |= header.durable;
            own.ttl = header.ttl.or(own.ttl);
            own.priority = self.priority.unwrap_or(own.priority);
        }
        if let Some(over) = &template.properties {
            let own = message.properties_mut();
            macro_rules! replace {
                ($($field:ident)*) => { $(if over.$field.is_some() { own.$field.clone_from(&over.$field); })* };
            }
            replace!(message_id user_id to subject reply_to correlation_id content_type content_encoding);
            replace!(absolute_expiry_time creation_time group_id group_sequence reply_to_group_id);
        }
        merge(&mut message.delivery_annotations, template.delivery_annotations.as_ref());
        merge(&mut message.message_annotations, template.message_annotations.as_ref());
        merge(&mut message.application_properties, template.application_properties.as_ref());
        merge(&mut message.footer, template.footer.as_ref());
        message
    }
}

fn merge(own: &mut Option<Map>, over: Option<&Map>) {
    for (key, value) in over.into_iter().flat_map(Map::iter) {
        own.get_or_insert_default().insert(key.clone(), value.clone());
    }
}

/// Names the option in an error.
fn option<T>(name: &str, result: Result<T, String>) -> Result<T, String> {
    result.map_err(|error| format!("{name}: {error}"))
}

fn read_header(message: &mut Message, args: &MessageArgs) {
    if args.durable {
        message.header_mut().durable = true;
    }
    if let Some(priority) = args.priority {
        message.header_mut().priority = priority;
    }
    if let Some(ttl) = args.ttl {
        message.header_mut().ttl = Some(u32::try_from(ttl.as_millis()).unwrap_or(u32::MAX));
    }
}

fn read_properties(message: &mut Message, args: &MessageArgs) -> Result<(), String> {
    let mut properties = message.properties.take().unwrap_or_default();
    if let Some(id) = &args.id {
        properties.message_id = Some(option("--id", scalar::message_id(id))?);
    }
    if let Some(id) = &args.correlation_id {
        properties.correlation_id = Some(option("--correlation-id", scalar::message_id(id))?);
    }
    properties.user_id = args.user_id.clone().map(Bytes::from);
    properties.to.clone_from(&args.to);
    properties.subject.clone_from(&args.subject);
    properties.reply_to.clone_from(&args.reply_to);
    properties.content_type = symbol("--content-type", args.content_type.as_deref())?;
    properties.content_encoding = symbol("--content-encoding", args.content_encoding.as_deref())?;
    if let Some(when) = &args.expires {
        properties.absolute_expiry_time = Some(option("--expires", time::parse(when))?);
    }
    if let Some(when) = &args.created {
        properties.creation_time = Some(option("--created", time::parse(when))?);
    }
    properties.group_id.clone_from(&args.group_id);
    properties.group_sequence = args.group_sequence;
    properties.reply_to_group_id.clone_from(&args.reply_to_group_id);
    if properties != deuteron::codec::Properties::default() {
        message.properties = Some(properties);
    }
    Ok(())
}

fn symbol(name: &str, text: Option<&str>) -> Result<Option<Symbol>, String> {
    text.map(|text| option(name, scalar::symbol(text))).transpose()
}

/// Numbers a message.
pub(crate) fn number(message: &mut Message, number: u64) {
    message.application_properties.get_or_insert_default().insert("sequence", Value::Ulong(number));
}
