//! Timers and events from other threads, without any connection.
//!
//! `timer`

use deuteron::{Container, Context, MessagingHandler, TimerId};
use std::any::Any;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Default)]
struct Clock {
    ticks: u64,
    told: bool,
}

impl MessagingHandler for Clock {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        cx.schedule(Duration::from_millis(10), 1);
        let injector = cx.injector();
        // The loop goes on at least until the injector is dropped, at the end of the thread.
        std::thread::spawn(move || injector.inject("greetings from another thread"));
    }

    fn on_timer(&mut self, cx: &mut Context<'_>, _: TimerId, token: u64) {
        println!("tick {token}");
        self.ticks = token;
        if token < 3 {
            cx.schedule(Duration::from_millis(10), token + 1);
        }
    }

    fn on_injected(&mut self, _: &mut Context<'_>, event: Box<dyn Any + Send>) {
        if let Some(text) = event.downcast_ref::<&str>() {
            println!("{text}");
            self.told = true;
        }
    }
}

fn main() -> ExitCode {
    let mut clock = Clock::default();
    if let Err(error) = Container::new().run(&mut clock) {
        eprintln!("{error}");
    }
    if clock.ticks == 3 && clock.told { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
