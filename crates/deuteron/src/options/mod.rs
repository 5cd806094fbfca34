//! What can be set on connections, listeners, sessions and links.

mod connect;
mod deadlines;
mod failover;
mod fields;
mod link;
mod listen;
mod receiver;
mod sender;
mod server;
mod session;

pub use connect::{ConnectOptions, UrlSource};
pub(crate) use connect::{OwnHandler, Reconnect};
pub use deadlines::Deadlines;
pub(crate) use fields::{source_with_symbol_keys, target_with_symbol_keys, with_symbol_keys};
pub use listen::ListenOptions;
pub use receiver::ReceiverOptions;
pub use sender::SenderOptions;
pub use server::{Server, ServerList};
pub use session::SessionOptions;
