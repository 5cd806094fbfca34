//! Maps whose keys have to be symbols: `fields` (spec 2.8.13), filter sets (3.5.8), node properties (3.5.9).

use deuteron_codec::{Map, Source, Symbol, Target, Value};

/// The map with its string keys as symbols, so that `[("product", "x")]` can be written for it.
pub(crate) fn with_symbol_keys(map: Map) -> Map {
    let symbol = |key| match key {
        Value::String(text) => Value::Symbol(Symbol::from(text)),
        other => other,
    };
    map.into_iter().map(|(key, value)| (symbol(key), value)).collect()
}

/// The source with symbols for keys wherever the spec wants them.
pub(crate) fn source_with_symbol_keys(mut source: Source) -> Source {
    source.filter = source.filter.map(with_symbol_keys);
    source.dynamic_node_properties = source.dynamic_node_properties.map(with_symbol_keys);
    source
}

/// The target with symbols for keys wherever the spec wants them.
pub(crate) fn target_with_symbol_keys(mut target: Target) -> Target {
    target.dynamic_node_properties = target.dynamic_node_properties.map(with_symbol_keys);
    target
}
