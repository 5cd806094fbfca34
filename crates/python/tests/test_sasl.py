"""SASL: what is known before and after, mechanisms, and servers that insist."""

from __future__ import annotations

import pytest
from pairs import Pair
from proton import SASL, Connection, Transport


def test_before_the_negotiation():
    transport = Transport()
    sasl = SASL(transport)
    assert (sasl.user, sasl.mech, sasl.outcome, sasl.authorization) == (None, None, None, None)
    assert sasl.allow_insecure_mechs is False
    assert transport.sasl() == sasl
    assert SASL.extended() in (True, False)


def test_outcomes():
    assert (SASL.OK, SASL.AUTH, SASL.SYS, SASL.PERM, SASL.TEMP) == (0, 1, 2, 3, 4)


def negotiated(client: str, server: str) -> Pair:
    """A pair after its SASL with these mechanisms."""
    pair = Pair(bind=False)
    pair.client.transport.sasl().allowed_mechs(client)
    pair.server.transport.sasl().allowed_mechs(server)
    pair.bind()
    pair.client.connection.open()
    return pair.pump()


def test_anonymous():
    pair = negotiated("ANONYMOUS", "ANONYMOUS")
    for side in (pair.client, pair.server):
        assert side.transport.sasl().outcome == SASL.OK
        assert side.transport.sasl().mech == "ANONYMOUS"
    assert "connection_remote_open" in pair.server.events()


def test_mechanisms_may_be_a_list():
    pair = Pair(bind=False)
    pair.client.transport.sasl().allowed_mechs(["EXTERNAL", "ANONYMOUS"])
    pair.server.transport.sasl().allowed_mechs(["ANONYMOUS"])
    pair.bind()
    pair.client.connection.open()
    pair.pump()
    assert pair.client.transport.sasl().mech == "ANONYMOUS"


def test_no_mechanism_in_common():
    pair = negotiated("PLAIN", "ANONYMOUS")
    transport = pair.client.transport
    assert transport.condition.name == "amqp:unauthorized-access"
    assert "Authentication failed" in transport.condition.description
    assert transport.sasl().outcome != SASL.OK
    assert "transport_error" in pair.client.events()


def test_a_server_takes_clients_without_sasl_unless_it_insists():
    for insists in (False, True):
        pair = Pair(bind=False)
        pair.server.transport.require_auth(insists)
        pair.server.transport.sasl()
        pair.bind()
        pair.client.connection.open()
        pair.pump()
        assert ("connection_remote_open" in pair.server.events()) is not insists
        assert (pair.server.transport.condition is not None) is insists


def test_passwords_are_not_read():
    connection = Connection()
    connection.user, connection.password, connection.authorization = "user", "secret", "other"
    assert connection.user == "user"
    assert connection.password is None
    assert connection.authorization == "other"


@pytest.mark.parametrize("allowed", [True, False])
def test_insecure_mechanisms_may_be_allowed(allowed):
    sasl = Transport().sasl()
    sasl.allow_insecure_mechs = allowed
    assert sasl.allow_insecure_mechs is allowed
