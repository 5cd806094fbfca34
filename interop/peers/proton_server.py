"""The server role of ``proton_peer.py``: a small broker."""

import collections
import os
import subprocess

import proton
from proton import Delivery, Endpoint, SSLDomain
from proton_common import Peer, numbered, received, say


class Server(Peer):
    """Store and forward: what is sent to an address waits there until a receiver of that address has credit.

    Addresses that begin with ``reject``, ``release`` or ``modify`` get that outcome instead; messages to ``echo`` go to
    their reply-to address.
    """

    def __init__(self, options):
        super().__init__(options, prefetch=0)
        self.queues = collections.defaultdict(collections.deque)
        self.consumers = collections.defaultdict(list)
        self.held = {}
        self.dynamic = 0
        self.acceptor = None

    def on_start(self, event):
        """Listens, and fills the queues that were asked for."""
        options = self.options
        for entry in options.fill or []:
            address, count, size = entry.split(",")
            self.queues[address].extend(numbered(int(count), int(size)))
        domain = None
        if options.cert:
            domain = SSLDomain(SSLDomain.MODE_SERVER)
            domain.set_credentials(options.cert, options.key, None)
            if options.ca:
                domain.set_trusted_ca_db(options.ca)
                domain.set_peer_authentication(SSLDomain.VERIFY_PEER, options.ca)
        self.acceptor = event.container.listen(f"{options.host}:{options.port}", ssl_domain=domain)
        port = self.acceptor._selectable._delegate.getsockname()[1]
        say("listening", port=port)

    def on_connection_bound(self, event):
        """Sets up SASL before the first byte is read."""
        options = self.options
        event.connection.container = f"proton-listen-{os.getpid()}"
        if not options.sasl:
            return
        transport = event.transport
        if options.max_frame_size:
            transport.max_frame_size = options.max_frame_size
        # Cyrus SASL takes ANONYMOUS off the list where authentication is required.
        transport.require_auth("ANONYMOUS" not in (options.mechanisms or "ANONYMOUS"))
        sasl = transport.sasl()
        sasl.allow_insecure_mechs = True
        if options.mechanisms:
            sasl.allowed_mechs(options.mechanisms)
        if options.password:
            sasl.config_path(options.directory)
            sasl.config_name("proton-server")

    def on_link_opening(self, event):
        """Answers an attach with what the peer asked for; a dynamic source gets a name."""
        link = event.link
        if link.is_sender:
            if link.remote_source.dynamic:
                self.dynamic += 1
                link.source.address = f"dynamic-{os.getpid()}-{self.dynamic}"
            else:
                link.source.address = link.remote_source.address
            self.consumers[link.source.address].append(link)
        else:
            link.target.address = link.remote_target.address
            link.flow(100)
        address = link.source.address if link.is_sender else link.target.address
        say("attached", role="sender" if link.is_sender else "receiver", address=address)

    def on_message(self, event):
        """Takes a message, or refuses it where its address says so."""
        message, delivery, link = event.message, event.delivery, event.receiver
        address = link.target.address or message.address
        received(message, address, self.options.types)
        for prefix, outcome in (
            ("reject", Delivery.REJECTED),
            ("release", Delivery.RELEASED),
            ("modify", Delivery.MODIFIED),
        ):
            if address.startswith(prefix):
                if outcome == Delivery.REJECTED:
                    delivery.local.condition = proton.Condition("example:rejected", "this address rejects")
                if outcome == Delivery.MODIFIED:
                    delivery.local.failed = True
                    delivery.local.undeliverable = True
                delivery.update(outcome)
                delivery.settle()
                break
        else:
            self.accept(delivery)
            self.enqueue(address, message)
        link.flow(1)

    def enqueue(self, address, message):
        """Puts a message on its queue; requests go straight to the queue of the answers."""
        if address == "echo":
            message.address, address = message.reply_to, message.reply_to
            if message.correlation_id is None:
                message.correlation_id = message.id
        self.queues[address].append(message)
        self.forward(address)

    def forward(self, address):
        """Sends what waits to those who have credit."""
        queue = self.queues[address]
        for link in self.consumers[address]:
            while queue and link.credit > 0 and not link.state & Endpoint.REMOTE_CLOSED:
                message = queue.popleft()
                delivery = link.send(message)
                if not delivery.settled:
                    self.held[delivery] = (address, message)

    def on_sendable(self, event):
        """Credit came."""
        self.forward(event.sender.source.address)

    def on_accepted(self, event):
        """A consumer is done with a message."""
        self.finished(event, "accepted")

    def on_rejected(self, event):
        """A consumer cannot use a message: it is dropped."""
        self.finished(event, "rejected")

    def on_released(self, event):
        """A message comes back and is offered again."""
        state = "modified" if event.delivery.remote_state == Delivery.MODIFIED else "released"
        held = self.finished(event, state)
        if held:
            address, message = held
            if state == "modified" and event.delivery.remote.failed:
                message.delivery_count += 1
            self.queues[address].appendleft(message)

    def finished(self, event, state):
        """Announces the fate of a message that went out."""
        held = self.held.pop(event.delivery, None)
        if held:
            say("settled", address=held[0], id=str(held[1].id), state=state)
        return held

    def on_link_closed(self, event):
        """A consumer that left gets nothing more."""
        for links in self.consumers.values():
            if event.link in links:
                links.remove(event.link)

    def on_disconnected(self, event):
        """The same for all consumers of a lost connection; what they held waits again."""
        super().on_disconnected(event)
        for links in self.consumers.values():
            links[:] = [link for link in links if link.connection != event.connection]
        for delivery in [held for held in self.held if held.connection == event.connection]:
            address, message = self.held.pop(delivery)
            self.queues[address].append(message)


def prepare_passwords(options):
    """Writes the password database that Cyrus SASL reads."""
    database = os.path.join(options.directory, "sasldb")
    config = (
        f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {database}\nmech_list: {options.mechanisms}\n"
    )
    with open(os.path.join(options.directory, "proton-server.conf"), "w", encoding="utf-8") as file:
        file.write(config)
    name, _, realm = options.user.partition("@")
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    command = ["saslpasswd2", "-c", "-p", "-f", database, "-u", realm or "proton", name]
    subprocess.run(command, input=options.password.encode(), check=True, env={**os.environ, "PATH": path})
