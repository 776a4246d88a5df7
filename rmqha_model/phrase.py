"""A fault in a few words, as people say them: ``kill broker rabbit2 for 40s``, ``power-loss rabbit3``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rmqha_model.errors import RmqhaError, did_you_mean
from rmqha_model.faults import CATALOGUE, CLIENTS, ROLES, OneHost, Partition

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from rmqha_model.topology import Topology

__all__ = ["PhraseError", "parse"]

_SYNONYMS = {
    "rabbitmq": "broker",
    "node": "broker",
    "crash": "kill",
    "sigkill": "kill",
    "freeze": "hang",
    "frozen": "hang",
    "sigstop": "hang",
    "poweroff": "power loss",
    "unplug": "link down",
    "vrrp": "keepalived",
    "split": "partition",
}
_WHEN = {"at": "at", "for": "for", "lasts": "for"}


class PhraseError(RmqhaError):
    """Words that name no fault, or several."""


def parse(text: str, topology: Topology, *, at: str = "10s", lasts: str | None = None) -> dict[str, Any]:
    """Give the fault that *text* says, as data of a scenario's ``faults``.

    Words are those of the fault's name in any order, a host or a role such as ``@leader``, ``at TIME``, ``for TIME``,
    and ``field=value`` for what else the fault has. A partition is ``partition rabbit1 from rabbit2,rabbit3``. A fault
    that is said to last no time lasts *lasts*; ``None``: until the scenario ends.

    Raises:
        PhraseError: the words name no fault or several, or no host of the design.
    """
    told = _Words(text, topology)
    fault: dict[str, Any] = {"fault": told.kind(), "at": told.when.get("at", at), **told.fields}
    kind = CATALOGUE[fault["fault"]]
    if "for" in told.when or (lasts is not None and kind.undo):
        fault["for"] = told.when.get("for", lasts)
    if issubclass(kind, OneHost):
        if len(told.hosts) != 1:
            allowed = ", ".join((*topology.hosts, *ROLES))
            found = f"{len(told.hosts)} hosts" if told.hosts else "no host"
            raise PhraseError(f"fault {text!r}: found {found}; allowed: one of {allowed}")
        fault["host"] = told.hosts[0]
    elif issubclass(kind, Partition):
        if not told.hosts or not told.others:
            raise PhraseError(f"fault {text!r}: found one side; allowed: partition HOST[,HOST...] from HOST[,HOST...]")
        fault["between"] = [told.hosts, told.others]
    elif told.hosts:
        fault["hosts"] = told.hosts
    return fault


class _Words:
    """The words of a phrase, sorted."""

    def __init__(self, text: str, topology: Topology) -> None:
        self.text = text
        self.when: dict[str, str] = {}
        self.fields: dict[str, str] = {}
        self.hosts: list[str] = []
        self.others: list[str] = []
        self._said: list[str] = []
        places: Collection[str] = {*topology.hosts, *ROLES, CLIENTS}
        words = iter(re.split(r"[\s,]+", text.strip()))
        side = self.hosts
        for word in words:
            low = word.lower()
            if low in {"from", "and"} and self.hosts:
                side = self.others if low == "from" else side
            elif low in _WHEN:
                self.when[_WHEN[low]] = next(words, "")
            elif word in places:
                side.append(word)
            elif word.startswith("@"):
                raise PhraseError(f"fault {text!r}: found {word}; allowed: {', '.join((*ROLES, CLIENTS))}")
            elif "=" in word:
                name, _, value = word.partition("=")
                self.fields[name] = value
            else:
                parts = (part for part in re.split(r"[-_]", low) if part)
                self._said += [each for part in parts for each in _SYNONYMS.get(part, part).split()]
        self._known = places

    def kind(self) -> str:
        """Give the one fault of the catalogue whose name has all of the words."""
        fits = [name for name in CATALOGUE if self._said and set(self._said) <= set(name.split("_"))]
        exact = [name for name in fits if set(self._said) == set(name.split("_"))]
        if not exact and len(fits) > 1:
            # `power-loss rabbit3`: of one host, where one is named; of the site, where none is.
            exact = [name for name in fits if issubclass(CATALOGUE[name], OneHost) == (len(self.hosts) == 1)]
        found = exact or fits
        if len(found) == 1:
            return found[0]
        raise PhraseError(f"fault {self.text!r}: {self._why(found)}")

    def _why(self, found: Iterable[str]) -> str:
        several = list(found)
        if several:
            return f"found words of {', '.join(several)}; allowed: those of one of them"
        parts = {part for name in CATALOGUE for part in name.split("_")}
        unknown = next((word for word in self._said if word not in parts), None)
        if unknown is None:
            what = f"found no fault of the words {', '.join(self._said)}" if self._said else "found no fault"
            return f"{what}; allowed: {', '.join(CATALOGUE)}"
        hint = did_you_mean(unknown, sorted({*parts, *_SYNONYMS, *self._known}))
        return f"found {unknown!r}, which is neither a host nor a word of a fault; " + (
            hint or f"allowed: {', '.join(CATALOGUE)}"
        )
