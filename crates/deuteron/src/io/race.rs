//! Which of a host's addresses to connect to: happy eyeballs, RFC 8305.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How long an attempt is alone before the next one joins it (RFC 8305 section 5).
const STAGGER: Duration = Duration::from_millis(250);

type Connecting<S> = Pin<Box<dyn Future<Output = io::Result<S>> + Send>>;

/// The addresses in the order of RFC 8305 section 4: families in turn, beginning with that of the first, and within a
/// family in the order of the resolver. Each once.
pub(super) fn interleaved(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let v6_first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == v6_first);
    let mut order = VecDeque::with_capacity(first.len() + second.len());
    while !(first.is_empty() && second.is_empty()) {
        for family in [&mut first, &mut second] {
            if let Some(address) = family.pop_front()
                && !order.contains(&address)
            {
                order.push_back(address);
            }
        }
    }
    order
}

/// Attempts to connect, to all addresses in turn, each while those before it are still under way.
pub(super) struct Race<S, C> {
    waiting: VecDeque<SocketAddr>,
    flying: Vec<(SocketAddr, Connecting<S>)>,
    failed: Vec<(SocketAddr, io::Error)>,
    launched: Instant,
    connect: C,
}

impl<S, C, F> Race<S, C>
where
    C: Fn(SocketAddr) -> F,
    F: Future<Output = io::Result<S>> + Send + 'static,
{
    pub(super) fn new(addresses: Vec<SocketAddr>, connect: C) -> Self {
        let waiting = interleaved(addresses);
        Self { waiting, flying: Vec::new(), failed: Vec::new(), launched: Instant::now(), connect }
    }

    /// The next connection that comes about; `None` when all addresses have failed or have been returned. Addresses
    /// that were not returned stay in the race, for the case that what follows fails with this one.
    ///
    /// # Cancel safety
    /// Nothing is lost: attempts under way go on with the next call.
    pub(super) async fn next(&mut self) -> Option<(SocketAddr, S)> {
        loop {
            if self.flying.is_empty() && !self.launch() {
                return None;
            }
            let stagger = self.launched + STAGGER;
            tokio::select! {
                biased;
                (address, outcome) = landed(&mut self.flying) => match outcome {
                    Ok(stream) => return Some((address, stream)),
                    Err(error) => {
                        self.failed.push((address, error));
                        self.launch();
                    }
                },
                () = sleep_until(stagger), if !self.waiting.is_empty() => {
                    self.launch();
                }
            }
        }
    }

    fn launch(&mut self) -> bool {
        let Some(address) = self.waiting.pop_front() else { return false };
        self.flying.push((address, Box::pin((self.connect)(address))));
        self.launched = Instant::now();
        true
    }

    /// The failures since the last call.
    pub(super) fn take_failed(&mut self) -> Vec<(SocketAddr, io::Error)> {
        std::mem::take(&mut self.failed)
    }

    /// The addresses that have not answered yet, asked or not.
    pub(super) fn unanswered(&self) -> Vec<SocketAddr> {
        self.flying.iter().map(|(address, _)| *address).chain(self.waiting.iter().copied()).collect()
    }
}

/// The first attempt to end, taken out of `flying`.
async fn landed<S>(flying: &mut Vec<(SocketAddr, Connecting<S>)>) -> (SocketAddr, io::Result<S>) {
    poll_fn(|cx| {
        for index in 0..flying.len() {
            if let Poll::Ready(outcome) = flying[index].1.as_mut().poll(cx) {
                let (address, _) = flying.remove(index);
                return Poll::Ready((address, outcome));
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests;
