//! Opening sessions and links.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};

use deuteron_codec::Role;
use deuteron_engine::reconnect::Backoff;
use deuteron_engine::{EndpointState, LinkConfig, LinkId, SessionConfig, SessionId};

use super::shared::{Core, LinkFacts, LinkState, Owner, SessionFacts, SessionState, Shared};
use super::waiters::WakerSet;
use crate::container::random_id;
use crate::duplicates::DuplicateIds;
use crate::link::LinkHandle;
use crate::{Deadlines, Error, ReceiverOptions, Scope, SenderOptions, SessionOptions};

pub(crate) fn open_session(owner: &Owner, options: SessionOptions) -> Result<SessionId, Error> {
    let SessionOptions { mut config, comeback } = options;
    config.rebegin = comeback.unwrap_or_else(|| owner.shared.comeback.clone());
    owner.shared.command(|core| begin(core, config))
}

fn begin(core: &mut Core, config: SessionConfig) -> Result<SessionId, Error> {
    if let Some(error) = core.over() {
        return Err(error);
    }
    let id = core.engine.begin(config);
    adopt_session(core, id);
    Ok(id)
}

/// The driver's record of a session, made when either side begins it.
pub(crate) fn adopt_session(core: &mut Core, id: SessionId) -> Arc<SessionFacts> {
    let state = core.sessions.entry(id).or_insert_with(|| SessionState {
        facts: Arc::new(SessionFacts { id, ended: OnceLock::new() }),
        waiters: WakerSet::default(),
    });
    Arc::clone(&state.facts)
}

pub(crate) fn open_sender(
    owner: &Arc<Owner>,
    session: Option<SessionId>,
    options: SenderOptions,
    pull: bool,
) -> Result<LinkHandle, Error> {
    let SenderOptions { mut config, deadlines, comeback, queue_limit, duplicate_ids } = options;
    config.reattach = comeback.unwrap_or_else(|| owner.shared.comeback.clone());
    let pull = pull || !owner.shared.handled;
    let duplicate_ids = duplicate_ids.then(|| DuplicateIds::new(random_id()));
    open(owner, session, config, deadlines, (queue_limit, duplicate_ids), pull)
}

pub(crate) fn open_receiver(
    owner: &Arc<Owner>,
    session: Option<SessionId>,
    options: ReceiverOptions,
    pull: bool,
) -> Result<LinkHandle, Error> {
    let ReceiverOptions { mut config, deadlines, comeback } = options;
    config.reattach = comeback.unwrap_or_else(|| owner.shared.comeback.clone());
    let pull = pull || !owner.shared.handled;
    open(owner, session, config, deadlines, (0, None), pull)
}

fn open(
    owner: &Arc<Owner>,
    session: Option<SessionId>,
    mut config: LinkConfig,
    deadlines: Option<Deadlines>,
    (queue_limit, duplicate_ids): (usize, Option<DuplicateIds>),
    pull: bool,
) -> Result<LinkHandle, Error> {
    let shared = &owner.shared;
    let deadlines = deadlines.unwrap_or(shared.deadlines);
    config.drain_timeout = deadlines.drain;
    config.settle_timeout = deadlines.settle;
    let facts = shared.command(|core| {
        let session = session_for(core, session, shared.comeback.as_ref())?;
        if config.name.is_empty() {
            config.name = shared.container.link_name();
        }
        let (name, role) = (config.name.clone(), config.role);
        let id = core.engine.attach(session, config).map_err(|error| {
            Error::new(Scope::Link, format!("cannot open the link '{name}': {error}")).with_source(error)
        })?;
        let facts = LinkFacts {
            id,
            session,
            name,
            role,
            deadlines,
            queue_limit,
            duplicate_ids,
            pull,
            ended: OnceLock::new(),
            left: Mutex::default(),
        };
        Ok::<_, Error>(adopt_link(core, facts))
    })?;
    Ok(LinkHandle::new(Arc::clone(owner), facts))
}

fn session_for(
    core: &mut Core,
    session: Option<SessionId>,
    comeback: Option<&Backoff>,
) -> Result<SessionId, Error> {
    if let Some(error) = core.over() {
        return Err(error);
    }
    if let Some(id) = session {
        return Ok(id);
    }
    if let Some(id) = core.default_session
        && core.engine.session(id).is_some_and(|session| session.local_state() == EndpointState::Open)
    {
        return Ok(id);
    }
    let config = SessionConfig { rebegin: comeback.cloned(), ..SessionConfig::default() };
    let id = begin(core, config)?;
    core.default_session = Some(id);
    Ok(id)
}

fn adopt_link(core: &mut Core, facts: LinkFacts) -> Arc<LinkFacts> {
    let facts = Arc::new(facts);
    let state = LinkState {
        facts: Arc::clone(&facts),
        inbox: VecDeque::new(),
        waiters: WakerSet::default(),
        address: None,
        failure: None,
    };
    core.links.insert(facts.id, state);
    facts
}

/// The driver's record of a link that the peer attached.
pub(crate) fn adopt_remote_link(shared: &Shared, core: &mut Core, id: LinkId) -> Option<Arc<LinkFacts>> {
    if let Some(state) = core.links.get(&id) {
        return Some(Arc::clone(&state.facts));
    }
    let mut link = core.engine.link(id)?;
    let (role, name, session) = (link.role(), link.name().to_owned(), link.session()?);
    if let Some(config) = link.config_mut() {
        config.drain_timeout = shared.deadlines.drain;
        config.settle_timeout = shared.deadlines.settle;
        if role == Role::Receiver {
            config.credit_window = 1000;
        }
    }
    let facts = LinkFacts {
        id,
        session,
        name,
        role,
        deadlines: shared.deadlines,
        queue_limit: 100_000,
        duplicate_ids: None,
        pull: !shared.handled,
        ended: OnceLock::new(),
        left: Mutex::default(),
    };
    Some(adopt_link(core, facts))
}
