"""What the user changes in single artefacts: lines added at the end, or a template of their own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from generators.render import render_override
from rmqha_model.errors import GenerationError, Path, Problem, did_you_mean

if TYPE_CHECKING:
    import pathlib

    from generators.bundle import Artefact
    from rmqha_model.site import Override
    from rmqha_model.topology import Topology

__all__ = ["overridden"]


def overridden(artefacts: Iterable[Artefact], topology: Topology, templates: pathlib.Path | None) -> list[Artefact]:
    """Give *artefacts* with the design's overrides applied, in their order.

    Raises:
        GenerationError: an override names no artefact, or its template is missing or fails. All are named at once.
    """
    made = list(artefacts)
    failures: list[Problem] = []
    for number, override in enumerate(topology.overrides):
        at: Path = ("overrides", number)
        chosen = [i for i, artefact in enumerate(made) if _applies(override, artefact)]
        if not chosen:
            failures.append(_nowhere((*at, "path"), override, made))
        elif override.append and (why := _has_no_end(override.path)):
            failures.append(Problem((*at, "append"), f"found lines for {override.path}", "a template", why))
        else:
            try:
                for index in chosen:
                    made[index] = _changed(made[index], override, topology, templates)
            except GenerationError as error:
                failures.append(Problem((*at, "template"), str(error)))
    if failures:
        raise GenerationError(problems=failures)
    return made


def _nowhere(at: Path, override: Override, artefacts: Iterable[Artefact]) -> Problem:
    """Say that an override changes nothing, and what it could have meant."""
    makers: dict[str, list[str]] = {}
    for artefact in artefacts:
        if artefact.host is not None:
            makers.setdefault(artefact.path, []).append(artefact.host)
    if override.path in makers:
        hosts = ", ".join(override.hosts or ())
        return Problem(
            at, f"found {override.path}, which is not made on {hosts}", f"on {', '.join(makers[override.path])}"
        )
    near = did_you_mean(override.path, sorted(makers))
    return Problem(at, f"found {override.path}, which is not made", ", ".join(sorted(makers)), near)


def _has_no_end(path: str) -> str:
    """Say why lines cannot be added to a file; empty where they can."""
    if path.endswith((".json", ".xml", "/enabled_plugins", "/advanced.config", "/inter_node_tls.config")):
        return "the file is one term, which ends with itself"
    if path in {"/etc/hostname", "/var/lib/rabbitmq/.erlang.cookie"}:
        return "the file is one word"
    return ""


def _applies(override: Override, artefact: Artefact) -> bool:
    named = override.hosts is None or artefact.host in override.hosts
    return artefact.host is not None and artefact.path == override.path and named


def _changed(artefact: Artefact, override: Override, topology: Topology, templates: pathlib.Path | None) -> Artefact:
    content = artefact.content
    if override.template is not None:
        if templates is None:
            raise GenerationError("found a template in a design that does not come from a file; allowed: `append`")
        content = render_override(templates / override.template, topology=topology, host=artefact.host, content=content)
    if override.append:
        content += "".join(f"{line}\n" for line in override.append)
    return replace(artefact, content=content)
