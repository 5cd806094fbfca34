"""The file with the default connection: ``connect.json``."""

from __future__ import annotations

import os
import re
from typing import Any

from ._transport import SSLDomain

_PLACES = (
    os.path.join(os.curdir, "connect.json"),
    os.path.join("~", ".config", "messaging", "connect.json"),
    os.path.join(os.sep, "etc", "messaging", "connect.json"),
)

_STRING_OR_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)


def find_config_file() -> str | None:
    """The file that MESSAGING_CONNECT_FILE names, else the first of the usual places that exists."""
    named = os.environ.get("MESSAGING_CONNECT_FILE")
    if named:
        return named
    for place in _PLACES:
        path = os.path.expanduser(place)
        if os.path.isfile(path):
            return path
    return None


def strip_comments(text: str) -> str:
    """JSON without ``//`` and ``/* */`` comments; strings are left alone."""
    return _STRING_OR_COMMENT.sub(lambda found: found.group(1) or " ", text)


def default_config() -> dict[str, Any]:
    """What the file says; nothing if there is none."""
    path = find_config_file()
    if path is None:
        return {}
    import json

    with open(path, encoding="utf-8") as file:
        config = json.loads(strip_comments(file.read()))
    if not isinstance(config, dict):
        raise ValueError(f"{path}: a JSON object is expected, not {type(config).__name__}")
    return config


def default_port(scheme: str) -> int:
    """The port of a scheme."""
    return 5671 if scheme == "amqps" else 5672


def connect_arguments(config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of ``connect()`` that a file's content stands for. ``ValueError`` if they make no sense."""
    scheme = config.get("scheme", "amqps")
    host = config.get("host", "localhost")
    host = f"[{host}]" if ":" in host else host
    arguments: dict[str, Any] = {"url": f"{scheme}://{host}:{config.get('port', default_port(scheme))}"}
    if config.get("user"):
        arguments["user"] = config["user"]
        if config.get("password"):
            arguments["password"] = config["password"]
    sasl = config.get("sasl") or {}
    for key in ("enable", "enabled"):
        if key in sasl:
            arguments["sasl_enabled"] = bool(sasl[key])
    if sasl.get("mechanisms"):
        arguments["allowed_mechs"] = sasl["mechanisms"]
    if "allow_insecure" in sasl:
        arguments["allow_insecure_mechs"] = bool(sasl["allow_insecure"])
    tls = config.get("tls") or {}
    if scheme == "amqps":
        arguments["ssl_domain"] = _domain(tls)
    return arguments


def _domain(tls: dict[str, Any]) -> SSLDomain:
    if ("cert" in tls) != ("key" in tls):
        given, missing = ("cert", "key") if "cert" in tls else ("key", "cert")
        raise ValueError(f"connect.json has tls.{given} without tls.{missing}")
    domain = SSLDomain(SSLDomain.MODE_CLIENT)
    if tls.get("ca"):
        domain.set_trusted_ca_db(tls["ca"])
    if not tls.get("verify", True):
        domain.set_peer_authentication(SSLDomain.ANONYMOUS_PEER)
    if tls.get("cert"):
        domain.set_credentials(tls["cert"], tls["key"], None)
    return domain
