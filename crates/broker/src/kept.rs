//! Links whose terminus outlives them: what is unsettled on one is kept until its client comes back to it, or too long
//! has passed (2.6.13, 3.5.6).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use deuteron::{LinkHandle, Source, Suspended, Target, TerminusExpiryPolicy};

use crate::router::{ConnectionId, ConsumerId, Verdict};

/// Which link it is, whatever connection it comes on (2.6.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LinkKey {
    pub(crate) container: String,
    pub(crate) name: String,
    /// The broker sends on it.
    pub(crate) sends: bool,
}

/// How long a terminus outlives its link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep {
    policy: TerminusExpiryPolicy,
    timeout: Duration,
}

impl Keep {
    pub(crate) fn of_source(granted: &Source) -> Self {
        Self { policy: granted.expiry_policy, timeout: Duration::from_secs(granted.timeout.into()) }
    }

    pub(crate) fn of_target(granted: &Target) -> Self {
        Self { policy: granted.expiry_policy, timeout: Duration::from_secs(granted.timeout.into()) }
    }
}

/// A consumer that a link is the end of.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) id: ConsumerId,
    /// As it was asked for.
    pub(crate) asked: Source,
    /// As it was granted.
    pub(crate) source: Source,
    pub(crate) default: Verdict,
}

/// What is left of a link.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) reader: Option<Reader>,
    /// `None` if nothing can be resumed.
    pub(crate) suspended: Option<Suspended>,
    /// The connection that it was on, once that is over.
    pub(crate) ended: Option<ConnectionId>,
}

struct Attached {
    link: LinkHandle,
    reader: Option<Reader>,
    keep: Keep,
}

struct Waiting {
    left: Left,
    bytes: usize,
    keep: Keep,
    connection: ConnectionId,
    /// Not as long as its connection is there.
    until: Option<Instant>,
}

enum Entry {
    Attached(Attached),
    Waiting(Waiting),
}

/// Who had a link before.
pub(crate) enum Former {
    /// It is still attached: it has lost its place.
    Attached(LinkHandle, Option<Reader>),
    /// It is not.
    Left(Left),
}

/// All links that are kept, attached ones included.
pub(crate) struct Kept {
    entries: HashMap<LinkKey, Entry>,
    bytes: usize,
    most_links: usize,
    most_bytes: usize,
}

impl Kept {
    pub(crate) fn new(most_links: usize, most_bytes: usize) -> Self {
        Self { entries: HashMap::new(), bytes: 0, most_links, most_bytes }
    }

    /// Whether one more can be kept.
    pub(crate) fn has_room(&self) -> bool {
        self.entries.len() < self.most_links
    }

    pub(crate) fn attach(&mut self, key: LinkKey, link: LinkHandle, reader: Option<Reader>, keep: Keep) {
        self.entries.insert(key, Entry::Attached(Attached { link, reader, keep }));
    }

    /// Takes who has or had the link.
    pub(crate) fn take(&mut self, key: &LinkKey) -> Option<Former> {
        Some(match self.entries.remove(key)? {
            Entry::Attached(attached) => Former::Attached(attached.link, attached.reader),
            Entry::Waiting(waiting) => {
                self.bytes -= waiting.bytes;
                Former::Left(waiting.left)
            }
        })
    }

    /// The link is over for good. False if another has taken its place.
    pub(crate) fn release(&mut self, key: &LinkKey, link: &LinkHandle) -> bool {
        let mine = matches!(self.entries.get(key), Some(Entry::Attached(attached)) if attached.link == *link);
        if mine {
            self.entries.remove(key);
        }
        mine
    }

    /// The link is off its wire; `over`: with its connection. True if what it has left is kept.
    pub(crate) fn suspend(
        &mut self,
        key: &LinkKey,
        link: &LinkHandle,
        suspended: Suspended,
        connection: ConnectionId,
        over: bool,
    ) -> bool {
        let Some(Entry::Attached(attached)) = self.entries.get(key) else { return false };
        let bytes = suspended.bytes();
        let keep = attached.keep;
        let lasts = keep.policy == TerminusExpiryPolicy::ConnectionClose && !over
            || keep.policy == TerminusExpiryPolicy::Never
            || keep.timeout > Duration::ZERO;
        if attached.link != *link || !lasts || self.bytes + bytes > self.most_bytes {
            return false;
        }
        let ended = over.then_some(connection);
        let left = Left { reader: attached.reader.clone(), suspended: Some(suspended), ended };
        let waits = keep.policy == TerminusExpiryPolicy::Never
            || keep.policy == TerminusExpiryPolicy::ConnectionClose && !over;
        let until = if waits { None } else { Instant::now().checked_add(keep.timeout) };
        self.bytes += bytes;
        self.entries.insert(key.clone(), Entry::Waiting(Waiting { left, bytes, keep, connection, until }));
        true
    }

    /// A connection is over: for what lasts as long as it the time begins to run.
    pub(crate) fn connection_over(&mut self, connection: ConnectionId) {
        for entry in self.entries.values_mut() {
            let Entry::Waiting(waiting) = entry else { continue };
            if waiting.connection == connection {
                waiting.left.ended = Some(connection);
                if waiting.keep.policy == TerminusExpiryPolicy::ConnectionClose && waiting.until.is_none() {
                    waiting.until = Instant::now().checked_add(waiting.keep.timeout);
                }
            }
        }
    }

    /// Takes what nobody came back to in time.
    pub(crate) fn expired(&mut self, now: Instant) -> Vec<Left> {
        let over = |entry: &Entry| matches!(entry, Entry::Waiting(waiting) if waiting.until.is_some_and(|until| until <= now));
        let mut left = Vec::new();
        for (_, entry) in self.entries.extract_if(|_, entry| over(entry)) {
            if let Entry::Waiting(waiting) = entry {
                self.bytes -= waiting.bytes;
                left.push(waiting.left);
            }
        }
        left
    }
}
