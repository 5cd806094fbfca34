# ruff: noqa: D102, D103
"""Transactions against a coordinator in the same container."""

from __future__ import annotations

import pytest
from proton import Message, Terminus, symbol
from proton.handlers import MessagingHandler, TransactionalClientHandler
from proton.reactor import Container

DECLARED = 0x33
TRANSACTIONAL = 0x34
SOON = 30.0


class Coordinator(MessagingHandler):
    """Begins and ends transactions, sends two messages, and notes what it hears in which order."""

    def __init__(self) -> None:
        super().__init__(auto_accept=False, auto_settle=False)
        self.heard: list = []
        self.refuses = False

    def on_link_opening(self, event):
        event.link.source.copy(event.link.remote_source)
        event.link.target.copy(event.link.remote_target)

    def on_sendable(self, event):
        if not hasattr(event.connection, "sent_both"):
            event.connection.sent_both = True
            event.sender.send(Message(body="a"))
            event.sender.send(Message(body="b"))

    def on_delivery(self, event):
        delivery = event.delivery
        if event.sender is not None and delivery.updated and delivery.remote_state == TRANSACTIONAL:
            self.heard.append(("outcome", bytes(delivery.remote.data[0])))
            delivery.settle()

    def on_message(self, event):
        delivery = event.delivery
        if event.link.remote_target.type != Terminus.COORDINATOR:
            self.heard.append(("message", event.message.body))
            self.accept(delivery)
            return
        body = event.message.body
        if body.descriptor == symbol("amqp:declare:list"):
            delivery.local.data = [b"txn-1"]
            delivery.update(DECLARED)
            delivery.settle()
            return
        self.heard.append(("discharge", bytes(body.value[0]), body.value[1]))
        if self.refuses:
            self.reject(delivery)
        else:
            self.accept(delivery)


class Client(TransactionalClientHandler):
    """Sends one message and accepts two in a transaction, then ends it."""

    def __init__(self, commits: bool, settle_first: bool) -> None:
        super().__init__()
        self.commits = commits
        self.settle_first = settle_first
        self.told: list = []
        self.transaction = None
        self.waiting: list = []

    def begin(self, event, port):
        self.connection = event.container.connect(f"127.0.0.1:{port}", handler=self)
        self.sender = event.container.create_sender(self.connection, "out")
        event.container.create_receiver(self.connection, "in")
        event.container.declare_transaction(self.connection, self, self.settle_first)

    def on_transaction_declared(self, event):
        self.told.append("declared")
        self.transaction = event.transaction
        self.transaction.send(self.sender, Message(body="hello"))
        self.work()

    def on_message(self, event):
        self.waiting.append(event.delivery)
        self.work()

    def work(self):
        if self.transaction is not None and len(self.waiting) == 2:
            for delivery in self.waiting:
                self.accept(delivery, self.transaction)
            if self.commits:
                self.transaction.commit()
            else:
                self.transaction.abort()

    def on_transaction_committed(self, event):
        self.told.append("committed")
        self.connection.close()

    def on_transaction_aborted(self, event):
        self.told.append("aborted")
        self.connection.close()

    def on_transaction_commit_failed(self, event):
        self.told.append("commit failed")
        self.connection.close()


def run(commits: bool, settle_first: bool, refuses: bool = False):
    server, client = Coordinator(), Client(commits, settle_first)
    server.refuses = refuses

    class Both:
        def on_reactor_init(self, event):
            self.guard = event.container.schedule(SOON, self)
            self.acceptor = event.container.listen("127.0.0.1:0")
            client.begin(event, self.acceptor._selectable._delegate.getsockname()[1])

        def on_timer_task(self, event):
            event.container.stop()
            raise AssertionError("the transaction did not come to its end")

        def on_connection_remote_close(self, event):
            if len(client.told) == 2:
                self.guard.cancel()
                self.acceptor.close()

    Container(Both(), server).run()
    return server.heard, client.told


@pytest.mark.parametrize("settle_first", [False, True])
@pytest.mark.parametrize("commits", [False, True])
def test_all_that_is_done_in_a_transaction_comes_before_its_end(commits, settle_first):
    heard, told = run(commits, settle_first)
    assert told == ["declared", "committed" if commits else "aborted"]
    assert heard[-1] == ("discharge", b"txn-1", not commits)
    assert sorted(heard[:-1]) == [("message", "hello")] + [("outcome", b"txn-1")] * 2


def test_a_commit_that_is_refused_is_told():
    heard, told = run(commits=True, settle_first=False, refuses=True)
    assert told == ["declared", "commit failed"]
    assert heard[-1] == ("discharge", b"txn-1", False)


class Declines(Coordinator):
    """Begins no transaction."""

    def on_message(self, event):
        self.heard.append(event.link.remote_target.capabilities is not None)
        self.reject(event.delivery)


def test_a_transaction_that_cannot_begin_is_told():
    server = Declines()
    told: list = []

    class Handler(Client):
        def on_transaction_declare_failed(self, event):
            told.append("declare failed")
            self.connection.close()

    meet(Handler(commits=True, settle_first=False), server)
    assert told == ["declare failed"]


def meet(client, server):
    """Lets a client begin a transaction with a server, and runs until the connection is closed."""

    class Both:
        def on_reactor_init(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            client.begin(event, self.acceptor._selectable._delegate.getsockname()[1])

        def on_connection_remote_close(self, event):
            self.acceptor.close()

    Container(Both(), server).run()


def test_transactions_share_one_control_link():
    class Handler(Client):
        def begin(self, event, port):
            self.connection = event.container.connect(f"127.0.0.1:{port}", handler=self)
            self.sender = event.container.create_sender(self.connection, "out")
            self.first = event.container.declare_transaction(self.connection, self)
            self.second = event.container.declare_transaction(self.connection, self)
            self.ids = [self.first.id, self.second.id]
            self.control = self.connection._txn_ctrl

        def on_transaction_declared(self, event):
            self.told.append(event.transaction is self.first or event.transaction is self.second)
            if len(self.told) == 2:
                self.same = self.connection._txn_ctrl == self.control
                self.connection.close()

    client = Handler(commits=True, settle_first=False)
    meet(client, Coordinator())
    assert client.told == [True, True]
    assert client.ids == [None, None]
    assert bytes(client.first.id) == bytes(client.second.id) == b"txn-1"
    assert client.same
    assert client.control.name == "txn-ctrl"
    assert client.control.target.type == Terminus.COORDINATOR


def test_handlers_of_transactions_are_any_objects():
    told: list = []

    class OfTransaction:
        def on_transaction_declared(self, event):
            told.append("declared")
            event.transaction.commit()

        def on_transaction_committed(self, event):
            told.append("committed")
            client.connection.close()

        def on_transaction_declare_failed(self, event):
            told.append("declare failed")

        on_transaction_commit_failed = on_transaction_aborted = on_transaction_declare_failed

    class Handler(Client):
        def begin(self, event, port):
            self.connection = event.container.connect(f"127.0.0.1:{port}", handler=self)
            event.container.declare_transaction(self.connection, handler)

    client, handler = Handler(commits=True, settle_first=False), OfTransaction()
    meet(client, Coordinator())
    assert told == ["declared", "committed"]
