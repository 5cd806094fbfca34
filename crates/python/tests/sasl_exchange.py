"""A client and a server of one process, after SASL: what both know of it, as JSON. The argument says how, as JSON too.

It is a program, as Proton reads one SASL configuration for each process.
"""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

from certificates import client_domain, server_domain, verifying
from pairs import Pair, Side
from proton import SSL


def exchange(how: dict) -> Pair:
    """Carries all bytes between the two."""
    pair = Pair(bind=False)
    for side, own in ((pair.client, how.get("client", {})), (pair.server, how.get("server", {}))):
        sasl = side.transport.sasl()
        if "path" in own:
            sasl.config_path(own["path"])
        if "name" in own:
            sasl.config_name(own["name"])
        if "mechanisms" in own:
            sasl.allowed_mechs(own["mechanisms"])
        sasl.allow_insecure_mechs = own.get("insecure", False)
        side.transport.require_auth(own.get("require", False))
        for name in ("user", "password", "authorization"):
            setattr(side.connection, name, own.get(name))
    if "tls" in how:
        encrypt(pair, **how["tls"])
    pair.bind()
    pair.client.connection.open()
    return pair.pump()


def encrypt(pair: Pair, authority: str, server: list, client: list | None = None) -> None:
    """TLS between the two: with a certificate of the server, and maybe one of the client."""
    ca = SimpleNamespace(file=authority)
    domain = client_domain(ca)
    if client is not None:
        domain.set_credentials(*client, None)
    SSL(pair.client.transport, domain).peer_hostname = "server.example"
    SSL(pair.server.transport, server_domain(server) if client is None else verifying(ca, server))


def known(side: Side) -> dict:
    """What a side knows."""
    transport = side.transport
    sasl = transport.sasl()
    condition = transport.condition
    return {
        "mech": sasl.mech,
        "outcome": sasl.outcome,
        "user": sasl.user,
        "authorization": sasl.authorization,
        "transport_user": transport.user,
        "authenticated": transport.authenticated,
        "condition": condition and [condition.name, condition.description],
        "open": "connection_remote_open" in side.events(),
    }


if __name__ == "__main__":
    ended = exchange(json.loads(sys.argv[1]))
    print(json.dumps([known(ended.client), known(ended.server)]))
