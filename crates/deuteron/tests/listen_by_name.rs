//! An async listener whose address is a name, which is looked up off the task.

use deuteron::{Connection, Container};

#[tokio::test]
async fn an_async_listener_takes_a_name() {
    let listener = Container::new().listen("amqp://localhost:0").await.unwrap();
    let url = format!("amqp://{}", listener.local_addr());
    let (client, server) = tokio::join!(Connection::connect(url), listener.accept());
    client.unwrap().close().await.unwrap();
    server.unwrap().closed().await.unwrap();
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_an_error_that_names_it() {
    let error = Container::new().listen("amqp://no-such-host.invalid:0").await.unwrap_err();
    assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
}
