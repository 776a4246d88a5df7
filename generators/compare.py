"""Compares a bundle with the output tree it goes to, reading only.

Three things are compared: the content generated now, the content on disk, and what the manifest says was written
last. A run that was killed leaves, beside the manifest of the run before, the one it was about to complete (its
journal): what either records is the tool's own. So a half-finished run's files never pass for edited by hand,
even when the design has changed again since.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from generators.digests import Digests
from generators.manifest import MANIFEST, PRIVATE, Record, check_paths, load
from generators.plan import Entry, Past, Plan, State
from generators.tree import STAGED, Blocked, Found, Tree, opened
from rmqha_model.errors import WriteError

if TYPE_CHECKING:
    from generators.bundle import Artefact, Bundle

__all__ = ["KEYS", "plan", "read_past"]

KEYS = f"{PRIVATE}/keys"
KEY_LENGTH_MIN = 32
"""In bytes: RFC 2104, section 3, discourages keys shorter than the hash. By a guessed key, weak secrets are guessed."""


_JOURNAL = re.compile(r"journal\.[1-9][0-9]*")


def plan(bundle: Bundle, out: Path, digest_key: bytes, *, version: str) -> Plan:
    """Compare *bundle* with the tree at *out*, reading only.

    *digest_key* must be derived from secrets that cannot be guessed; it makes the digests of secret files.
    *version* is the tool's own, for the manifest.

    Raises:
        WriteError: *out* is no directory, cannot be read, or holds a manifest that is not ours or too new; or
            the paths of the bundle do not make a tree.
    """
    if len(digest_key) < KEY_LENGTH_MIN:
        raise ValueError(f"a digest key has at least {KEY_LENGTH_MIN} bytes")
    artefacts = _by_path(bundle)
    with opened(out) as tree:
        past = read_past(tree) if tree else Past(None)
        digests = Digests((digest_key, *(key for key in past.keys if key != digest_key)))
        known = _Known(past, str(out))
        entries = [_entry(path, artefact, known, tree, digests) for path, artefact in artefacts.items()]
        if tree:
            entries += _stale(known, artefacts, tree, digests)
            entries.sort(key=lambda entry: entry.path)
    return Plan(bundle, out, version, tuple(entries), past, digests)


def read_past(tree: Tree) -> Past:
    """Read what earlier runs left in *tree*."""
    private = tree.names(PRIVATE)
    names = sorted(filter(_JOURNAL.fullmatch, private), key=lambda name: (len(name), name))
    # Journals come first: one that a run going on removes meanwhile is then the manifest.
    journals = [(f"{PRIVATE}/{name}", _own(tree, f"{PRIVATE}/{name}")) for name in names]
    manifest = _own(tree, MANIFEST)
    try:
        keys = tuple(bytes.fromhex(line) for line in (_own(tree, KEYS) or b"").decode("ascii").splitlines())
    except ValueError as error:
        raise WriteError(f"{tree.shown}/{KEYS}: damaged; remove it") from error
    started = tuple((name, content) for name, content in journals if content is not None)
    return Past(manifest, started, keys, STAGED in private)


def _own(tree: Tree, path: str) -> bytes | None:
    found = tree.find(path)
    if found and found.content is None:
        raise WriteError(f"{tree.shown}/{path}: not a regular file")
    return found.content if found else None


def _by_path(bundle: Bundle) -> dict[str, Artefact]:
    files: dict[str, Artefact] = {}
    for artefact in bundle.artefacts:
        if files.setdefault(artefact.tree_path, artefact) is not artefact:
            raise WriteError(f"{artefact.tree_path}: generated twice")
    try:
        check_paths(files)
    except ValueError as error:
        raise WriteError(str(error)) from error
    for directory in {path.rpartition("/")[0] for path in files}:
        above = directory
        while above:
            if above in files:
                raise WriteError(f"{above}: generated as a file and, for others to be in, as a directory")
            above = above.rpartition("/")[0]
    return dict(sorted(files.items()))


class _Known:
    """All records of what earlier runs wrote, completed or not."""

    def __init__(self, past: Past, shown: str) -> None:
        manifest = load(past.manifest, f"{shown}/{MANIFEST}") if past.manifest is not None else None
        self.completed = {item.path: item for item in manifest.records} if manifest else {}
        self.started: dict[str, list[Record]] = {}
        for name, content in past.journals:
            for item in load(content, f"{shown}/{name}").records:
                self.started.setdefault(item.path, []).append(item)

    def of(self, path: str) -> list[Record]:
        """Give the records of one file: that of the manifest, then those of journals from the newest."""
        completed = self.completed.get(path)
        return ([completed] if completed else []) + self.started.get(path, [])[::-1]


def _entry(path: str, artefact: Artefact, known: _Known, tree: Tree | None, digests: Digests) -> Entry:
    """Judge one file that is generated."""
    records = known.of(path)
    last = records[0] if records else None
    try:
        content = artefact.content.encode()
        # What nobody recorded is ours only if it is what we would write: of another size, it need not be read.
        found = tree.find(path, size=None if records else len(content)) if tree else None
    except UnicodeEncodeError as error:
        raise WriteError(f"{path}: its content is not text that can be written: {error.reason}") from error
    except Blocked as error:
        return Entry(path, State.BLOCKED, artefact, last, note=f"{State.BLOCKED}: {error}")
    if found is None:
        return Entry(path, State.MISSING if path in known.completed else State.NEW, artefact, last)
    if found.is_directory:
        return Entry(path, State.BLOCKED, artefact, last, note=f"{State.BLOCKED}: a directory stands there")
    if found.content == content:
        state = State.UNCHANGED if found.mode == artefact.tree_mode else State.MODE
    elif not records:
        state = State.FOREIGN
    else:
        state = State.CHANGED if _match(found, records, digests) else State.EDITED
    return Entry(path, state, artefact, last, found.identity, found.mode if found.is_file else None)


def _stale(known: _Known, artefacts: Container[str], tree: Tree, digests: Digests) -> Iterator[Entry]:
    """Judge the files that are no longer generated; what is gone, or became a directory, is no file of ours."""
    for path in sorted({*known.completed, *known.started}):
        if path in artefacts:
            continue
        try:
            found = tree.find(path)
        except Blocked:
            continue
        if found is None or found.is_directory:
            continue
        records = known.of(path)
        ours = _match(found, records, digests)
        # A run that was killed before it came to this file did not write it: what lies there is somebody else's.
        if ours or path in known.completed:
            state = State.STALE if ours else State.STALE_EDITED
            mode = found.mode if found.is_file else None
            yield Entry(path, state, None, ours or records[0], found.identity, mode)


def _match(found: Found, records: Iterable[Record], digests: Digests) -> Record | None:
    if found.content is None:
        return None
    return next((item for item in records if digests.match(item, found.content)), None)
