"""Writes a bundle to disk: nothing half-written, and nothing lost that somebody edited by hand.

The order of a run makes it safe to kill at any moment. The manifest to be goes into the private directory first,
as the journal; then each file is put in place in one step; then the manifest; then the journal goes. Whatever the
next run finds is recorded in one of the two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from generators.compare import KEYS, plan, read_past
from generators.manifest import MANIFEST, PRIVATE, Manifest, dump
from generators.plan import Entry, Plan, State
from generators.tree import Tree, locked
from rmqha_model.errors import WriteError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Entry", "Plan", "State", "Written", "apply", "plan"]

WAIT_S = 5.0
"""How long to wait for another run, by default: several times what 20,000 files take (``benchmarks/write.py``)."""

IGNORE = f"{PRIVATE}/.gitignore"


@dataclass(frozen=True, slots=True)
class Written:
    """What a run did: files *written*, *removed*, and *kept* back because somebody else had a hand in them.

    *stale* are files that are no longer generated and were not asked to be removed.
    """

    written: tuple[Entry, ...]
    removed: tuple[Entry, ...]
    kept: tuple[Entry, ...]
    stale: tuple[Entry, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing was kept back."""
        return not self.kept


def apply(planned: Plan, *, force: bool = False, prune: bool = False, wait_s: float = WAIT_S) -> Written:
    """Do what was *planned*, or what is to be done by now if another run came between.

    A file that was edited by hand, or is somebody else's, is kept and reported; *force* overwrites it. Files no
    longer generated are removed if asked to *prune*, edited ones of these by *force* only.

    Raises:
        WriteError: the tree cannot be written to, or another run does not end within *wait_s*. What was written
            until then is complete; running again does the rest.
    """
    run = _Run(planned, force=force, prune=prune)
    if not run.is_done():
        with locked(planned.out, wait_s) as tree:
            if read_past(tree) != planned.past:
                now = plan(planned.bundle, planned.out, planned.digests.keys[0], version=planned.version)
                run = _Run(now, force=force, prune=prune)
            run.go(tree)
    return run.result()


@dataclass(slots=True)
class _Run:
    """One run, and what it did so far. *late* are files that somebody changed after they were compared."""

    plan: Plan
    force: bool
    prune: bool
    written: list[Entry] = field(default_factory=list)
    removed: list[Entry] = field(default_factory=list)
    late: list[Entry] = field(default_factory=list)

    def is_done(self) -> bool:
        """Whether there is nothing to do, not even to the manifest."""
        if self.plan.past.journals or self.plan.past.half:
            return False
        if any(self._writes(entry) or self._removes(entry) or entry.exposed for entry in self.plan.entries):
            return False
        manifest = self._manifest()
        return _keys(self.plan, manifest) == self.plan.past.keys and dump(manifest) == self.plan.past.manifest

    def go(self, tree: Tree) -> None:
        """Do it all."""
        past = self.plan.past
        manifest = self._manifest()
        content = dump(manifest)
        # Until the new manifest stands, files are known by old records too, and these by their keys.
        keys = _keys(self.plan, manifest)
        _put_own(tree, IGNORE, b"*\n")
        _put_keys(tree, self.plan.digests.keys if keys else past.keys)
        journals = [name for name, _ in past.journals]
        if content != past.manifest:
            number = 1 + max((int(name.rpartition(".")[2]) for name in journals), default=0)
            journals.append(f"{PRIVATE}/journal.{number}")
            _put_own(tree, journals[-1], content)
        self._do_files(tree)
        _put_own(tree, MANIFEST, dump(self._manifest()) if self.late else content, 0o644)
        for name in journals:
            _remove_own(tree, name)
        _put_keys(tree, keys)

    def result(self) -> Written:
        """Say what was done."""
        handled = {entry.path for entry in (*self.written, *self.removed, *self.late)}
        left = self.plan.of(State.EDITED, State.FOREIGN, State.BLOCKED, State.STALE, State.STALE_EDITED)
        left = tuple(entry for entry in left if entry.path not in handled)
        kept = [entry for entry in left if entry.artefact or self.prune]
        kept += [entry._replace(note="changed by somebody else while this run was writing") for entry in self.late]
        return Written(
            written=tuple(self.written),
            removed=tuple(self.removed),
            kept=tuple(sorted(kept, key=lambda entry: entry.path)),
            stale=() if self.prune else tuple(entry for entry in left if not entry.artefact),
        )

    def _do_files(self, tree: Tree) -> None:
        for entry in self.plan.entries:
            path, artefact, seen = entry.path, entry.artefact, entry.seen
            if artefact and self._writes(entry):
                content, mode = artefact.content.encode(), artefact.tree_mode
                if tree.put(path, content, mode, over=seen):
                    self.written.append(entry)
                elif not _lies(tree, path, content, mode):
                    self.late.append(entry)
            elif seen and self._removes(entry):
                (self.removed if tree.remove(path, only=seen) else self.late).append(entry)
            elif entry.exposed:
                _close_to_others(tree, path)
        for directory in sorted({entry.path.rpartition("/")[0] for entry in self.removed}, reverse=True):
            tree.remove_empty(directory)

    def _writes(self, entry: Entry) -> bool:
        return entry.is_written(force=self.force)

    def _removes(self, entry: Entry) -> bool:
        return entry.is_removed(force=self.force, prune=self.prune)

    def _manifest(self) -> Manifest:
        return self.plan.manifest(force=self.force, prune=self.prune, kept=[entry.path for entry in self.late])


def _keys(plan: Plan, manifest: Manifest) -> tuple[bytes, ...]:
    """Give the keys to recognise the secret files of *manifest* by: this run's, and earlier ones while they serve."""
    digests = {item.digest for item in manifest.records if item.secret}
    digests.difference_update(plan.digests.of(e.artefact) for e in plan.entries if e.artefact and e.artefact.secret)
    if digests:
        return plan.digests.keys
    return plan.digests.keys[:1] if any(item.secret for item in manifest.records) else ()


def _put_keys(tree: Tree, keys: Iterable[bytes]) -> None:
    _put_own(tree, KEYS, "".join(f"{key.hex()}\n" for key in keys).encode())


def _put_own(tree: Tree, path: str, content: bytes, mode: int = 0o600) -> None:
    found = tree.find(path)
    if found.content == content if found else not content:
        return
    if not tree.put(path, content, mode, over=found.identity if found else None):
        raise WriteError(f"{tree.shown}/{path}: somebody else writes to it; run again")


def _lies(tree: Tree, path: str, content: bytes, mode: int) -> bool:
    """Tell whether the very file lies there; another run can have been quicker."""
    found = tree.find(path)
    return found is not None and found.content == content and found.mode == mode


def _remove_own(tree: Tree, path: str) -> None:
    found = tree.find(path)
    if found:
        tree.remove(path, only=found.identity)


def _close_to_others(tree: Tree, path: str) -> None:
    """Keep others from reading a secret that somebody edited; what it says stays."""
    found = tree.find(path)
    if found and found.content is not None:
        tree.put(path, found.content, found.mode & 0o700, over=found.identity)
