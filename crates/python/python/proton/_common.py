"""What several modules need: milliseconds and seconds, and named constants."""

from __future__ import annotations


class Constant:
    """A value that is only itself."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


def secs2millis(secs: float) -> int:
    """Seconds as whole milliseconds."""
    return int(secs * 1000)


def millis2secs(millis: int) -> float:
    """Milliseconds as seconds."""
    return float(millis) / 1000.0
