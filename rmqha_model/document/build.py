"""Builds a document from what a reader reads, and sees to the bounds that every document must keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from rmqha_model.document.show import is_secret, show, show_keys
from rmqha_model.document.tree import Document, Mark, Refused, vetted
from rmqha_model.errors import DocumentError, Path, Place, Problem
from rmqha_model.part import kind_of

__all__ = ["DEPTH_MAX", "MERGE", "NODES_MAX", "Builder", "Frame"]

DEPTH_MAX = 64
"""Levels of nesting: ten times what a design has, and far below Python's recursion limit (1000 in 3.11)."""
NODES_MAX = 1_000_000
"""Values with all aliases written out: 1,000 hosts have 40,000; more than this is a bomb."""

_PATH_MAX = 12
"""Parts of a path that are told: twice what a design has."""

_NO_KEY, _BAD_KEY, MERGE = object(), object(), object()


class Frame:
    """A mapping or list while it is read, and what aliases must know of it afterwards."""

    __slots__ = ("done", "height", "key", "key_mark", "mark", "merged", "nodes", "value")

    def __init__(self, value: object, mark: Mark, nodes: int, *, done: bool = False) -> None:
        self.value = value
        self.mark = mark
        self.nodes = nodes
        self.height = 0
        self.key: object = _NO_KEY
        self.key_mark: Mark = None
        self.merged: list[dict[str, object]] | None = None
        self.done = done


class Builder:
    """What all readers build a document with: it sees duplicates, foreign keys, depth, size and wrong values."""

    def __init__(self, place: Callable[[Mark], Place], problems: list[Problem]) -> None:
        self.place = place
        self.problems = problems
        self.nodes = 0
        self.stack: list[Frame] = []
        self.marks: dict[int, dict[str | int, tuple[Mark, Mark]]] = {}
        self.root: tuple[object, Mark] | None = None

    @property
    def wants_key(self) -> bool:
        """Whether the next value is a key."""
        return bool(self.stack) and type(self.stack[-1].value) is dict and self.stack[-1].key is _NO_KEY

    def document(self) -> Document | None:
        """Give what was built; ``None`` of an empty text."""
        return self.root and Document(self.root[0], self.root[1], self.place, self.marks)

    def open(self, value: dict[str, object] | list[object], mark: Mark) -> Frame:
        """Begin a container."""
        self._grow(1, 0, mark)
        frame = Frame(value, mark, self.nodes)
        self.marks[id(value)] = {}
        self.stack.append(frame)
        return frame

    def close(self) -> None:
        """End the container that was begun last."""
        frame = self.stack.pop()
        if frame.merged:
            self._merge(frame, frame.merged)
        frame.done = True
        frame.nodes = self.nodes - frame.nodes
        frame.height += 1
        self._put(frame.value, frame.mark, frame.height)

    def scalar(self, value: object, mark: Mark) -> None:
        """Add a value that holds no others."""
        self._grow(1, -1, mark)
        self._put(vetted(value), mark, 0)

    def alias(self, frame: Frame, mark: Mark) -> None:
        """Add once more what stands elsewhere."""
        self._grow(frame.nodes, frame.height - 1, mark)
        self._put(frame.value, mark, frame.height)

    def path(self) -> Path:
        """Give the path of the value that comes next; of a mapping that waits for a key, its own."""
        parts = (len(f.value) if isinstance(f.value, list) else f.key for f in self.stack)
        return tuple(part for part in parts if isinstance(part, str | int))

    def problem(self, path: Path, mark: Mark, found: str, allowed: str = "", hint: str = "") -> None:
        """Note a problem and go on."""
        self.problems.append(Problem(show_keys(path), found, allowed, hint, self.place(mark)))

    def stop(self, mark: Mark, found: str, allowed: str = "", hint: str = "") -> NoReturn:
        """Tell all problems so far and one after which nothing can be read."""
        self.problem(self.path()[:_PATH_MAX], mark, found, allowed, hint)
        raise DocumentError(self.problems) from None

    def refuse(self, refused: Refused, mark: Mark) -> None:
        """Note a value that cannot stand."""
        path = self.path()
        found = refused.what or show(refused.value, secret=is_secret(path))
        self.problem(path, mark, f"found {found}", refused.allowed, refused.hint)

    def _grow(self, nodes: int, levels: int, mark: Mark) -> None:
        self.nodes += nodes
        if self.nodes > NODES_MAX:
            self.stop(mark, f"found more than {NODES_MAX:,} values", f"at most {NODES_MAX:,}, aliases written out")
        if len(self.stack) + levels >= DEPTH_MAX:
            self.stop(mark, f"found more than {DEPTH_MAX} levels of nesting", f"at most {DEPTH_MAX}")

    def _put(self, value: object, mark: Mark, height: int) -> None:
        if not self.stack:
            self.root = (value.value if isinstance(value, Refused) else value, mark)
            return
        frame = self.stack[-1]
        frame.height = max(frame.height, height)
        holder: Any = frame.value
        if isinstance(holder, dict) and frame.key is _NO_KEY:
            self._take_key(frame, holder, value, mark)
            return
        if isinstance(value, Refused):
            self.refuse(value, mark)
            value = None
        if isinstance(holder, list):
            self.marks[id(holder)][len(holder)] = (mark, mark)
            holder.append(value)
            return
        key: Any = frame.key
        if key is MERGE:
            self._note_merge(frame, value, mark)
        elif key is not _BAD_KEY:
            holder[key] = value
            self.marks[id(holder)][key] = (frame.key_mark, mark)
        frame.key = _NO_KEY

    def _take_key(self, frame: Frame, holder: dict[str, object], key: object, mark: Mark) -> None:
        frame.key, frame.key_mark = _BAD_KEY, mark
        if key is MERGE and frame.merged is None:
            frame.key, frame.merged = MERGE, []
        elif key is MERGE:
            self.problem((*self.path(), "<<"), mark, "found this key a second time", "each key once")
        elif isinstance(key, Refused):
            frame.key = "?"
            self.refuse(key, mark)
            frame.key = _BAD_KEY
        elif not isinstance(key, str):
            name = str(key) if isinstance(key, int | float) else "?"
            found = f"found {kind_of(key)} as a key"
            self.problem((*self.path(), name), mark, found, "text", "write the key in quotes")
        elif key in holder:
            first = self.place(self.marks[id(holder)][key][0]).line
            hint = f"it is in line {first} too"
            self.problem((*self.path(), key), mark, "found this key a second time", "each key once", hint)
        else:
            frame.key = key

    def _note_merge(self, frame: Frame, value: object, mark: Mark) -> None:
        sources: list[Any] = value if isinstance(value, list) else [value]
        wrong = [source for source in sources if not isinstance(source, dict)]
        if wrong:
            found = f"found {kind_of(wrong[0])} to be merged"
            self.problem((*self.path(), "<<"), mark, found, "a mapping or a list of mappings")
            sources = []
        frame.merged = sources

    def _merge(self, frame: Frame, sources: list[dict[str, object]]) -> None:
        holder: Any = frame.value
        own, own_marks, marks = dict(holder), dict(self.marks[id(holder)]), self.marks[id(holder)]
        holder.clear()
        for source in reversed(sources):
            holder.update(source)
            marks.update(self.marks[id(source)])
        holder.update(own)
        marks.update(own_marks)
