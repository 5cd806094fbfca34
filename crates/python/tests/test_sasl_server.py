"""A server's users and mechanisms, from a configuration: for both packages, but for what is marked."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from pairs import Pair
from proton import SASL

PROGRAM = Path(__file__).with_name("sasl_exchange.py")
MECHANISMS = "EXTERNAL DIGEST-MD5 SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN ANONYMOUS"

# Of `saslpasswd2 -c -u proton user` and `-u elsewhere user`, with the passwords "password" and "other".
DATABASE = zlib.decompress(
    base64.b85decode(
        "c-rmRF$%&k6vpwdBBF!T#WQ#s!AUovV4#DTl2ly9-QB~udH^rb$#aMep-}DOpxgfkftUA^?BSE7L{T;!XcUS`y@s*ZQ&)AoNKfgs"
        "%4f@Y>?N&tntS(izW(e30000000000004mh2>E<F=kM#9YWzs6^p@6D$2a+ZK>iN^0002M5B}{%=KaCCO|tjKsc^QmJB51D3~ZSj"
        "7sqDn&7t0zw-Ya87%cD"
    )
)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A database with the users user@proton and user@elsewhere."""
    file = tmp_path_factory.mktemp("users") / "users.sasldb"
    file.write_bytes(DATABASE)
    return file


@pytest.fixture
def configure(tmp_path, database):
    """Writes a configuration, and gives its directory."""

    def write(mechanisms=MECHANISMS, name="proton-server", lines=()):
        settings = {"pwcheck_method": "auxprop", "auxprop_plugin": "sasldb", "sasldb_path": database}
        if mechanisms is not None:
            settings["mech_list"] = mechanisms
        text = [f"{key}: {value}\n" for key, value in settings.items()]
        (tmp_path / f"{name}.conf").write_text("# users\n\n" + "".join(text) + "".join(lines))
        return str(tmp_path)

    return write


def exchanged(client=None, server=None, tls=None, **environment):
    """What client and server know after their exchange, which happens in a process of its own."""
    how = {"client": client or {}, "server": server or {}}
    if tls is not None:
        how["tls"] = tls
    output = subprocess.run(
        [sys.executable, str(PROGRAM), json.dumps(how)],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        timeout=50,
    ).stdout
    return json.loads(output)


USER = {"user": "user@proton", "password": "password"}


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_scram(configure, mechanism):
    client, server = exchanged({**USER, "mechanisms": mechanism}, {"path": configure()})
    assert (client["mech"], client["outcome"], client["authorization"]) == (mechanism, SASL.OK, None)
    assert client["user"] == client["transport_user"] == USER["user"]
    assert (server["mech"], server["outcome"]) == (mechanism, SASL.OK)
    assert server["user"] == server["transport_user"] == server["authorization"] == USER["user"]
    assert client["authenticated"] and server["authenticated"] and server["open"]


def test_the_strongest_mechanism_is_used(configure):
    client, server = exchanged(USER, {"path": configure()})
    assert client["mech"] == server["mech"] == "SCRAM-SHA-512"


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "PLAIN"])
@pytest.mark.parametrize("user, password", [("user@proton", "wrong"), ("nobody", "password")])
def test_the_wrong_password_or_user(configure, mechanism, user, password):
    mine = {"user": user, "password": password, "mechanisms": mechanism, "insecure": True}
    client, server = exchanged(mine, {"path": configure(), "insecure": True})
    assert (client["mech"], client["outcome"], client["user"]) == (mechanism, SASL.AUTH, user)
    assert client["condition"][0] == server["condition"][0] == "amqp:unauthorized-access"
    assert client["condition"][1].startswith(f"Authentication failed [mech={mechanism}]")
    assert f"Failed to authenticate client [mech={mechanism}]" in server["condition"][1]
    assert (server["mech"], server["outcome"], server["user"], server["transport_user"]) == (mechanism, 1, None, None)
    assert not (client["authenticated"] or server["authenticated"] or server["open"])


def test_users_of_the_same_name_are_told_apart(configure):
    mine = {"user": "user@elsewhere", "mechanisms": "SCRAM-SHA-256"}
    client, server = exchanged({**mine, "password": "other"}, {"path": configure()})
    assert server["user"] == "user@elsewhere"
    assert exchanged({**mine, "password": "password"}, {"path": configure()})[1]["outcome"] == SASL.AUTH


@pytest.mark.parametrize("client_allows, server_allows", [(True, True), (True, False), (False, True)])
def test_plain_in_the_clear_has_to_be_allowed_by_both(configure, client_allows, server_allows):
    mine = {**USER, "mechanisms": "PLAIN", "insecure": client_allows}
    client, server = exchanged(mine, {"path": configure(), "insecure": server_allows})
    if client_allows and server_allows:
        assert (client["mech"], client["outcome"], server["user"]) == ("PLAIN", SASL.OK, USER["user"])
    else:
        assert (client["mech"], client["outcome"], server["outcome"]) == (None, SASL.PERM, None)
        assert client["condition"][0] == "amqp:unauthorized-access"
        assert "Authentication failed [mech=none]" in client["condition"][1]


def test_plain_over_tls(configure, ca, server_files):
    tls = {"authority": ca.file, "server": server_files}
    client, server = exchanged({**USER, "mechanisms": "PLAIN"}, {"path": configure()}, tls)
    assert (client["mech"], client["outcome"]) == ("PLAIN", SASL.OK)
    assert server["user"] == server["transport_user"] == USER["user"]


def test_external(configure, ca, server_files, client_files):
    tls = {"authority": ca.file, "server": server_files, "client": client_files}
    client, server = exchanged({"mechanisms": "EXTERNAL"}, {"path": configure()}, tls)
    assert (client["mech"], client["outcome"], client["user"]) == ("EXTERNAL", SASL.OK, None)
    assert (server["mech"], server["outcome"]) == ("EXTERNAL", SASL.OK)
    assert "alice" in server["user"]
    assert server["transport_user"] == server["user"]


def test_external_needs_a_certificate(configure):
    client, server = exchanged({"mechanisms": "EXTERNAL"}, {"path": configure()})
    assert (client["mech"], client["outcome"]) == (None, SASL.PERM)
    assert client["condition"][0] == "amqp:unauthorized-access"
    assert not server["open"]


def test_anonymous(configure):
    client, server = exchanged({}, {"path": configure()})
    assert (client["mech"], client["user"], client["transport_user"]) == ("ANONYMOUS", None, None)
    assert server["user"] == server["transport_user"] == server["authorization"] == "anonymous"
    assert server["open"]


def test_anonymous_by_name_leaves_the_password_out(configure):
    client, server = exchanged({**USER, "mechanisms": "ANONYMOUS"}, {"path": configure()})
    assert (client["mech"], client["user"], server["user"]) == ("ANONYMOUS", "user@proton", "anonymous")


def test_who_insists_does_not_take_anonymous(configure):
    for mechanisms in (MECHANISMS, "ANONYMOUS SCRAM-SHA-1"):
        client, server = exchanged({}, {"path": configure(mechanisms), "require": True})
        assert (client["mech"], client["outcome"], server["open"]) == (None, SASL.PERM, False)
    assert exchanged(USER, {"path": configure(), "require": True})[1]["open"]


def test_the_configuration_names_the_mechanisms(configure):
    client, server = exchanged({**USER, "insecure": True}, {"path": configure("PLAIN"), "insecure": True})
    assert client["mech"] == "PLAIN"
    client, server = exchanged({}, {"path": configure("SCRAM-SHA-1")})
    assert (client["mech"], client["outcome"]) == (None, SASL.PERM)


def test_without_a_list_there_is_all_that_is_built_in(configure):
    path = configure(None)
    assert exchanged(USER, {"path": path})[1]["mech"] == "SCRAM-SHA-512"
    assert exchanged({}, {"path": path})[1]["mech"] == "ANONYMOUS"


def test_what_the_program_allows_and_the_configuration_names(configure):
    client, server = exchanged(USER, {"path": configure(), "mechanisms": "scram-sha-1 ANONYMOUS"})
    assert (client["mech"], client["outcome"]) == ("SCRAM-SHA-1", SASL.OK)


def test_a_name(configure):
    path = configure("SCRAM-SHA-1", name="other")
    assert exchanged(USER, {"path": path, "name": "other"})[1]["mech"] == "SCRAM-SHA-1"


def test_the_environment_names_the_directory(configure, tmp_path):
    path = configure("SCRAM-SHA-256")
    assert exchanged(USER, PN_SASL_CONFIG_PATH=path)[1]["mech"] == "SCRAM-SHA-256"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert exchanged(USER, {"path": path}, PN_SASL_CONFIG_PATH=str(empty))[1]["mech"] == "SCRAM-SHA-256"


def test_what_is_done_is_noted_and_the_exchange_decides():
    for outcome in range(5):
        pair = Pair(bind=False)
        server = pair.server.transport.sasl()
        client = pair.client.transport.sasl()
        for sasl in (client, server):
            sasl.done(outcome)
            assert sasl.outcome == outcome
        server.allowed_mechs("ANONYMOUS")
        pair.bind()
        pair.client.connection.open()
        pair.pump()
        assert client.outcome == server.outcome == SASL.OK
        server.done(outcome)
        assert (server.outcome, client.outcome) == (outcome, SASL.OK)
        assert pair.server.transport.authenticated
    with pytest.raises(TypeError):
        server.done("x")


def test_a_client_that_skips_sasl_is_refused_where_it_is_required():
    pair = Pair(bind=False)
    pair.server.transport.require_auth(True)
    pair.bind()
    pair.client.connection.open()
    pair.pump()
    condition = pair.server.transport.condition
    assert (condition.name, condition.description) == (
        "amqp:connection:policy-error",
        "Client skipped authentication - forbidden",
    )


def written(tmp_path, users, *lines):
    """A configuration with users in a text file."""
    (tmp_path / "users").write_text(users)
    (tmp_path / "proton-server.conf").write_text("".join(f"{line}\n" for line in ("users: users", *lines)))
    return str(tmp_path)


def met(path, user="alice", password="wonderland", mechanism="SCRAM-SHA-256"):
    """The two sides after an exchange in this process."""
    pair = Pair(bind=False)
    pair.server.transport.sasl().config_path(path)
    pair.client.transport.sasl().allowed_mechs(mechanism)
    pair.client.connection.user, pair.client.connection.password = user, password
    for side in (pair.client, pair.server):
        side.transport.sasl().allow_insecure_mechs = True
    pair.bind()
    pair.client.connection.open()
    pair.pump()
    return pair


@pytest.mark.ours
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_users_in_a_text_file(tmp_path, mechanism):
    path = written(tmp_path, "# users\n\nalice:wonder:land\n")
    pair = met(path, password="wonder:land", mechanism=mechanism)
    assert (pair.server.transport.user, pair.server.transport.sasl().outcome) == ("alice", SASL.OK)
    assert met(path, password="wonder", mechanism=mechanism).server.transport.sasl().outcome == SASL.AUTH


@pytest.mark.ours
def test_users_without_passwords_as_the_command_hashes_them(tmp_path):
    command = [os.environ["DEUTERON"], "user", "hash", "bob"]
    lines = subprocess.run(command, input=b"builder\n", check=True, capture_output=True, timeout=50).stdout.decode()
    path = written(tmp_path, f"{lines}alice:wonderland\n")
    assert met(path, "bob", "builder").server.transport.user == "bob"
    assert met(path).server.transport.user == "alice"
    assert "builder" not in lines


@pytest.mark.ours
def test_a_file_that_changes_is_read_again(tmp_path):
    path = written(tmp_path, "alice:wonderland\n")
    assert met(path).server.transport.authenticated
    written(tmp_path, "alice:looking-glass\n")
    assert not met(path).server.transport.authenticated
    assert met(path, password="looking-glass").server.transport.authenticated


@pytest.mark.ours
def test_each_transport_has_its_own_configuration(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        written(tmp_path / name, f"{name}:secret\n")
    for name in ("first", "second"):
        assert met(str(tmp_path / name), name, "secret").server.transport.user == name


@pytest.mark.ours
@pytest.mark.parametrize(
    "users, lines, text",
    [
        ("alice:wonderland\n", ["nonsense"], "line 2 is not of the form key: value"),
        ("alice\n", [], "line 1: a user is given as name:password"),
        ("\nalice:SCRAM-SHA-1$x\n", [], "line 2 of the users: "),
        ("alice:wonderland\n", ["users: elsewhere"], "elsewhere"),
    ],
)
def test_a_configuration_that_cannot_be_used_lets_nobody_in(tmp_path, users, lines, text):
    pair = met(written(tmp_path, users, *lines))
    condition = pair.server.transport.condition
    assert condition.name == "amqp:unauthorized-access"
    assert condition.description.startswith(f"SASL configuration {tmp_path}")
    assert text in condition.description
    assert "wonderland" not in condition.description
    assert "transport_error" in pair.server.events()
    assert not pair.server.transport.authenticated


@pytest.mark.ours
@pytest.mark.parametrize(
    "lines, text",
    [
        ("pwcheck_method: saslauthd\n", "pwcheck_method: saslauthd is not supported"),
        ("auxprop_plugin: sql\n", "auxprop_plugin: sql is not supported"),
        ("sasldb_path: {0}/none\n", "No such file"),
        ("sasldb_path: {0}/damaged\n", "the database cannot be read"),
        ("sasldb_path: {0}/other\n", "neither text nor a Berkeley DB"),
    ],
)
def test_what_is_not_supported_is_named(tmp_path, lines, text):
    # More entries than a page can have, where there are some.
    pages = [bytearray(DATABASE[at : at + 4096]) for at in range(0, len(DATABASE), 4096)]
    for page in pages[1:]:
        page[20:22] = b"\xff\xff"
    (tmp_path / "damaged").write_bytes(b"".join(pages))
    (tmp_path / "other").write_bytes(b"\xcf\x9a\x57\x13" + bytes(100) + b"\xff")
    file = tmp_path / "proton-server.conf"
    file.write_text("mech_list: PLAIN\n" + lines.format(tmp_path))
    assert text in met(str(tmp_path)).server.transport.condition.description
    # Nobody needs a password for this.
    file.write_text("mech_list: ANONYMOUS\n" + lines.format(tmp_path))
    assert met(str(tmp_path), None, None, "ANONYMOUS").server.transport.authenticated


@pytest.mark.ours
def test_a_server_without_mechanisms_says_so(tmp_path):
    (tmp_path / "proton-server.conf").write_text("mech_list: DIGEST-MD5\n")
    condition = met(str(tmp_path)).server.transport.condition
    assert condition.name == "amqp:unauthorized-access"
    assert condition.description.startswith("no SASL mechanism can be offered")


@pytest.mark.ours
def test_nobody_acts_as_another(configure):
    mine = {**USER, "mechanisms": "PLAIN", "insecure": True}
    server = {"path": configure(), "insecure": True}
    assert exchanged({**mine, "authorization": "other"}, server)[1]["outcome"] == SASL.AUTH
    assert exchanged({**mine, "authorization": "user@proton"}, server)[1]["authorization"] == "user@proton"


@pytest.mark.ours
def test_names_of_configurations_are_text():
    for wrong in (None, 5, b"x"):
        sasl = Pair(bind=False).server.transport.sasl()
        for method in (sasl.config_name, sasl.config_path):
            with pytest.raises(TypeError):
                method(wrong)
