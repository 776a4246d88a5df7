"""Reads YAML 1.2 from the events of ruamel.yaml's parser; nothing else in this project imports ruamel.

Events are a tenth of the work of ruamel's own loading, and let depth, aliases and size be bounded while they come in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from rmqha_model.document.build import MERGE, Builder, Frame
from rmqha_model.document.show import printable
from rmqha_model.document.tree import Refused, whole_number
from rmqha_model.errors import Place, did_you_mean

if TYPE_CHECKING:
    from ruamel.yaml.error import StreamMark
    from ruamel.yaml.events import AliasEvent, CollectionStartEvent, DocumentStartEvent, Event, ScalarEvent

    from rmqha_model.document.tree import Document
    from rmqha_model.errors import Problem

__all__ = ["read"]

# The core schema, YAML 1.2.2 section 10.3.2; "yes", "on", "12:30" and "2024-01-01" are text in it.
_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **{f"{sign}{word}": float(f"{sign}inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
}
_NUMBER_STARTS = frozenset("+-.0123456789")
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_HINTS = {
    "unexpected ':'": "write a text with ':' in it in quotes",
    "mapping values are not allowed": "look for a text with ': ' in it that needs quotes, or a wrong indent above",
    "cannot start any token": "indent with blanks, not tabs; text that begins with such a sign needs quotes",
    "expected key": "look for a wrong indent, or a list mixed with keys",
    "expected ','": "look for a comma or a closing bracket that is missing above",
    "unexpected end of stream": "look for a quote or bracket that is not closed",
    "unknown escape character": "use single quotes, or write each backslash twice",
}


def read(text: str, file: str, problems: list[Problem]) -> Document | None:
    """Read one document; ``None`` when there is nothing in it. *problems* gets what is wrong and can be passed over."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    def place(mark: StreamMark | None) -> Place:
        return Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)

    build = Builder(place, problems)
    try:
        _Reader(build).read(YAML(typ="safe").parse(text))
    except MarkedYAMLError as error:
        what = printable(error.problem or error.context or "this is not YAML")
        if error.problem and error.context:
            what += f" ({printable(error.context)} of line {place(error.context_mark).line})"
        hint = next((hint for part, hint in _HINTS.items() if part in what), "")
        build.stop(error.problem_mark or error.context_mark, what, "YAML 1.2", hint)
    except YAMLError as error:
        build.stop(None, printable(str(error)), "YAML 1.2")
    return build.document()


class _Reader:
    """Hands the events of one document to a builder."""

    def __init__(self, build: Builder) -> None:
        from ruamel.yaml import events

        self.build = build
        self.anchors: dict[str, Frame] = {}
        self._handlers: dict[type, Callable[[Any], None]] = {
            events.ScalarEvent: self._scalar,
            events.MappingStartEvent: lambda event: self._start({}, event),
            events.SequenceStartEvent: lambda event: self._start([], event),
            events.MappingEndEvent: lambda _: build.close(),
            events.SequenceEndEvent: lambda _: build.close(),
            events.AliasEvent: self._alias,
            events.DocumentStartEvent: self._document,
        }

    def read(self, events: Iterable[Event]) -> None:
        for event in events:
            if handle := self._handlers.get(type(event)):
                handle(event)

    def _scalar(self, event: ScalarEvent) -> None:
        value = event.value if event.style else _resolve(event.value, key=self.build.wants_key)
        if event.ctag is not None:
            value = _refused_tag(event)
        if event.anchor:
            self.anchors[event.anchor] = Frame("<<" if value is MERGE else value, None, 1, done=True)
        self.build.scalar(value, event.start_mark)

    def _start(self, value: dict[str, object] | list[object], event: CollectionStartEvent) -> None:
        if event.ctag is not None:
            self.build.refuse(_refused_tag(event), event.start_mark)
        frame = self.build.open(value, event.start_mark)
        if event.anchor:
            self.anchors[event.anchor] = frame

    def _alias(self, event: AliasEvent) -> None:
        frame = self.anchors.get(event.anchor)
        if frame and frame.done:
            self.build.alias(frame, event.start_mark)
            return
        allowed, hint = "an alias of something complete", "it stands within itself"
        if not frame:
            allowed, hint = "an anchor that stands above", did_you_mean(event.anchor[:60], list(self.anchors))
        self.build.scalar(Refused(None, allowed, hint, f"the alias *{printable(event.anchor, 60)}"), event.start_mark)

    def _document(self, event: DocumentStartEvent) -> None:
        if self.build.root:
            self.build.stop(event.start_mark, "found a second document", "one document in a file")
        if event.version and tuple(event.version) != (1, 2):
            self.build.problem((), event.start_mark, "found a directive for another version of YAML", "YAML 1.2")


def _refused_tag(event: ScalarEvent | CollectionStartEvent) -> Refused:
    tag = str(event.ctag).replace("tag:yaml.org,2002:", "!!", 1)
    return Refused(None, "no tags", "write text in quotes", f"the tag {printable(tag, 60)}")


def _resolve(text: str, *, key: bool) -> object:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS:
        return MERGE if key and text == "<<" else text
    if _DECIMAL.fullmatch(text):
        digits = text.lstrip("+-")
        if digits[0] == "0" and len(digits) > 1:
            return Refused(text, "a number without leading zeros", "write octal numbers as 0o17, names in quotes")
        return whole_number(text)
    if _BASED.fullmatch(text):
        return whole_number(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text
