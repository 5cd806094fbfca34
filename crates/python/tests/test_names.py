"""What the modules offer, under which names."""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys

import proton
import proton.handlers
import proton.reactor
import proton.utils
import pytest


def run(program: str, **environment) -> str:
    """What a program prints in an interpreter of its own."""
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


@pytest.mark.parametrize("name", ["reactor", "handlers", "utils", "tracing"])
def test_modules_are_imported_on_their_own(name):
    assert run(f"import proton; print(hasattr(proton, {name!r}))") == "False\n"


@pytest.mark.parametrize("name", ["proton", "proton.reactor", "proton.handlers", "proton.utils"])
def test_all_names_are_there(name):
    module = importlib.import_module(name)
    assert module.__all__
    for each in module.__all__:
        assert hasattr(module, each)


@pytest.mark.parametrize("name", ["proton._events", "proton._endpoints", "proton._handlers", "proton._message"])
def test_private_modules_that_programs_use(name):
    assert importlib.import_module(name)


def test_names_beyond_the_official_ones():
    assert proton._message.Message is proton.Message
    assert proton.reactor.Handler is proton.Handler
    assert proton.handlers.IOHandler
    assert proton.__file__


def test_versions():
    assert proton.VERSION == (0, 40, 0)
    assert (proton.VERSION_MAJOR, proton.VERSION_MINOR) == (0, 40)
    assert proton.API_LANGUAGE == "C"
    assert proton.IMPLEMENTATION_LANGUAGE == "C"


def test_logging():
    assert any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger("proton").handlers)


def test_logging_is_configured_by_a_file(tmp_path):
    config = tmp_path / "log.ini"
    config.write_text(
        "[loggers]\nkeys=root,proton\n[handlers]\nkeys=out\n[formatters]\nkeys=\n[logger_root]\nhandlers=\n"
        "[logger_proton]\nlevel=ERROR\nhandlers=out\nqualname=proton\n"
        "[handler_out]\nclass=StreamHandler\nargs=(sys.stdout,)\n"
    )
    program = "import logging, proton; print(logging.getLogger('proton').level)"
    assert run(program, PNPY_LOGGER_CONFIG=str(config)) == f"{logging.ERROR}\n"


@pytest.mark.parametrize(
    ("name", "parent"),
    [
        ("ProtonException", "Exception"),
        ("Timeout", "ProtonException"),
        ("Interrupt", "ProtonException"),
        ("MessageException", "ProtonException"),
        ("DataException", "ProtonException"),
        ("TransportException", "ProtonException"),
        ("SSLException", "TransportException"),
        ("SSLUnavailable", "SSLException"),
        ("ConnectionException", "ProtonException"),
        ("SessionException", "ProtonException"),
        ("LinkException", "ProtonException"),
    ],
)
def test_exceptions(name, parent):
    assert [base.__name__ for base in getattr(proton, name).__bases__] == [parent]


def test_exceptions_of_blocking_programs_and_handlers():
    assert issubclass(proton.utils.LinkDetached, proton.LinkException)
    assert issubclass(proton.utils.ConnectionClosed, proton.ConnectionException)
    assert issubclass(proton.utils.SendException, proton.ProtonException)
    assert issubclass(proton.handlers.Reject, proton.ProtonException)
    assert issubclass(proton.handlers.Release, proton.ProtonException)


def test_tracing_needs_other_packages():
    program = """
import sys
sys.modules["opentracing"] = sys.modules["jaeger_client"] = None
try:
    import proton.tracing
except ImportError as error:
    print("missing")
"""
    assert run(program) == "missing\n"
