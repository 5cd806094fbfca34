//! The server role: store and forward.
//!
//! What is sent to an address waits there for a receiver of that address. Addresses that begin with `reject`, `release` or
//! `modify` get that outcome instead; messages to `echo` go to their reply-to address.

use crate::messages::{empty, identity, numbered};
use crate::{AnyMessage, Failure, Options, received, say, tls};
use fe2o3_amqp::acceptor::scram::SingleScramCredential;
use fe2o3_amqp::acceptor::{
    ConnectionAcceptor, LinkAcceptor, LinkEndpoint, ListenerConnectionHandle, ListenerSessionHandle,
    SaslAnonymousMechanism, SaslPlainMechanism, SessionAcceptor,
};
use fe2o3_amqp::auth::scram::{ScramAuthenticator, ScramVersion};
use fe2o3_amqp::transaction::coordinator::ControlLinkAcceptor;
use fe2o3_amqp::types::definitions::{self, ErrorCondition};
use fe2o3_amqp::types::messaging::{Body, Modified, Outcome, Properties, Source};
use fe2o3_amqp::{Delivery, Receiver, Sender};
use serde_amqp::Value;
use serde_json::json;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Notify;

type Queue = Arc<(Mutex<VecDeque<AnyMessage>>, Notify)>;

/// What all connections share.
#[derive(Clone, Default)]
struct Desk {
    queues: Arc<Mutex<HashMap<String, Queue>>>,
    options: Arc<Options>,
}

impl Desk {
    fn queue(&self, address: &str) -> Queue {
        self.queues.lock().expect("nobody panics here").entry(address.to_owned()).or_default().clone()
    }

    fn put(&self, address: &str, message: AnyMessage, first: bool) {
        let queue = self.queue(address);
        let mut waiting = queue.0.lock().expect("nobody panics here");
        if first {
            waiting.push_front(message)
        } else {
            waiting.push_back(message)
        }
        drop(waiting);
        queue.1.notify_one();
    }

    async fn take(&self, address: &str) -> AnyMessage {
        let queue = self.queue(address);
        loop {
            if let Some(message) = queue.0.lock().expect("nobody panics here").pop_front() {
                queue.1.notify_one();
                return message;
            }
            queue.1.notified().await;
        }
    }
}

pub async fn listen(options: Options) -> Result<(), Failure> {
    let tls = tls::acceptor(&options)?;
    let listener = TcpListener::bind((
        options.get("host").unwrap_or("127.0.0.1"),
        u16::try_from(options.number("port", 0))?,
    ));
    let listener = listener.await?;
    let desk = Desk { options: Arc::new(options), ..Desk::default() };
    for entry in &desk.options.fill {
        let parts: Vec<_> = entry.split(',').collect();
        for number in 0..parts[1].parse()? {
            desk.put(parts[0], numbered(number, parts[2].parse()?), false);
        }
    }
    say("listening", json!({ "port": listener.local_addr()?.port() }));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (desk, tls) = (desk.clone(), tls.clone());
        tokio::spawn(async move {
            let served = match tls {
                None => serve(stream, &desk).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => serve(stream, &desk).await,
                    Err(error) => Err(error.into()),
                },
            };
            match served {
                Ok(()) => say("closed", json!({})),
                Err(failure) => crate::client::fail(&failure),
            }
            say("disconnected", json!({}));
        });
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + std::fmt::Debug + Unpin + Send + 'static,
    desk: &Desk,
) -> Result<(), Failure> {
    let options = &desk.options;
    let mechanism = options.get("mechanisms").unwrap_or("ANONYMOUS");
    let (user, password) =
        (options.get("user").unwrap_or_default(), options.get("password").unwrap_or_default());
    let acceptor = ConnectionAcceptor::builder().container_id(format!("fe2o3-listen-{}", std::process::id()));
    let acceptor = acceptor.max_frame_size(u32::try_from(options.number("max-frame-size", 1 << 20))?);
    let scram = |version| -> Result<_, Failure> {
        Ok(ScramAuthenticator::new(Arc::new(SingleScramCredential::new(user, password, version)?)))
    };
    let connection = match mechanism {
        _ if options.has("no-sasl") => acceptor.build().accept(stream).await?,
        "PLAIN" => {
            acceptor.sasl_acceptor(SaslPlainMechanism::new(user, password)).build().accept(stream).await?
        }
        "SCRAM-SHA-1" => acceptor.sasl_acceptor(scram(ScramVersion::Sha1)?).build().accept(stream).await?,
        "SCRAM-SHA-256" => {
            acceptor.sasl_acceptor(scram(ScramVersion::Sha256)?).build().accept(stream).await?
        }
        "SCRAM-SHA-512" => {
            acceptor.sasl_acceptor(scram(ScramVersion::Sha512)?).build().accept(stream).await?
        }
        _ => acceptor.sasl_acceptor(SaslAnonymousMechanism::new()).build().accept(stream).await?,
    };
    say("opened", json!({ "user": user, "mechanism": mechanism }));
    sessions(connection, desk).await
}

async fn sessions(mut connection: ListenerConnectionHandle, desk: &Desk) -> Result<(), Failure> {
    let acceptor = SessionAcceptor::builder().control_link_acceptor(ControlLinkAcceptor::default()).build();
    while let Ok(session) = acceptor.accept(&mut connection).await {
        tokio::spawn(links(session, desk.clone()));
    }
    match connection.on_close().await {
        // That is how the library tells of an orderly end.
        Ok(()) | Err(fe2o3_amqp::connection::Error::RemoteClosed) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn links(mut session: ListenerSessionHandle, desk: Desk) {
    static DYNAMIC: AtomicU32 = AtomicU32::new(1);
    let acceptor = LinkAcceptor::builder()
        .on_dynamic_source(|mut source: Source| {
            source.address = Some(format!("dynamic-{}", DYNAMIC.fetch_add(1, Ordering::Relaxed)));
            Some(source)
        })
        .build();
    while let Ok(link) = acceptor.accept(&mut session).await {
        match link {
            LinkEndpoint::Sender(sender) => tokio::spawn(forward(sender, desk.clone())),
            LinkEndpoint::Receiver(receiver) => tokio::spawn(collect(receiver, desk.clone())),
        };
    }
    let _ = session.on_end().await;
}

/// Sends what waits at an address to a receiver of it.
async fn forward(mut sender: Sender, desk: Desk) {
    let address = sender.source().as_ref().and_then(|source| source.address.clone()).unwrap_or_default();
    say("attached", json!({ "role": "sender", "address": address }));
    loop {
        // A link that is gone is noticed when something is sent on it; what it did not send goes back.
        let message = desk.take(&address).await;
        let state = match sender.send(message.clone()).await {
            Ok(Outcome::Accepted(_) | Outcome::Declared(_)) => "accepted",
            Ok(Outcome::Rejected(_)) => "rejected",
            Ok(Outcome::Released(_)) => "released",
            Ok(Outcome::Modified(_)) => "modified",
            Err(_) => {
                desk.put(&address, message, true);
                break;
            }
        };
        say("settled", json!({ "address": address, "id": identity(&message), "state": state }));
        if matches!(state, "released" | "modified") {
            desk.put(&address, message, true);
        }
    }
    let _ = sender.close().await;
}

/// Takes messages, or refuses them where their address says so.
async fn collect(mut receiver: Receiver, desk: Desk) {
    let target = receiver.target().as_ref().and_then(|target| target.address.clone());
    say("attached", json!({ "role": "receiver", "address": target }));
    while let Ok(delivery) = receiver.recv::<Body<Value>>().await {
        if take_in(&receiver, delivery, target.as_deref(), &desk).await.is_err() {
            break;
        }
    }
    let _ = receiver.close().await;
}

async fn take_in(
    receiver: &Receiver,
    delivery: Delivery<Body<Value>>,
    target: Option<&str>,
    desk: &Desk,
) -> Result<(), Failure> {
    let message = delivery.message();
    let to = message.properties.as_ref().and_then(|properties| properties.to.clone());
    let address = target.map(str::to_owned).or(to).unwrap_or_default();
    received(message, &address, desk.options.has("types"));
    if address.starts_with("reject") {
        let condition = ErrorCondition::Custom("example:rejected".into());
        let error = definitions::Error::new(condition, Some("this address rejects".to_owned()), None);
        receiver.reject(&delivery, error).await?;
    } else if address.starts_with("release") {
        receiver.release(&delivery).await?;
    } else if address.starts_with("modify") {
        let modified = Modified {
            delivery_failed: Some(true),
            undeliverable_here: Some(true),
            message_annotations: None,
        };
        receiver.modify(&delivery, modified).await?;
    } else {
        receiver.accept(&delivery).await?;
        keep(delivery.into_message(), address, desk);
    }
    Ok(())
}

/// Puts a message on its queue; requests go straight to the queue of the answers.
fn keep(message: AnyMessage, address: String, desk: &Desk) {
    if address != "echo" {
        return desk.put(&address, message, false);
    }
    let asked = message.properties.unwrap_or_default();
    let mut answer = empty(message.body);
    let to = asked.reply_to.unwrap_or_default();
    answer.properties = Some(Properties {
        to: Some(to.clone()),
        correlation_id: asked.correlation_id.or_else(|| asked.message_id.clone()),
        message_id: asked.message_id,
        ..Properties::default()
    });
    desk.put(&to, answer, false);
}
