use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// The ports to choose from: below those that systems give out by themselves, so that none is taken while its server is down.
const FIRST: u16 = 18_000;
const COUNT: u16 = 12_000;

/// A port of 127.0.0.1 that nobody listens at, and that this process has not had before.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test programs that run at the same time begin at different places.
    let start = (std::process::id().wrapping_mul(37) % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let port = FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port between {FIRST} and {} is free", FIRST + COUNT);
}
