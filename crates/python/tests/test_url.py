"""Url: what is taken from a text, what is filled in, and the text that comes back."""

from __future__ import annotations

import pytest
from proton import Url


@pytest.mark.parametrize(
    ("text", "username", "password", "host", "port", "path", "shown"),
    [
        ("foo", None, None, "foo", 5672, None, "amqp://foo:amqp"),
        ("foo/", None, None, "foo", 5672, "", "amqp://foo:amqp/"),
        ("amqp://u%40:p:w@H:99/Path?q#f", "u@", "p:w", "h", 99, "Path", "amqp://u%40:p%3Aw@h:99/Path?q#f"),
        ("u@h", "u", None, "h", 5672, None, "amqp://u@h:amqp"),
        ("amqp://h/a%20b", None, None, "h", 5672, "a%20b", "amqp://h:amqp/a%20b"),
        ("amqp://h//p", None, None, "h", 5672, "/p", "amqp://h:amqp//p"),
        ("amqp://h/p;a=1", None, None, "h", 5672, "p;a=1", "amqp://h:amqp/p;a=1"),
        ("[::1]:99", None, None, "::1", 99, None, "amqp://[::1]:99"),
        ("::1", None, None, "0.0.0.0", 5672, None, "amqp://0.0.0.0:amqp"),
        ("h:amqps", None, None, "h", 5671, None, "amqp://h:amqps"),
        ("amqps://h", None, None, "h", 5671, None, "amqps://h:amqps"),
        ("h:99999", None, None, "h", 99999, None, "amqp://h:99999"),
        ("", None, None, "0.0.0.0", 5672, None, "amqp://0.0.0.0:amqp"),
    ],
)
def test_parts(text, username, password, host, port, path, shown):
    url = Url(text)
    assert (url.username, url.password, url.host, url.port, url.path) == (username, password, host, port, path)
    assert str(url) == shown
    assert repr(url) == f"Url('{shown}')"


def test_without_defaults():
    url = Url("foo", defaults=False)
    assert (url.scheme, url.host, url.port) == (None, "foo", None)
    assert str(url) == "//foo"
    assert url.defaults() is url
    assert str(url) == "amqp://foo:amqp"


def test_a_port_that_is_no_service():
    url = Url("amqp:foo")
    assert url.host == "amqp"
    with pytest.raises(ValueError, match="foo"):
        assert url.port is None


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"url": "topic://x/y"}, ValueError),
        ({"url": 5}, AttributeError),
        ({"nothing": 1}, AttributeError),
        ({"path": ""}, IndexError),
    ],
)
def test_errors(arguments, error):
    with pytest.raises(error):
        Url(**arguments)


def test_parameters_stay_in_the_path():
    assert Url("amqp://h/a/b;c=1").path == "a/b;c=1"
    assert Url("h/a;b/c").path == "a;b/c"


@pytest.mark.ours
def test_parameters_stay_in_the_path_without_a_scheme_too():
    url = Url("h/a/b;c=1")
    assert (url.path, str(url)) == ("a/b;c=1", "amqp://h:amqp/a/b;c=1")


def test_keywords():
    url = Url(scheme="amqps", username="u", password="p", host="h", port=1, path="a")
    assert str(url) == "amqps://u:p@h:1/a"
    assert str(Url("h", port=7)) == "amqp://h:7"


def test_copies_and_comparison():
    url = Url("u:p@h:1/a")
    copy = Url(url)
    assert copy == url
    copy.host = "other"
    assert copy != url
    assert url == "amqp://u:p@h:1/a"
    with pytest.raises(TypeError):
        hash(url)


def test_ports_equal_the_names_of_their_services():
    port = Url("h:amqps").port
    assert port == 5671
    assert port == "amqps"
    assert str(port) == "amqps"
    assert Url.Port("amqp") == 5672
    assert isinstance(port, int)
