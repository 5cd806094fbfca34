"""The container: a program's connections and listeners, and the loop that they live in."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from . import _unknown  # noqa: F401 - it registers itself
from ._acceptor import Acceptor
from ._application import ApplicationEvent, EventInjector
from ._config import connect_arguments, default_config
from ._config import default_port as _get_default_port_for_scheme
from ._connector import Backoff, Connector, ReconnectFailed, delay_iter, schedule_of
from ._data import PropertyDict, SymbolList, symbol
from ._endpoints import Connection, Receiver, Sender, Session
from ._link_options import (
    AtLeastOnce,
    AtMostOnce,
    Copy,
    DurableSubscription,
    DynamicNodeProperties,
    Filter,
    LinkOption,
    Move,
    ReceiverOption,
    Selector,
    SenderOption,
    apply_options,
)
from ._loop import GlobalOverrides, Reactor, Task, TimerSelectable
from ._transactions import ToCoordinator, Transaction, TransactionControl
from ._transport import SSL, SSLDomain
from ._url import Url

__all__ = [
    "Acceptor",
    "ApplicationEvent",
    "AtLeastOnce",
    "AtMostOnce",
    "Backoff",
    "Container",
    "Copy",
    "DurableSubscription",
    "DynamicNodeProperties",
    "EventInjector",
    "Filter",
    "GlobalOverrides",
    "LinkOption",
    "Move",
    "Reactor",
    "ReceiverOption",
    "ReconnectFailed",
    "SSLConfig",
    "Selector",
    "SenderOption",
    "Task",
    "TimerSelectable",
    "Transaction",
    "_get_default_port_for_scheme",
    "delay_iter",
]

Options = Any  # A LinkOption, a list of them, or None.


def _generate_uuid() -> uuid.UUID:
    return uuid.uuid4()


class SSLConfig:
    """What a container's connections use for TLS: ``client`` when they go out, ``server`` when they come in."""

    def __init__(self) -> None:
        self.client = SSLDomain(SSLDomain.MODE_CLIENT)
        self.server = SSLDomain(SSLDomain.MODE_SERVER)

    def set_credentials(self, cert_file: str, key_file: str, password: str | None) -> None:
        """Sets the certificate and key of this side, for both."""
        self.client.set_credentials(cert_file, key_file, password)
        self.server.set_credentials(cert_file, key_file, password)

    def set_trusted_ca_db(self, certificate_db: str) -> None:
        """Sets the authorities that are trusted, for both."""
        self.client.set_trusted_ca_db(certificate_db)
        self.server.set_trusted_ca_db(certificate_db)


class SessionPerConnection:
    """The one session that the links of a connection are made on, unless a session is given."""

    def __init__(self) -> None:
        self._session: Session | None = None

    def session(self, connection: Connection) -> Session:
        """The session, made at the first call."""
        if self._session is None:
            self._session = connection.session()
            self._session.open()
        return self._session


class Container(Reactor):
    """Connections, listeners and timers, with the loop that they live in: ``Container(Program()).run()``.

    The handlers get the events; ``run()`` begins with ``on_start`` and returns when there is nothing left to wait for.
    In between, all but an :class:`EventInjector` belongs to the thread that called it.

    Keyword arguments: ``container_id`` (random if not given), ``global_handler`` (in place of the standard I/O). The
    attributes ``user``, ``password``, ``sasl_enabled``, ``allowed_mechs``, ``allow_insecure_mechs`` and ``ssl`` are the
    defaults of ``connect()``.
    """

    def __init__(self, *handlers: Any, **kwargs: Any) -> None:
        super().__init__(*handlers, **kwargs)
        self.ssl: SSLConfig | Any = SSLConfig() if SSL.present() else None
        self.container_id = kwargs.get("container_id") or str(_generate_uuid())
        self.allow_insecure_mechs = True
        self.allowed_mechs: str | list[str] | None = None
        self.sasl_enabled = True
        self.user: str | None = None
        self.password: str | None = None

    def connect(
        self,
        url: str | Url | None = None,
        urls: Sequence[str | Url] | None = None,
        address: str | None = None,
        handler: Any | None = None,
        reconnect: Any = None,
        heartbeat: float | None = None,
        ssl_domain: SSLDomain | None = None,
        **kwargs: Any,
    ) -> Connection:
        """Begins to connect, and returns the connection; ``on_connection_opened`` tells when it is there.

        Of ``urls`` the first that can be connected to is used. Without either, ``connect.json`` says where to connect.
        ``reconnect``: False for one attempt, or the delays between attempts (a :class:`Backoff`, an iterable, an object
        with ``reset()`` and ``next()``). ``heartbeat``: seconds without a sign of life after which the connection
        is lost. Others: ``container_id``, ``virtual_host``, ``user``, ``password``, ``sasl_enabled``,
        ``allowed_mechs``, ``allow_insecure_mechs``, ``offered_capabilities``, ``desired_capabilities``, ``properties``,
        ``sni``, ``max_frame_size``. ``ValueError`` for a bad url, or ``url`` together with ``urls``.
        """
        if url and urls:
            raise ValueError("url and urls exclude each other: put all of them into urls")
        if not url and not urls:
            if address is not None:
                raise ValueError("One of url or urls required")
            arguments = connect_arguments(default_config())
            url = arguments.pop("url")
            ssl_domain = arguments.pop("ssl_domain", None)
            kwargs.update(arguments)
        where = [Url(item) for item in urls or [url or ""]]
        for item in where:
            int(item.port)  # A name that is no service is an error here, not later in the loop.
        return self._connect(where, handler, schedule_of(reconnect), heartbeat, ssl_domain, kwargs)

    def _connect(
        self,
        urls: list[Url],
        handler: Any | None,
        schedule: Any,
        heartbeat: float | None,
        ssl_domain: SSLDomain | None,
        options: dict[str, Any],
    ) -> Connection:
        connection = self.connection(handler)
        connection.container = options.get("container_id") or self.container_id or str(_generate_uuid())
        connection.offered_capabilities = _symbols(options.get("offered_capabilities"))
        connection.desired_capabilities = _symbols(options.get("desired_capabilities"))
        properties = options.get("properties")
        if properties is not None:
            connection.properties = PropertyDict(properties, raise_on_error=False)
        connector = Connector(connection)
        connector.urls = urls
        connector.schedule = schedule
        connector.heartbeat = heartbeat
        connector.ssl_domain = ssl_domain or (self.ssl and self.ssl.client)
        connector.ssl_sni = options.get("sni")
        connector.virtual_host = options.get("virtual_host")
        if connector.virtual_host:
            connection.hostname = connector.virtual_host
        connector.user = options.get("user", self.user)
        connector.password = options.get("password", self.password)
        connector.sasl_enabled = options.get("sasl_enabled", self.sasl_enabled)
        connector.allowed_mechs = options.get("allowed_mechs", self.allowed_mechs)
        connector.allow_insecure_mechs = options.get("allow_insecure_mechs", self.allow_insecure_mechs)
        connector.max_frame_size = options.get("max_frame_size")
        connection._overrides = connector
        connection._session_policy = SessionPerConnection()
        connection.open()
        return connection

    def _get_id(self, container: str | None, remote: str | None, local: str | None) -> str:
        names = [name for name in (remote, local) if name] or [str(_generate_uuid())]
        return "-".join([container or ""] + names)

    def _get_session(self, context: Any) -> Any:
        if isinstance(context, (str, Url)):
            return self._get_session(self.connect(url=context))
        if isinstance(context, Session):
            return context
        if isinstance(context, Connection):
            policy = getattr(context, "_session_policy", None)
            if policy is None:
                policy = context._session_policy = SessionPerConnection()
            return policy.session(context)
        return context.session()

    def create_sender(
        self,
        context: Any,
        target: str | None = None,
        source: str | None = None,
        name: str | None = None,
        handler: Any | None = None,
        tags: Any | None = None,
        options: Options = None,
    ) -> Sender:
        """Opens a sender to ``target`` on a connection or session; on a new connection if ``context`` is a url.

        The path of a url is the target if none is given. ``tags``: an iterator of delivery tags, or a function.
        """
        if isinstance(context, (str, Url)):
            context = Url(context)
            target = target or context.path
        session = self._get_session(context)
        sender = session.sender(name or self._get_id(session.connection.container, target, source))
        if source:
            sender.source.address = source
        if target:
            sender.target.address = target
        if handler is not None:
            sender.handler = handler
        if tags is not None:
            sender.tag_generator = tags if hasattr(tags, "__next__") else iter(tags, None)
        apply_options(options, sender)
        sender.open()
        return sender

    def create_receiver(
        self,
        context: Any,
        source: str | None = None,
        target: str | None = None,
        name: str | None = None,
        dynamic: bool = False,
        handler: Any | None = None,
        options: Options = None,
    ) -> Receiver:
        """Opens a receiver of ``source`` on a connection or session; on a new connection if ``context`` is a url.

        The path of a url is the source if none is given. ``dynamic``: the peer makes a source for this receiver.
        """
        if isinstance(context, (str, Url)):
            context = Url(context)
            source = source or context.path
        session = self._get_session(context)
        receiver = session.receiver(name or self._get_id(session.connection.container, source, target))
        if source:
            receiver.source.address = source
        if dynamic:
            receiver.source.dynamic = True
        if target:
            receiver.target.address = target
        if handler is not None:
            receiver.handler = handler
        apply_options(options, receiver)
        receiver.open()
        return receiver

    def declare_transaction(
        self, context: Any, handler: Any | None = None, settle_before_discharge: bool = False
    ) -> Transaction:
        """Begins a transaction on a connection. ``handler.on_transaction_declared`` tells when it can be used."""
        control = getattr(context, "_txn_ctrl", None)
        if control is None:
            control = self.create_sender(
                context, None, name="txn-ctrl", handler=TransactionControl(handler), options=ToCoordinator()
            )
            context._txn_ctrl = control
        return Transaction(control, handler, settle_before_discharge)

    def listen(self, url: str | Url, ssl_domain: SSLDomain | None = None) -> Acceptor:
        """Listens on the host and port of a url; connections come as ``on_connection_opening`` and ``_opened``.

        ``OSError`` if the address is in use, ``SSLException`` if TLS has no certificate to show.
        Port 0 is any free one: see ``Acceptor.port``.
        """
        url = Url(url)
        if ssl_domain is None and url.scheme == "amqps" and self.ssl is not None:
            ssl_domain = self.ssl.server
        if ssl_domain is not None:
            ssl_domain._native()
        acceptor = self.acceptor(url.host, url.port)
        acceptor.set_ssl_domain(ssl_domain)
        return acceptor

    def do_work(self, timeout: float | None = None) -> bool:
        """Dispatches what is queued, or waits up to ``timeout`` seconds. False if the loop has ended."""
        if timeout is not None:
            self.timeout = timeout
        return self.process()


def _symbols(capabilities: Any) -> SymbolList:
    if capabilities is None:
        return SymbolList()
    if isinstance(capabilities, str):
        return SymbolList([symbol(capabilities)])
    return SymbolList(capabilities, raise_on_error=False) if _all_text(capabilities) else SymbolList(capabilities)


def _all_text(capabilities: Any) -> bool:
    return all(isinstance(item, str) for item in capabilities)
