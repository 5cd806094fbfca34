# ruff: noqa: D102, D103, D107
"""Which methods of which handlers an event is given to, and what the event tells."""

from __future__ import annotations

import pytest
from proton import Event, EventType, Message
from proton.handlers import MessagingHandler
from proton.reactor import ApplicationEvent, Container, Handler
from support import Both, Closing, Group, Journal, Server, meet


class Names:
    """Notes what it is called for."""

    def __init__(self, order, name, *children) -> None:
        self.order = order
        self.name = name
        self.handlers = list(children)

    def on_reactor_init(self, event):
        self.order.append(self.name)


def test_parents_come_first_and_children_depth_first():
    order: list = []
    tree = Names(order, "a", Names(order, "b", Names(order, "c")), Names(order, "d"))
    Container(tree, Names(order, "e")).run()
    assert order == ["a", "b", "c", "d", "e"]


def test_events_without_a_method_go_to_on_unhandled():
    seen = []

    class Some:
        def on_reactor_init(self, event):
            seen.append("init")

        def on_unhandled(self, name, event):
            seen.append((name, event.type))

    Container(Some()).run()
    assert seen[0] == "init"
    assert seen[-1] == ("on_reactor_final", Event.REACTOR_FINAL)


def test_any_object_is_a_handler():
    Container(object(), 1, "text").run()


def test_the_list_of_a_handlers_children_is_made_when_it_is_needed():
    class Plain(Handler):
        def __init__(self) -> None:
            """Does not call that of the base class."""

    handler = Plain()
    assert handler.handlers == []
    child = object()
    handler.add(child)
    handler.add(child, on_error=None)
    assert handler.handlers == [child, child]
    assert Handler().handlers == []
    assert handler.on_unhandled("on_something", None) is None


def test_a_handler_that_is_not_one_is_wrapped():
    class Other:
        pass

    other, handler = Other(), Handler()
    connection = Container().connection()
    session = connection.session()
    link = session.sender("s")
    for endpoint in (connection, session, link):
        assert endpoint.handler is None
        endpoint.handler = other
        assert isinstance(endpoint.handler, Handler)
        assert endpoint.handler.handlers == [other]
        endpoint.handler = handler
        assert endpoint.handler == handler
        endpoint.handler = None
        assert endpoint.handler is None


def test_the_handler_of_a_link_takes_the_place_of_the_connections():
    of_link, of_session = Journal(), Journal()

    class Client(MessagingHandler):
        def __init__(self) -> None:
            super().__init__()
            self.names = []

        def begin(self, container):
            session = self.connection.session()
            session.handler = of_session
            session.open()
            container.create_sender(session, "one", handler=Group(of_link, self.Last()))
            container.create_sender(session, "two")

        class Last:
            def on_link_remote_open(self, event):
                event.connection.close()

        def on_unhandled(self, name, event):
            self.names.append(name)

    client = Client()
    meet(client)
    assert of_link.count("on_link_remote_open") == 1
    assert not any(name.startswith(("on_session", "on_connection")) for name in of_link.names)
    assert of_session.count("on_session_remote_open") == 1
    assert of_session.count("on_link_local_open") == 1
    assert not any(name.startswith(("on_link", "on_session")) for name in client.names)
    assert "on_connection_bound" in client.names


def test_what_an_event_tells():
    seen = {}

    class Client(MessagingHandler):
        def begin(self, container):
            self.sender = container.create_sender(self.connection, "one")

        def on_sendable(self, event):
            if "flow" not in seen:
                seen["flow"] = (event.sender == self.sender, event.receiver, event.link == self.sender, event.delivery)
                event.sender.send(Message("hello"))

        def on_accepted(self, event):
            seen["delivery"] = (
                event.delivery is not None,
                event.link == self.sender,
                event.session == self.sender.session,
                event.connection == self.connection,
                event.transport == self.connection.transport,
                event.context == event.delivery,
                event.type is Event.DELIVERY,
            )
            seen["container"] = event.container
            seen["reactor"] = event.reactor
            event.connection.close()

        def on_connection_bound(self, event):
            seen["bound"] = (event.link, event.session, event.sender, event.receiver, event.delivery)
            seen["class"] = event.clazz

    class Receiving(Server):
        def on_message(self, event):
            super().on_message(event)
            seen["message"] = (event.sender, event.receiver == event.link, event.message.body)

    both = meet(Client(), Receiving())
    assert seen["flow"] == (True, None, True, None)
    assert seen["delivery"] == (True,) * 7
    assert seen["container"] is both.container
    assert seen["reactor"] is both.container
    assert seen["bound"] == (None,) * 5
    assert seen["class"] == "pn_connection"
    assert seen["message"] == (None, True, "hello")


def test_an_unknown_attribute_is_looked_up_on_the_context():
    seen = []

    class Client(Closing):
        def on_connection_init(self, event):
            event.context.colour = "red"

        def on_connection_bound(self, event):
            seen.append((event.colour, event.no_such_thing, event.container_id))

        def on_timer_task(self, event):
            seen.append(event.task is event.context)

        def begin(self, container):
            self.connection.colour = "red"
            container.schedule(0, self)

    meet(Client())
    assert seen == [("red", None, None), True] or seen == [True, ("red", None, None)]


def test_attributes_of_endpoints_last():
    seen = []

    class Client(MessagingHandler):
        def begin(self, container):
            self.sender = container.create_sender(self.connection, "one")
            self.sender.mine = [1]
            self.sender.session.mine = "session"
            self.connection.mine = "connection"

        def on_sendable(self, event):
            if not seen:
                seen.append((event.link.mine, event.session.mine, event.connection.mine))
                delivery = event.sender.send(Message("hello"))
                delivery.mine = "delivery"

        def on_settled(self, event):
            seen.append(event.delivery.mine)
            event.transport.mine = "transport"
            seen.append(event.connection.transport.mine)
            with pytest.raises(AttributeError):
                _ = event.link.not_mine
            event.connection.close()

    meet(Client())
    assert seen == [([1], "session", "connection"), "delivery", "transport"]


def test_endpoints_are_equal_and_keys():
    seen = []

    class Client(MessagingHandler):
        def begin(self, container):
            self.sender = container.create_sender(self.connection, "one")
            self.known = {self.sender: "sender", self.connection: "connection", self.sender.session: "session"}

        def on_link_opened(self, event):
            seen.append(self.known[event.link])
            seen.append(self.known[event.session])
            seen.append(self.known[event.connection])
            seen.append(event.link != self.sender)
            seen.append(event.link == event.session)
            event.connection.close()

    meet(Client())
    assert seen == ["sender", "session", "connection", False, False]


def test_an_event_can_be_dispatched_by_hand():
    seen = []

    class Other:
        def on_reactor_init(self, event):
            seen.append("as it is")

        def on_link_flow(self, event):
            seen.append("as another type")

    class Program(MessagingHandler):
        def on_start(self, event):
            event.dispatch(Other())
            event.dispatch(Other(), Event.LINK_FLOW)

    Container(Program()).run()
    assert seen == ["as it is", "as another type"]


def test_event_types():
    with pytest.raises(TypeError):
        EventType()
    mine = EventType("mine_of_dispatch")
    assert mine.method == "on_mine_of_dispatch"
    assert mine.number >= 10000
    assert str(mine) == "mine_of_dispatch"
    assert EventType("another_of_dispatch").number > mine.number
    assert EventType("x_of_dispatch", method="on_that").method == "on_that"
    assert Event.DELIVERY.name == "PN_DELIVERY"
    assert Event.DELIVERY.method == "on_delivery"
    assert Event.REACTOR_INIT.method == "on_reactor_init"
    assert Event.REACTOR_INIT.number >= 10000
    assert Event.CONNECTION_INIT.number == 5


def test_application_events():
    connection = Container().connection()
    link = connection.session().sender("s")
    event = ApplicationEvent("of_dispatch", link=link, subject="what")
    assert (event.link, event.session, event.connection) == (link, link.session, connection)
    assert event.delivery is None
    assert event.subject == "what"
    assert event.context is event
    assert event.handler is None
    assert event.type is ApplicationEvent("of_dispatch").type
    assert event.type.method == "on_of_dispatch"
    assert event.type is ApplicationEvent(event.type).type
    assert repr(event).startswith("of_dispatch(")
    assert "what" in repr(event)
    assert repr(ApplicationEvent("of_dispatch")) == "of_dispatch()"


def test_application_events_know_the_parents_of_a_delivery():
    seen = []

    class Client(MessagingHandler):
        def begin(self, container):
            container.create_sender(self.connection, "one")

        def on_sendable(self, event):
            if not seen:
                delivery = event.sender.send(Message("hello"))
                mine = ApplicationEvent("of_dispatch", delivery=delivery)
                seen.append(
                    (mine.link == event.link, mine.session == event.session, mine.connection == self.connection)
                )
                event.connection.close()

    meet(Client())
    assert seen == [(True, True, True)]


def test_a_container_may_be_given_handlers_later():
    order: list = []
    both = Both(lambda container, port: order.append("begin"), connections=1)
    both.container.handler.add(Names(order, "later"))

    class Ends:
        def on_reactor_init(self, event):
            both.server.acceptor.close()

    both.container.handler.add(Ends())
    both.run()
    assert order == ["begin", "later"]
