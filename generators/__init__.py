"""From a design to its files: pure functions from a topology to a bundle, and the one writer that touches the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from generators.bundle import Artefact, Bundle
    from generators.compose import generate

__all__ = ["Artefact", "Bundle", "generate"]


def __getattr__(name: str) -> Any:
    # The templates' engine is loaded when files are made, not when a part of this package is.
    if name == "generate":
        from generators.compose import generate

        return generate
    if name in ("Artefact", "Bundle"):
        from generators import bundle

        return getattr(bundle, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
