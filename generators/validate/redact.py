"""Secrets kept out of what is reported: programs quote the lines they dislike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from generators.bundle import Artefact

__all__ = ["hider"]

SHORTEST = 4
"""A secret shorter than this is not looked for: it would blot out half of any text, and guards nothing."""

STATED = re.compile(
    r"""(?ix)
    (?: [\w.-]* (?: pass (?: word | wd | phrase )? | secret | cookie | token ) \w*  # default_pass, "password_hash"
        ["']? (?: [ \t]* [:=] [ \t]* | [ \t]+ )
      | stats [ \t]+ auth [ \t]+ [^:\s]+ :
    )
    (?: "(?P<double>[^"\n]+)" | '(?P<single>[^'\n]+)' | (?P<bare>[^\s"',;{}]+) )
    """
)
COMMENT = ("#", "%", "//", ";")


def hider(secrets: Iterable[str], artefacts: Iterable[Artefact]) -> Callable[[str], str]:
    """Give a function that blots out the known *secrets* and those that secret *artefacts* visibly hold."""
    known = {secret for secret in secrets if len(secret) >= SHORTEST}
    for artefact in artefacts:
        if artefact.secret:
            known |= _held(artefact)
    if not known:
        return lambda text: text
    pattern = re.compile("|".join(re.escape(one) for one in sorted(known, key=len, reverse=True)))
    return lambda text: pattern.sub("***", text)


def _held(artefact: Artefact) -> set[str]:
    if artefact.path.endswith(".erlang.cookie"):
        return {artefact.content.strip()} - {""}
    lines = [line for line in artefact.content.splitlines() if not line.lstrip().startswith(COMMENT)]
    found = (match["double"] or match["single"] or match["bare"] for match in STATED.finditer("\n".join(lines)))
    return {value for value in found if len(value) >= SHORTEST}
