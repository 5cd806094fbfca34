"""The nodes of the trees that ``Data`` grows."""

from __future__ import annotations

from typing import Any

from ._types import UNDESCRIBED, Array, Described

DESCRIBED = 22
ARRAY = 23
LIST = 24
MAP = 25


class Node:
    """A value, with the parts of one that has parts."""

    __slots__ = ("children", "parent", "type", "value")

    def __init__(self, type: int, value: Any = None, parent: Node | None = None) -> None:
        self.type = type
        self.value = value
        self.parent = parent
        self.children: list = []

    def place(self, child: Node | None) -> int:
        """Where a child is; -1 before the first."""
        return -1 if child is None else next(i for i, one in enumerate(self.children) if one is child)


def encodable(node: Node) -> Any:
    """The object that stands for a node."""
    parts = [encodable(child) for child in node.children]
    if node.type == LIST:
        return parts
    if node.type == MAP:
        return dict(zip(parts[::2], parts[1::2]))
    if node.type == DESCRIBED:
        return Described(*(parts + [None, None])[:2])
    if node.type == ARRAY:
        described, element_type = node.value
        return Array(parts[0], element_type, *parts[1:]) if described else Array(UNDESCRIBED, element_type, *parts)
    return node.value
