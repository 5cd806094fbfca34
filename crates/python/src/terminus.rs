//! The ends of links, between the codec's types and what the Python sources hand over.

use deuteron_codec::{
    AttachTarget, Coordinator, SenderSettleMode, Source, Symbol, Target, TerminusDurability,
    TerminusExpiryPolicy,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::state::{decode_map, decode_symbols, encode_map, encode_symbols};

/// A terminus as Python hands it over and reads it: type, address, durability, expiry policy, timeout, dynamic, distribution mode, and
/// encoded: properties, capabilities, outcomes, filter.
pub(crate) type TerminusParts = (
    u32,
    Option<String>,
    u32,
    String,
    u32,
    bool,
    u32,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
);

/// The type of a terminus that is a coordinator.
const COORDINATOR: u32 = 3;

pub(crate) fn snd_settle_mode(mode: u8) -> SenderSettleMode {
    match mode {
        0 => SenderSettleMode::Unsettled,
        1 => SenderSettleMode::Settled,
        _ => SenderSettleMode::Mixed,
    }
}

fn durability(value: u32) -> TerminusDurability {
    match value {
        1 => TerminusDurability::Configuration,
        2 => TerminusDurability::UnsettledState,
        _ => TerminusDurability::None,
    }
}

fn expiry_policy(name: &str) -> PyResult<TerminusExpiryPolicy> {
    Ok(match name {
        "link-detach" => TerminusExpiryPolicy::LinkDetach,
        "session-end" => TerminusExpiryPolicy::SessionEnd,
        "connection-close" => TerminusExpiryPolicy::ConnectionClose,
        "never" => TerminusExpiryPolicy::Never,
        other => return Err(PyErr::new::<PyTypeError, _>(format!("{other:?} is no expiry policy"))),
    })
}

fn expiry_name(policy: TerminusExpiryPolicy) -> String {
    match policy {
        TerminusExpiryPolicy::LinkDetach => "link-detach",
        TerminusExpiryPolicy::SessionEnd => "session-end",
        TerminusExpiryPolicy::ConnectionClose => "connection-close",
        TerminusExpiryPolicy::Never => "never",
    }
    .to_owned()
}

pub(crate) fn to_source(parts: TerminusParts) -> PyResult<Option<Source>> {
    let (kind, address, durable, expiry, timeout, dynamic, mode, properties, capabilities, outcomes, filter) =
        parts;
    if kind == 0 {
        return Ok(None);
    }
    Ok(Some(Source {
        address,
        durable: durability(durable),
        expiry_policy: expiry_policy(&expiry)?,
        timeout,
        dynamic,
        dynamic_node_properties: decode_map(properties)?,
        distribution_mode: match mode {
            1 => Some(Symbol::from("copy")),
            2 => Some(Symbol::from("move")),
            _ => None,
        },
        filter: decode_map(filter)?,
        outcomes: decode_symbols(outcomes)?,
        capabilities: decode_symbols(capabilities)?,
        ..Source::default()
    }))
}

pub(crate) fn to_target(parts: TerminusParts) -> PyResult<Option<AttachTarget>> {
    let (kind, address, durable, expiry, timeout, dynamic, _, properties, capabilities, _, _) = parts;
    if kind == 0 {
        return Ok(None);
    }
    let capabilities = decode_symbols(capabilities)?;
    if kind == COORDINATOR {
        return Ok(Some(AttachTarget::Coordinator(Coordinator { capabilities })));
    }
    Ok(Some(AttachTarget::Target(Target {
        address,
        durable: durability(durable),
        expiry_policy: expiry_policy(&expiry)?,
        timeout,
        dynamic,
        dynamic_node_properties: decode_map(properties)?,
        capabilities,
    })))
}

pub(crate) fn source_parts(source: &Source) -> TerminusParts {
    (
        1,
        source.address.clone(),
        source.durable as u32,
        expiry_name(source.expiry_policy),
        source.timeout,
        source.dynamic,
        match source.distribution_mode.as_ref().map(Symbol::as_str) {
            Some("copy") => 1,
            Some("move") => 2,
            _ => 0,
        },
        encode_map(source.dynamic_node_properties.as_ref()),
        encode_symbols(&source.capabilities),
        encode_symbols(&source.outcomes),
        encode_map(source.filter.as_ref()),
    )
}

pub(crate) fn target_parts(target: &AttachTarget) -> TerminusParts {
    match target {
        AttachTarget::Target(target) => (
            2,
            target.address.clone(),
            target.durable as u32,
            expiry_name(target.expiry_policy),
            target.timeout,
            target.dynamic,
            0,
            encode_map(target.dynamic_node_properties.as_ref()),
            encode_symbols(&target.capabilities),
            None,
            None,
        ),
        AttachTarget::Coordinator(coordinator) => (
            COORDINATOR,
            None,
            0,
            expiry_name(TerminusExpiryPolicy::default()),
            0,
            false,
            0,
            None,
            encode_symbols(&coordinator.capabilities),
            None,
            None,
        ),
    }
}
