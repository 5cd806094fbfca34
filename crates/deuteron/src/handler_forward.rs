//! Handlers by reference and in boxes.

use std::any::Any;
use std::time::Duration;

use crate::{
    Ack, Connection, Context, Delivery, Error, Link, Listener, MessagingHandler, Sender, Session, TimerId,
    Transaction,
};

macro_rules! forward {
    ($($name:ident($($argument:ident: $kind:ty),*) $(-> $result:ty)?;)*) => {
        impl<H: MessagingHandler + ?Sized> MessagingHandler for &mut H {
            $(fn $name(&mut self, cx: &mut Context<'_> $(, $argument: $kind)*) $(-> $result)? {
                (**self).$name(cx $(, $argument)*)
            })*
        }

        impl<H: MessagingHandler + ?Sized> MessagingHandler for Box<H> {
            $(fn $name(&mut self, cx: &mut Context<'_> $(, $argument: $kind)*) $(-> $result)? {
                (**self).$name(cx $(, $argument)*)
            })*
        }
    };
}

forward! {
    on_start();
    on_sasl_pending(connection: &Connection);
    on_connection_opening(connection: &Connection);
    on_connection_opened(connection: &Connection);
    on_connection_closing(connection: &Connection);
    on_connection_closed(connection: &Connection);
    on_connection_error(connection: &Connection, error: &Error);
    on_session_opening(session: &Session);
    on_session_opened(session: &Session);
    on_session_closing(session: &Session);
    on_session_closed(session: &Session);
    on_session_error(session: &Session, error: &Error);
    on_session_interrupted(session: &Session, error: &Error, delay: Duration);
    on_link_interrupted(link: &Link, error: &Error, delay: Duration);
    on_address_changed(link: &Link, before: &str, now: &str);
    on_link_opening(link: &Link);
    on_link_opened(link: &Link);
    on_link_detached(link: &Link);
    on_link_closing(link: &Link);
    on_link_closed(link: &Link);
    on_link_error(link: &Link, error: &Error);
    on_sendable(sender: &Sender);
    on_message(delivery: &Delivery) -> Ack;
    on_message_aborted(delivery: &Delivery);
    on_accepted(delivery: &Delivery);
    on_rejected(delivery: &Delivery);
    on_released(delivery: &Delivery);
    on_modified(delivery: &Delivery);
    on_settled(delivery: &Delivery);
    on_lost(delivery: &Delivery);
    on_drained(link: &Link);
    on_transaction_declared(transaction: &Transaction);
    on_transaction_declare_failed(transaction: &Transaction, error: &Error);
    on_transaction_committed(transaction: &Transaction);
    on_transaction_commit_failed(transaction: &Transaction, error: &Error);
    on_transaction_aborted(transaction: &Transaction);
    on_transport_error(connection: &Connection, error: &Error);
    on_disconnected(connection: &Connection, error: &Error, will_retry: bool);
    on_reconnecting(connection: &Connection, attempt: u32, delay: Duration);
    on_gave_up(connection: &Connection, error: &Error, attempts: u32);
    on_timer(timer: TimerId, token: u64);
    on_injected(event: Box<dyn Any + Send>);
    on_listener_error(listener: &Listener, error: &Error);
}
