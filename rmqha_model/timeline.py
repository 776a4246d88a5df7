"""What was seen of a design while a scenario ran, predicted or measured: typed events, saved as JSON lines."""

from __future__ import annotations

import bisect
import functools
import gzip
import itertools
import json
import operator
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO, TypeVar, cast

from pydantic import Field, TypeAdapter, ValidationError

from rmqha_model.errors import DocumentError, Place, Problem
from rmqha_model.events import EVENTS, AnyEvent, Event, FaultBegan
from rmqha_model.names import Text
from rmqha_model.part import Part
from rmqha_model.scenario import Scenario

__all__ = ["Head", "Timeline"]

E = TypeVar("E", bound=Event)


class Head(Part):
    """Where a timeline comes from: what happened to what, in which world, and how exactly it was seen."""

    timeline: Literal[1] = Field(1, description="Version of this format.")
    world: Literal["lab", "simulation"] = Field(description="Measured on real daemons, or predicted.")
    design: Text = Field(description="Name of the design.")
    digest: Text = Field(description="SHA-256 of the design as it ran.")
    versions: dict[str, str] = Field({}, description="Releases of the daemons as they ran.")
    scenario: Scenario = Field(description="What happened.")
    seed: int | None = Field(None, description="Of a prediction, or of the clients' random waits.")
    resolution_s: float = Field(0.0, ge=0, description="An event may have been up to so much earlier than its time.")
    duration_s: float = Field(ge=0, description="When watching ended, after the start.")
    flowed_s: float | None = Field(
        None,
        ge=0,
        description="Until when clients were at work: through the scenario and the recovery after it; left out, until "
        "the scenario's end.",
    )
    began: Text = Field("", description="Time of day of the start, in UTC; empty in a prediction.")
    notes: tuple[Text, ...] = Field((), description="What is particular about it.")
    not_seen: tuple[Text, ...] = Field((), description="What was not observed, or not modelled.")


@dataclass(frozen=True)
class Timeline:
    """Events in the order of their times, and where they come from."""

    head: Head
    events: tuple[AnyEvent, ...]

    @classmethod
    def of(cls, head: Head, events: Iterable[AnyEvent]) -> Timeline:
        """Make one of events in any order; those of the same instant keep the order they are given in."""
        return cls(head, tuple(sorted(events, key=operator.attrgetter("t"))))

    def only(self, kind: type[E]) -> tuple[E, ...]:
        """Give the events of one kind."""
        return cast("tuple[E, ...]", self._by_kind.get(kind, ()))

    @property
    def end_s(self) -> float:
        """Until when clients were at work, which is where measures end."""
        flowed_s = self.head.flowed_s
        return min(self.head.scenario.duration.s if flowed_s is None else flowed_s, self.head.duration_s)

    @property
    def first_fault_s(self) -> float | None:
        """When the first fault took effect; ``None`` where there was none."""
        faults = self.only(FaultBegan)
        return faults[0].t if faults else None

    def between(self, begin_s: float, end_s: float) -> tuple[AnyEvent, ...]:
        """Give the events from *begin_s* to before *end_s*."""
        key = operator.attrgetter("t")
        return self.events[
            bisect.bisect_left(self.events, begin_s, key=key) : bisect.bisect_left(self.events, end_s, key=key)
        ]

    @functools.cached_property
    def _by_kind(self) -> Mapping[type[Event], tuple[Event, ...]]:
        kinds: dict[type[Event], list[Event]] = {}
        for event in self.events:
            kinds.setdefault(type(event), []).append(event)
        return {kind: tuple(events) for kind, events in kinds.items()}

    # -- on disk ----------------------------------------------------------------------------------

    def lines(self) -> Iterator[str]:
        """Give it as JSON lines: the head, then an event a line."""
        yield self.head.model_dump_json(by_alias=True)
        for event in self.events:
            yield json.dumps(event.row(), separators=(",", ":"), ensure_ascii=False)

    def write(self, path: Path | str) -> None:
        """Save it as JSON lines, whole or not at all; a name that ends in ``.gz`` is compressed, the same each time."""
        path = Path(path)
        text = "".join(f"{line}\n" for line in self.lines()).encode()
        if path.suffix == ".gz":
            text = gzip.compress(text, mtime=0)
        beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            beside.write_bytes(text)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)

    @classmethod
    def read(cls, path: Path | str) -> Timeline:
        """Read what :meth:`write` saved.

        Raises:
            DocumentError: it cannot be read, or a line is no event; with its place.
        """
        path = Path(path)
        try:
            with _opened(path) as stream:
                return cls.parse(stream, file=str(path))
        except (OSError, EOFError, UnicodeDecodeError, gzip.BadGzipFile) as error:
            reason = getattr(error, "strerror", None) or "it is damaged or not compressed text"
            raise _refused(str(path), 1, f"cannot be read: {reason.lower()}", "a timeline in JSON lines") from None

    @classmethod
    def parse(cls, lines: Iterable[str], *, file: str = "<text>") -> Timeline:
        """Read JSON lines. Raises :class:`DocumentError` at the first that is wrong."""
        numbered = enumerate(lines, 1)
        _, first = next(numbered, (1, ""))
        head = _head(file, first)
        placed = [(number, _event(file, number, line)) for number, line in numbered if line.strip()]
        for (_, before), (number, after) in itertools.pairwise(placed):
            if after.t < before.t:
                raise _refused(file, number, f"found t {after.t} after {before.t}", "events in order")
        return cls(head, tuple(event for _, event in placed))


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return cast("TextIO", gzip.open(path, "rt", encoding="utf-8"))
    return path.open(encoding="utf-8")


def _refused(file: str, line: int, found: str, allowed: str, hint: str = "") -> DocumentError:
    return DocumentError([Problem((), found, allowed, hint, Place(file, line, 1))])


def _head(file: str, line: str) -> Head:
    try:
        return Head.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the line"
        raise _refused(file, 1, f"found no head of a timeline: {where}: {first['msg']}", "a timeline") from None


@functools.cache
def _reader(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(EVENTS[kind])


def _event(file: str, number: int, line: str) -> AnyEvent:
    try:
        row = json.loads(line)
    except ValueError:
        raise _refused(file, number, "found a line that is not JSON", "an event") from None
    kind = row.pop("event", None) if isinstance(row, dict) else None
    if kind not in EVENTS:
        raise _refused(file, number, f"found event {kind!r}"[:80], ", ".join(EVENTS))
    try:
        return cast("AnyEvent", _reader(kind).validate_python(row))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise _refused(
            file, number, f"found a wrong {kind}: {where}: {first['msg']}", "the fields of that event"
        ) from None
