"""Loads a design from YAML, JSON or TOML, and tells every problem of it with its place in the file."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from rmqha_model.document import read_json, read_toml, read_yaml
from rmqha_model.document.explain import explain, settle_places
from rmqha_model.document.kinds import mistaken
from rmqha_model.document.show import escaped, printable
from rmqha_model.document.tree import Document, Lines, step
from rmqha_model.errors import DocumentError, InconsistentDesign, Path, Place, Problem, did_you_mean
from rmqha_model.part import kind_of

__all__ = ["SIZE_MAX", "Syntax", "load", "loads", "placed"]

M = TypeVar("M", bound=BaseModel)
Syntax: TypeAlias = Literal["yaml", "json", "toml"]

SIZE_MAX = 16 * 1024 * 1024
"""Bytes: a hundred times a design of 1,000 hosts (200 KiB)."""
_READERS = {"yaml": read_yaml.read, "json": read_json.read, "toml": read_toml.read}
_SYNTAXES: dict[str, Syntax] = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml"}
_UNPRINTABLE = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What YAML 1.2.2 section 5.1 lets in no text; JSON and TOML let in some of it, which serves no design."""


def load(path: pathlib.Path | str, model: type[M]) -> M:
    """Load a file as a *model*; its suffix tells the syntax. Raises :class:`DocumentError` with all problems."""
    path = pathlib.Path(path)
    file = escaped(str(path))
    if path.suffix.lower() not in _SYNTAXES:
        raise _alone(file, f"found a file name that ends in {path.suffix!r}", ", ".join(_SYNTAXES))
    try:
        with path.open("rb") as stream:
            raw = stream.read(SIZE_MAX + 1)
    except FileNotFoundError:
        raise _alone(file, "there is no such file", hint=did_you_mean(path.name[:255], _neighbours(path))) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _alone(file, f"cannot be read: {printable(reason).lower()}") from None
    return loads(_decoded(raw, file), model, file=file, syntax=_SYNTAXES[path.suffix.lower()])


def placed(path: pathlib.Path | str, problems: Iterable[Problem]) -> list[Problem]:
    """Give *problems* of a design their places in the file it was loaded from; their words hold no secret."""
    problems = list(problems)
    path = pathlib.Path(path)
    file = escaped(str(path))
    document = _READERS[_SYNTAXES[path.suffix.lower()]](_decoded(path.read_bytes(), file), file, [])
    settled = settle_places(problems, document) if document else problems
    return [replace(now, found=was.found) for now, was in zip(settled, problems, strict=True)]


def loads(text: str, model: type[M], *, file: str = "<text>", syntax: Syntax = "yaml") -> M:
    """Load a text as a *model*. Raises :class:`DocumentError` with all problems."""
    text = text.removeprefix("\ufeff")
    if len(text) > SIZE_MAX:
        raise _alone(file, "the text is too large", f"at most {SIZE_MAX:,} bytes")
    if found := _UNPRINTABLE.search(text):
        place = Lines(file, text).place(found.start())
        raise DocumentError([Problem((), f"found the sign {found[0]!r}", "printable Unicode", place=place)])
    problems: list[Problem] = []
    document = _READERS[syntax](text, file, problems)
    if document is None:
        raise _alone(file, "found nothing", "a mapping")
    if not isinstance(document.data, dict):
        place = document.place(document.top)
        raise DocumentError([*problems, Problem((), f"found {kind_of(document.data)}", "a mapping", place=place)])
    if other := mistaken(getattr(model, "document_kind", ""), document.data, document.place(document.top)):
        raise DocumentError([*problems, other])
    try:
        design = model.model_validate(document.data)
    except ValidationError as error:
        problems += _all_problems(error, model, document, problems)
    except InconsistentDesign as error:
        problems += _apart(problems, settle_places(error.problems, document))
    else:
        if not problems:
            return design
    raise DocumentError(sorted(problems, key=lambda problem: problem.place or Place(file, 0, 0)))


def _all_problems(
    error: ValidationError, model: type[BaseModel], document: Document, known: Iterable[Problem]
) -> list[Problem]:
    """Explain the errors of the values, then take these values out to see whether the rest contradicts itself."""
    explained = explain(error, model, document)
    wrong = {problem.path for problem in known}
    problems = [problem for problem in explained.problems if problem.path not in wrong]
    if explained.removable is None:
        return problems
    for path in explained.removable:
        _remove(document.data, path)
    try:
        model.model_validate(document.data)
    except InconsistentDesign as contradiction:
        return [*problems, *_apart([*known, *problems], settle_places(contradiction.problems, document))]
    except ValidationError:
        pass  # What is left lacks something only because it was taken out.
    return problems


def _apart(known: Iterable[Problem], problems: Iterable[Problem]) -> list[Problem]:
    """Leave out what is said of values that are known to be wrong already."""
    wrong = {problem.path for problem in known if problem.path}
    return [p for p in problems if wrong.isdisjoint(p.path[:end] for end in range(1, len(p.path) + 1))]


def _remove(data: object, path: Path) -> None:
    for part in path[:-1]:
        taken = step(data, part)
        data = taken[1] if taken else None
    if isinstance(data, dict):
        data.pop(path[-1], None)


def _decoded(raw: bytes, file: str) -> str:
    if len(raw) > SIZE_MAX:
        raise _alone(file, "the file is too large", f"at most {SIZE_MAX:,} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig")
        place = Lines(file, before).place(len(before))
        found = f"found the byte 0x{raw[error.start]:02x}, which is not UTF-8"
        raise DocumentError([Problem((), found, "text in UTF-8", place=place)]) from None


def _neighbours(path: pathlib.Path) -> list[str]:
    try:
        return [near.name for near in path.parent.iterdir() if near.suffix.lower() in _SYNTAXES]
    except OSError:
        return []


def _alone(file: str, found: str, allowed: str = "", hint: str = "") -> DocumentError:
    return DocumentError([Problem((), found, allowed, hint, Place(file, 1, 1))])
