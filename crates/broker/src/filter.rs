//! Filters of a source (3.5.8): those that the broker applies.

use std::sync::Arc;

use deuteron::codec::Described;
use deuteron::{AmqpError, Map, Symbol, Value, condition};

use crate::selector::Selector;

const SELECTOR: &str = "apache.org:selector-filter:string";
const SELECTOR_CODE: u64 = 0x0000_468C_0000_0004;
const NO_LOCAL: &str = "apache.org:no-local-filter:list";
const NO_LOCAL_CODE: u64 = 0x0000_468C_0000_0003;

/// The filters of a source that are known here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters {
    pub(crate) selector: Option<Arc<Selector>>,
    /// The selector as it was written.
    pub(crate) text: Option<String>,
    pub(crate) no_local: bool,
    /// The entries as they came, to be granted as they are.
    selector_entry: Option<(Value, Value)>,
    no_local_entry: Option<(Value, Value)>,
}

impl Filters {
    /// Reads what a source asks for. What is not known is left out: the attach that answers does not have it either.
    ///
    /// # Errors
    /// If a selector cannot be read.
    pub(crate) fn read(wanted: Option<&Map>) -> Result<Self, AmqpError> {
        let mut filters = Self::default();
        for (key, value) in wanted.into_iter().flat_map(Map::iter) {
            let (name, content) = match value {
                Value::Described(described) => {
                    let Described { descriptor, value } = &**described;
                    (kind(descriptor), value)
                }
                // Some clients give the bare string.
                bare => (kind(key), bare),
            };
            match (name, content) {
                (Some(Known::Selector), Value::String(text)) => {
                    let selector = Selector::parse(text).map_err(|error| {
                        let text = format!("the selector \"{text}\" cannot be used: {error}");
                        AmqpError::new(condition::INVALID_FIELD, text)
                    })?;
                    filters.selector = Some(Arc::new(selector));
                    filters.text = Some(text.clone());
                    filters.selector_entry = Some((key.clone(), value.clone()));
                }
                (Some(Known::Selector), other) => {
                    let text = format!("a selector is a string, this one is {other:?}");
                    return Err(AmqpError::new(condition::INVALID_FIELD, text));
                }
                (Some(Known::NoLocal), _) => {
                    filters.no_local = true;
                    filters.no_local_entry = Some((key.clone(), value.clone()));
                }
                (None, _) => {}
            }
        }
        Ok(filters)
    }

    /// The filters that are applied.
    pub(crate) fn granted(&self) -> Option<Map> {
        let granted: Map = self.selector_entry.iter().chain(&self.no_local_entry).cloned().collect();
        (!granted.is_empty()).then_some(granted)
    }
}

enum Known {
    Selector,
    NoLocal,
}

fn kind(descriptor: &Value) -> Option<Known> {
    let is = |symbol: &Symbol, name: &str| symbol.as_str() == name;
    match descriptor {
        Value::Ulong(SELECTOR_CODE) => Some(Known::Selector),
        Value::Ulong(NO_LOCAL_CODE) => Some(Known::NoLocal),
        Value::Symbol(symbol) if is(symbol, SELECTOR) => Some(Known::Selector),
        Value::Symbol(symbol) if is(symbol, NO_LOCAL) => Some(Known::NoLocal),
        _ => None,
    }
}
