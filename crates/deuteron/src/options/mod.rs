//! What can be set on connections, listeners, sessions and links.

mod connect;
mod deadlines;
mod fields;
mod link;
mod listen;
mod receiver;
mod sender;
mod session;

pub(crate) use connect::Reconnect;
pub use connect::{ConnectOptions, UrlSource};
pub use deadlines::Deadlines;
pub(crate) use fields::{source_with_symbol_keys, target_with_symbol_keys, with_symbol_keys};
pub use listen::ListenOptions;
pub use receiver::ReceiverOptions;
pub use sender::SenderOptions;
pub use session::SessionOptions;
