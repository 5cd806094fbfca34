//! A connection with a handler of its own or none: a task of the runtime, or part of a container's loop.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::Sleep;

use super::event_loop::run_agenda;
use super::waits::CallbackScope;
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

impl Task {
    /// Runs the connection; `fallback` is the handler of one that has none of its own.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, fallback: &mut Handler<'_>) -> Poll<()> {
        let Some(own) = &mut self.handler else { return self.driver.poll(cx, fallback) };
        let handler: &mut dyn MessagingHandler = &mut **own;
        let surroundings = Arc::clone(&self.driver.surroundings);
        let agenda = &surroundings.agenda;
        agenda.register(cx.waker());
        if !std::mem::replace(&mut self.started, true) {
            let _callback = CallbackScope::enter();
            handler.on_start(&mut surroundings.context());
        }
        loop {
            run_agenda(&surroundings, handler);
            let mut borrowed: Handler<'_> = Some(&mut *handler);
            if self.driver.poll(cx, &mut borrowed).is_ready() {
                return Poll::Ready(());
            }
            let Some(at) = agenda.deadline() else { return Poll::Pending };
            if at > Instant::now() {
                let mut sleep = Box::pin(tokio::time::sleep_until(at.into()));
                if sleep.as_mut().poll(cx).is_pending() {
                    self.sleep = Some(sleep);
                    return Poll::Pending;
                }
            }
        }
    }
}

impl Future for Task {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.get_mut().poll(cx, &mut None)
    }
}
