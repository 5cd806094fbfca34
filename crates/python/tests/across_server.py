"""A server for test_across.py, run as a program: it answers, decides and fails as its clients ask it to.

Arguments: the address to listen at, and files for TLS if there shall be TLS: certificate, key, authority.
"""

from __future__ import annotations

import sys

from proton import Condition, Delivery, Message, SSLDomain
from proton.handlers import MessagingHandler
from proton.reactor import Container

OUTCOMES = {
    "accept": Delivery.ACCEPTED,
    "reject": Delivery.REJECTED,
    "release": Delivery.RELEASED,
    "modify": Delivery.MODIFIED,
}


class Server(MessagingHandler):
    """Listens until a client tells it to stop."""

    def __init__(self, url: str, files: list) -> None:
        super().__init__(auto_accept=False, prefetch=20)
        self.url, self.files = url, files
        self.answers: dict = {}
        self.acceptor = None

    def on_start(self, event):
        """Listens."""
        if self.files:
            certificate, key, authority = self.files
            domain = event.container.ssl.server
            domain.set_credentials(certificate, key, None)
            domain.set_trusted_ca_db(authority)
            domain.set_peer_authentication(SSLDomain.VERIFY_PEER, authority)
        self.acceptor = event.container.listen(self.url)
        print("listening", flush=True)

    def on_connection_bound(self, event):
        """Wants a sign of life."""
        event.transport.idle_timeout = 8

    def on_connection_opening(self, event):
        """Says who has come."""
        transport = event.transport
        print("client", transport.user, transport.encrypted, transport.remote_idle_timeout, flush=True)

    def on_link_opening(self, event):
        """Refuses an address, makes dynamic ones, and takes the others as they are."""
        link = event.link
        if link.remote_target.address == "no" or link.remote_source.address == "no":
            link.condition = Condition("amqp:not-found", "no such place", {"place": "no"})
            link.close()
            return
        link.source.copy(link.remote_source)
        link.target.copy(link.remote_target)
        if link.is_sender and link.remote_source.dynamic:
            link.source.address = f"answers-{len(self.answers)}"
            self.answers[link.source.address] = link

    def on_sendable(self, event):
        """Has nothing to send by itself."""
        if event.sender.drain_mode:
            event.sender.drained()

    def on_message(self, event):
        """Does what the subject of the message says."""
        message, delivery = event.message, event.delivery
        subject = message.subject
        if subject in OUTCOMES:
            if subject == "reject":
                delivery.local.condition = Condition("app:bad", "not this", {"why": "because"})
            if subject == "modify":
                delivery.local.failed, delivery.local.undeliverable = True, True
            delivery.update(OUTCOMES[subject])
            delivery.settle()
            return
        delivery.update(Delivery.ACCEPTED)
        delivery.settle()
        getattr(self, f"on_{subject}")(event, message)

    def on_echo(self, event, message):
        """Sends all of it back."""
        self.answers[message.reply_to].send(
            Message(
                body=message.body,
                properties=message.properties,
                annotations=message.annotations,
                correlation_id=message.correlation_id,
                subject="echo",
                durable=message.durable,
                priority=message.priority,
                ttl=message.ttl,
            )
        )

    def on_count(self, event, message):
        """Says how large a message is."""
        self.answers[message.reply_to].send(Message(body=len(message.body), correlation_id=message.correlation_id))

    def on_end_link(self, event, message):
        """An error of the link."""
        event.link.condition = Condition("amqp:resource-deleted", "the queue is gone", {"queue": "a"})
        event.link.close()

    def on_end_session(self, event, message):
        """An error of the session."""
        event.session.condition = Condition("amqp:not-allowed", "no such session")
        event.session.close()

    def on_end_connection(self, event, message):
        """An error of the connection."""
        event.connection.condition = Condition("amqp:internal-error", "out of order", {"number": 7})
        event.connection.close()

    def on_stop(self, event, message):
        """The end."""
        self.acceptor.close()


Container(Server(sys.argv[1], sys.argv[2:])).run()
