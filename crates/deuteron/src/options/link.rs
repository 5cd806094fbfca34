//! What senders and receivers have in common.

/// Implements the options that both kinds of link have, on a struct with a field `config: LinkConfig`.
macro_rules! link_options {
    ($options:ident) => {
        impl $options {
            /// The link's name. It identifies the link to the peer together with the container id
            /// (spec 2.6.1), so give one to whatever shall be found again later. Default: unique.
            #[must_use]
            pub fn name(mut self, name: impl Into<String>) -> Self {
                self.config.name = name.into();
                self
            }

            /// The whole source, instead of what the other options have set of it (spec 3.5.3).
            #[must_use]
            pub fn source(mut self, source: Source) -> Self {
                self.config.source = Some(crate::options::source_with_symbol_keys(source));
                self
            }

            /// The whole target, instead of what the other options have set of it (spec 3.5.4).
            #[must_use]
            pub fn target(mut self, target: Target) -> Self {
                self.config.target =
                    Some(AttachTarget::Target(crate::options::target_with_symbol_keys(target)));
                self
            }

            /// Which settlement the sending side uses (spec 2.8.2). Default mixed.
            #[must_use]
            pub fn snd_settle_mode(mut self, mode: SenderSettleMode) -> Self {
                self.config.snd_settle_mode = mode;
                self
            }

            /// Which settlement the receiving side uses (spec 2.8.3): `First` settles at once,
            /// `Second` waits until the sender has settled. Default first.
            #[must_use]
            pub fn rcv_settle_mode(mut self, mode: ReceiverSettleMode) -> Self {
                self.config.rcv_settle_mode = mode;
                self
            }

            /// The largest message that we take, in bytes. Default 0: no limit but the connection's
            /// (512 MiB).
            #[must_use]
            pub fn max_message_size(mut self, bytes: u64) -> Self {
                self.config.max_message_size = bytes;
                self
            }

            /// Properties of the link. Keys that are strings are sent as symbols (spec 2.8.13).
            #[must_use]
            pub fn properties(mut self, properties: Map) -> Self {
                self.config.properties = Some(crate::options::with_symbol_keys(properties));
                self
            }

            /// Capabilities that we offer on the link.
            #[must_use]
            pub fn offered_capabilities<S: Into<Symbol>>(
                mut self,
                list: impl IntoIterator<Item = S>,
            ) -> Self {
                self.config.offered_capabilities = list.into_iter().map(Into::into).collect();
                self
            }

            /// Capabilities that we should like the peer to have.
            #[must_use]
            pub fn desired_capabilities<S: Into<Symbol>>(
                mut self,
                list: impl IntoIterator<Item = S>,
            ) -> Self {
                self.config.desired_capabilities = list.into_iter().map(Into::into).collect();
                self
            }

            /// The deadlines of this link instead of its connection's.
            #[must_use]
            pub fn deadlines(mut self, deadlines: Deadlines) -> Self {
                self.deadlines = Some(deadlines);
                self
            }

            /// When the peer ends the link, and the [`Remedies`](crate::Remedies) of the connection say that
            /// it can be attached again, that is done by itself after these delays, without touching its
            /// neighbours. Default: those of [`Backoff`] on connections that we made and that reconnect.
            #[must_use]
            pub fn reattach(mut self, delays: Backoff) -> Self {
                self.comeback = Some(Some(delays));
                self
            }

            /// What is unsettled when a wire is lost is resumed on the next one (spec 2.6.13), so that each message is
            /// processed exactly once: the link's [`guarantee`](crate::LinkHandle::guarantee) says whether the peer plays
            /// along. It is asked to remember the link for the time `keep`, in whole seconds, after it was cut off.
            ///
            /// Sets [`Recovery::Resume`](deuteron_engine::Recovery::Resume), both settle modes (unsettled, second), and the
            /// expiry policy and timeout of the termini, unless they never expire; so call it after `source` and `target`.
            /// A peer that has forgotten the link makes a sender's unsettled messages unknown
            /// ([`Outcome::Lost`](crate::Outcome::Lost)): they are not sent twice.
            #[must_use]
            pub fn resume(mut self, keep: std::time::Duration) -> Self {
                let seconds = u32::try_from(keep.as_secs()).unwrap_or(u32::MAX).max(1);
                self.config = self.config.resuming(seconds);
                self
            }

            /// The link is over when the peer ends it, whatever the reason.
            #[must_use]
            pub fn stay_detached(mut self) -> Self {
                self.comeback = Some(None);
                self
            }
        }

        impl From<&str> for $options {
            fn from(address: &str) -> Self {
                Self::new(address)
            }
        }

        impl From<String> for $options {
            fn from(address: String) -> Self {
                Self::new(address)
            }
        }

        impl From<&String> for $options {
            fn from(address: &String) -> Self {
                Self::new(address.as_str())
            }
        }
    };
}

pub(super) use link_options;
