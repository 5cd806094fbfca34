"""What the package says of itself, and that its public names are explained."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.ours

ROOT = Path(__file__).resolve().parents[3]
CONSTANTS = (int, str, bytes, dict, list, tuple, set, type(None))


def entry(path: Path, name: str) -> str:
    """The text that a file of settings has under a name."""
    return re.search(rf'^{name} = "(.*)"$', path.read_text(), re.MULTILINE).group(1)


def test_all_say_the_same_version():
    import deuteron

    pyproject = entry(ROOT / "crates" / "python" / "pyproject.toml", "version")
    assert deuteron.__version__ == pyproject == entry(ROOT / "Cargo.toml", "version")


def test_the_license_comes_along():
    assert (ROOT / "crates" / "python" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("package", ["proton", "deuteron"])
def test_type_checkers_may_look_into_the_packages(package):
    folder = Path(importlib.import_module(package).__file__).parent
    assert (folder / "py.typed").exists()


def attributes(module):
    """The public classes and functions of a module, and what the classes have, as name and object."""
    for name in module.__all__:
        value = getattr(module, name)
        if not callable(value):
            continue
        yield f"{module.__name__}.{name}", value
        for member in dir(value) if inspect.isclass(value) else ():
            found = inspect.getattr_static(value, member)
            inherited = getattr(BaseException, member, None) is found or type(found).__name__ == "EventType"
            if not member.startswith("_") and not inherited and not isinstance(found, CONSTANTS):
                yield f"{module.__name__}.{name}.{member}", found


@pytest.mark.parametrize("module", ["proton", "proton.handlers", "proton.reactor", "proton.utils"])
def test_everything_public_is_explained(module):
    found = dict(attributes(importlib.import_module(module)))
    assert found
    assert [name for name, value in found.items() if not inspect.getdoc(value)] == []
