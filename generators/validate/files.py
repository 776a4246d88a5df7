"""The files of a bundle as checks want them: by host and path, what they mention, which are the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from generators.validate.run import File

if TYPE_CHECKING:
    from generators.bundle import Artefact, Bundle

__all__ = ["Tree", "addresses_of", "alike", "below", "laid", "mentioned", "names_of"]

T = TypeVar("T")


@dataclass(frozen=True)
class Tree:
    """A bundle's files, found by host and path."""

    bundle: Bundle

    @cached_property
    def hosts(self) -> dict[str, dict[str, Artefact]]:
        """The files installed on each host, by absolute path."""
        found: dict[str, dict[str, Artefact]] = {}
        for artefact in self.bundle.artefacts:
            if artefact.host is not None and artefact.path.startswith("/"):
                found.setdefault(artefact.host, {})[artefact.path] = artefact
        return found

    @cached_property
    def design(self) -> dict[str, Artefact]:
        """The files of the design as a whole, by path below its folder."""
        return {artefact.path: artefact for artefact in self.bundle.artefacts if artefact.host is None}


def below(files: Mapping[str, Artefact], *folders: str) -> dict[str, Artefact]:
    """Give the files under some folders."""
    return {path: one for path, one in files.items() if any(path.startswith(f"{folder}/") for folder in folders)}


def mentioned(files: Mapping[str, Artefact], texts: Iterable[Artefact]) -> dict[str, Artefact]:
    """Give the files whose absolute paths some texts contain."""
    words = {word for one in texts for word in re.findall(r"/[\w.@+/-]+", one.content)}
    words |= {word.rstrip(".") for word in words}
    return {path: one for path, one in files.items() if path in words}


def laid(files: Iterable[Artefact]) -> tuple[File, ...]:
    """Lay files at their places, with their owners and modes."""
    return tuple(File(one.path, one.content, one.mode, one.owner, one.group) for one in files)


def alike(things: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """Put together what has the same *key*, in order of first appearance."""
    groups: dict[Hashable, list[T]] = {}
    for thing in things:
        groups.setdefault(key(thing), []).append(thing)
    return list(groups.values())


def addresses_of(host: str, files: Mapping[str, Artefact]) -> list[str]:
    """Give a host's addresses as its own /etc/hosts has them, with the length of a single address."""
    found = []
    for line in files["/etc/hosts"].content.splitlines() if "/etc/hosts" in files else ():
        words = line.partition("#")[0].split()
        if words and host in words[1:] and not words[0].startswith("127.") and words[0] != "::1":
            found.append(f"{words[0]}/{128 if ':' in words[0] else 32}")
    return found


def names_of(host: str, files: Mapping[str, Artefact]) -> list[str]:
    """Give a host's names as its own /etc/hosts has them."""
    lines = files["/etc/hosts"].content.splitlines() if "/etc/hosts" in files else []
    words = [line.partition("#")[0].split()[1:] for line in lines]
    return list(dict.fromkeys(name for names in words if host in names for name in names))
