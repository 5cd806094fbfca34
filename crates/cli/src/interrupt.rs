//! Ctrl-C: the first time the command ends in order, the second time at once.

use tokio::sync::watch;

/// What a shell expects of a program that was ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// Tells whether the command was interrupted.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt {
    told: watch::Receiver<bool>,
}

impl Interrupt {
    /// Watches for Ctrl-C (and on Unix for the signal to terminate) from now on.
    pub(crate) fn watch() -> Self {
        let (tell, told) = watch::channel(false);
        let body = move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
                return;
            };
            runtime.block_on(async {
                wait().await;
                // Nobody may be waiting; then there is nothing to end in order.
                if tell.send(true).is_err() {
                    std::process::exit(INTERRUPTED);
                }
                wait().await;
                std::process::exit(INTERRUPTED);
            });
        };
        if let Err(error) = std::thread::Builder::new().name("interrupt".into()).spawn(body) {
            tracing::warn!(%error, "Ctrl-C will not be handled");
        }
        Self { told }
    }

    /// Waits until it is interrupted.
    pub(crate) async fn come(&mut self) {
        if self.told.wait_for(|told| *told).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether it was interrupted.
    pub(crate) fn has_come(&self) -> bool {
        *self.told.borrow()
    }
}

#[cfg(unix)]
async fn wait() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => drop(terminate.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => drop(interrupted),
        () = terminated => {}
    }
}

#[cfg(not(unix))]
async fn wait() {
    drop(tokio::signal::ctrl_c().await);
}
