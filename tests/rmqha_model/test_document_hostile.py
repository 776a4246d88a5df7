"""Hostile documents: whatever is written, the answer is a design or a list of problems, and comes soon."""
# ruff: noqa: E501 - a table reads best with a case a line

from __future__ import annotations

import time
from typing import Any, Literal, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, RootModel

from rmqha_model.document import Syntax, loads
from rmqha_model.errors import DocumentError
from rmqha_model.part import Part

SYNTAXES: tuple[Syntax, ...] = get_args(Syntax)


class Leaf(Part):
    """A mapping with a tag."""

    kind: Literal["leaf"]
    port: int = Field(1, ge=1, le=9)


class Twig(Part):
    """Another one."""

    kind: Literal["twig"]
    leaves: dict[str, Leaf | str | tuple[int, ...]] = Field({})


class Tree(Part):
    """A model with unions of every kind."""

    name: str = Field("a", pattern="^[a-z]*$")
    either: Leaf | Twig | int | None = Field(None)
    tagged: tuple[Leaf | Twig, ...] = Field(())
    anything: Any = None
    password: str = "p"


VALID: dict[Syntax, str] = {
    "yaml": """\
name: &n oak
either: {kind: leaf, port: 3}
tagged:
  - kind: twig
    leaves: {a: &l {kind: leaf}, b: *l, c: *n, d: [1, 2]}
  - {<<: *l, port: 0x2}
anything: ["x\\ty", 'z', 1.5e3, ~, true]
password: |
  long
""",
    "json": """\
{"name": "oak", "either": {"kind": "leaf", "port": 3},
 "tagged": [{"kind": "twig", "leaves": {"a": {"kind": "leaf"}, "c": "\\u006fak", "d": [1, 2]}}],
 "anything": [1.5e3, null, true, "x\\ty"], "password": "long"}
""",
    "toml": """\
name = "oak"
either = {kind = "leaf", port = 3}
anything = [1.5e3, true, 'x', "\\t", [[1], {a.b = 1}], 07:32:00]
password = \"\"\"
long\"\"\"
[[tagged]]
kind = "twig"
leaves.a.kind = "leaf"
leaves."c d" = "oak"
[[tagged]]
kind = "leaf"
""",
}


def said(text: str, syntax: Syntax = "yaml") -> str:
    """Give the first thing that is said of a document, or nothing."""
    started = time.process_time()
    try:
        loads(text, Tree, syntax=syntax)
    except DocumentError as error:
        for problem in error.problems:
            assert problem.place
            assert str(problem).isprintable()
        return str(error.problems[0])
    finally:
        assert time.process_time() - started < 5
    return ""


MANY = 100_000
DEEP = "more than 64 levels of nesting"
LARGE = "more than 1,000,000 values"


@pytest.mark.parametrize(
    ("syntax", "text", "expected"),
    [
        ("yaml", "[" * MANY, DEEP),
        ("yaml", "{a: " * MANY, DEEP),
        ("yaml", "- " * MANY, DEEP),
        ("yaml", "? " * MANY, DEEP),
        ("yaml", "\n".join(" " * depth + "a:" for depth in range(1000)), DEEP),
        ("json", "[" * MANY, DEEP),
        ("json", '{"a":' * MANY, DEEP),
        ("json", "[" * 100 + "]" * 100, DEEP),
        ("toml", "a = " + "[" * MANY, DEEP),
        ("toml", "a = " + "[" * MANY + "]" * MANY, DEEP),
        ("toml", "a." * MANY + "a = 1", DEEP),
        ("toml", "[" + "a." * MANY + "a]", DEEP),
        ("toml", '"a" . ' * MANY + "a = 1", DEEP),
        ("toml", f"[{'a.' * 40}a]\n{'b.' * 40}b = 1", DEEP),
        ("toml", "a.b = " + "{a.b = " * 40 + "1" + "}" * 40, DEEP),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else None,
)
def test_nesting_is_bounded(syntax: Syntax, text: str, expected: str) -> None:
    """No depth of brackets, indents, dots or tables reaches the recursion limit."""
    assert expected in said(text, syntax)


def chain(first: str, link: str, length: int) -> str:
    """Write a chain of anchors, each made of the one before."""
    return f"a0: &a0 {first}\n" + "".join(f"a{n}: &a{n} {link.replace('@', f'*a{n - 1}')}\n" for n in range(1, length))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (chain("[x,x,x,x,x,x,x,x,x]", "[@,@,@,@,@,@,@,@,@]", 30), LARGE),
        (chain("{x: 1}", "{x: @, y: @}", 60), LARGE),
        (chain("{x: 1}", "{<<: [@, @], y: 1}", 60), LARGE),
        (chain("[x]", "[@]", 10_000), DEEP),
        (f"a: &a [{'x,' * 1100}x]\nb: [{'*a,' * 1100}x]", LARGE),
    ],
    ids=["laughs", "doubling", "merges", "deep", "flat"],
)
def test_alias_bombs_are_bounded(text: str, expected: str) -> None:
    """What aliases stand for is counted, not made."""
    assert expected in said(text)


YAML_CASES = {
    "alias of itself": ("anything: &a [*a]", "1:15: anything[0]: found the alias *a; allowed: an alias of something complete"),
    "merge of itself": ("anything: &a {<<: *a}", "1:19: anything: found the alias *a; allowed: an alias of something"),
    "unknown alias": ("either: &leaf 1\nname: *laef", "2:7: name: found the alias *laef; allowed: an anchor that stands above; did you mean 'leaf'?"),
    "python tag": ("name: !!python/object/apply:os.system [ls]", "1:7: name: found the tag !!python/object/apply:os.system; allowed: no tags"),
    "binary": ("name: !!binary aGk=", "1:7: name: found the tag !!binary; allowed: no tags; write text in quotes"),
    "unknown tag": ("name: !mine x", "1:7: name: found the tag !mine; allowed: no tags"),
    "two documents": ("name: a\n---\nname: b", "2:1: (top level): found a second document; allowed: one document in a file"),
    "old YAML": ("%YAML 1.1\n---\nname: a", "1:1: (top level): found a directive for another version of YAML; allowed: YAML 1.2"),
    "nothing": ("", "1:1: (top level): found nothing; allowed: a mapping"),
    "comment": ("# x\n", "1:1: (top level): found nothing; allowed: a mapping"),
    "null": ("~", "1:1: (top level): found nothing; allowed: a mapping"),
    "list": ("\n- a", "2:1: (top level): found a list; allowed: a mapping"),
    "scalar": ("a", "1:1: (top level): found text; allowed: a mapping"),
    "refused scalar": ("0123", "1:1: (top level): found text; allowed: a mapping"),
    "number as key": ("anything: {1: x}", "1:12: anything.1: found a number as a key; allowed: text; write the key in quotes"),
    "truth as key": ("anything: {true: x}", "1:12: anything.True: found true as a key; allowed: text"),
    "null as key": ("anything: {~: x}", "1:12: anything['?']: found nothing as a key; allowed: text"),
    "list as key": ("anything: {[a]: x}", "1:12: anything['?']: found a list as a key; allowed: text"),
    "mapping as key": ("anything:\n  ? {a: 1}\n  : {b: 2}", "2:5: anything['?']: found a mapping as a key; allowed: text"),
    "refused key": ("anything: {0123: x}", "1:12: anything['?']: found '0123'; allowed: a number without leading zeros"),
    "same key twice": ("anything: {a: 1,\n a: 2}", "2:2: anything.a: found this key a second time; allowed: each key once; it is in line 1 too"),
    "merge twice": ("anything: {<<: {}, <<: {}}", "1:20: anything['<<']: found this key a second time; allowed: each key once"),
    "merge of a scalar": ("anything: {<<: 1}", "1:16: anything['<<']: found a number to be merged; allowed: a mapping or"),
    "octal": ("anything: 0644", "1:11: anything: found '0644'; allowed: a number without leading zeros; write octal numbers as 0o17"),
    "huge number": (f"anything: {'9' * MANY}", "1:11: anything: found '99999"),
    "large number": ("anything: -9223372036854775809", "1:11: anything: found -9223372036854775809; allowed: a whole number that fits 64 bits"),
    "infinity": ("anything: -.inf", "1:11: anything: found -inf; allowed: a finite number"),
    "overflow": ("anything: 1e999", "1:11: anything: found inf; allowed: a finite number"),
    "surrogate": ('anything: "\\ud800"', "1:14: anything: found invalid Unicode character escape code (while parsing a quoted scalar of line 1)"),
    "raw surrogate": ("anything: \ud800", "1:11: (top level): found the sign '\\ud800'; allowed: printable Unicode"),
    "tab": ("\tname: a", "1:1: (top level): found character that cannot start any token"),
    "unclosed": ("name: [a", "2:1: name[1]: did not find expected ',' or ']'"),
    "stray colon": ("name: a: b", "1:8: (top level): mapping values are not allowed in this context"),
}  # fmt: skip


@pytest.mark.parametrize("name", YAML_CASES)
def test_yaml_that_is_refused(name: str) -> None:
    """What is wrong with the YAML itself has its place and its words."""
    text, expected = YAML_CASES[name]
    assert said(text).removeprefix("<text>:").startswith(expected)


JSON_CASES = {
    "nothing": (" \n", "1:1: (top level): found nothing; allowed: a mapping"),
    "list": (" []", "1:2: (top level): found a list; allowed: a mapping"),
    "two": ("{}\n{}", "2:1: (top level): extra data; allowed: JSON"),
    "unclosed": ('{"name": "a', "1:10: (top level): unterminated string starting; allowed: JSON"),
    "comma": ('{"name": "a",}', "1:1"),
    "same key twice": ('{"name": "a",\n"n\\u0061me": 1}', "2:1: name: found this key a second time; allowed: each key once; it is in line 1 too"),
    "nan": ('{"anything": [NaN]}', "1:15: anything[0]: found nan; allowed: a finite number"),
    "infinity": ('{"anything": -Infinity}', "1:14: anything: found -inf; allowed: a finite number"),
    "overflow": ('{"anything": 1e999}', "1:14: anything: found inf; allowed: a finite number"),
    "huge number": (f'{{"anything": {"9" * MANY}}}', "1:14: anything: found '9999"),
    "surrogate": ('{"anything": "\\ud800"}', "1:14: anything: found '\\ud800'; allowed: Unicode text"),
    "surrogate in a key": ('{"anything": {"\\ud800": 1}}', "1:15: anything['?']: found '\\ud800'; allowed: Unicode text"),
    "merge key": ('{"<<": {"name": "A"}}', "1:2: ['<<']: unknown key; allowed: name"),
}  # fmt: skip


@pytest.mark.parametrize("name", JSON_CASES)
def test_json_that_is_refused(name: str) -> None:
    """What is wrong with the JSON itself has its place and its words."""
    text, expected = JSON_CASES[name]
    assert said(text, "json").removeprefix("<text>:").startswith(expected)


TOML_CASES = {
    "nothing": ("# x\n", "1:1: (top level): found nothing; allowed: a mapping"),
    "same key twice": ('name = "a"\nname = 1', "2:1: (top level): found name a second time; allowed: each table and key once"),
    "unclosed": ('name = "a', "1:10: (top level): unterminated string; allowed: TOML 1.0"),
    "end": ("name =", "1:7: (top level): invalid value; allowed: TOML 1.0"),
    "date": ("anything = [1979-05-27]", "1:13: anything[0]: found a date or time; allowed: text; write dates and times in quotes"),
    "moment": ("anything = 1979-05-27 07:32:00Z", "1:12: anything: found a date or time"),
    "infinity": ("anything = +inf", "1:12: anything: found inf; allowed: a finite number"),
    "huge number": (f"anything = {'9' * MANY}", "1:12: (top level): found a number that is too long; allowed: a whole number"),
    "huge hexadecimal": (f"anything = 0x{'9' * MANY}", "1:12: anything: found a very large number; allowed: a whole number"),
    "large number": ("anything = 9223372036854775808", "1:12: anything: found 9223372036854775808; allowed: a whole number"),
}  # fmt: skip


@pytest.mark.parametrize("name", TOML_CASES)
def test_toml_that_is_refused(name: str) -> None:
    """What is wrong with the TOML itself has its place and its words."""
    text, expected = TOML_CASES[name]
    assert said(text, "toml").removeprefix("<text>:").startswith(expected)


@pytest.mark.parametrize(
    "piece", ['"', "'", '"\\"', '""" ', "''' ", "a ", 'a = "  ', "a.", "[a]\n", "[[a]]\n", "#", "\\"]
)
@pytest.mark.parametrize("before", ["", "a = ", 'a = "', 'a = """'])
def test_no_toml_takes_more_than_its_length(before: str, piece: str) -> None:
    """The scanner in front of the TOML reader never goes back over what it has seen."""
    said(before + piece * 3000, "toml")


def test_a_thousand_errors_are_enough() -> None:
    """Of more errors than anybody reads, the rest is counted."""

    class Numbers(RootModel[dict[str, int]]):
        pass

    with pytest.raises(DocumentError) as caught:
        loads("".join(f"k{n}: x\n" for n in range(1003)), Numbers)
    assert len(caught.value.problems) == 1001
    assert str(caught.value.problems[-1]) == "<text>:1000:7: (top level): found 3 more problems; mend those above first"


def test_long_words_are_not_compared() -> None:
    """Looking for the nearest spelling of a text takes no longer when the text is long."""
    said(f"{{k{'k' * 900}: 1, either: {{kind: {'l' * 1_000_000}}}}}")


# -- anything at all ------------------------------------------------------------------------------

SIGNS = "{}[]:,-?&*!|>'\"%@`#=.\\ \n\t<~019aenxy\u00e9\u2028\x85\ufeff"


@settings(max_examples=300)
@given(text=st.one_of(st.text(), st.text(SIGNS)), syntax=st.sampled_from(SYNTAXES))
@pytest.mark.slow
def test_any_text_gives_a_design_or_problems(text: str, syntax: Syntax) -> None:
    """No text whatever gives anything but a design or problems with places."""
    said(text, syntax)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, Syntax]:
    """Draw a valid document with a few pieces taken out, put in or moved."""
    syntax = draw(st.sampled_from(SYNTAXES))
    text = VALID[syntax]
    for _ in range(draw(st.integers(1, 4))):
        at, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
        end = min(end, at + 12)
        new = draw(
            st.one_of(
                st.text(SIGNS, max_size=3),
                st.sampled_from([text[at:end] * 2, "*l", "0x", "&l ", "<<: *l", "\n\n", "1979-05-27"]),
            )
        )
        text = text[:at] + new + text[draw(st.sampled_from((at, end))) :]
    return text, syntax


@settings(max_examples=600)
@given(document=mutated())
@pytest.mark.slow
def test_any_mutated_document_gives_a_design_or_problems(document: tuple[str, Syntax]) -> None:
    """No slip of a pen in a valid document gives anything but a design or problems with places."""
    said(*document)


def test_the_documents_to_mutate_are_valid() -> None:
    """What the mutations start from is as valid as it can be: TOML has times, which no design has."""
    assert [said(VALID[syntax], syntax) for syntax in ("yaml", "json")] == ["", ""]  # type: ignore[index,arg-type]
    assert said(VALID["toml"], "toml").startswith("<text>:3:55: anything[5]: found a date or time")


JSON_DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(data=st.dictionaries(st.text(), JSON_DATA, max_size=4))
@pytest.mark.slow
def test_json_is_read_as_the_standard_library_reads_it(data: dict[str, Any]) -> None:
    """What Python writes as JSON, or ruamel as YAML, is read back."""
    import io
    import json

    from ruamel.yaml import YAML

    model = RootModel[dict[str, Any]]
    assert loads(json.dumps(data), model, syntax="json").root == data
    stream = io.StringIO()
    YAML(typ="safe").dump(data, stream)
    assert loads(stream.getvalue(), model).root == data
