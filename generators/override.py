"""What the user changes in single artefacts: lines added at the end, or a template of their own."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from generators.render import render_override
from rmqha_model.errors import GenerationError

if TYPE_CHECKING:
    from generators.bundle import Artefact
    from rmqha_model.site import Override
    from rmqha_model.topology import Topology

__all__ = ["overridden"]


def overridden(artefacts: Iterable[Artefact], topology: Topology, templates: Path | None) -> list[Artefact]:
    """Give *artefacts* with the design's overrides applied, in their order.

    Raises:
        GenerationError: an override names no artefact, or its template is missing or fails. All are named at once.
    """
    made = list(artefacts)
    failures: list[str] = []
    for number, override in enumerate(topology.overrides):
        chosen = [i for i, artefact in enumerate(made) if _applies(override, artefact)]
        where = f"overrides[{number}]"
        if not chosen:
            paths = sorted({artefact.path for artefact in made if artefact.host})
            near = difflib.get_close_matches(override.path, paths, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; allowed: {', '.join(paths)}"
            failures.append(f"{where}.path: found {override.path!r}, which is made on none of its hosts{hint}")
            continue
        if override.append and override.path.endswith(".json"):
            failures.append(
                f"{where}.append: found lines for {override.path}; allowed: a template, JSON has no end to add to"
            )
            continue
        try:
            for index in chosen:
                made[index] = _changed(made[index], override, topology, templates)
        except GenerationError as error:
            failures.append(f"{where}.template: {error}")
    if failures:
        raise GenerationError("\n".join(failures))
    return made


def _applies(override: Override, artefact: Artefact) -> bool:
    named = override.hosts is None or artefact.host in override.hosts
    return artefact.host is not None and artefact.path == override.path and named


def _changed(artefact: Artefact, override: Override, topology: Topology, templates: Path | None) -> Artefact:
    content = artefact.content
    if override.template is not None:
        if templates is None:
            raise GenerationError("found a template in a design that does not come from a file; allowed: `append`")
        content = render_override(templates / override.template, topology=topology, host=artefact.host, content=content)
    if override.append:
        content += "".join(f"{line}\n" for line in override.append)
    return replace(artefact, content=content)
