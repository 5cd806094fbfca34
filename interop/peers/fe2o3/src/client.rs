//! The client roles.

use crate::messages::{empty, identity, numbered, typed};
use crate::{AnyMessage, Failure, Options, received, say, tls};
use fe2o3_amqp::connection::{Connection, ConnectionHandle};
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::sasl_profile::{SaslProfile, SaslScramSha1, SaslScramSha256, SaslScramSha512};
use fe2o3_amqp::session::{Session, SessionHandle};
use fe2o3_amqp::transaction::{
    Controller, Transaction, TransactionDischarge, TransactionPosting, TransactionRetirement,
};
use fe2o3_amqp::types::definitions::SenderSettleMode;
use fe2o3_amqp::types::messaging::{
    Body, DistributionMode, FilterSet, Modified, Outcome, Properties, Source, Target,
};
use fe2o3_amqp::{Delivery, Receiver, Sender};
use serde_amqp::Value;
use serde_amqp::described::Described;
use serde_amqp::descriptor::Descriptor;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use tokio::net::TcpStream;

/// Says what went wrong; the library's errors have their level and condition in their text.
pub fn fail(failure: &Failure) {
    let text = format!("{failure} {failure:?}");
    let event = if text.contains("RemoteClosedWithError(") && text.contains("ConnectionStopped") {
        "connection_error"
    } else if text.contains("RemoteEndedWithError") {
        "session_error"
    } else if text.contains("Detached") || text.contains("RemoteClosedWithError") {
        "link_error"
    } else {
        "transport_error"
    };
    say(event, json!({ "condition": "", "description": text }));
}

struct Link {
    connection: ConnectionHandle<()>,
    session: SessionHandle<()>,
}

impl Link {
    async fn open(options: &Options) -> Result<Self, Failure> {
        let url = options.url();
        let (secure, rest) = match url.strip_prefix("amqps://") {
            Some(rest) => (true, rest),
            None => (false, url.trim_start_matches("amqp://")),
        };
        let (host, _) = rest.split_once(':').unwrap_or((rest, ""));
        let (user, password) =
            (options.get("user").unwrap_or_default(), options.get("password").unwrap_or_default());
        let mechanism = match options.get("mechanisms") {
            _ if options.has("no-sasl") => "",
            Some(mechanism) => mechanism,
            None if user.is_empty() => "ANONYMOUS",
            None => "PLAIN",
        };
        let name = format!("fe2o3-{}-{}", options.role(), std::process::id());
        let mut builder = Connection::builder().container_id(name).hostname(host).domain(host);
        builder = builder.scheme(if secure { "amqps" } else { "amqp" });
        builder = match mechanism {
            "" => builder,
            "ANONYMOUS" => builder.sasl_profile(SaslProfile::Anonymous),
            "EXTERNAL" => builder.sasl_profile(SaslProfile::External),
            "SCRAM-SHA-1" => builder.sasl_profile(SaslScramSha1::new(user, password)),
            "SCRAM-SHA-256" => builder.sasl_profile(SaslScramSha256::new(user, password)),
            "SCRAM-SHA-512" => builder.sasl_profile(SaslScramSha512::new(user, password)),
            _ => builder.sasl_profile((user, password)),
        };
        builder = builder.max_frame_size(u32::try_from(options.number("max-frame-size", 1 << 20))?);
        let stream = TcpStream::connect(rest).await?;
        stream.set_nodelay(true)?;
        let mut connection = if secure {
            let connector = tls::connector(options, options.get("ca").unwrap_or_default())?;
            let stream = connector.connect(host.to_owned().try_into()?, stream).await?;
            // The stream is secure already: the library need not know.
            builder.scheme("amqp").open_with_stream(stream).await?
        } else {
            builder.open_with_stream(stream).await?
        };
        let session = Session::begin(&mut connection).await?;
        say("opened", json!({ "user": user, "mechanism": mechanism }));
        Ok(Self { connection, session })
    }

    async fn close(mut self) -> Result<(), Failure> {
        self.session.end().await?;
        self.connection.close().await?;
        Ok(())
    }

    async fn receiver(&mut self, options: &Options) -> Result<Receiver, Failure> {
        let mut source = Source::builder().address(options.address());
        if options.has("browse") {
            source = source.distribution_mode(DistributionMode::Copy);
        }
        if let Some(selector) = options.get("selector") {
            let name = "apache.org:selector-filter:string";
            let filter = Described {
                descriptor: Descriptor::Code(0x0000_468C_0000_0004),
                value: Value::from(selector),
            };
            let mut filters = FilterSet::new();
            filters.insert(name.into(), Value::Described(Box::new(filter)));
            source = source.filter(filters);
        }
        let credit = u32::try_from(options.number("credit", 100))?;
        let receiver = Receiver::builder().name("receiver").source(source.build()).target(Target::default());
        let receiver = receiver.credit_mode(CreditMode::Auto(credit)).attach(&mut self.session).await?;
        say("attached", json!({ "role": "receiver" }));
        Ok(receiver)
    }
}

/// Runs one role.
pub async fn run(mut options: Options) -> Result<(), Failure> {
    match options.role() {
        "send" => {
            let messages = (0..options.count()).map(|number| numbered(number, options.size()));
            send(&options, messages.collect()).await
        }
        "types-send" => send(&options, typed(&options)?).await,
        "receive" => receive(&options).await,
        "types-receive" => {
            options.named.insert("types".to_owned(), String::new());
            receive(&options).await
        }
        "request" => request(&options).await,
        "respond" => respond(&options).await,
        "transact" => transact(&options).await,
        other => Err(format!("unknown role {other}").into()),
    }
}

async fn send(options: &Options, messages: Vec<AnyMessage>) -> Result<(), Failure> {
    let mut link = Link::open(options).await?;
    let presettled = options.has("presettled");
    let mode = if presettled { SenderSettleMode::Settled } else { SenderSettleMode::Unsettled };
    let sender = Sender::builder().name("sender").target(options.address()).sender_settle_mode(mode);
    let mut sender = sender.attach(&mut link.session).await?;
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    let count = messages.len();
    for (number, message) in messages.into_iter().enumerate() {
        let state = match sender.send(message).await? {
            _ if presettled => "presettled",
            Outcome::Accepted(_) => "accepted",
            Outcome::Rejected(rejected) => {
                if let Some(error) = rejected.error {
                    let condition = error_condition(&error.condition);
                    say("rejected", json!({ "condition": condition, "description": error.description }));
                }
                "rejected"
            }
            Outcome::Released(_) => "released",
            Outcome::Modified(_) => "modified",
            Outcome::Declared(_) => "declared",
        };
        *states.entry(state).or_default() += 1;
        if (number + 1) % options.number("progress", 100) == 0 {
            say("progress", json!({ "count": number + 1 }));
        }
    }
    sender.close().await?;
    let mut sum = json!({ "count": count });
    for (state, number) in states {
        sum[state] = json!(number);
    }
    say("done", sum);
    link.close().await
}

fn error_condition(condition: &fe2o3_amqp::types::definitions::ErrorCondition) -> String {
    let bytes = serde_amqp::to_vec(condition).unwrap_or_default();
    serde_amqp::from_slice::<Value>(&bytes).map_or_else(
        |_| String::new(),
        |value| match value {
            Value::Symbol(name) => name.as_str().to_owned(),
            other => format!("{other:?}"),
        },
    )
}

async fn settle(receiver: &Receiver, delivery: &Delivery<Body<Value>>, outcome: &str) -> Result<(), Failure> {
    match outcome {
        "reject" => receiver.reject(delivery, None).await?,
        "release" => receiver.release(delivery).await?,
        "modify" => {
            let modified =
                Modified { delivery_failed: Some(true), undeliverable_here: None, message_annotations: None };
            receiver.modify(delivery, modified).await?;
        }
        _ => receiver.accept(delivery).await?,
    }
    Ok(())
}

async fn receive(options: &Options) -> Result<(), Failure> {
    let mut link = Link::open(options).await?;
    let mut receiver = link.receiver(options).await?;
    let mut seen = BTreeSet::new();
    while seen.len() < options.count() {
        let delivery: Delivery<Body<Value>> = receiver.recv().await?;
        received(delivery.message(), options.address(), options.has("types"));
        settle(&receiver, &delivery, options.get("outcome").unwrap_or_default()).await?;
        let id = identity(delivery.message());
        seen.insert(if id.is_null() { format!("number {}", seen.len()) } else { id.to_string() });
    }
    receiver.close().await?;
    say("done", json!({ "count": seen.len() }));
    link.close().await
}

async fn request(options: &Options) -> Result<(), Failure> {
    let mut link = Link::open(options).await?;
    let mut sender = Sender::attach(&mut link.session, "requests", options.address()).await?;
    let answers = Receiver::builder().name("answers").source(Source::builder().dynamic(true).build());
    let mut answers = answers.attach(&mut link.session).await?;
    let address = answers.source().as_ref().and_then(|source| source.address.clone());
    let address = address.ok_or("the dynamic source got no address")?;
    say("reply_to", json!({ "address": address }));
    for number in 0..options.count() {
        let mut question = numbered(number, options.size());
        let id = format!("c-{number}");
        if let Some(properties) = &mut question.properties {
            properties.reply_to = Some(address.clone());
            properties.correlation_id = Some(id.clone().into());
        }
        sender.send(question).await?.accepted_or("the request was not accepted")?;
        let delivery: Delivery<Body<Value>> = answers.recv().await?;
        answers.accept(&delivery).await?;
        received(delivery.message(), options.address(), false);
        let correlation =
            delivery.message().properties.as_ref().and_then(|fields| fields.correlation_id.clone());
        if correlation != Some(id.into()) {
            return Err(format!("wrong answer to question {number}").into());
        }
    }
    say("done", json!({ "count": options.count() }));
    link.close().await
}

async fn respond(options: &Options) -> Result<(), Failure> {
    let mut link = Link::open(options).await?;
    let relay = Sender::builder().name("relay").target(Target::default());
    let mut relay = relay.attach(&mut link.session).await?;
    let mut requests = link.receiver(options).await?;
    loop {
        let delivery: Delivery<Body<Value>> = requests.recv().await?;
        received(delivery.message(), options.address(), false);
        let question = delivery.message().clone();
        let asked = question.properties.unwrap_or_default();
        let mut answer = empty(question.body);
        answer.properties = Some(Properties {
            to: asked.reply_to,
            correlation_id: asked.correlation_id,
            ..Properties::default()
        });
        relay.send(answer).await?.accepted_or("the answer was not accepted")?;
        requests.accept(&delivery).await?;
    }
}

/// Sends COUNT messages in a transaction that is rolled back, COUNT in one that is committed, and then takes those in a third.
async fn transact(options: &Options) -> Result<(), Failure> {
    let mut link = Link::open(options).await?;
    let controller = Controller::attach(&mut link.session, "controller").await?;
    let mut sender = Sender::attach(&mut link.session, "sender", options.address()).await?;
    for (round, commit) in [false, true].into_iter().enumerate() {
        let transaction = Transaction::declare(&controller, None).await?;
        for number in 0..options.count() {
            let message = numbered(round * options.count() + number, options.size());
            transaction.post(&mut sender, message).await?.accepted_or("the message was not accepted")?;
        }
        if commit {
            transaction.commit().await?
        } else {
            transaction.rollback().await?
        }
        say(if commit { "committed" } else { "rolled_back" }, json!({ "count": options.count() }));
    }
    let mut receiver = link.receiver(options).await?;
    let transaction = Transaction::declare(&controller, None).await?;
    for _ in 0..options.count() {
        let delivery: Delivery<Body<Value>> = receiver.recv().await?;
        received(delivery.message(), options.address(), false);
        transaction.accept(&mut receiver, &delivery).await?;
    }
    transaction.commit().await?;
    say("committed", json!({ "count": options.count() }));
    receiver.close().await?;
    sender.close().await?;
    controller.close().await?;
    say("done", json!({ "count": options.count() }));
    link.close().await
}
