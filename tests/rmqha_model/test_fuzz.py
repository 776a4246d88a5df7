"""Ten thousand damaged designs: each is read, or refused in words, and soon; none ends in a traceback.

The examples are damaged as texts (bytes, signs, words, lines) and as data (keys, values, whole branches), written in
all three syntaxes, beside plain garbage. What is still a design afterwards goes through the generators as well. The
damage is the same in every run: batch and number of an input are all it depends on.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import random
import re
import string
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from generators import generate
from rmqha_model.document import Syntax, load
from rmqha_model.errors import RmqhaError
from rmqha_model.secrets import Secrets
from rmqha_model.topology import Topology

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [path.read_text("utf-8") for path in sorted((ROOT / "examples").glob("*.yaml")) if path.name != "secrets.yaml"]
BATCHES, SIZE = 20, 500
TIME_MAX_S = 1.0

HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 255, 256, 65535, 65536, 2**31, 2**63, -(2**63), 10**30, 10**4000),
    *(0.5, 1.0, -0.0, 1e308, 1e-320, float("inf"), float("nan")),
    *("", " ", "~", "null", "yes", "0", "00", "0x1F", "1e3", "1_000", "-", "#", "a: b", "<<", "*x", "&x", "!!set", "%"),
    *("5s", "0s", "500ms", "1.5s", "24d", "25d", "9" * 50 + "s", "1m30s", "5", "1GiB", "0B", "1.5B", "99999999TiB"),
    *("10.0.0.1", "10.0.0.1/24", "10.0.0.0/24", "::1", "::1/128", "fe80::1%lo/64", "224.0.0.1/4", "0.0.0.0/0", "1/2"),
    *("a" * 63, "a" * 64, "a" * 300, "b" * 70_000, ".", "..", "/", "//", "/../x", "a/b", "a.b", "-a", "a-", "A", "_"),
    *(
        "a\nb",
        "a\r",
        "\t",
        "\x00",
        "\x1b[2J",
        "\x85",
        "\u2028",
        "\u202e",
        "\ufeff",
        "\ud800",
        "é",
        "名前",
        "🐇" * 40,
        "ﬁ",
    ),
    *("{{ 7*7 }}", "{% raw %}", "${x}", "$(reboot)", "`reboot`", "'; reboot; '", '"', "\\", "%s", "%n", "../../x"),
    *("rabbit1", "vip", "any", "host", "amqp", "quorum", "PASS", "MASTER", "3.8", "4.3", "2.2", "3.2.1", "bookworm"),
    *(
        [],
        {},
        [[]],
        [{}],
        {"": ""},
        {"a": None},
        ["a", "a"],
        [None],
        list(range(300)),
        {"literal": "x"},
        {"kind": "amqp"},
    ),
)
"""Values that some rule, type, dialect or parser could stumble over."""

PIECES = (
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
)
PIECES += (
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
)


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
TEXTS_OF_KINDS = [text for text in HOSTILE if isinstance(text, str) and len(text) < 100]


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
    if "const" in schema or "enum" in schema:
        return schema.get("const") or chance.choice(schema["enum"])
    match schema.get("type"):
        case "object":
            known, needed = schema.get("properties", {}), schema.get("required", ())
            names = {name for name in known if name in needed or (depth < 3 and chance.random() < 0.2)}
            return {name: _sample(known[name], chance, depth + 1) for name in sorted(names)}
        case "array":
            number = chance.randrange(schema.get("minItems", 0), schema.get("minItems", 0) + 3)
            return [_sample(schema.get("items", {}), chance, depth + 1) for _ in range(number)]
        case "integer":
            low, high = schema.get("minimum", 0), schema.get("maximum", 100_000)
            return chance.choice((low, high, chance.randint(low, high)))
        case "number":
            return chance.choice((0.25, 1.0))
        case "boolean":
            return chance.random() < 0.5
        case "null":
            return None
        case _:
            fitting = [text for text in TEXTS_OF_KINDS if re.search(schema.get("pattern", ""), text)]
            return chance.choice(fitting or TEXTS_OF_KINDS)


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


def inputs(batch: int) -> Iterator[tuple[bytes, Syntax]]:
    """Give the inputs of a batch, each with the syntax it is read as."""
    for number in range(SIZE):
        chance = random.Random(f"{batch} {number}")  # noqa: S311 - the same in every run
        text = chance.choice(TEXTS)
        syntax: Syntax = chance.choice(("yaml", "yaml", "json", "toml"))
        dump = {"yaml": as_yaml, "json": as_json, "toml": as_toml}[syntax]
        match number % 10:
            case 0 | 1 | 2:
                yield _bytes(dump(damaged(parsed(text), chance))), syntax
            case 3 | 4 | 5:
                yield _bytes(dump(grown(parsed(text), chance))), syntax
            case 6 if chance.random() < 0.5:
                yield garbage(chance), syntax
            case _:
                whole = text if syntax == "yaml" else dump(parsed(text))
                yield _bytes(chance.choice(DAMAGES)(whole, chance)), syntax


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


# -- the test -------------------------------------------------------------------------------------


def secrets_of(topology: Topology) -> Secrets:
    """Give a value for each secret of a design."""
    return Secrets(
        {
            need.source: need.source.literal.get_secret_value()
            if need.source.literal
            else hashlib.sha256(str(need.source).encode()).hexdigest()[: need.length]
            for need in topology.secret_needs()
        }
    )


def outcome(path: Path, seen: set[str]) -> str:
    """Read a file, and generate from it where it is a design that was not *seen* yet."""
    try:
        topology = load(path, Topology)
        if topology.digest not in seen:
            seen.add(topology.digest)
            assert generate(topology, secrets_of(topology)).artefacts
            return "generated"
    except RmqhaError as error:
        text = str(error)
        assert text
        assert all(line.isprintable() for line in text.split("\n"))
        return "refused"
    return "read"


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_damage_ends_in_a_traceback(
    batch: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A damaged design is read or refused in words, in less than a second."""
    counts: Counter[str] = Counter()
    seen: set[str] = set()
    for number, (raw, syntax) in enumerate(inputs(batch)):
        path = tmp_path / f"damaged.{syntax}"
        path.write_bytes(raw)
        started = time.process_time()
        try:
            counts[outcome(path, seen)] += 1
        except Exception:  # noqa: BLE001 - whatever it is, it is the finding
            pytest.fail(
                f"batch {batch}, input {number}, as {syntax}:\n{raw[:3000]!r}\n{traceback.format_exc()}", pytrace=False
            )
        took = time.process_time() - started
        assert took < TIME_MAX_S, f"batch {batch}, input {number} took {took:.1f} s: {raw[:1000]!r}"
    record_property("outcomes", dict(counts))
    assert counts.total() == SIZE
    assert counts["generated"] > SIZE // 50
    assert counts["refused"] > SIZE // 3


def test_ten_thousand() -> None:
    """All batches together are ten thousand inputs, and hardly any two are the same."""
    assert BATCHES * SIZE == 10_000
    texts = [raw for raw, _ in inputs(0)]
    assert len(set(texts)) > 0.95 * SIZE
