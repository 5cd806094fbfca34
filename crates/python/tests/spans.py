"""The spans of a message from a client to a server, as JSON: with the least that can stand for opentracing."""

from __future__ import annotations

import json
import sys
import types

TEXT_MAP = "text_map"
spans: list = []


class Span:
    """Notes what becomes of it."""

    def __init__(self, name, parent, about) -> None:
        self.name, self.parent, self.tags, self.finished = name, parent, dict(about), False
        self.context = self
        self.log: list = []
        spans.append(self)

    def set_tag(self, key, value) -> None:
        """Notes a tag."""
        self.tags[key] = value

    def log_kv(self, about) -> None:
        """Notes what has happened."""
        self.log.append(about)

    def finish(self) -> None:
        """Notes the end."""
        self.finished = True


class Scope:
    """A span that is the current one in a ``with``."""

    def __init__(self, tracer, span, finish) -> None:
        self.tracer, self.span, self.ends = tracer, span, finish

    def __enter__(self):
        """Begins."""
        self.tracer.active.append(self.span)
        return self

    def __exit__(self, *_):
        """Ends."""
        self.tracer.active.remove(self.span)
        if self.ends:
            self.span.finish()


class Tracer:
    """Makes spans."""

    def __init__(self) -> None:
        self.active: list = []
        self.scope_manager = self

    def start_span(self, name, child_of=None, tags=(), **_):
        """A span."""
        return Span(name, child_of, tags)

    def start_active_span(self, name, child_of=None, tags=(), finish_on_close=True, **_):
        """A span that is the current one."""
        return Scope(self, Span(name, child_of, tags), finish_on_close)

    def activate(self, span, finish_on_close):
        """Makes a span the current one."""
        return Scope(self, span, finish_on_close)

    def inject(self, context, form, carrier) -> None:
        """Writes which span it is."""
        assert form == TEXT_MAP
        carrier["number"] = str(spans.index(context))

    def extract(self, form, carrier):
        """Reads which span it is."""
        assert form == TEXT_MAP
        return spans[int(carrier["number"])]

    def close(self):
        """Nothing is left to send."""
        return self

    def done(self) -> bool:
        """That is over at once."""
        return True


def stand_in(tracer) -> None:
    """Makes modules with the names that are imported."""
    for name in ("opentracing", "opentracing.ext", "opentracing.ext.tags", "opentracing.propagation", "jaeger_client"):
        sys.modules[name] = types.ModuleType(name)
    tags = sys.modules["opentracing.ext"].tags = sys.modules["opentracing.ext.tags"]
    for name in ("SPAN_KIND", "MESSAGE_BUS_DESTINATION", "PEER_ADDRESS", "PEER_HOSTNAME", "COMPONENT"):
        setattr(tags, name, name.lower())
    tags.SPAN_KIND_CONSUMER, tags.SPAN_KIND_PRODUCER = "consumer", "producer"
    sys.modules["opentracing.propagation"].Format = type("Format", (), {"TEXT_MAP": TEXT_MAP})
    sys.modules["opentracing"].global_tracer = lambda: tracer
    sys.modules["opentracing"].tracer = tracer
    sys.modules["opentracing"].set_global_tracer = lambda other: None

    class Config:
        def __init__(self, service_name=None, **_) -> None:
            self.service_name = service_name

        def initialize_tracer(self):
            tracer.service_name = self.service_name
            return tracer

    sys.modules["jaeger_client"].Config = Config


def main() -> None:
    """Sends a message."""
    tracer = Tracer()
    stand_in(tracer)
    import proton.tracing
    from proton import Message
    from proton.handlers import MessagingHandler
    from support import Server, meet

    if sys.argv[1] == "init":
        assert proton.tracing.init_tracer("service") is tracer
        assert tracer.service_name == "service"
    assert proton.tracing.get_tracer() is tracer
    current = []

    class Client(MessagingHandler):
        def begin(self, container):
            self.sender = container.create_sender(self.connection, "queue")
            self.sent = False

        def on_sendable(self, event):
            if not self.sent:
                self.sent = True
                event.sender.send(Message("hello"))

        def on_settled(self, event):
            current.append([spans[0].finished, spans[0].tags["delivery-terminal-state"]])
            event.connection.close()

    class Receiver(Server):
        def on_message(self, event):
            current.append([span.name for span in tracer.active])
            super().on_message(event)
            self.annotations = list(event.message.annotations)

    server = Receiver()
    meet(Client(), server)
    assert server.messages == ["hello"]
    described = [
        {
            "name": span.name,
            "parent": span.parent and span.parent.name,
            "tags": {key: str(value) for key, value in span.tags.items() if "peer" not in key},
            "finished": span.finished,
            "log": span.log,
        }
        for span in spans
    ]
    print(json.dumps({"spans": described, "current": current, "annotations": server.annotations}))


if __name__ == "__main__":
    main()
