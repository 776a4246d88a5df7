r"""Quoting for data formats: JSON, YAML, what Ansible and Prometheus read of it, XML, regular expressions."""

from __future__ import annotations

import json as codec
import math
import re
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from generators.quoting.base import Quoted, line, literal
from generators.quoting.programs import promql
from rmqha_model.errors import GenerationError

__all__ = ["ansible", "json", "prometheus_text", "regex", "xml", "yaml"]

_SURROGATE = re.compile(r"\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f][0-9a-f]{2})|(?<!\\ud[89ab][0-9a-f]{2})\\ud[c-f][0-9a-f]{2}")

_KEY_END = 1000


def json(value: object) -> Quoted:
    """Compact JSON on one line of ASCII, of a text or of anything JSON can say: RFC 8259.

    Refused are lone surrogates, numbers that are not finite, and whatever JSON has no type for.
    """
    try:
        text = codec.dumps(value, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        why = "a number that is not finite" if isinstance(error, ValueError) else "a type JSON does not have"
        raise GenerationError(f"a value cannot be written as JSON: it holds {why}") from None
    if _SURROGATE.search(text.replace("\\\\", "")):
        raise GenerationError("a value cannot be written as JSON: a lone surrogate is no character")
    return Quoted(text)


def yaml(value: object) -> Quoted:
    r"""A YAML value in flow style on one line of ASCII, texts between double quotes: valid in YAML 1.1 and 1.2.

    5.7 "Escaped Characters" and 7.3.1 of YAML 1.2.2, 5.6 of YAML 1.1. It is not JSON: ``\ud83d\ude00`` is two
    characters in YAML, and ``1e+16`` a text in YAML 1.1.
    """
    return _yaml(value, tag="")


def ansible(value: object) -> Quoted:
    """A YAML value that Ansible takes as it is: a text it would template is tagged ``!unsafe``.

    "Unsafe or raw strings" in the Ansible manual, core 2.14 to 2.19: ``{{``, ``{%`` and ``{#`` start a template.
    """
    return _yaml(value, tag="!unsafe ")


def prometheus_text(value: object) -> str:
    """Text of an alert's label or annotation in which Prometheus finds nothing to expand; still to be written as YAML.

    "Templates" in the Prometheus 2.42 manual, and Go's text/template: an action starts at ``{{``.
    """
    # Each brace by itself: one at the end could otherwise join one of the template's own.
    return re.sub(r"\{", '{{"{"}}', literal(value, "a Prometheus template"))


def regex(value: object) -> str:
    """Regular expression that matches the text and nothing else, in PCRE, RE2 and POSIX ERE; still to be quoted.

    "Characters and metacharacters" in pcre2pattern(3); the "Syntax" page of RE2.
    """
    return re.sub(r"[$()*+.?\[\\\]^{|}]", r"\\\g<0>", line(value, "a regular expression"))


def xml(value: object) -> Quoted:
    """Text of an XML element or attribute, with neither around it: 2.4 of XML 1.0, fifth edition."""
    return Quoted(escape(line(value, "XML"), {'"': "&quot;", "'": "&apos;"}))


def _yaml(value: object, *, tag: str) -> Quoted:
    if value is None or isinstance(value, bool):
        return Quoted({None: "null", True: "true", False: "false"}[value])
    if isinstance(value, float):
        if not math.isfinite(value):
            raise GenerationError("a value cannot be written as YAML: it holds a number that is not finite")
        mantissa, exponent, power = repr(value).partition("e")
        return Quoted(mantissa + (".0" if exponent and "." not in mantissa else "") + exponent + power)
    if isinstance(value, Mapping):
        pairs = ((_yaml(key, tag=""), _yaml(item, tag=tag)) for key, item in value.items())
        # A key of more than 1024 characters must say that it is one (7.4.3).
        return Quoted("{" + ", ".join(f"{'? ' * (len(key) > _KEY_END)}{key}: {item}" for key, item in pairs) + "}")
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return Quoted("[" + ", ".join(_yaml(item, tag=tag) for item in value) + "]")
    text = literal(value, "YAML")
    if isinstance(value, int):
        return Quoted(text)
    # Of YAML's escapes these are the ones that Go has, and Prometheus.
    return Quoted((tag if re.search(r"\{[{%#]", text) else "") + promql(text))
