"""Damage to designs: texts and data that were one, are one still in a strange way, or never were.

Whatever is made depends on the generator of random numbers alone, so it is the same in every run.
"""

from __future__ import annotations

import copy
import functools
import json
import random
import re
import string
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from rmqha_model.topology import Topology

HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 255, 256, 65535, 65536, 2**31, 2**63, -(2**63), 10**30, 10**4000),
    *(0.5, 1.0, -0.0, 1e308, 1e-320, float("inf"), float("nan")),
    *("", " ", "~", "null", "yes", "0", "00", "0x1F", "1e3", "1_000", "-", "#", "a: b", "<<", "*x", "&x", "!!set", "%"),
    *("5s", "0s", "500ms", "1.5s", "24d", "25d", "9" * 50 + "s", "1m30s", "5", "1GiB", "0B", "1.5B", "99999999TiB"),
    *("10.0.0.1", "10.0.0.1/24", "10.0.0.0/24", "::1", "::1/128", "fe80::1%lo/64", "224.0.0.1/4", "0.0.0.0/0", "1/2"),
    *("a" * 63, "a" * 64, "a" * 300, "b" * 70_000, ".", "..", "/", "//", "/../x", "a/b", "a.b", "-a", "a-", "A", "_"),
    *("a\nb", "a\r", "\t", "\x00", "\x1b[2J", "\x85", "\u2028", "\u202e", "\ufeff", "\ud800", "é", "名前", "🐇" * 40),
    *("{{ 7*7 }}", "{% raw %}", "${x}", "$(reboot)", "`reboot`", "'; reboot; '", '"', "\\", "%s", "%n", "../../x"),
    *("rabbit1", "vip", "any", "host", "amqp", "quorum", "PASS", "MASTER", "3.8", "4.3", "2.2", "3.2.1", "bookworm"),
    *([], {}, [[]], [{}], {"": ""}, {"a": None}, ["a", "a"], [None], [*range(300)], {"literal": "x"}, {"kind": "amqp"}),
)
"""Values that some rule, type, dialect or parser could stumble over."""

PIECES = (
    *(
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        "- ",
        ",",
        "#",
        "&a ",
        "*a",
        "!!x ",
        "|",
        ">",
        "'",
        '"',
        "\\",
        "<<: ",
        "? ",
        "---\n",
    ),
    *(
        "\n",
        "\t",
        "  ",
        "\x00",
        "\ufeff",
        "\u2028",
        "\x7f",
        "é",
        "🐇",
        "=",
        "[[",
        "]]",
        '"""',
        "'''",
        "null",
        "0",
        "1e999",
    ),
)
"""Signs that mean something to some parser."""


# -- damage to a text -----------------------------------------------------------------------------


def flipped(text: str, chance: random.Random) -> bytes:
    """Change some bytes, which may leave text that is none."""
    raw = bytearray(text, "utf-8", "surrogatepass")
    for _ in range(chance.choice((1, 1, 2, 8, 50))):
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    return bytes(raw)


def spliced(text: str, chance: random.Random) -> str:
    """Delete, repeat or move a stretch of text."""
    start = chance.randrange(len(text))
    end = min(len(text), start + chance.choice((1, 3, 10, 100, 1000)))
    rest = text[:start] + text[end:]
    where = chance.randrange(len(rest) + 1)
    return chance.choice((rest, text[:end] + text[start:], rest[:where] + text[start:end] + rest[where:], text[:start]))


def peppered(text: str, chance: random.Random) -> str:
    """Put signs that mean something to a parser where they do not belong."""
    for _ in range(chance.choice((1, 1, 2, 5))):
        where = chance.randrange(len(text))
        text = text[:where] + chance.choice(PIECES) + text[where:]
    return text


def reworded(text: str, chance: random.Random) -> str:
    """Replace words by each other, or by hostile values."""
    words = list(re.finditer(r"[\w./-]+", text))
    for word in sorted(chance.sample(words, min(len(words), chance.choice((1, 2, 4)))), key=lambda w: -w.start()):
        other = chance.choice(words)[0] if chance.random() < 0.5 else _scalar(chance.choice(HOSTILE))
        text = text[: word.start()] + other + text[word.end() :]
    return text


def relined(text: str, chance: random.Random) -> str:
    """Swap, repeat, drop or indent lines."""
    lines = text.splitlines(keepends=True)
    for _ in range(chance.choice((1, 2, 5))):
        one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        lines[one], lines[other] = chance.choice(
            (
                (lines[other], lines[one]),
                (lines[other], lines[other]),
                ("", lines[other]),
                (f"  {lines[one]}", lines[other]),
            )
        )
    return "".join(lines) or "\n"


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


# -- damage to data -------------------------------------------------------------------------------


def damaged(data: Any, chance: random.Random) -> Any:
    """Damage some branches of a design."""
    data = copy.deepcopy(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        places = list(_places(data))
        holder, key = chance.choice(places)
        other, its = chance.choice(places)
        match chance.randrange(9):
            case 0 | 1 | 2:
                holder[key] = copy.deepcopy(chance.choice(HOSTILE))
            case 3:
                del holder[key]
            case 4:
                holder[key] = copy.deepcopy(other[its])
            case 5:
                holder[key] = chance.choice(({"x": holder[key]}, [holder[key]], [holder[key], holder[key]]))
            case 6 if isinstance(holder, dict):
                holder[_misspelt(key, chance)] = holder.pop(key)
            case 7 if isinstance(holder, dict):
                holder[str(chance.choice(HOSTILE))[:4000]] = copy.deepcopy(other[its])
            case _:
                holder[key], other[its] = copy.deepcopy(other[its]), copy.deepcopy(holder[key])
        if not data:
            break
    return data


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Give every place of a design that holds something: what it is in, and its key or index."""
    keys = list(data) if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    for key in keys:
        yield data, key
        yield from _places(data[key])


def _misspelt(word: str, chance: random.Random) -> str:
    where = chance.randrange(len(word) + 1)
    return word[:where] + chance.choice(string.ascii_lowercase + "_-.") + word[where + chance.randrange(2) :]


# -- growth: what is still a design, or nearly ----------------------------------------------------

SCHEMA = Topology.model_json_schema()
WORDS = [text for text in HOSTILE if isinstance(text, str) and len(text) < 100]


def grown(data: Any, chance: random.Random) -> Any:
    """Set some keys that the schema knows to values that it allows."""
    data = copy.deepcopy(data)
    for _ in range(chance.choice((1, 2, 3))):
        _grow(data, SCHEMA, chance)
    return data


def _grow(data: Any, schema: dict[str, Any], chance: random.Random) -> None:
    keys = list(schema["properties"])
    key = chance.choice(([key for key in keys if key in data] if chance.random() < 0.8 else None) or keys)
    inner = _resolved(schema["properties"][key], chance)
    while isinstance(data.get(key), dict) and data[key] and "properties" not in inner:
        data, key, inner = data[key], chance.choice(list(data[key])), _resolved(_values(inner), chance)
    if isinstance(data.get(key), dict) and "properties" in inner:
        _grow(data[key], inner, chance)
    else:
        data[key] = _sample(inner, chance)


def _values(schema: dict[str, Any]) -> Any:
    """Give the schema of the values of a mapping by name."""
    return next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties", {}))


def _resolved(schema: Any, chance: random.Random) -> dict[str, Any]:
    """Follow references and choose among what is allowed."""
    while isinstance(schema, dict) and ("$ref" in schema or "anyOf" in schema or "oneOf" in schema):
        if "$ref" in schema:
            schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
        else:
            schema = chance.choice(schema.get("anyOf") or schema["oneOf"])
    return schema if isinstance(schema, dict) else {}


def _sample(schema: dict[str, Any], chance: random.Random, depth: int = 0) -> Any:
    """Make a value that a schema allows, as far as it says what it allows."""
    schema = _resolved(schema, chance)
    low, high = schema.get("minimum", 0), schema.get("maximum", 100_000)
    value: Any = None
    match "enum" if "enum" in schema or "const" in schema else schema.get("type"):
        case "enum":
            value = schema.get("const") or chance.choice(schema["enum"])
        case "object":
            known, needed = schema.get("properties", {}), schema.get("required", ())
            names = [name for name in known if name in needed or (depth < 3 and chance.random() < 0.2)]
            value = {name: _sample(known[name], chance, depth + 1) for name in names}
        case "array":
            number = schema.get("minItems", 0) + chance.randrange(3)
            value = [_sample(schema.get("items", {}), chance, depth + 1) for _ in range(number)]
        case "integer":
            value = chance.choice((low, high, chance.randint(low, high)))
        case "number":
            value = chance.choice((0.25, 1.0))
        case "boolean":
            value = chance.random() < 0.5
        case "string":
            fitting = [text for text in WORDS if re.search(schema.get("pattern", ""), text)]
            value = chance.choice(fitting or WORDS)
    return value


# -- the three syntaxes ---------------------------------------------------------------------------


def as_toml(value: Any, *, top: bool = True) -> str:
    """Write data as TOML; the nulls it cannot say are left out."""
    if isinstance(value, dict):
        pairs = [f"{json.dumps(str(k))} = {as_toml(v, top=False)}" for k, v in value.items() if v is not None]
        return "\n".join(pairs) + "\n" if top else "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(as_toml(item, top=False) for item in value if item is not None) + "]"
    return str(value) if isinstance(value, float) else json.dumps(value)


def as_json(value: Any) -> str:
    """Write data as JSON, which is YAML as well."""
    return json.dumps(value, ensure_ascii=False, indent=1)


def as_yaml(value: Any) -> str:
    """Write data as YAML with blocks, where it can be said in YAML."""
    try:
        return str(yaml.dump(value, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False))
    except UnicodeEncodeError:
        return as_json(value)


DUMPS: dict[str, Callable[[Any], str]] = {"yaml": as_yaml, "json": as_json, "toml": as_toml}


# -- what needs no design -------------------------------------------------------------------------


def garbage(chance: random.Random) -> bytes:
    """Make something that never was a design: noise, depth, bombs, and very large things."""
    size = chance.choice((1, 10, 200, 5000))
    depth = chance.choice((10, 63, 64, 65, 300, 20_000))
    width = chance.choice((2, 9, 40))
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]\n" for n in range(1, 12))
    unicode = "".join(chr(chance.choice((chance.randrange(128), chance.randrange(0x110000)))) for _ in range(size))
    return chance.choice(
        (
            chance.randbytes(size),
            unicode.encode("utf-8", "surrogatepass"),
            "".join(chance.choices(PIECES, k=size)).encode("utf-8", "surrogatepass"),
            ("hosts: " + chance.choice("[{") * depth).encode(),
            ('{"hosts": ' + '{"a": [' * depth + "1" + "]}" * depth + "}").encode(),
            ("hosts = " + "[" * depth + "]" * depth).encode(),
            bomb.encode(),
            f"hosts: {{a: {'9' * size}}}\nrabbitmq: {{nodes: [{'a, ' * size}a]}}\n".encode(),
            ("name: " + "a" * 200_000 + "\n").encode(),
            ("\n".join(f"k{n}: {n}" for n in range(2000))).encode(),
        )
    )


@functools.cache
def parsed(text: str) -> Any:
    """Give an example as data."""
    return yaml.safe_load(text)


DAMAGES: tuple[Callable[[str, random.Random], str | bytes], ...] = (flipped, spliced, peppered, reworded, relined)
