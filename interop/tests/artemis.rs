//! Deuteron's client and Apache ActiveMQ Artemis.

use deuteron_interop::scenario::server as scenario;
use deuteron_interop::server::Artemis;
use std::sync::{Arc, OnceLock};

/// The instance that all tests share which do not stop it.
fn shared() -> Option<Arc<Artemis>> {
    static SHARED: OnceLock<Option<Arc<Artemis>>> = OnceLock::new();
    SHARED.get_or_init(|| Artemis::launch().map(Arc::new)).clone()
}

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(#[tokio::test]
        async fn $name() {
            let Some(server) = shared() else { return };
            scenario::$name(&*server).await;
        })*
    };
}

scenarios! {
    queue
    topic
    anonymous_relay
    request_and_answer
    settle_modes
}
