//! One connection through the proxy.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::fault::{Action, Fault};
use super::units::{Unit, Units};
use super::{Door, Shared, index};
use crate::Side;

/// How long an orderly end waits for the other sides to end too.
const FAREWELL: Duration = Duration::from_secs(5);

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// Both sides have ended by themselves.
    Done,
    /// In order.
    Cut,
    /// Torn.
    Reset,
    /// It does not, but nothing happens on it any more.
    Stall,
}

pub(super) async fn run(mut client: TcpStream, number: u64, shared: Arc<Shared>) {
    let hole = shared.lock().door == Door::BlackHole;
    if hole {
        until_told(&shared, number, None).await;
        tear(&client);
    } else if let Ok(mut server) = TcpStream::connect(shared.upstream).await {
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        let mut end = pass(&mut client, &mut server, number, &shared).await;
        if end == End::Stall {
            end = until_told(&shared, number, Some(Action::Stall)).await;
        }
        match end {
            End::Reset => {
                tear(&client);
                tear(&server);
            }
            _ => {
                // What was not read would make the system send a reset.
                let _ = tokio::join!(finish(&mut client), finish(&mut server));
            }
        }
    } else {
        tear(&client);
    }
    drop(client);
    shared.count(|counts| counts.open -= 1);
}

/// The socket is reset when it is dropped.
fn tear(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

async fn finish(stream: &mut TcpStream) {
    let _ = stream.shutdown().await;
    let mut waste = [0; 4096];
    let _ =
        timeout(FAREWELL, async { while stream.read(&mut waste).await.is_ok_and(|read| read > 0) {} }).await;
}

/// Waits until something is done to all connections, other than what has been done already.
async fn until_told(shared: &Shared, number: u64, done: Option<Action>) -> End {
    let mut changes = shared.changes.subscribe();
    loop {
        {
            let state = shared.lock();
            let told = state.at_once.filter(|(action, last)| number <= *last && Some(*action) != done);
            match told {
                Some((Action::Cut, _)) => return End::Cut,
                Some((Action::Reset, _)) => return End::Reset,
                Some((Action::Stall, _)) => return End::Stall,
                _ if state.stops => return End::Reset,
                _ => {}
            }
        }
        if changes.changed().await.is_err() {
            return End::Reset;
        }
    }
}

async fn pass(client: &mut TcpStream, server: &mut TcpStream, number: u64, shared: &Shared) -> End {
    let (mut client_in, mut client_out) = client.split();
    let (mut server_in, mut server_out) = server.split();
    let mut there = std::pin::pin!(pump(Side::Client, &mut client_in, &mut server_out, number, shared));
    let mut back = std::pin::pin!(pump(Side::Server, &mut server_in, &mut client_out, number, shared));
    let mut told = std::pin::pin!(until_told(shared, number, None));
    let (mut there_done, mut back_done) = (false, false);
    loop {
        let (end, is_there) = tokio::select! {
            end = &mut there, if !there_done => (end, true),
            end = &mut back, if !back_done => (end, false),
            end = &mut told => return end,
        };
        if end != End::Done {
            return end;
        }
        if is_there {
            there_done = true;
        } else {
            back_done = true;
        }
        if there_done && back_done {
            return End::Done;
        }
    }
}

/// What has come upon one direction.
#[derive(Default)]
struct Condition {
    delay: Option<Duration>,
    rate: Option<u32>,
    corrupt: bool,
}

impl Condition {
    /// Turns the first byte, if that is due. If there is none, it is the first of what comes next.
    fn corrupt(&mut self, bytes: &mut [u8]) {
        if self.corrupt
            && let Some(byte) = bytes.first_mut()
        {
            *byte = !*byte;
            self.corrupt = false;
        }
    }
}

/// Passes one direction on, until it ends or something ends the connection.
async fn pump(
    from: Side,
    input: &mut (impl AsyncRead + Unpin),
    output: &mut (impl AsyncWrite + Unpin),
    number: u64,
    shared: &Shared,
) -> End {
    let mut units = Units::default();
    let mut condition = Condition::default();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = match input.read(&mut buffer).await {
            Ok(0) => break,
            Ok(read) => read,
            // Whoever is at the other end of the broken one shall see it broken.
            Err(_) => return End::Reset,
        };
        units.push(&buffer[..read]);
        if let Some(delay) = condition.delay {
            sleep(delay).await;
        }
        while let Some(unit) = units.next() {
            if let Some(end) = pass_unit(unit, from, output, number, shared, &mut condition).await {
                return end;
            }
        }
    }
    if let Some(rest) = units.end()
        && let Some(end) = pass_unit(rest, from, output, number, shared, &mut condition).await
    {
        return end;
    }
    let _ = output.shutdown().await;
    End::Done
}

/// Passes a frame on, with the faults that strike in it. `Some` if the direction is over.
async fn pass_unit(
    mut unit: Unit,
    from: Side,
    output: &mut (impl AsyncWrite + Unpin),
    number: u64,
    shared: &Shared,
    condition: &mut Condition,
) -> Option<End> {
    let mut done = 0;
    while let Some((at, fault)) = take_fault(shared, &unit, from, number, done) {
        if write(output, &unit.bytes[done..at], from, shared, condition).await.is_err() {
            return Some(End::Reset);
        }
        let whole = at == unit.bytes.len() && at > done;
        done = at;
        let action = fault.action;
        shared.count(|counts| {
            counts.frames[index(from)] += u64::from(whole);
            counts.struck.push((fault, number));
        });
        match action {
            Action::Cut => return Some(End::Cut),
            Action::Reset => return Some(End::Reset),
            Action::Stall => return Some(End::Stall),
            Action::HalfOpen => pending().await,
            Action::Delay(length) => {
                condition.delay = Some(length);
                sleep(length).await;
            }
            Action::Throttle(rate) => condition.rate = Some(rate),
            Action::Corrupt => condition.corrupt = true,
        }
        condition.corrupt(&mut unit.bytes[done..]);
    }
    condition.corrupt(&mut unit.bytes[done..]);
    if write(output, &unit.bytes[done..], from, shared, condition).await.is_err() {
        return Some(End::Reset);
    }
    // It counts once: with the last of its bytes.
    let left = done < unit.bytes.len();
    shared.count(|counts| counts.frames[index(from)] += u64::from(left));
    None
}

/// The first fault that strikes in what is left of the unit; it will not strike again.
fn take_fault(shared: &Shared, unit: &Unit, from: Side, number: u64, done: usize) -> Option<(usize, Fault)> {
    let mut state = shared.lock();
    let strikes = |fault: &Fault| {
        let here = fault.connection.is_none_or(|wanted| wanted == number);
        unit.strikes(fault, from).filter(|at| here && *at >= done)
    };
    let faults = state.faults.iter().enumerate();
    let first = faults.filter_map(|(index, fault)| Some((strikes(fault)?, index))).min()?;
    Some((first.0, state.faults.remove(first.1)))
}

async fn write(
    output: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    from: Side,
    shared: &Shared,
    condition: &Condition,
) -> std::io::Result<()> {
    // Ten times a second is smooth enough.
    let size = condition.rate.map_or(bytes.len(), |rate| (rate / 10).max(1) as usize);
    for piece in bytes.chunks(size.max(1)) {
        output.write_all(piece).await?;
        shared.count(|counts| counts.bytes[index(from)] += piece.len() as u64);
        if let Some(rate) = condition.rate {
            sleep(Duration::from_secs(1) * piece.len() as u32 / rate).await;
        }
    }
    Ok(())
}
