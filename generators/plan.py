"""What a run would do to an output tree: an entry for each file, and what follows from its state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from generators.manifest import Manifest, Record, dump

if TYPE_CHECKING:
    from generators.bundle import Artefact, Bundle
    from generators.digests import Digests
    from generators.tree import Identity

__all__ = ["Entry", "Past", "Plan", "State"]


class State(StrEnum):
    """How a file stands to what is generated; the value is what a user is told."""

    NEW = "new"
    MISSING = "removed by hand"
    CHANGED = "changed"
    MODE = "mode changed"
    UNCHANGED = "unchanged"
    EDITED = "edited by hand"
    FOREIGN = "not written by this tool"
    BLOCKED = "cannot be written"
    STALE = "no longer generated"
    STALE_EDITED = "no longer generated, edited by hand"


class Entry(NamedTuple):
    """One file: its state, what it should be (*artefact*), what was last written (*record*), what is there."""

    path: str
    state: State
    artefact: Artefact | None = None
    record: Record | None = None
    seen: Identity | None = None
    mode: int | None = None
    note: str = ""

    @property
    def secret(self) -> bool:
        """Whether what is there, or shall be there, may not be shown."""
        return (self.artefact is not None and self.artefact.secret) or (self.record is not None and self.record.secret)

    @property
    def exposed(self) -> bool:
        """Whether others may read a file that we wrote a secret into."""
        return self.record is not None and self.secret and bool((self.mode or 0) & 0o077)

    def is_written(self, *, force: bool) -> bool:
        """Whether a run writes the file; one that somebody else had a hand in only by *force*."""
        if self.state in {State.EDITED, State.FOREIGN}:
            return force
        return self.state in {State.NEW, State.MISSING, State.CHANGED, State.MODE}

    def is_removed(self, *, force: bool, prune: bool) -> bool:
        """Whether a run removes the file."""
        return prune and (self.state is State.STALE or (force and self.state is State.STALE_EDITED))

    def __str__(self) -> str:
        return f"{self.path}: {self.note or self.state}"


class Past(NamedTuple):
    """What earlier runs left about themselves; *half* tells that one was killed while it wrote a file."""

    manifest: bytes | None
    journals: tuple[tuple[str, bytes], ...] = ()
    keys: tuple[bytes, ...] = ()
    half: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A bundle compared with the tree at *out*: an entry for each file that is, or was, generated, in order of path."""

    bundle: Bundle = field(repr=False)
    out: Path
    version: str
    entries: tuple[Entry, ...] = field(repr=False)
    past: Past = field(repr=False)
    digests: Digests = field(repr=False)

    @property
    def differs(self) -> bool:
        """Whether the tree is anything but what a run into an empty directory would give."""
        if any(entry.state is not State.UNCHANGED for entry in self.entries):
            return True
        return dump(self.manifest()) != self.past.manifest

    def of(self, *states: State) -> tuple[Entry, ...]:
        """Give the entries in one of *states*."""
        return tuple(entry for entry in self.entries if entry.state in states)

    def manifest(self, *, force: bool = False, prune: bool = False, kept: Iterable[str] = ()) -> Manifest:
        """Give the manifest of the tree once it is written, the files *kept* being left as they are.

        A file that is left as it is keeps its old record, so that the next run knows it as edited still.
        """
        unwritten = frozenset(kept)
        artefacts, stale = [], []
        for entry in self.entries:
            if entry.artefact is None:
                if entry.record and (entry.path in unwritten or not entry.is_removed(force=force, prune=prune)):
                    stale.append(entry.record)
            elif entry.path not in unwritten and (entry.state is State.UNCHANGED or entry.is_written(force=force)):
                artefacts.append(self.digests.record(entry.artefact, entry.path))
            elif entry.record:
                artefacts.append(entry.record)
        return Manifest(self.version, self.bundle.design, self.bundle.model_digest, tuple(artefacts), tuple(stale))
