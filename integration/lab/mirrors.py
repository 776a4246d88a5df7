"""Where this machine gets Debian from: what apt itself uses, with another release in its place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from integration.errors import LabError
from integration.lab.shell import run

__all__ = ["Mirror", "apt_options", "known_mirrors", "parse_targets", "sources"]

_FORMAT = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)|$(SOURCESENTRY)"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_SIGNED_BY = re.compile(r"(?:^Signed-By:|\bsigned-by=)\s*(/[^\s\],]+)", re.IGNORECASE | re.MULTILINE)
_PROXY = re.compile(
    r'^(Acquire::(?:http|https|ftp)(?:::[^ ]*)?::?Proxy(?:::[^ ]*)?|Acquire::[^ ]*Verify[^ ]*) "(.*)";$'
)

SECURITY = {"bullseye": "bullseye-security", "bookworm": "bookworm-security", "trixie": "trixie-security"}
"""The suite of security updates; sid has none."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """A mirror of Debian, or of its security updates, and the keys its releases are signed with."""

    uri: str
    security: bool
    keyring: str

    def line(self, suite: str) -> str:
        """Give the line of sources.list for *suite*."""
        options = f"[signed-by={self.keyring}] " if self.keyring else ""
        return f"deb {options}{self.uri} {suite} main"


def known_mirrors() -> tuple[Mirror, ...]:
    """Give the mirrors this machine's apt uses, each once.

    Raises:
        LabError: apt uses none of Debian.
    """
    listed = run(["apt-get", "indextargets", "--format", _FORMAT, "Created-By: Packages"])
    found = parse_targets(listed.splitlines())
    if not any(not mirror.security for mirror in found):
        raise LabError(
            "no mirror of Debian in this machine's apt configuration; allowed: a `deb` entry of Debian's main archive, "
            "in /etc/apt/sources.list or /etc/apt/sources.list.d, followed by: apt-get update"
        )
    return found


def parse_targets(lines: Iterable[str]) -> tuple[Mirror, ...]:
    """Give the mirrors that lines of ``apt-get indextargets`` name, each once."""
    found: dict[tuple[str, bool], Mirror] = {}
    for line in lines:
        parts = line.split("|")
        if len(parts) != 5:
            continue
        uri, suite, component, origin, entry = parts
        # A file:// mirror would have to be there inside the root that is built.
        if component != "main" or origin != "Debian" or not uri.startswith(("http://", "https://")):
            continue
        security = "security" in suite
        found.setdefault((uri, security), Mirror(uri, security, _keyring(entry)))
    return tuple(found.values())


def _keyring(entry: str) -> str:
    """Give the keyring that the file of a sources entry names, else Debian's own where it is installed."""
    try:
        text = Path(entry.rpartition(":")[0]).read_text(encoding="utf-8")
    except OSError:
        text = ""
    named = [path for path in _SIGNED_BY.findall(text) if Path(path).is_file()]
    if Path(_KEYRING).is_file() and (not named or _KEYRING in named):
        return _KEYRING
    return named[0] if named else ""


def sources(release: str, mirrors: Iterable[Mirror]) -> tuple[str, ...]:
    """Give the lines of sources.list for *release*."""
    mirrors = tuple(mirrors)
    lines = [mirror.line(release) for mirror in mirrors if not mirror.security][:1]
    security = SECURITY.get(release)
    if security:
        lines += [mirror.line(security) for mirror in mirrors if mirror.security][:1]
    return tuple(lines)


def apt_options() -> tuple[str, ...]:
    """Give the options of this machine's apt that decide whether it reaches its mirrors: proxies and their like."""
    lines = run(["apt-config", "dump"]).splitlines()
    return tuple(f'{match[1]} "{match[2]}"' for line in lines if (match := _PROXY.match(line)) and match[2])
