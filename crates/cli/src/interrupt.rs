//! Ctrl-C: the first time the command ends in order, the second time at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use tokio::sync::watch;

/// What a shell expects of a program that was ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// Tells whether the command was interrupted.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt {
    told: watch::Receiver<bool>,
    /// The same, cheaper to look at.
    has_come: Arc<AtomicBool>,
}

impl Interrupt {
    /// Watches for Ctrl-C (and on Unix for the signal to terminate) from now on.
    pub(crate) fn watch() -> Self {
        let (tell, told) = watch::channel(false);
        let (ready, watching) = mpsc::channel();
        let has_come = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&has_come);
        let body = move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
                return;
            };
            runtime.block_on(async {
                let Ok(mut signals) = Signals::new() else { return };
                drop(ready);
                signals.next().await;
                flag.store(true, Ordering::Release);
                // Nobody may be waiting; then there is nothing to end in order.
                if tell.send(true).is_ok() {
                    signals.next().await;
                }
                std::process::exit(INTERRUPTED);
            });
        };
        match std::thread::Builder::new().name("interrupt".into()).spawn(body) {
            // It hangs up when it watches.
            Ok(_) => drop::<Result<(), _>>(watching.recv()),
            Err(error) => tracing::warn!(%error, "Ctrl-C will not be handled"),
        }
        Self { told, has_come }
    }

    /// Waits until it is interrupted.
    pub(crate) async fn come(&self) {
        if self.told.clone().wait_for(|told| *told).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether it was interrupted.
    pub(crate) fn has_come(&self) -> bool {
        self.has_come.load(Ordering::Acquire)
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
