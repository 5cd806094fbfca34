//! Deuteron's client, when a server of one kind goes and one of another kind takes over.

use deuteron_interop::scenario::server as scenario;
use deuteron_interop::server::{Artemis, RabbitMq, Version, start};

#[tokio::test]
async fn artemis_and_rabbitmq() {
    let (artemis, rabbitmq) = tokio::join!(start(Artemis::launch), start(|| RabbitMq::launch(Version::V4)));
    if let (Some(artemis), Some(rabbitmq)) = (artemis, rabbitmq) {
        scenario::failover_to_another_kind(&artemis, &rabbitmq).await;
    }
}
