//! What `types.json` says that a peer cannot do, it really cannot.

use crate::{Happening, Kind, OurServer, Peer, Typed, form_of_message};

/// Has a peer make one message by itself. Says how that went wrong, if it did.
pub async fn try_to_make(kind: Kind, typed: &Typed) -> Result<(), String> {
    let server = OurServer::start("amqp://127.0.0.1:0", []);
    let url = format!("amqp://127.0.0.1:{}", server.port());
    let arguments = ["types-send", &url, "t", "1", "0", "--only", &typed.name];
    let (events, fine) = Peer::start(kind, arguments).end().await;
    if !fine {
        return Err(format!("it fails: {:?}", events.last()));
    }
    loop {
        match server.next() {
            Happening::Received { message, .. } => {
                let form = form_of_message(&message);
                return if typed.is(&form, kind.keeps_order()) {
                    Ok(())
                } else {
                    Err(format!("it makes {form}"))
                };
            }
            Happening::Failed(error) => return Err(error),
            _ => {}
        }
    }
}

/// Has a peer read one message of ours. Says how that went wrong, if it did.
pub async fn try_to_read(kind: Kind, typed: &Typed) -> Result<(), String> {
    let server = OurServer::start("amqp://127.0.0.1:0", [("stock".to_owned(), typed.message.clone())]);
    let url = format!("amqp://127.0.0.1:{}", server.port());
    let (events, fine) = Peer::start(kind, ["types-receive", &url, "stock", "1"]).end().await;
    match events.iter().find(|event| event.name() == "received") {
        Some(event) if typed.is(event.field("form"), kind.keeps_order()) && fine => Ok(()),
        Some(event) => Err(format!("it reads {}", event.field("form"))),
        None => Err(format!("it fails: {:?}", events.last())),
    }
}

/// Every exclusion of the table is seen: who could do it after all has to lose its entry.
pub async fn exclusions_are_true(kind: Kind) {
    if !kind.is_installed() {
        return;
    }
    for typed in Typed::all() {
        if typed.not_made_by(kind).is_some() {
            let result = try_to_make(kind, &typed).await;
            assert!(result.is_err(), "{kind} can make this, in spite of types.json: {}", typed.name);
        }
        if typed.not_read_by(kind).is_some() {
            let result = try_to_read(kind, &typed).await;
            assert!(result.is_err(), "{kind} can read this, in spite of types.json: {}", typed.name);
        }
    }
}
