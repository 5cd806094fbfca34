//! How fast messages go through the broker, one producer and one consumer in this process:
//! `cargo run --release -p deuteron-broker --example rate -- 1000000 100 1`
//! (messages, bytes of each, threads of the broker).

use std::sync::mpsc;
use std::time::Instant;

use deuteron::{Ack, Container, Context, Delivery, Message, MessagingHandler, Sender};
use deuteron_broker::{Broker, BrokerConfig};

struct Producer {
    url: String,
    left: usize,
    unsettled: usize,
    message: Message,
}

impl MessagingHandler for Producer {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        cx.connect(self.url.as_str()).and_then(|connection| connection.open_sender("q")).expect("it starts");
    }

    fn on_sendable(&mut self, _: &mut Context<'_>, sender: &Sender) {
        for _ in 0..sender.credit().min(self.left as u32) {
            sender.send_now(&self.message).expect("it is sent");
            self.left -= 1;
        }
    }

    fn on_settled(&mut self, _: &mut Context<'_>, delivery: &Delivery) {
        self.unsettled -= 1;
        if self.unsettled == 0 {
            drop(delivery.connection().close());
        }
    }
}

struct Consumer {
    url: String,
    left: usize,
    ready: Option<mpsc::Sender<()>>,
}

impl MessagingHandler for Consumer {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        cx.connect(self.url.as_str())
            .and_then(|connection| connection.open_receiver("q"))
            .expect("it starts");
    }

    fn on_link_opened(&mut self, _: &mut Context<'_>, _: &deuteron::Link) {
        drop(self.ready.take());
    }

    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        self.left -= 1;
        if self.left == 0 {
            drop(delivery.connection().close());
        }
        Ack::Accept
    }
}

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).map(|text| text.parse().expect("a number")).collect();
    let [count, size, threads] = numbers[..] else { panic!("messages, bytes, threads") };
    let config = BrokerConfig { threads, ..BrokerConfig::listening(["amqp://127.0.0.1:0"]) };
    let broker = Broker::start_on_thread(config).expect("the broker starts");
    let url = broker.url().to_owned();
    let (ready, attached) = mpsc::channel();
    let consumer = Consumer { url: url.clone(), left: count, ready: Some(ready) };
    let consuming = std::thread::spawn(move || Container::new().run(consumer));
    attached.recv().expect_err("the consumer says by hanging up that it is ready");
    let start = Instant::now();
    let message = Message::new(vec![b'x'; size]);
    let producer = Producer { url, left: count, unsettled: count, message };
    let producing = std::thread::spawn(move || Container::new().run(producer));
    consuming.join().expect("no panic").expect("it runs");
    let elapsed = start.elapsed().as_secs_f64();
    producing.join().expect("no panic").expect("it runs");
    println!("{count} messages of {size} bytes in {elapsed:.2} s: {:.0} per second", count as f64 / elapsed);
    println!("{:?}", broker.stats());
}
