"""Documents: what is read from YAML, JSON and TOML, and what is said of what cannot be read."""

from __future__ import annotations

import datetime as dt
import enum
import errno
import ipaddress
import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import ruamel.yaml.main
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    Tag,
    field_validator,
    model_validator,
)

from rmqha_model.document import SIZE_MAX, Syntax, load, loads
from rmqha_model.errors import DocumentError, InconsistentDesign, Problem
from rmqha_model.part import Part, refuse


def refused(*words: str) -> Any:
    """Refuse whatever comes."""
    raise refuse(*words)


def only_odd(number: int) -> int:
    """Let odd numbers pass."""
    if number % 2 == 0:
        raise ValueError(f"found {number}; allowed: odd numbers; add one")
    return number


def as_it_is(value: Any) -> Any:
    """Change nothing."""
    return value


def kind_of(value: Any) -> str | None:
    """Tell models from bare numbers."""
    return "number" if isinstance(value, int) else "mapping" if isinstance(value, dict) else None


class Color(enum.Enum):
    """An enumeration."""

    RED = "red"
    BLUE = "blue"


class Vip(Part):
    """A choice that is known by its tag."""

    kind: Literal["vip"] = "vip"
    port: Annotated[int, Field(ge=1, le=65535)] = 5672
    vip: str = ""


class Direct(Part):
    """Another one."""

    kind: Literal["direct"]
    names: tuple[str, ...] = ()
    pair: tuple[int, str] = (1, "a")


class Settings(Part):
    """Optional settings of a host."""

    retries: Annotated[int, Field(gt=2, lt=16)] = 6
    limits: dict[Annotated[str, Field(pattern="^[a-z]+$")], int] = Field({})


class Host(Part):
    """A host, which may be written as its address alone."""

    address: ipaddress.IPv4Address
    settings: Settings | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"address": value} if isinstance(value, str) else value


class User(Part):
    """Somebody with secrets."""

    password: Annotated[str, Field(min_length=12)] | None = None
    auth_pass: Annotated[
        str, AfterValidator(lambda text: refused(f"found {text!r}", "eight digits", f"not {text}"))
    ] = ""
    tls_key: Literal["rsa", "ec"] | None = None
    routing_key: int = 0


class Server(Part):
    """A server with a default name."""

    name: str = "a"
    weight: int = 1


class Node(Part):
    """A model that holds itself."""

    name: str
    children: tuple[Node, ...] = ()


class Design(Part):
    """Everything a design may need, in one model."""

    name: Annotated[str, Field(pattern="^[a-z]+$", max_length=20)] = "x"
    hosts: dict[str, Host] = Field({})
    color: Color = Color.RED
    level: Literal["low", "high", 3] = "low"
    ends: tuple[Annotated[Vip | Direct, Field(discriminator="kind")], ...] = ()
    either: str | Settings | None = None
    both: Vip | Settings | None = None
    word: Annotated[str, Field(pattern="^[a-z]+$")] | Annotated[int, Field(ge=5)] | None = None
    by_function: Annotated[
        Annotated[int, Tag("number")] | Annotated[Settings, Tag("mapping")], Discriminator(kind_of)
    ] = 1
    odd: Annotated[int, AfterValidator(only_odd)] = 1
    late: Annotated[int, BeforeValidator(lambda value: value), Field(ge=3)] = 4
    ratio: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    flag: bool = False
    servers: Annotated[tuple[Server, ...], Field(max_length=3)] = ()
    users: dict[str, User] = Field({})
    dashed_name: int = Field(1, alias="dashed-name")
    tree: Node | None = None
    root: RootModel[list[int]] | None = None
    labelled: Annotated[int, Tag("number")] | Annotated[Settings, Tag("mapping")] | None = None
    twins: Annotated[Settings, BeforeValidator(as_it_is)] | Annotated[Server, BeforeValidator(as_it_is)] | None = None
    sized: Annotated[str, Field(min_length=2, max_length=3)] = "ab"
    day: dt.date | None = None
    fits: bool = True

    @field_validator("hosts", mode="before")
    @classmethod
    def _names_alone(cls, value: Any) -> Any:
        return (
            {str(name): {"address": "10.0.0.1"} if name != "bad" else {} for name in value}
            if isinstance(value, list)
            else value
        )

    @field_validator("servers", mode="before")
    @classmethod
    def _servers_by_name(cls, value: Any) -> Any:
        return [{"name": name, **server} for name, server in value.items()] if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _fit(self) -> Design:
        if not self.fits:
            problems = [
                Problem(("hosts", name, "address"), "found an address that does not fit") for name in self.hosts
            ]
            raise InconsistentDesign([*problems, Problem(("absent", 0), "found nothing", "something")])
        return self


class Needy(Part):
    """A model with a key that must be there."""

    port: Annotated[int, Field(ge=1)]
    host: Host


def problems(text: str, *, syntax: Syntax = "yaml", model: type[BaseModel] = Design) -> list[str]:
    """Give what is said of a document, a line a problem, without the name of the file."""
    with pytest.raises(DocumentError) as caught:
        loads(text, model, file="f", syntax=syntax)
    assert all(problem.place and problem.place.file == "f" for problem in caught.value.problems)
    places = [problem.place for problem in caught.value.problems]
    assert places == sorted(places)
    return [str(problem).removeprefix("f:") for problem in caught.value.problems]


# -- what is read ---------------------------------------------------------------------------------


def test_the_three_syntaxes_give_the_same_design(tmp_path: Path) -> None:
    """One design, written in each syntax, is one design."""
    as_yaml = "name: ab\nhosts: {a: 10.0.0.1}\nends:\n- kind: direct\n  names: [x]\nratio: 1e-1\n"
    as_toml = 'name = "ab"\nratio = 0.1\nhosts.a = "10.0.0.1"\n[[ends]]\nkind = "direct"\nnames = ["x"]\n'
    as_json = json.dumps(
        {"name": "ab", "hosts": {"a": "10.0.0.1"}, "ends": [{"kind": "direct", "names": ["x"]}], "ratio": 0.1}
    )
    designs = []
    for name, text in (("d.yaml", as_yaml), ("d.YML", as_yaml), ("d.toml", as_toml), ("d.json", as_json)):
        (tmp_path / name).write_text(text)
        designs.append(load(tmp_path / name, Design))
    assert all(design == designs[0] for design in designs)
    assert designs[0].hosts["a"].address == ipaddress.IPv4Address("10.0.0.1")
    assert load(str(tmp_path / "d.yaml"), Design) == designs[0]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("yes", "yes"),
        ("off", "off"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T10:00:00Z", "2024-01-01T10:00:00Z"),
        ("1_000", "1_000"),
        ("::1", "::1"),
        ("<<", "<<"),
        ("=", "="),
        ("'0123'", "0123"),
        ("1.2.3", "1.2.3"),
        ("0o17", 15),
        ("0x1F", 31),
        ("+5", 5),
        ("-0", 0),
        ("1.", 1.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("TRUE", True),
        ("~", None),
        ("", None),
        ("|\n  a\n  b\n", "a\nb\n"),
        ("'it''s'", "it's"),
        ('"\\u00e9\\x41"', "éA"),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_yaml_is_read_by_the_core_schema_of_yaml_1_2(written: str, read: object) -> None:
    """Words, times and dates are text, and numbers are those of the core schema."""
    value = loads(f"a: {written}", RootModel[dict[str, Any]]).root["a"]
    assert (type(value), value) == (type(read), read)


def test_yaml_anchors_and_merges() -> None:
    """An alias repeats a value; a merge gives what the mapping does not say itself, the first source first."""
    text = """
base: &base {a: 1, b: 2}
more: &more {b: 3, c: 4}
word: &word w
both: {<<: [*base, *more], a: 0}
one: {z: *word, <<: *more}
inline: {<<: {q: 1}}
again: &word v
last: *word
*word : key
"""
    root = loads(text, RootModel[dict[str, Any]]).root
    assert root["both"] == {"b": 2, "c": 4, "a": 0}
    assert list(root["one"].items()) == [("b", 3), ("c", 4), ("z", "w")]
    assert (root["inline"], root["last"], root["v"]) == ({"q": 1}, "v", "key")


def test_yaml_without_the_c_parser_is_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ruamel's C parser is absent, its Python parser gives the same data and the same places."""
    good = "name: ab\nhosts: {a: 10.0.0.1}\nends:\n- {kind: vip, port: 0x10}\n"
    bad = "name: &n A\nhosts:\n  a: {adress: *n}\nlevel: !!str low\nflag: 0123\nname: 3\n"
    design, said = loads(good, Design), problems(bad)
    monkeypatch.setattr(ruamel.yaml.main, "CParser", None)
    assert (loads(good, Design), problems(bad)) == (design, said)


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    """A mark at the start and carriage returns change neither data nor places."""
    path = tmp_path / "d.yaml"
    path.write_bytes("\ufeffname: ab\r\nodd: 3\r\n".encode())
    assert load(path, Design).odd == 3
    assert problems("\ufeffname: ab\r\nodd: x\r\n") == ["2:6: odd: found 'x'; allowed: a whole number"]
    assert problems('\ufeffname = "ab"\r\nodd = "x"\r\n', syntax="toml") == [
        "2:7: odd: found 'x'; allowed: a whole number"
    ]


# -- what is said of values -----------------------------------------------------------------------

KEYS = [field.alias or name for name, field in Design.model_fields.items()]
CASES: dict[str, tuple[str, list[str]]] = {
    "range": (
        "ends: [{port: 70000, kind: vip}]",
        ["1:15: ends[0].port: found 70000; allowed: a whole number from 1 to 65535"],
    ),
    "open range": (
        "either: {retries: 2}",
        ["1:19: either.retries: found 2; allowed: a whole number above 2 and below 16"],
    ),
    "float range": ("ratio: 1.5", ["1:8: ratio: found 1.5; allowed: a number from 0 to 1"]),
    "limit behind a validator": ("late: 2", ["1:7: late: found 2; allowed: a whole number, at least 3"]),
    "type": ("odd: x", ["1:6: odd: found 'x'; allowed: a whole number"]),
    "fraction": ("odd: 1.5", ["1:6: odd: found 1.5; allowed: a whole number"]),
    "flag": ("flag: 7", ["1:7: flag: found 7; allowed: true or false"]),
    "null": ("flag:", ["1:1: flag: found nothing; allowed: true or false"]),
    "number for text": (
        "name: 3.10",
        ["1:7: name: found 3.1; allowed: text of at most 20 characters that matches ^[a-z]+$; write it in quotes"],
    ),
    "pattern": ("name: A9", ["1:7: name: found 'A9'; allowed: text of at most 20 characters that matches ^[a-z]+$"]),
    "text for mapping": ("hosts: a", ["1:8: hosts: found text; allowed: a mapping"]),
    "list for mapping": ("tree: [1]", ["1:1: tree: found a list; allowed: a mapping"]),
    "mapping for scalar": ("odd: {a: 1}", ["1:1: odd: found a mapping; allowed: a whole number"]),
    "mapping for list": ("ends: {a: 1}", ["1:1: ends: found a mapping; allowed: a list of mappings"]),
    "too many": (
        "servers: [{}, {}, {}, {}]",
        ["1:1: servers: found a list of 4; allowed: a list of at most 3 mappings"],
    ),
    "item of a tuple": (
        "ends: [{kind: direct, pair: [x, 5]}]",
        [
            "1:30: ends[0].pair[0]: found 'x'; allowed: a whole number",
            "1:33: ends[0].pair[1]: found 5; allowed: text; write it in quotes",
        ],
    ),
    "size of a tuple": (
        "ends: [{kind: direct, pair: [1, a, b]}]",
        ["1:23: ends[0].pair: found a list of 3; allowed: a list of 2 items"],
    ),
    "enumeration": ("color: rde", ["1:8: color: found 'rde'; allowed: 'red', 'blue'; did you mean 'red'?"]),
    "literal": ("level: hihg", ["1:8: level: found 'hihg'; allowed: 'low', 'high', 3; did you mean 'high'?"]),
    "address": (
        "hosts: {a: {address: 10.0.0.300}}",
        ["1:22: hosts.a.address: found '10.0.0.300'; allowed: an IPv4 address"],
    ),
    "key of a mapping": (
        "either: {limits: {A: 1}}",
        ["1:19: either.limits.A: found 'A'; allowed: text that matches ^[a-z]+$"],
    ),
    "unknown key": (
        "ends: [{kind: vip, prot: 1}]",
        ["1:20: ends[0].prot: unknown key; allowed: kind, port, vip; did you mean 'port'?"],
    ),
    "unknown key at the top": (
        "nmae: x",
        [
            f"1:1: nmae: unknown key; allowed: {', '.join(KEYS)}; did you mean 'name'?",
        ],
    ),
    "missing key": (
        "hosts:\n  a: {}\n  b: {settings: {}}",
        ["2:3: hosts.a.address: missing key", "3:3: hosts.b.address: missing key"],
    ),
    "missing in a list": (
        "tree: {name: a, children: [{name: b}, {}]}",
        ["1:39: tree.children[1].name: missing key; allowed: text"],
    ),
    "wrong tag": (
        "ends:\n- kind: vpi",
        ["2:9: ends[0].kind: found 'vpi'; allowed: 'vip', 'direct'; did you mean 'vip'?"],
    ),
    "missing tag": ("ends:\n- port: 1", ["2:3: ends[0].kind: missing key; allowed: 'vip', 'direct'"]),
    "tagged union of something else": ("ends: [x]", ["1:8: ends[0]: found 'x'; allowed: a mapping"]),
    "a key that is named like a tag": (
        "ends: [{kind: vip, vip: 3, port: 0}]",
        [
            "1:25: ends[0].vip: found 3; allowed: text; write it in quotes",
            "1:34: ends[0].port: found 0; allowed: a whole number from 1 to 65535",
        ],
    ),
    "union, neither": ("either: 5", ["1:9: either: found 5; allowed: text or a mapping; write it in quotes"]),
    "union, the mapping was meant": (
        "either: {retires: 5}",
        ["1:10: either.retires: unknown key; allowed: retries, limits; did you mean 'retries'?"],
    ),
    "union of mappings, the nearest was meant": (
        "both: {port: 0, vip: x}",
        ["1:14: both.port: found 0; allowed: a whole number from 1 to 65535"],
    ),
    "union of scalars": (
        "word: A",
        ["1:7: word: found 'A'; allowed: text that matches ^[a-z]+$ or a whole number of at least 5"],
    ),
    "union by a function": (
        "by_function: {retries: 1}",
        ["1:24: by_function.retries: found 1; allowed: a whole number above 2 and below 16"],
    ),
    "union by a function, neither": (
        "by_function: x",
        ["1:14: by_function: found 'x'; allowed: a whole number or a mapping"],
    ),
    "a validator's own words": ("odd: 4", ["1:6: odd: found 4; allowed: odd numbers; add one"]),
    "alias": ("dashed-name: x", ["1:14: dashed-name: found 'x'; allowed: a whole number"]),
    "recursive model": (
        "tree: {name: a, children: [{name: b, children: [{name: 5}]}]}",
        ["1:56: tree.children[0].children[0].name: found 5; allowed: text; write it in quotes"],
    ),
    "root model": ("root: [1, x]", ["1:11: root[1]: found 'x'; allowed: a whole number"]),
    "scalar in place of a mapping": (
        "hosts:\n  a: 10.0.0.300",
        ["2:6: hosts.a: found '10.0.0.300'; allowed: an IPv4 address"],
    ),
    "names in place of a mapping": ("hosts:\n- a\n- bad", ["3:3: hosts[1].address: missing key"]),
    "mapping in place of a list": (
        "servers: {x: {weight: 1}, y: {weight: q, wieght: 2}}",
        [
            "1:39: servers.y.weight: found 'q'; allowed: a whole number",
            "1:42: servers.y.wieght: unknown key; allowed: name, weight; did you mean 'weight'?",
        ],
    ),
    "union with labels": (
        "labelled: {retries: 1}",
        ["1:21: labelled.retries: found 1; allowed: a whole number above 2 and below 16"],
    ),
    "union of choices that look alike": (
        "twins: {limits: {a: x}}",
        ["1:21: twins.limits.a: found 'x'; allowed: a valid integer, unable to parse string as an integer"],
    ),
    "size": ("sized: abcd", ["1:8: sized: found 'abcd'; allowed: text of 2 to 3 characters"]),
    "truth for text": (
        "sized: true",
        ["1:8: sized: found true; allowed: text of 2 to 3 characters; write it in quotes"],
    ),
    "a type without words": ("day: x", ["1:6: day: found 'x'; allowed: a valid date or datetime, input is too short"]),
    "an alias is one value": (
        "hosts:\n  a: &a {address: x}\n  b: *a",
        ["2:19: hosts.a.address: found 'x'; allowed: an IPv4 address"],
    ),
    "a merged value": (
        "users: {x: &x {routing_key: q}}\nhosts: {}\ntree: {<<: *x, name: a}",
        [
            "1:29: users.x.routing_key: found 'q'; allowed: a whole number",
            "1:16: tree.routing_key: unknown key; allowed: name, children",
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_kind_of_error_has_its_place_and_its_words(name: str) -> None:
    """Where, what was found, what is allowed, what to do: for each kind of error."""
    text, said = CASES[name]
    assert problems(text) == sorted(said, key=lambda line: [int(part) for part in line.split(":")[:2]])


def test_a_required_key_is_told_at_the_top() -> None:
    """Without a parent that has a key, the document itself is the place."""
    assert problems("# note\nhost: 10.0.0.1\n", model=Needy) == [
        "2:1: port: missing key; allowed: a whole number of at least 1"
    ]


def test_all_errors_are_told_at_once_sorted_by_place() -> None:
    """Syntax that can be passed over, values, and contradictions of what is left come in one list."""
    text = """\
fits: false
hosts:
  a: 10.0.0.1
  b: 10.0.0.2
  b: 10.0.0.3
1: x
ratio: 0123
flag: 7
nmae: x
"""
    assert [line.split(";")[0] for line in problems(text)] == [
        "1:1: absent[0]: found nothing",
        "3:6: hosts.a.address: found an address that does not fit",
        "5:3: hosts.b: found this key a second time",
        "6:1: 1: found a number as a key",
        "7:8: ratio: found '0123'",
        "8:7: flag: found 7",
        "9:1: nmae: unknown key",
    ]


def test_contradictions_get_places() -> None:
    """A contradiction has the place of its path, or of what is nearest to it in the document."""
    assert problems("hosts: [a, b]\nfits: false\n") == [
        "1:1: absent[0]: found nothing; allowed: something; `absent` is left out, and this is its default",
        "1:9: hosts.a.address: found an address that does not fit",
        "1:12: hosts.b.address: found an address that does not fit",
    ]
    assert problems("fits: false\nhosts: {a: {address: 10.0.0.1}}\nends: [{port: x, kind: vip}]")[1:] == [
        "2:22: hosts.a.address: found an address that does not fit",
        "3:15: ends[0].port: found 'x'; allowed: a whole number from 1 to 65535",
    ]


@pytest.mark.parametrize("wrong", ["hosts: {a: {}}", "tree: {name: 5}"])
def test_contradictions_are_not_guessed_without_what_is_needed(wrong: str) -> None:
    """Where a required value is wrong, taking it out leaves nothing to judge."""
    assert len(problems(f"fits: false\n{wrong}")) == 1


def test_what_was_taken_out_is_not_missed() -> None:
    """That a wrong value is absent once it is taken out to look for contradictions, is no further problem."""

    class Whole(Part):
        a: int = 1

        @model_validator(mode="before")
        @classmethod
        def _written(cls, value: dict[str, Any]) -> dict[str, Any]:
            if "a" not in value:
                raise refuse("found no a")
            return value

    assert problems("a: x", model=Whole) == ["1:4: a: found 'x'; allowed: a whole number"]


# -- places ---------------------------------------------------------------------------------------


def test_places_in_json_are_exact() -> None:
    """Keys, values and items of JSON have their own columns, tabs and escapes included."""
    text = """\
{
\t"name": "A\\\"",
\t"hosts": {"\\u0061": {"adress": [1, {"x": 2}]}},
 "ends": [
  {"kind": "vip", "port": 0}, 5]
}
"""
    assert [line.split(";")[0] for line in problems(text, syntax="json")] == [
        "2:10: name: found 'A\"'",
        "3:12: hosts.a.address: missing key",
        "3:23: hosts.a.adress: unknown key",
        "5:27: ends[0].port: found 0",
        "5:31: ends[1]: found 5",
    ]


def test_places_in_toml_are_exact() -> None:
    """Keys, dotted keys, tables, arrays of tables, inline tables and items of TOML have their own columns."""
    text = '''\
# [not a table]
name = """
A""" # text
"odd" = 4
hosts.a.adress = "x"  # ]
[hosts."b c"]
address = 'y'
[[ends]]
kind = "direct"
names = [ # one
  "a", 5,
]
[[ends]]
kind = "vip"
port = 0
[either]
limits = { a = 1, B = 2, c = "x" }
[tree]
name = "n"
[[tree.children]]
name = "a"
[[tree.children.children]]
nmae = "b"
'''
    assert [line.split(";")[0] for line in problems(text, syntax="toml")] == [
        "2:8: name: found 'A'",
        "4:9: odd: found 4",
        "5:7: hosts.a.address: missing key",
        "5:9: hosts.a.adress: unknown key",
        "7:11: hosts['b c'].address: found 'y'",
        "11:8: ends[0].names[1]: found 5",
        "15:8: ends[1].port: found 0",
        "17:19: either.limits.B: found 'B'",
        "17:30: either.limits.c: found 'x'",
        "22:17: tree.children[0].children[0].name: missing key",
        "23:1: tree.children[0].children[0].nmae: unknown key",
    ]


def test_columns_count_characters() -> None:
    """A column is a character, not a byte."""
    for syntax, text in (("yaml", "{name: é, odd: x}"), ("json", '{"name":"é","odd":"x"}'), ("toml", 'users."é".x=1')):
        (*_, line) = problems(text, syntax=syntax)  # type: ignore[arg-type]
        assert line.split(": ")[0] == {"yaml": "1:16", "json": "1:19", "toml": "1:11"}[syntax]


# -- secrets and terminals ------------------------------------------------------------------------


def test_secrets_are_never_shown() -> None:
    """A value below a path that is named like a secret is in no message, whoever wrote the message."""
    text = "users:\n  a: {password: hunter2, auth_pass: hunter2, tls_key: hunter2, routing_key: shown}\n"
    said = problems(text)
    hidden = "found a value that is not shown"
    assert said == [
        f"2:17: users.a.password: {hidden}; allowed: text of at least 12 characters",
        f"2:37: users.a.auth_pass: {hidden}; allowed: eight digits",
        f"2:55: users.a.tls_key: {hidden}; allowed: 'rsa', 'ec'",
        "2:77: users.a.routing_key: found 'shown'; allowed: a whole number",
    ]
    for value in ("0123", "99999999999999999999", "!!binary aHVudGVyMg==", "{literal: hunter2}", "[hunter2]"):
        text = "\n".join(problems(f"users: {{a: {{password: {value}}}}}"))
        assert "unter" not in text
        assert "0123" not in text
        assert "999" not in text


def test_a_validators_text_about_a_secret_keeps_what_it_allows() -> None:
    """Of a text that shows a secret only the part that shows it is left out."""

    class Cookie(Part):
        cookie: str

        @field_validator("cookie")
        @classmethod
        def _alone(cls, value: str) -> str:
            raise ValueError(f"found {value}; allowed: other text")

    class Crossed(Part):
        cookie: str

        @model_validator(mode="after")
        def _together(self) -> Crossed:
            raise InconsistentDesign([Problem(("cookie",), f"found {self.cookie!r}", "another")])

    class Shown(Part):
        secret: Annotated[Any, AfterValidator(lambda value: refused(f"found {value}", "two words"))]

    hidden = "1:9: cookie: found a value that is not shown"
    assert problems("cookie: monster", model=Cookie) == [f"{hidden}; allowed: other text"]
    assert problems("cookie: o", model=Cookie) == [f"{hidden}; allowed: other text"]
    assert problems("cookie: [monster, ~]", model=Cookie) == [
        "1:1: cookie: found a value that is not shown; allowed: text"
    ]
    assert problems("{cookie: ''}", model=Cookie) == ["1:10: cookie: found ; allowed: other text"]
    assert problems("secret: {literal: hunter2, insecure: true}", model=Shown) == [
        "1:1: secret: found a value that is not shown; allowed: two words"
    ]
    assert problems("secret: {literal: ~}", model=Shown) == ["1:1: secret: found {'literal': None}; allowed: two words"]
    assert problems("cookie: monster", model=Crossed) == [f"{hidden}; allowed: another"]


def test_messages_are_short_and_harmless_to_a_terminal() -> None:
    """Control characters are escaped and long values cut, in keys, values and validators' words alike."""
    escape = r"\e[31m\n\u202e" + "x" * 300
    text = f'{{name: "{escape}", "{escape}": 1, users: {{a: {{routing_key: "{escape}"}}}}, color: {"r" * 10_000_000}}}'
    for line in problems(text):
        assert line.isprintable()
        assert len(line) < 400

    class Loud(Part):
        a: Annotated[str, AfterValidator(lambda text: refused(f"found {text}", text, text))]

    (line,) = problems('a: "\\e[31m\\n  b"', model=Loud)
    assert line == "1:4: a: found \\x1b[31m b; allowed: \\x1b[31m b; \\x1b[31m b"


# -- files ----------------------------------------------------------------------------------------


def of_file(path: Path | str) -> str:
    """Give what is said of a file as a whole."""
    with pytest.raises(DocumentError) as caught:
        load(path, Design)
    (problem,) = caught.value.problems
    assert problem.place
    return str(problem).replace(f"{Path(path).parent}/", "")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, a directory, a wrong name: each is told in a sentence."""
    (tmp_path / "design.yaml").touch()
    (tmp_path / "dir.yaml").mkdir()
    assert of_file(tmp_path / "desing.yaml") == (
        "desing.yaml:1:1: (top level): there is no such file; did you mean 'design.yaml'?"
    )
    assert of_file(tmp_path / "none" / "x.yaml").endswith("there is no such file")
    assert of_file(tmp_path / "dir.yaml") == "dir.yaml:1:1: (top level): cannot be read: is a directory"
    assert of_file(tmp_path / "x.txt") == (
        "x.txt:1:1: (top level): found a file name that ends in '.txt'; allowed: .yaml, .yml, .json, .toml"
    )
    assert "cannot be read: embedded null byte" in of_file("a\0.yaml")
    assert of_file(tmp_path / "design.yaml") == "design.yaml:1:1: (top level): found nothing; allowed: a mapping"


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may not be read is told so."""

    def closed(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", closed)
    assert of_file(tmp_path / "d.yaml") == "d.yaml:1:1: (top level): cannot be read: permission denied"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"name: a\nodd: \xff\n", "2:6: (top level): found the byte 0xff, which is not UTF-8; allowed: text in UTF-8"),
        (
            "name: a".encode("utf-16"),
            "1:1: (top level): found the byte 0xff, which is not UTF-8; allowed: text in UTF-8",
        ),
        (b"name: a\n\xc3\xa9\x00", "2:2: (top level): found the sign '\\x00'; allowed: printable Unicode"),
        (b"name: \x1b[0m", "1:7: (top level): found the sign '\\x1b'; allowed: printable Unicode"),
        (b" " * (SIZE_MAX + 1), "1:1: (top level): the file is too large; allowed: at most 16,777,216 bytes"),
    ],
    ids=["latin-1", "utf-16", "nul", "escape", "large"],
)
def test_files_that_hold_no_text(tmp_path: Path, raw: bytes, said: str) -> None:
    """Bytes that are no text, or far too many of them, are told with their place."""
    (tmp_path / "d.yaml").write_bytes(raw)
    assert of_file(tmp_path / "d.yaml") == f"d.yaml:{said}"


def test_the_name_of_a_file_cannot_fool_a_terminal(tmp_path: Path) -> None:
    """A file's name is escaped in messages."""
    assert "\\x1b[31m.yaml:1:1" in of_file(tmp_path / "\x1b[31m.yaml")


def test_a_text_that_is_too_large() -> None:
    """What comes from standard input is bounded too."""
    assert problems(" " * (SIZE_MAX + 1)) == [
        "1:1: (top level): the text is too large; allowed: at most 16,777,216 bytes"
    ]


def test_what_a_validator_breaks_is_not_hidden() -> None:
    """A mistake in the program is not taken for one in the document."""

    class Broken(Part):
        a: Annotated[int, AfterValidator(lambda value: {}[value])]

    with pytest.raises(KeyError):
        loads("a: 1", Broken)


def test_a_model_that_takes_any_key() -> None:
    """Models need no particular base."""

    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")
        a: int = 1

    assert loads("{a: 2, b: 3}", Open).model_extra == {"b": 3}
    assert problems("{a: x}", model=Open) == ["1:5: a: found 'x'; allowed: a whole number"]
