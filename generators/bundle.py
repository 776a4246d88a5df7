"""What the generators produce: artefacts, and the bundle of all of them. Nothing here touches a disk."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["DESIGN_DIR", "Artefact", "Bundle"]

DESIGN_DIR = "_design"
"""Where the files that belong to the whole design go. No host can have this name: ``_`` is not in host names."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """One file: its content and how it must stand on its host.

    *path* is absolute for a file that is installed on *host*; relative for a file that only lies in the
    output tree (a host's ``install.sh``; everything of the design as a whole, whose *host* is ``None``).
    A *secret* artefact holds a secret in clear: in the output tree it is readable by its owner only,
    whatever *mode* the host needs, and diffs and logs never show it.
    """

    host: str | None
    path: str
    content: str = field(repr=False)
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    secret: bool = False

    @property
    def tree_path(self) -> str:
        """Where it lies in the output tree, relative to its top, with ``/`` between parts."""
        return f"{self.host or DESIGN_DIR}/{self.path.lstrip('/')}"

    @property
    def tree_mode(self) -> int:
        """Mode in the output tree: that of the host, less what would show a secret to others."""
        return self.mode & 0o700 if self.secret else self.mode


@dataclass(frozen=True, slots=True)
class Bundle:
    """All artefacts of a design, ordered by their place in the output tree."""

    design: str
    model_digest: str
    artefacts: tuple[Artefact, ...]

    def of(self, host: str | None) -> tuple[Artefact, ...]:
        """Give the artefacts of one host, or with ``None`` those of the design as a whole."""
        return tuple(a for a in self.artefacts if a.host == host)

    def find(self, host: str | None, path: str) -> Artefact:
        """Give one artefact; ``KeyError`` when there is none."""
        for artefact in self.artefacts:
            if artefact.host == host and artefact.path == path:
                return artefact
        raise KeyError((host, path))
