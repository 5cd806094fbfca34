"""Deuteron: AMQP 1.0 messaging on a Rust core. Programs import :mod:`proton`."""

__version__ = "0.1.0"
