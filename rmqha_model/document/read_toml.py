"""Reads TOML 1.0: the standard library reads it, a small scanner finds places when one has to be told."""

from __future__ import annotations

import ast
import functools
import re
import tomllib

from rmqha_model.document.build import DEPTH_MAX, Builder
from rmqha_model.document.show import printable
from rmqha_model.document.tree import Document, Lines
from rmqha_model.errors import Path, Place, Problem, show_path

__all__ = ["read"]

# Nothing here is taken back once it matched, and a text that is not closed ends with its line or with the file, so that
# no input costs more than its length.
_TEXT = (
    r'(?>"""(?:[^"\\]++|\\.|"(?!""))*+(?:"{3,5})?'
    r"|'''(?:[^']++|'(?!''))*+(?:'{3,5})?"
    r'|"(?:[^"\\\n]++|\\.)*+"?'
    r"|'[^'\n]*+'?)"
)
_KEY = rf"(?>[A-Za-z0-9_-]+|{_TEXT})"
_CHAIN = rf"(?:{_KEY}[ \t]*+\.[ \t]*+){{{DEPTH_MAX}}}"
_TOKEN = re.compile(rf"(?P<chain>{_CHAIN})|#[^\n]*|{_TEXT}|(?P<bracket>[][{{}}])|[^][{{}}\"'#.\s]+", re.DOTALL)
_KEY_PART = re.compile(rf"[ \t]*({_KEY})(?:[ \t]*(\.))?", re.DOTALL)
_VALUE = re.compile(rf"{_TEXT}|\d{{4}}-\d\d-\d\d \d\d[^\s,\]}}#]*|[^\s,\]}}#]+", re.DOTALL)
_BLANK = re.compile(r"(?:\s++|#[^\n]*+)*+")
_TWICE = re.compile(r"Cannot (?:declare|mutate immutable namespace|overwrite a value) ?(\(.*\))?(?: twice)?")
_HINTS = {
    "Invalid value": "text needs quotes",
    "Unclosed": "look for a bracket that is not closed",
    "Expected newline or end of document": "look for text that needs quotes, or a comma between keys of a table",
}
_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def read(text: str, file: str, problems: list[Problem]) -> Document | None:
    """Read one document; ``None`` when there is nothing in it. *problems* gets what is wrong and can be passed over."""
    lines = Lines(file, text)
    scan = functools.cache(lambda: _Scanner(text))

    def place(mark: Place | tuple[Path, bool]) -> Place:
        return mark if isinstance(mark, Place) else lines.place(scan().offset(*mark))

    build = Builder(place, problems)
    _bound(text, lines, build)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        build.stop(*_said(error, text, lines))
    except ValueError:  # An integer with more digits than int() takes.
        number = re.search(r"[0-9_]{4300,}", text)
        spot = lines.place(number.start() if number else 0)
        build.stop(spot, "found a number that is too long", "a whole number that fits 64 bits")
    _feed(data, (), build)
    return build.document() if data else None


def _said(error: tomllib.TOMLDecodeError, text: str, lines: Lines) -> tuple[Place, str, str, str]:
    """Say where a text is no TOML, and why."""
    what, where = _WHERE.sub("", str(error)), _WHERE.search(str(error))
    line, column = where.groups() if where else (None, None)
    spot = Place(lines.file, int(line), int(column)) if line and column else lines.place(len(text))
    if twice := _TWICE.fullmatch(what):
        # Where the reader noticed it is the end of the line; its beginning is what stands there a second time.
        here = text.split("\n")[spot.line - 1]
        spot = Place(spot.file, spot.line, len(here) - len(here.lstrip()) + 1)
        name = show_path(ast.literal_eval(twice[1])) if twice[1] else here.partition("=")[0]
        return spot, f"found {printable(name, 60)} a second time", "each table and key once", ""
    hint = next((hint for part, hint in _HINTS.items() if part in what), "")
    return spot, f"{what[:1].lower()}{what[1:]}", "TOML 1.0", hint


def _bound(text: str, lines: Lines, build: Builder) -> None:
    """Refuse what would take tomllib deeper than Python goes, or time that grows with the square of a key."""
    depth = 0
    for token in _TOKEN.finditer(text):
        if bracket := token["bracket"]:
            depth += 1 if bracket in "[{" else -1
        if token["chain"] or depth > DEPTH_MAX:
            build.stop(
                lines.place(token.start()), f"found more than {DEPTH_MAX} levels of nesting", f"at most {DEPTH_MAX}"
            )


def _feed(value: object, path: Path, build: Builder) -> None:
    mark = (path, False)
    if isinstance(value, dict):
        build.open({}, mark)
        for key, item in value.items():
            build.scalar(key, ((*path, key), True))
            _feed(item, (*path, key), build)
        build.close()
    elif isinstance(value, list):
        build.open([], mark)
        for index, item in enumerate(value):
            _feed(item, (*path, index), build)
        build.close()
    else:
        build.scalar(value, mark)


class _Scanner:
    """Where each key, value and list item of a *valid* TOML text begins."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self._keys: dict[Path, int] = {}
        self._values: dict[Path, int] = {}
        self._last: dict[Path, int] = {}
        """Of each array of tables, the index of the table that was begun last."""
        table: Path = ()
        while (here := self._skip()) < len(text):
            if text[here] != "[":
                self._pair(table)
                continue
            again = text.startswith("[[", here)
            self.position += 1 + again
            table = self._key((), again=again)
            self.position = text.index("]", self.position) + 1 + again

    def offset(self, path: Path, key: bool) -> int:  # noqa: FBT001 - called with a mark's two halves
        """Give the offset of a path's key or of its value; a table has none of its own but that of its key."""
        of_key = self._keys.get(path, 0)
        return of_key if key else self._values.get(path, of_key)

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self.text, self.position)
        if match is None:
            message = "only a valid text is scanned"
            raise AssertionError(message)
        self.position = match.end()
        return match

    def _skip(self) -> int:
        return self._match(_BLANK).end()

    def _key(self, path: Path, *, again: bool = False) -> Path:
        """Read a dotted key below *path*; *again* as the header of one more item of an array of tables."""
        more = True
        while more:
            part = self._match(_KEY_PART)
            more = bool(part[2])
            key = next(iter(tomllib.loads(f"{part[1]} = 0"))) if part[1][0] in "\"'" else part[1]
            path = (*path, key)
            self._keys.setdefault(path, part.start(1))
            if again and not more:
                self._last[path] = self._last.get(path, -1) + 1
            if path in self._last:
                path = (*path, self._last[path])
                self._keys.setdefault(path, part.start(1))
        return path

    def _pair(self, table: Path) -> None:
        path = self._key(table)
        self.position = self.text.index("=", self.position) + 1
        self._values[path] = self._skip()
        self._value(path)

    def _value(self, path: Path) -> None:
        sign = self.text[self.position]
        if sign not in "[{":
            self._match(_VALUE)
            return
        self.position += 1
        index = 0
        while self.text[self._skip()] not in "]}":
            if sign == "{":
                self._pair(path)
            else:
                self._keys[*path, index] = self.position
                self._value((*path, index))
                index += 1
            if self.text[self._skip()] == ",":
                self.position += 1
        self.position += 1
