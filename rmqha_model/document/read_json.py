"""Reads JSON (RFC 8259): the standard library judges the grammar, a second look finds places and duplicates."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from rmqha_model.document.build import Builder
from rmqha_model.document.tree import Document, Lines, whole_number

if TYPE_CHECKING:
    from rmqha_model.errors import Problem

__all__ = ["read"]

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]|[^\s{}\[\]:,"]+')


def read(text: str, file: str, problems: list[Problem]) -> Document | None:
    """Read one document; ``None`` when there is nothing in it. *problems* gets what is wrong and can be passed over."""
    if not text.strip(" \t\r\n"):
        return None
    lines = Lines(file, text)
    build = Builder(lines.place, problems)
    try:
        json.loads(text, parse_int=len)
    except json.JSONDecodeError as error:
        build.stop(*_said(error, text))
    except RecursionError:
        pass  # The builder stops at the bracket that is too many.
    for token in _TOKEN.finditer(text):
        sign, mark = token[0], token.start()
        if sign in "{[":
            build.open({} if sign == "{" else [], mark)
        elif sign in "}]":
            build.close()
        else:
            build.scalar(_scalar(sign), mark)
    return build.document()


def _said(error: json.JSONDecodeError, text: str) -> tuple[int, str, str, str]:
    """Say where a text is no JSON, and why; the same for every release of Python."""
    at = error.pos
    before = text[:at].rstrip()
    if text[at : at + 1] in {"}", "]"} and before.endswith(","):
        at = len(before) - 1
    if not text[at:].strip():
        return at, "found the end of the text", "the rest of the JSON", "look for a quote or bracket that is not closed"
    if text[at] == "," and text[at + 1 :].lstrip()[:1] in {"}", "]"}:
        return at, "found a comma after the last item", "commas between items only", ""
    if text.startswith(("//", "/*", "#"), at):
        return at, "found a comment", "JSON, which has none", "YAML and TOML have comments"
    if text[at] == "'":
        return at, "found a single quote", 'JSON, where text stands in double quotes (")', ""
    return at, f"{error.msg[:1].lower()}{error.msg[1:].removesuffix(' at')}", "JSON", ""


def _scalar(text: str) -> object:
    return whole_number(text) if text.lstrip("-").isdigit() else json.loads(text)
