"""A design as it can stand on the lab's hosts: made for the release they have, less what that release cannot do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import SecretStr, ValidationError

from integration.errors import LabError
from rmqha_model.errors import InconsistentDesign, show_path
from rmqha_model.topology import Topology
from rmqha_model.versions import DEBIAN, SERIES, Version, known

if TYPE_CHECKING:
    from rmqha_model.errors import Path

__all__ = ["Adapted", "adapted", "document_of"]

_MOST = 500
"""Of things left out: more than any design has that a release could refuse."""


class Adapted(NamedTuple):
    """The design that is installed, and what it says otherwise than the one that was given."""

    topology: Topology
    notes: tuple[str, ...]


def adapted(topology: Topology, release: str, has: Mapping[str, str] | None = None) -> Adapted:
    """Make *topology* one for hosts of Debian *release*, whose daemons are of the releases *has*, where that is known.

    Raises:
        LabError: there is no such release, or what it cannot do cannot be left out.
    """
    if release not in DEBIAN:
        raise LabError(f"release: found {release!r}; allowed: {', '.join(DEBIAN)}")
    document = document_of(topology)
    notes = _for_release(document, topology, release, has or {})
    cause: Exception
    for _ in range(_MOST):
        try:
            return Adapted(Topology.model_validate(document), tuple(notes))
        except InconsistentDesign as error:
            problem = error.problems[0]
            left_out, why, cause = _leave_out(document, problem.path), f": {problem.found}", error
        except ValidationError as error:
            # What cannot be without the thing that was left out, such as a policy without a definition.
            left_out, why, cause = _leave_out(document, _incomplete(error)), ", which is nothing without it", error
        if not left_out:
            raise LabError(f"the design cannot stand on {release}:\n{cause}") from cause
        notes.append(f"left out {show_path(left_out)}{why}")
    raise LabError(f"the design cannot stand on {release}: too much of it is refused there")


def _for_release(document: dict[str, Any], topology: Topology, release: str, has: Mapping[str, str]) -> list[str]:
    notes = []
    versions = {daemon: str(getattr(DEBIAN[release], daemon)) for daemon in SERIES}
    for daemon in SERIES:
        version = has.get(daemon, versions[daemon])
        if known(daemon, Version.parse(version)):
            notes.append(
                f"{release} has {daemon} {version}, which this project does not know: made for {versions[daemon]}"
            )
        else:
            versions[daemon] = version
    document["versions"] = versions
    asked = {daemon: getattr(topology.versions, daemon) for daemon in SERIES}
    changed = [
        f"{daemon} {version} for {asked[daemon]}" for daemon, version in versions.items() if version != asked[daemon]
    ]
    if changed:
        notes.append(f"made for what {release} has: {', '.join(changed)}")
    if any(topology.os_of(host).family != "debian" for host in topology.hosts):
        notes.append("made for Debian in place of the RPM family")
        document.setdefault("os", {})["family"] = "debian"
        for host in document["hosts"].values():
            (host.get("os") or {}).pop("family", None)
    return notes


def _incomplete(error: ValidationError) -> Path:
    for each in error.errors():
        if each["type"] == "missing":
            return each["loc"][:-1]
        if each["type"] == "union_tag_not_found":
            return each["loc"]
    return ()


def _leave_out(document: Any, path: Path) -> Path:
    """Remove the value at *path*, or the nearest one above it that is said, and what is empty without it.

    Gives the path of what was removed; empty where that would be a whole section of the design, or nothing.
    """
    holders = [document]
    for part in path:
        try:
            holders.append(holders[-1][part])
        except (KeyError, IndexError, TypeError):
            break
    depth = len(holders) - 1
    if depth < 2:
        return ()
    del holders[depth - 1][path[depth - 1]]
    while depth > 2 and not holders[depth - 1]:
        depth -= 1
        del holders[depth - 1][path[depth - 1]]
    return path[:depth]


def document_of(topology: Topology) -> dict[str, Any]:
    """Give *topology* as plain data that is valid again, literal secrets in clear among it."""
    plain = topology.model_dump(mode="json", by_alias=True, exclude_unset=True)
    _uncover(plain, topology.model_dump(mode="python", by_alias=True, exclude_unset=True))
    return plain


def _uncover(plain: Any, typed: Any) -> None:
    """Put the values of secrets back where the JSON of a design has a mask."""
    pairs = typed.items() if isinstance(typed, dict) else enumerate(typed) if isinstance(typed, list | tuple) else ()
    for name, value in pairs:
        if isinstance(value, SecretStr):
            plain[name] = value.get_secret_value()
        elif isinstance(value, dict | list | tuple):
            at = name if name in plain or isinstance(plain, list) else str(name)
            _uncover(plain[at], value)
