"""Quoting: nothing a value holds gets out of its place, and what a dialect cannot say is refused."""

from __future__ import annotations

import ast
import ipaddress
import json
import math
import re
import shlex
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from ruamel.yaml import YAML

from generators import quoting
from rmqha_model.errors import GenerationError
from rmqha_model.names import is_free_text

PIECES = [
    *" '\"\\$#!;&|<>(){}[]*?~`%@^=+-,:/._",
    *("\n", "\r", "\t", "\0", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\u202e", "\ufeff", "\ud800", "\udfff"),
    *("é", "ß", "ﬂ°°35¶ß", "😀", "\u00a0", "a", "B", "0", "\\n", "\\u000a", "\\x41", "''", '"""', "\\"),
    *("{{", "}}", "{%", "%}", "{#", "$(", "${", "$HOME", "`id`", "%h", "//", "*/", "-- ", "encrypted:", "style", "1. "),
]
anything = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=6).map("".join)
lines = anything.filter(is_free_text)
unicode = anything.filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text))

SEVERAL_LINES = {"comment", "verbatim"}


def refusal(dialect: Callable[..., object], value: object, **options: object) -> str:
    """What *dialect* says as it refuses *value*, nothing if it does not; any other exception is an error."""
    try:
        dialect(value, **options)
    except GenerationError as error:
        return str(error)
    return ""


def refuses(dialect: Callable[..., object], value: object, **options: object) -> bool:
    """Tell whether *dialect* refuses *value*."""
    return bool(refusal(dialect, value, **options))


@pytest.mark.parametrize("name", sorted(quoting.DIALECTS))
@given(value=anything)
def test_no_value_makes_a_line(name: str, value: str) -> None:
    """What a dialect gives has no character that ends a line, moves a cursor or turns the direction of reading."""
    dialect = quoting.DIALECTS[name]
    if refuses(dialect, value):
        return
    rows = dialect(value).split("\n") if name in SEVERAL_LINES else [dialect(value)]
    # Before it is written as YAML, Prometheus's text may still hold what YAML escapes.
    assert name == "prometheus_text" or all(is_free_text(row.replace("\t", "")) for row in rows)


@pytest.mark.parametrize("name", sorted(quoting.DIALECTS))
@pytest.mark.parametrize("value", ["tr0ub4dor\0&3", "tr0ub4dor\ud800&3", "-tr0ub4dor&3\x1b#'$("])
def test_refusal_does_not_show_the_value(name: str, value: str) -> None:
    """A refused value may be a password: the error tells its length and the character, not the value."""
    said = refusal(quoting.DIALECTS[name], value)
    assert "tr0ub4dor" not in said
    assert "&3" not in said


def test_refusal_names_dialect_character_and_place() -> None:
    """The error says what stands where, and what is allowed."""
    assert refusal(quoting.haproxy, "ab\ncd") == (
        "a value of 5 characters cannot be written as a word of haproxy.cfg: "
        "character 3 is '\\n' (U+000A); allowed: one line of printable characters"
    )


@pytest.mark.parametrize("name", sorted(set(quoting.DIALECTS) - {"ansible", "json", "yaml", "keepalived_command"}))
@pytest.mark.parametrize("value", [None, True, 1.5, b"x", ["x"], {"x": 1}, object()])
def test_only_text_numbers_and_addresses_are_written(name: str, value: object) -> None:
    """A list, a missing value or an object that slipped into a template is refused, not written as Python shows it."""
    assert refuses(quoting.DIALECTS[name], value)


def test_numbers_addresses_and_paths_are_written() -> None:
    """What a model holds besides text needs no conversion."""
    assert quoting.shell(5) == "5"
    assert quoting.nft(ipaddress.ip_network("10.0.0.0/8")) == "10.0.0.0/8"
    assert quoting.hosts(ipaddress.ip_interface("fd00::1/64").ip) == "fd00::1"
    assert quoting.haproxy(PurePosixPath("/etc/haproxy/a b")) == "'/etc/haproxy/a b'"


PLAIN = ["abc", "10.0.0.1:5672", "/etc/haproxy/check.sh", "rabbit@node-1", "::1", "a,b+c", "123456"]


@pytest.mark.parametrize(
    "name", ["haproxy", "keepalived", "nft", "hosts", "shell", "systemd_word", "rabbitmq_conf", "token"]
)
@pytest.mark.parametrize("value", PLAIN)
def test_plain_words_stay_plain(name: str, value: str) -> None:
    """A word that needs no quotes gets none: files look as people write them."""
    assert quoting.DIALECTS[name](value) == value


@given(value=lines)
def test_one_line_is_never_refused(value: str) -> None:
    """Every line of text can be said in shell, rsyslog, Markdown, diagrams, XML and units' words."""
    for name in ("shell", "rsyslog", "markdown", "markdown_code", "mermaid", "dot", "xml", "regex", "systemd_exec"):
        assert not refuses(quoting.DIALECTS[name], value)


@given(value=unicode)
def test_any_text_can_be_a_literal(value: str) -> None:
    """Every text can be said in every programming language, JSON, YAML and PromQL, in ASCII."""
    for name in ("python_string", "java_string", "csharp_string", "go_string", "erlang_string", "erlang_binary"):
        assert quoting.DIALECTS[name](value).isascii()
    for name in ("json", "yaml", "ansible", "promql"):
        assert quoting.DIALECTS[name](value).isascii()


@given(value=anything)
def test_haproxy_refuses_what_ends_arguments(value: str) -> None:
    """HAProxy takes any line but the empty one."""
    assert refuses(quoting.haproxy, value) == (not value or not is_free_text(value))
    assert refuses(quoting.haproxy_format, value) == (not value or not is_free_text(value))


@given(value=anything)
def test_keepalived_refuses_what_it_would_read_otherwise(value: str) -> None:
    """Quotes, backslashes, references and lone braces have no form in keepalived.conf."""
    otherwise = any(c in value for c in '"\\') or re.search(r"\$[A-Za-z_{]", value) or value in {"", "{", "}"}
    assert refuses(quoting.keepalived, value) == bool(otherwise or not is_free_text(value))


def test_keepalived_refuses_what_does_not_fit_on_a_line() -> None:
    """A line of keepalived.conf ends after 1023 bytes, so a longer value would make a second one."""
    assert not refuses(quoting.keepalived, "é" * 450)
    assert refuses(quoting.keepalived, "é" * 451)
    assert not refuses(quoting.keepalived, "e" * 900)
    assert refuses(quoting.keepalived, "e" * 901)
    assert refuses(quoting.keepalived_command, ["/bin/true", "$" * 250])


def test_keepalived_command_is_one_line() -> None:
    """A command is its words, each kept whole; no words are no command."""
    assert quoting.keepalived_command("/etc/keepalived/check.sh") == '"/etc/keepalived/check.sh"'
    written = """"/c 'a b' 'it'"'"\\047"'"'s' '\\0445' ''\""""
    assert quoting.keepalived_command(["/c", "a b", "it's", "$5", ""]) == written
    assert refuses(quoting.keepalived_command, [])
    assert refuses(quoting.keepalived_command, [""])


@given(value=anything)
def test_keepalived_command_takes_all_but_backslashes(value: str) -> None:
    """Before and since 2.3.2 keepalived reads a backslash differently; everything else has a form for both."""
    assert refuses(quoting.keepalived_command, ["/bin/true", value]) == (not is_free_text(value) or "\\" in value)


@given(value=anything)
def test_rabbitmq_conf_refuses_what_the_grammar_cannot_say(value: str) -> None:
    """Comments and blanks at the ends have no form without quotes; references and what is not ASCII have none."""
    never = not is_free_text(value) or not value.isascii() or "$(" in value
    bare = value and "#" not in value and value == value.strip() and not value.startswith("'")
    assert refuses(quoting.rabbitmq_conf, value) == bool(never or not bare)
    assert refuses(quoting.rabbitmq_conf, value, quotes=True) == bool(never or not (bare or "'" not in value))


@given(value=lines.filter(str.isascii))
def test_rabbitmq_conf_quotes_are_read_back(value: str) -> None:
    """The grammar that knows quotes (cuttlefish 3.4) reads back what is written with them."""
    if refuses(quoting.rabbitmq_conf, value, quotes=True):
        return
    row = f"key = {quoting.rabbitmq_conf(value, quotes=True)} # comment"
    setting = re.fullmatch(r"key[ \t]*=[ \t]*(?:'(?P<quoted>[^']*)'|(?P<bare>(?:(?![ \t]*#).)+))[ \t]*(?:#.*)?", row)
    assert setting
    assert (setting["bare"] if setting["quoted"] is None else setting["quoted"]) == value


def test_rabbitmq_conf_secret_is_not_taken_for_encrypted() -> None:
    """A password that starts like a tag would be decrypted, so it is refused."""
    assert refuses(quoting.rabbitmq_conf_secret, "encrypted:abc")
    assert refuses(quoting.rabbitmq_conf_secret, "abc1_:def")
    assert quoting.rabbitmq_conf_secret("a-b:c") == "a-b:c"
    assert quoting.rabbitmq_conf_secret("a#b", quotes=True) == "'a#b'"


@given(value=anything)
def test_rabbitmq_conf_key_is_one_part(value: str) -> None:
    """A dot in a part of a key is escaped, and nothing but a word is let through."""
    assert refuses(quoting.rabbitmq_conf_key, value) == (not re.fullmatch(r"[A-Za-z0-9_.-]+", value))
    assert quoting.rabbitmq_conf_key("a.b") == r"a\.b"


@given(value=anything)
def test_bare_words_are_words(value: str) -> None:
    """Where there is no quoting a value is a plain word or refused, and no option."""
    plain = re.fullmatch(r"[A-Za-z0-9_./:][A-Za-z0-9_./:@+,-]*", value)
    assert refuses(quoting.token, value) == refuses(quoting.hosts, value) == refuses(quoting.nft, value) == (not plain)


@given(value=anything)
def test_units_refuse_what_is_not_kept(value: str) -> None:
    """A text of a unit file keeps no blanks at its ends, and goes on after a backslash."""
    lost = not value or value != value.strip(" ") or value.endswith("\\") or not is_free_text(value)
    assert refuses(quoting.systemd, value) == lost


@given(value=anything)
def test_nft_comment_refuses_its_own_quote(value: str) -> None:
    """A comment of a rule holds at most 128 bytes and no double quote."""
    assert refuses(quoting.nft_comment, value) == (
        not is_free_text(value) or '"' in value or len(value.encode("utf-8", "surrogatepass")) > 128
    )
    assert not refuses(quoting.nft_comment, "é" * 64)
    assert refuses(quoting.nft_comment, "é" * 64 + "x")


@given(value=lines)
def test_shell_words_are_read_back(value: str) -> None:
    """A shell word is one word, with the value."""
    assert shlex.split(f"a {quoting.shell(value)} b", posix=True) == ["a", value, "b"]


@given(value=unicode)
def test_python_literal_is_read_back(value: str) -> None:
    """A Python literal is the value."""
    assert ast.literal_eval(quoting.python_string(value)) == value


def unescaped(literal: str, escapes: str, short: str = 'ntr"\\') -> str:
    """Read a literal of printable ASCII between double quotes, which knows *escapes* and the *short* ones."""
    assert re.fullmatch(rf'"(?:[ !#-\[\]-~]|{escapes}|\\[{re.escape(short)}])*"', literal)
    named = {"n": "\n", "t": "\t", "r": "\r"}

    def one(match: re.Match[str]) -> str:
        return named.get(match[1], match[1]) if len(match[1]) == 1 else chr(int(match[1][1:], 16))

    read = re.sub(r"\\(U[0-9a-f]{8}|u[0-9a-f]{4}|.)", one, literal[1:-1])
    return read.encode("utf-16", "surrogatepass").decode("utf-16")


@given(value=unicode)
def test_go_csharp_and_promql_literals_are_read_back(value: str) -> None:
    r"""By the languages' rules the literal is the value: ``\u`` has four digits there, ``\U`` eight."""
    for dialect in (quoting.go_string, quoting.csharp_string, quoting.promql):
        assert unescaped(dialect(value), r"\\u(?!d[89a-f])[0-9a-f]{4}|\\U00[01][0-9a-f]{5}") == value


@given(value=unicode)
def test_java_literal_has_no_early_escape(value: str) -> None:
    r"""Java reads ``\u`` before it reads literals, so no such escape may stand for what a literal cannot hold."""
    for digits in re.findall(r"(?<!\\)(?:\\\\)*\\u([0-9a-f]{4})", quoting.java_string(value)):
        assert int(digits, 16) > 0xFF


@given(value=unicode)
def test_json_is_read_back(value: str) -> None:
    """JSON of a text, or of something that holds it, is one line that is read back."""
    for whole in (value, {value: [value, 1, None, True, {}]}):
        assert json.loads(quoting.json(whole)) == whole


@pytest.mark.parametrize(
    "value", ["\ud800", ["\udc00\ud800"], {"\ud83d": 1}, "\\\ud800", math.nan, math.inf, {1, 2}, b"x"]
)
def test_json_refuses_what_it_cannot_say(value: object) -> None:
    """Lone surrogates, infinities and types that JSON lacks are refused; pairs and escaped look-alikes are not."""
    assert refuses(quoting.json, value)
    assert json.loads(quoting.json(["😀", "\\ud800", "\\\\udc00"])) == ["😀", "\\ud800", "\\\\udc00"]


def yaml_readers() -> dict[str, Callable[[str], Any]]:
    """Every reader of YAML at hand: versions 1.1 and 1.2, in Python and in C."""
    readers: dict[str, Callable[[str], Any]] = {"pyyaml": yaml.safe_load}
    for version in ("1.1", "1.2"):
        for pure in (True, False):
            ruamel = YAML(typ="safe", pure=pure)
            if pure:
                ruamel.version = version
            readers[f"ruamel {version} {pure}"] = ruamel.load
    if yaml.__with_libyaml__:
        readers["libyaml"] = lambda text: yaml.load(text, Loader=yaml.CSafeLoader)
    return readers


@settings(max_examples=25)
@given(value=unicode)
def test_yaml_is_read_back(value: str) -> None:
    """YAML of a text, alone, as a key, in a list, is read back by every reader."""
    whole = {"first key": value, value: [value, {"b": value}], "last key": 1}
    for name, read in yaml_readers().items():
        document = (
            f"first key: {quoting.yaml(value)}\n? {quoting.yaml(value)}\n: {quoting.yaml(whole[value])}\nlast key: 1\n"
        )
        assert read(document) == whole, name
        assert read(f"x: {quoting.yaml(whole)}\n") == {"x": whole}, name


@pytest.mark.parametrize(
    "value",
    [0, -5, 1.5, 1e16, 1e-7, 1.5e300, True, False, None, [], {}, {"k" * 2000: 1}, "", "yes", "1:30", "~", "0o7"],
)
def test_yaml_keeps_types(value: object) -> None:
    """A number stays a number and a text a text, in YAML 1.1 as well."""
    for read in yaml_readers().values():
        found = read(f"a: {quoting.yaml([value])}")["a"][0]
        assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("value", [math.nan, math.inf, {1}, b"x", object(), "\ud800"])
def test_yaml_refuses_what_it_cannot_say(value: object) -> None:
    """What has no plain form in YAML is refused."""
    assert refuses(quoting.yaml, value)


class Unsafe(str):
    """What Ansible's reader makes of ``!unsafe``: text that is never templated."""

    __slots__ = ()


class AnsibleLoader(yaml.SafeLoader):
    """A reader that knows the tag ``!unsafe``."""


AnsibleLoader.add_constructor("!unsafe", lambda _, node: Unsafe(node.value))


@given(value=unicode)
def test_ansible_templates_are_unsafe(value: str) -> None:
    """Exactly what Ansible would template is tagged, and all of it is read back."""
    for found in yaml.load(quoting.ansible([value, {"a": value}]), Loader=AnsibleLoader):  # noqa: S506
        text = found["a"] if isinstance(found, dict) else found
        assert text == value
        assert isinstance(text, Unsafe) == any(start in value for start in ("{{", "{%", "{#"))


@given(value=lines)
def test_xml_is_read_back(value: str) -> None:
    """Text of elements and of both kinds of attributes is read back."""
    if any(c in value for c in "\ufffe\uffff"):
        return
    text = quoting.xml(value)
    read = ET.fromstring(f"<a b=\"{text}\" c='{text}'>{text}</a>")  # noqa: S314
    assert (read.text or "", read.get("b"), read.get("c")) == (value, value, value)


@given(value=lines, other=lines)
def test_regex_matches_the_text_alone(value: str, other: str) -> None:
    """A regular expression made of a text matches that text and no other."""
    pattern = re.compile(quoting.regex(value))
    assert pattern.fullmatch(value)
    assert (pattern.fullmatch(other) is not None) == (other == value)


MARKDOWN = MarkdownIt("commonmark").enable("table").enable("strikethrough")


def shown(source: str) -> str:
    """Text that a reader of *source* sees, links and all."""
    return "".join(ET.fromstring(f"<x>{MARKDOWN.render(source)}</x>").itertext())  # noqa: S314


@given(value=lines)
def test_markdown_shows_the_value(value: str) -> None:
    """Prose and code show the value, in a paragraph, a list and a table, and make nothing else of it."""
    if any(c in value for c in "\ufffe\uffff"):
        return
    prose, code = quoting.markdown(value), quoting.markdown_code(value)
    assert shown(f"{prose}\n").strip() == value.strip()  # this renderer drops all blanks of Unicode
    assert shown(f"- {code} {prose} end\n").strip("\n") == f"{value} {value.strip(' ')} end"
    table = shown(f"| a | b |\n|---|---|\n| {code} | {prose} |\n| end | end |\n")
    assert re.sub(r"\s", "", table) == re.sub(r"\s", "", f"ab{value}{value}endend")


@given(value=lines)
def test_mermaid_label_is_read_back(value: str) -> None:
    """A label holds only what Mermaid takes as it is, and its entities give the value."""
    label = quoting.mermaid(value)
    assert re.fullmatch(r'"(?:[\w .,:/()+=-]|#[0-9]+;)*"', label)
    assert not re.search(r"style|classDef|ﬂ|ß|://|:fa-|www\.|^\"[ +-]|^\"[0-9]+[.)]( |\"$)", label)
    assert re.sub(r"#([0-9]+);", lambda match: chr(int(match[1])), label[1:-1]) == value


def test_diagrams_take_several_lines() -> None:
    """A label of several lines is one line of source."""
    assert quoting.mermaid("a\nb&c") == '"a<br/>b#38;c"'
    assert quoting.dot("a\nb&c") == r'"a\nb&amp;c"'


@given(value=anything)
def test_comment_lines_are_comments(value: str) -> None:
    """Each line of a comment starts as one, fits on a line, and joins nothing to it."""
    if refuses(quoting.comment, value):
        return
    for row in quoting.comment(value, "// ").split("\n"):
        assert row.startswith("//")
        assert len(row) <= 105
        assert not row.endswith("\\")
        assert "\\u" not in row


def test_comment_is_wrapped() -> None:
    """Lines of a text stay lines, long ones are broken, empty ones stay."""
    rows = quoting.comment("one\n\n" + "word " * 30 + "\u2028two").split("\n")
    assert rows[:2] == ["# one", "#"]
    assert rows[-1] == "# two"
    assert max(map(len, rows)) <= 102


def test_verbatim_is_for_whole_lines() -> None:
    """Lines that are quoted already pass as they are; terminal escapes and directional overrides do not."""
    assert quoting.verbatim("a 'b'\n\tc\n") == "a 'b'\n\tc\n"
    assert refuses(quoting.verbatim, "a\rb")
    assert refuses(quoting.verbatim, "a\x1b[2Jb")
    assert refuses(quoting.verbatim, "a\u202eb")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("abc", "abc"),
        ("rabbit@a", "'rabbit@a'"),
        ("when", "'when'"),
        ("Abc", "'Abc'"),
        ("", "''"),
        ("a'\\", r"'a\'\\'"),
    ],
)
def test_erlang_atoms_are_bare_where_they_can_be(value: str, written: str) -> None:
    """Only a word that is no variable and no reserved word needs no quotes; an atom has at most 255 characters."""
    assert quoting.erlang_atom(value) == written
    assert refuses(quoting.erlang_atom, "x" * 256)


def test_erlang_binaries_are_utf8() -> None:
    """What is not ASCII needs the type, or each character would be cut to one byte."""
    assert quoting.erlang_binary('a"b') == r'<<"a\"b">>'
    assert quoting.erlang_binary("ż") == r'<<"\x{17c}"/utf8>>'


def test_prometheus_text_has_no_action_of_its_own() -> None:
    """Each brace is written by itself, so that one at the end joins none of the template's."""
    assert quoting.prometheus_text("a{{b}}{") == 'a{{"{"}}{{"{"}}b}}{{"{"}}'


def test_what_is_made_is_known_as_quoted() -> None:
    """All dialects give quoted text, but the two whose result is still to be quoted for the file it goes into."""
    plain = {name for name, dialect in quoting.DIALECTS.items() if not isinstance(dialect("a"), quoting.Quoted)}
    assert plain == {"prometheus_text", "regex"}
