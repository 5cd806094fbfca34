# ruff: noqa: D103
"""The file with the default connection."""

from __future__ import annotations

import json

import pytest
from proton.handlers import MessagingHandler
from proton.reactor import Container
from wire import AMQP, SASL, Listening, RawServer


@pytest.fixture
def connects(tmp_path, monkeypatch):
    """Writes the file, connects by it, and gives what the server heard."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MESSAGING_CONNECT_FILE", raising=False)

    def connects(*offered, where=None, text=None, arguments=None, **config):
        listening = Listening(*offered)

        class Client(MessagingHandler):
            def on_start(self, event):
                event.container.connect(reconnect=False, **(arguments or {}))

        with RawServer(listening) as server:
            path = where or tmp_path / "connect.json"
            if text is None:
                text = json.dumps({"scheme": "amqp", "host": "127.0.0.1", "port": server.port, **config})
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("PORT", str(server.port)))
            Container(Client()).run()
        return listening

    return connects


def test_the_file_in_the_current_directory(connects):
    assert connects().opened[1] == "127.0.0.1"


def test_the_file_in_the_home_directory(connects, tmp_path):
    assert connects(where=tmp_path / ".config" / "messaging" / "connect.json").header == SASL


def test_the_file_that_is_named_comes_first(connects, tmp_path, monkeypatch):
    (tmp_path / "connect.json").write_text('{"scheme": "amqp", "port": 1}')
    named = tmp_path / "elsewhere" / "mine.json"
    monkeypatch.setenv("MESSAGING_CONNECT_FILE", str(named))
    assert connects(where=named).header == SASL


def test_an_empty_list_of_urls_reads_the_file_too(connects):
    assert connects(arguments={"urls": []}).header == SASL


def test_comments_are_allowed(connects):
    text = """
    // A comment at the beginning.
    {"scheme": "amqp", /* one
    that goes on */ "host": "127.0.0.1", // "port": 1,
    "port": PORT}
    """
    assert connects(text=text).header == SASL


def test_what_is_no_json_is_an_error(connects):
    with pytest.raises(json.JSONDecodeError):
        connects(text="{scheme")


def test_users_and_passwords(connects):
    listening = connects("PLAIN", user="me", password="secret")
    assert listening.response == b"\0me\0secret"
    assert connects("ANONYMOUS", password="unused").mechanism == "ANONYMOUS"


def test_the_file_wins_over_arguments(connects):
    arguments = {"user": "you", "password": "other", "sasl_enabled": True, "allowed_mechs": "ANONYMOUS"}
    listening = connects(
        "PLAIN", "ANONYMOUS", user="me", password="secret", sasl={"mechanisms": ["PLAIN"]}, arguments=arguments
    )
    assert (listening.mechanism, listening.response) == ("PLAIN", b"\0me\0secret")
    assert connects(sasl={"enabled": False}, arguments=arguments).header == AMQP


@pytest.mark.parametrize("mechanisms", ["ANONYMOUS", ["ANONYMOUS"], ["EXTERNAL", "ANONYMOUS"]])
def test_mechanisms(connects, mechanisms):
    listening = connects("PLAIN", "ANONYMOUS", user="me", password="secret", sasl={"mechanisms": mechanisms})
    assert listening.mechanism == "ANONYMOUS"


def test_sasl_can_be_turned_off(connects):
    assert connects(sasl={"enabled": False}).header == AMQP
    assert connects(sasl={"enabled": True}).header == SASL
    assert connects(sasl={}).header == SASL


def test_tls_is_ignored_without_amqps(connects):
    assert connects(tls={"ca": "/no/such/file", "verify": False}).header == SASL


def test_the_scheme_is_amqps_unless_it_is_named(connects):
    listening = connects(text='{"host": "127.0.0.1", "port": PORT}')
    assert listening.header[:1] == b"\x16"


def test_other_arguments_stay(connects):
    listening = connects(arguments={"virtual_host": "there", "container_id": "me", "user": "a", "password": "b"})
    assert listening.opened[:2] == ["me", "there"]


def test_ports_may_be_names(connects, tmp_path):
    container = Container()
    (tmp_path / "connect.json").write_text('{"scheme": "amqp", "host": "example.com", "port": "amqp"}')
    assert container.connect() is not None
    (tmp_path / "connect.json").write_text('{"scheme": "amqp"}')
    assert container.connect() is not None


def test_no_file_is_an_empty_one(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MESSAGING_CONNECT_FILE", raising=False)
    assert Container().connect() is not None
