r"""Quoting for programs: shell words, and string literals of the languages that files and snippets are written in.

Literals are ASCII, whatever the value: no editor, encoding or directional character can make them read otherwise.
Each function gives the literal with its quotes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from generators.quoting.base import Quoted, is_plain, is_token, line, literal, need

__all__ = [
    "csharp_string",
    "erlang_atom",
    "erlang_binary",
    "erlang_string",
    "go_string",
    "java_string",
    "promql",
    "python_string",
    "shell",
]

_BMP_END = 0xFFFF
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}

_ERLANG_WORDS = re.compile(
    "after|and|andalso|band|begin|bnot|bor|bsl|bsr|bxor|case|catch|cond|div|else|end|fun|if|let|maybe|not|of|or|orelse"
    "|receive|rem|try|when|xor"
)
"""Reserved words of Erlang/OTP 27 ("Reserved Words" in its reference manual); ``maybe`` is one since OTP 25."""

_ERLANG_ATOM_CHARACTERS = 255
"""Longest atom: "Size Limitations" in the Erlang efficiency guide, OTP 22 to 27."""


def shell(value: object) -> Quoted:
    """A word of a POSIX shell or bash script: single quotes, in which nothing is special.

    POSIX.1-2017 XCU 2.2 "Quoting". A single quote is written outside of them, between double quotes.
    """
    text = line(value, "a word of a shell script")
    if is_token(text):
        return Quoted(text)
    return Quoted("'" + text.replace("'", "'\"'\"'") + "'")


def python_string(value: object) -> Quoted:
    """A Python string literal: "String and Bytes literals" in the language reference, 3.11."""
    return _quoted(literal(value, "a Python string"), _SHORT, _long_unicode)


def go_string(value: object) -> Quoted:
    """A Go string literal: "String literals" in the language specification, Go 1.22."""
    return _quoted(literal(value, "a Go string"), _SHORT, _long_unicode)


def promql(value: object) -> Quoted:
    """A PromQL string or label value: "String literals" in the Prometheus 2.42 manual, which follows Go."""
    return _quoted(literal(value, "a PromQL string"), _SHORT, _long_unicode)


def csharp_string(value: object) -> Quoted:
    r"""A C# regular string literal: 6.4.5.6 of the C# 7 standard (ECMA-334:2022).

    NEL, U+2028 and U+2029 end a line there (6.3.3), and ``\x`` has no fixed length: all is ``\u`` or ``\U``.
    """
    return _quoted(literal(value, "a C# string"), _SHORT, _long_unicode)


def java_string(value: object) -> Quoted:
    r"""A Java string literal: 3.10.5 of the Java language specification, 17.

    ``\uXXXX`` is read before anything else (3.3), so controls and NEL are octal escapes: ``\u000a`` would end the line.
    """
    return _quoted(literal(value, "a Java string"), _SHORT, _java_escape)


def erlang_string(value: object) -> Quoted:
    """An Erlang string, as advanced.config has them: "Escape Sequences" in the reference manual, OTP 22 to 27."""
    return _quoted(literal(value, "an Erlang string"), _SHORT, _erlang_escape)


def erlang_binary(value: object) -> Quoted:
    """An Erlang binary with the UTF-8 of the text: "Bit Syntax Expressions" in the reference manual, OTP 22 to 27."""
    text = literal(value, "an Erlang binary")
    coded = _quoted(text, _SHORT, _erlang_escape)
    # Without the type every character is cut to one byte.
    return Quoted(f"<<{coded}>>" if text.isascii() else f"<<{coded}/utf8>>")


def erlang_atom(value: object) -> Quoted:
    """An Erlang atom, bare where the language allows: "Atom" in the reference manual, OTP 22 to 27."""
    text = literal(value, "an Erlang atom")
    need("an Erlang atom", text, len(text) <= _ERLANG_ATOM_CHARACTERS, "an atom has at most 255 characters")
    if re.fullmatch("[a-z][A-Za-z0-9_]*", text) and not _ERLANG_WORDS.fullmatch(text):
        return Quoted(text)
    short = {**_SHORT, "'": "\\'"}
    del short['"']
    return Quoted("'" + _escaped(text, short, _erlang_escape) + "'")


def _quoted(text: str, short: Mapping[str, str], escape: Callable[[int], str]) -> Quoted:
    return Quoted('"' + _escaped(text, short, escape) + '"')


def _escaped(text: str, short: Mapping[str, str], escape: Callable[[int], str]) -> str:
    if is_plain(text) and short.keys().isdisjoint(text):
        return text
    return "".join(short.get(c) or (c if " " <= c <= "~" else escape(ord(c))) for c in text)


def _long_unicode(code: int) -> str:
    return f"\\u{code:04x}" if code <= _BMP_END else f"\\U{code:08x}"


def _erlang_escape(code: int) -> str:
    return f"\\x{{{code:x}}}"


def _java_escape(code: int) -> str:
    octal_end = 0o377
    if code <= octal_end:
        return f"\\{code:03o}"
    units = chr(code).encode("utf-16-be").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
