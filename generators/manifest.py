"""What the output tree's ``manifest.json`` says, and reads and writes it. Nothing here touches a disk.

The manifest lists every file as the tool last wrote it: a file whose content is no longer what its record
says was changed by hand. It holds nothing secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

from rmqha_model.errors import WriteError

__all__ = ["FORMAT", "MANIFEST", "PRIVATE", "Manifest", "Record", "check_paths", "dump", "load"]

FORMAT = 1
"""Version of the manifest's own layout; a manifest with a higher one is refused."""

MANIFEST = "manifest.json"
"""Where the manifest lies, at the top of the output tree."""

PRIVATE = ".rmqha"
"""The directory, at the top of the output tree, of what only the tool itself needs between and during runs."""

TOOL = "rmqha"

_HEX = re.compile(r"[0-9a-f]{64}")
_OCTAL = re.compile(r"[0-7]{4}")
T = TypeVar("T")
_NO_NAMES = frozenset({"", ".", ".."})
_encode = json.JSONEncoder(sort_keys=True).encode


class Record(NamedTuple):
    """One file as the tool wrote it; *digest* is an HMAC when *secret*, a plain SHA-256 otherwise."""

    path: str
    host: str | None
    target: str | None
    owner: str
    group: str
    mode: str
    secret: bool
    digest: str


class Manifest(NamedTuple):
    """The files of an output tree, and those still in it that its design no longer has (*stale*)."""

    version: str
    design: str
    model_digest: str
    artefacts: tuple[Record, ...] = ()
    stale: tuple[Record, ...] = ()

    @property
    def records(self) -> tuple[Record, ...]:
        """All files the tool knows to have written."""
        return self.artefacts + self.stale


def check_paths(paths: Iterable[str]) -> None:
    """Raise ``ValueError`` unless all *paths* name files inside an output tree, and are safe to use and to print."""
    sound = set()
    for path in paths:
        directory, _, name = path.rpartition("/")
        if directory not in sound:
            parts = directory.split("/")
            if not directory.isprintable() or not _NO_NAMES.isdisjoint(parts):
                raise ValueError(f"{path!a} is no path of a file inside the output tree")
            if parts[0] in {MANIFEST, PRIVATE}:
                raise ValueError(f"{path}: {parts[0]} is the tool's own name at the top of the output tree")
            sound.add(directory)
        if name in _NO_NAMES or not name.isprintable():
            raise ValueError(f"{path!a} is no path of a file inside the output tree")


def dump(manifest: Manifest) -> bytes:
    """Write *manifest* as JSON with sorted keys and one file a line; the same manifest always gives the same bytes."""
    members = {
        "artefacts": _lines(manifest.artefacts),
        "design": _encode(manifest.design),
        "format": _encode(FORMAT),
        "model_digest": _encode(manifest.model_digest),
        "stale": _lines(manifest.stale),
        "tool": _encode({"name": TOOL, "version": manifest.version}),
    }
    return ("{\n" + ",\n".join(f'  "{key}": {text}' for key, text in members.items()) + "\n}\n").encode()


def _lines(records: Iterable[Record]) -> str:
    lines = ",\n    ".join(_encode(_as_json(item)) for item in records)
    return f"[\n    {lines}\n  ]" if lines else "[]"


def _as_json(item: Record) -> dict[str, str | bool | None]:
    path, host, target, owner, group, mode, secret, digest = item
    return {
        "path": path,
        "host": host,
        "target": target,
        "owner": owner,
        "group": group,
        "mode": mode,
        "secret": secret,
        "hmac_sha256" if secret else "sha256": digest,
    }


def load(content: bytes, name: str) -> Manifest:
    """Read a manifest; ``WriteError``, which calls it *name*, when *content* is anything else."""
    try:
        head = _must_be(dict, json.loads(content))
        number = _must_be(int, head["format"])
        if number <= FORMAT:
            return _from_json(head)
    except KeyError as error:
        raise _not_ours(name, f"no {error}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise _not_ours(name, str(error)) from error
    raise WriteError(f"{name}: written by a newer version (format {number}, known here: {FORMAT}); use that version")


def _from_json(head: dict[str, Any]) -> Manifest:
    if head["tool"]["name"] != TOOL:
        raise ValueError("of another tool")
    manifest = Manifest(
        version=_must_be(str, head["tool"]["version"]),
        design=_must_be(str, head["design"]),
        model_digest=_must_be(str, head["model_digest"]),
        artefacts=tuple(map(_record_from_json, head["artefacts"])),
        stale=tuple(map(_record_from_json, head["stale"])),
    )
    paths = {item.path for item in manifest.records}
    if len(paths) != len(manifest.records):
        raise ValueError("a file is listed twice")
    check_paths(paths)
    return manifest


def _not_ours(name: str, why: str) -> WriteError:
    return WriteError(
        f"{name}: not a manifest of {TOOL} ({why}); restore it, or move it away: "
        "then each file that differs from what is generated counts as somebody else's and is kept"
    )


def _record_from_json(item: dict[str, Any]) -> Record:
    """Read one record. Nothing in it is trusted: its file may be removed later, and a manifest can be edited too."""
    secret = _must_be(bool, item["secret"])
    host, target = item["host"], item["target"]
    read = Record(
        path=_must_be(str, item["path"]),
        host=host if host is None else _must_be(str, host),
        target=target if target is None else _must_be(str, target),
        owner=_must_be(str, item["owner"]),
        group=_must_be(str, item["group"]),
        mode=_must_be(str, item["mode"]),
        secret=secret,
        digest=_must_be(str, item["hmac_sha256" if secret else "sha256"]),
    )
    if not _HEX.fullmatch(read.digest) or not _OCTAL.fullmatch(read.mode):
        raise ValueError(f"{read.path!a} has no proper mode and digest")
    return read


def _must_be(kind: type[T], value: object) -> T:
    # Not isinstance: True is an int too.
    if type(value) is not kind:
        raise TypeError(f"{ascii(value)[:60]} is not of type {kind.__name__}")
    return value
