//! A connection as a task of its own, with a handler of its own or none.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::Sleep;

use super::event_loop::run_agenda;
use super::{Driver, Handler};
use crate::MessagingHandler;

pub(crate) struct Task {
    driver: Driver,
    handler: Option<Box<dyn MessagingHandler + Send>>,
    started: bool,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Task {
    pub(crate) fn new(driver: Driver, handler: Option<Box<dyn MessagingHandler + Send>>) -> Self {
        Self { driver, handler, started: false, sleep: None }
    }
}

impl Future for Task {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let Some(own) = &mut this.handler else {
            return this.driver.poll(cx, &mut None);
        };
        let handler: &mut dyn MessagingHandler = &mut **own;
        let surroundings = std::sync::Arc::clone(&this.driver.surroundings);
        let agenda = &surroundings.agenda;
        agenda.register(cx.waker());
        if !std::mem::replace(&mut this.started, true) {
            handler.on_start(&mut surroundings.context());
        }
        loop {
            run_agenda(&surroundings, handler);
            let mut borrowed: Handler<'_> = Some(&mut *handler);
            if this.driver.poll(cx, &mut borrowed).is_ready() {
                return Poll::Ready(());
            }
            let Some(at) = agenda.deadline() else { return Poll::Pending };
            if at > Instant::now() {
                let mut sleep = Box::pin(tokio::time::sleep_until(at.into()));
                if sleep.as_mut().poll(cx).is_pending() {
                    this.sleep = Some(sleep);
                    return Poll::Pending;
                }
            }
        }
    }
}
