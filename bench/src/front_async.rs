//! The roles on futures.

use crate::Outcome;
use crate::meter::{Latencies, Meter, Plan};
use bytes::Bytes;
use deuteron::{
    ConnectOptions, Connection, Container, Delivery, Link, Message, Receiver, Sender, SenderOptions,
};
use std::collections::VecDeque;
use std::time::Instant;

/// How many messages are on the way before the sender waits for the outcome of the oldest.
const IN_FLIGHT: usize = 2000;

pub(crate) fn run(plan: Plan) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match plan.role {
            "recv" => receive(plan).await,
            "send" => send(plan).await,
            "echo" => echo(plan).await,
            _ => round_trip(plan).await,
        }
    })
}

fn body(delivery: &Delivery) -> Result<Bytes, Box<dyn std::error::Error>> {
    let view = delivery.view()?;
    let data = view.data().ok_or("the message has no data")?;
    Ok(delivery.payload().slice_ref(data))
}

fn sender_options(plan: &Plan) -> SenderOptions {
    let options = SenderOptions::new("q");
    if plan.settled { options.presettled() } else { options }
}

async fn connect(plan: &Plan) -> Result<Connection, Box<dyn std::error::Error>> {
    Ok(Connection::connect(ConnectOptions::new(plan.url.as_str()).reconnect(false)).await?)
}

async fn accept(plan: &Plan) -> Result<Connection, Box<dyn std::error::Error>> {
    let listener = Container::new().listen(plan.url.as_str()).await?;
    Ok(listener.accept().await?)
}

async fn receive(plan: Plan) -> Outcome {
    let connection = accept(&plan).await?;
    let Link::Receiver(receiver) = connection.accept_link().await? else {
        return Err("expected a sender".into());
    };
    receiver.accept();
    let mut meter = None;
    for _ in 0..plan.count {
        let delivery = receiver.recv().await?;
        meter.get_or_insert_with(Meter::start);
        assert_eq!(body(&delivery)?.len(), plan.size, "a body of another size came");
        delivery.accept()?;
    }
    meter.ok_or("nothing was to be received")?.report(&plan, "");
    if plan.settled {
        connection.close().await?;
    } else {
        connection.closed().await?;
    }
    Ok(())
}

async fn send(plan: Plan) -> Outcome {
    let connection = connect(&plan).await?;
    let sender = connection.sender(sender_options(&plan)).await?;
    let message = Message::new(Bytes::from(vec![b'x'; plan.size]));
    sender.ready().await?;
    let meter = Meter::start();
    let mut in_flight = VecDeque::with_capacity(IN_FLIGHT);
    for _ in 0..plan.count {
        let delivery = sender.transfer(&message).await?;
        if plan.settled {
            continue;
        }
        in_flight.push_back(delivery);
        if in_flight.len() == IN_FLIGHT {
            outcome(in_flight.pop_front()).await?;
        }
    }
    while !in_flight.is_empty() {
        outcome(in_flight.pop_front()).await?;
    }
    if plan.settled {
        // Nobody acknowledges what was sent settled: the receiver closes when it has it all.
        connection.closed().await?;
        meter.report(&plan, "");
    } else {
        meter.report(&plan, "");
        connection.close().await?;
    }
    Ok(())
}

async fn outcome(delivery: Option<Delivery>) -> Outcome {
    if let Some(delivery) = delivery {
        let outcome = delivery.outcome().await?;
        if !outcome.is_accepted() {
            return Err(format!("a message was not accepted: {outcome:?}").into());
        }
    }
    Ok(())
}

/// The two links of a connection that is to be answered.
async fn links(connection: &Connection) -> Result<(Receiver, Sender), Box<dyn std::error::Error>> {
    // The client waits for the first link before it asks for the second.
    let first = connection.accept_link().await?;
    first.accept();
    let second = connection.accept_link().await?;
    second.accept();
    match (first, second) {
        (Link::Receiver(receiver), Link::Sender(sender))
        | (Link::Sender(sender), Link::Receiver(receiver)) => Ok((receiver, sender)),
        _ => Err("expected one link each way".into()),
    }
}

async fn echo(plan: Plan) -> Outcome {
    let connection = accept(&plan).await?;
    let (receiver, sender) = links(&connection).await?;
    // The client closes when it has enough: that is the error which ends the loop.
    while let Ok(delivery) = receiver.recv().await {
        delivery.accept()?;
        sender.transfer(Message::new(body(&delivery)?)).await?;
    }
    Ok(())
}

async fn round_trip(plan: Plan) -> Outcome {
    let connection = connect(&plan).await?;
    let receiver = connection.receiver("rep").await?;
    let sender = connection.sender(sender_options(&plan)).await?;
    let message = Message::new(Bytes::from(vec![b'x'; plan.size]));
    sender.ready().await?;
    let meter = Meter::start();
    let mut latencies = Latencies::default();
    for _ in 0..plan.count {
        let sent_at = Instant::now();
        sender.transfer(&message).await?;
        let delivery = receiver.recv().await?;
        assert_eq!(body(&delivery)?.len(), plan.size, "a body of another size came");
        delivery.accept()?;
        latencies.add(sent_at.elapsed());
    }
    let fields = latencies.fields();
    meter.report(&plan, &fields);
    connection.close().await?;
    Ok(())
}
