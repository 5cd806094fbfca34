use super::PATIENCE;
use deuteron::{Ack, Container, Context, Delivery, Injector, ListenOptions, MessagingHandler};
use std::sync::mpsc;
use std::thread::JoinHandle;

/// A listener in this process: it opens whatever clients open, and does with messages as it was told.
pub struct Server {
    port: u16,
    injector: Option<Injector>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// One that accepts every message.
    pub fn start(options: impl Into<ListenOptions>) -> Self {
        Self::with(options, |_| Ack::Accept)
    }

    /// One that takes messages in this way.
    pub fn with(
        options: impl Into<ListenOptions>,
        take: impl FnMut(&Delivery) -> Ack + Send + 'static,
    ) -> Self {
        let (ready, started) = mpsc::channel();
        let handler = Handler { options: Some(options.into()), ready, take };
        let thread = std::thread::spawn(move || Container::with_id("test-server").run(handler).unwrap());
        let (port, injector) = started.recv_timeout(PATIENCE).unwrap();
        Self { port, injector: Some(injector), thread: Some(thread) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("amqp://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.injector.take().unwrap().run(|cx| cx.stop());
        if self.thread.take().unwrap().join().is_err() && !std::thread::panicking() {
            panic!("the server panicked");
        }
    }
}

struct Handler<F> {
    options: Option<ListenOptions>,
    ready: mpsc::Sender<(u16, Injector)>,
    take: F,
}

impl<F: FnMut(&Delivery) -> Ack> MessagingHandler for Handler<F> {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let listener = cx.listen(self.options.take().unwrap()).unwrap();
        self.ready.send((listener.port(), cx.injector())).unwrap();
    }

    fn on_message(&mut self, _: &mut Context<'_>, delivery: &Delivery) -> Ack {
        (self.take)(delivery)
    }
}
