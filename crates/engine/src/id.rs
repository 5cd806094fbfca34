//! Ids of endpoints and deliveries: small, `Copy`, and guarded by a generation, so that a stale one finds nothing.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name {
            pub(crate) index: u32,
            pub(crate) generation: u32,
        }

        impl crate::store::Key for $name {
            fn new(index: u32, generation: u32) -> Self {
                Self { index, generation }
            }
            fn index(self) -> u32 {
                self.index
            }
            fn generation(self) -> u32 {
                self.generation
            }
        }
    };
}

id! {
    /// Names a session of one [`Connection`](crate::Connection) for as long as the session lives, across reconnects.
    SessionId
}
id! {
    /// Names a link of one [`Connection`](crate::Connection) for as long as the link lives, across reconnects.
    LinkId
}
id! {
    /// Names a delivery of one [`Connection`](crate::Connection). It is not the wire's delivery-id, which exists only
    /// once the delivery is sent and changes when it is replayed.
    DeliveryId
}
