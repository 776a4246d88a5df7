"""Templates: what they are given, what they refuse, and where an error says it was."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from generators import quoting, render
from rmqha_model.errors import GenerationError


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose files are this package's templates for the length of a test."""
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "base.conf.j2").write_text("first {{ name }}\n{% block body %}\ndefault\n{% endblock %}\nlast\n", "utf-8")
    monkeypatch.setattr(render, "TEMPLATES", folder)
    render.environment.cache_clear()
    render._sandbox.cache_clear()
    yield folder
    render.environment.cache_clear()
    render._sandbox.cache_clear()


def filled(templates: Path, source: str, **context: object) -> str:
    """What a template of this source gives."""
    (templates / "t.conf.j2").write_text(source, "utf-8")
    render.environment.cache_clear()  # it never reads a template twice
    return render.render("t.conf.j2", **context)


def refused(templates: Path, source: str, **context: object) -> str:
    """What the error says about a template of this source."""
    with pytest.raises(GenerationError) as caught:
        filled(templates, source, **context)
    return str(caught.value)


def test_environment_is_strict_and_shared() -> None:
    """There is one environment; undefined names are errors, nothing is escaped as HTML, blocks leave no blank lines."""
    env = render.environment()
    assert env is render.environment()
    assert env.undefined is jinja2.StrictUndefined
    assert (env.autoescape, env.trim_blocks, env.lstrip_blocks, env.keep_trailing_newline) == (False, True, True, True)


@pytest.mark.parametrize("make", [render.environment, render._sandbox])
def test_every_dialect_is_a_filter(make: Callable[[], jinja2.Environment]) -> None:
    """A template can use each function of the quoting package under its own name."""
    env = make()
    assert {name: env.filters[name] for name in quoting.DIALECTS} == dict(quoting.DIALECTS)


@pytest.mark.parametrize("template", render.environment().list_templates())
def test_templates_can_be_read(template: str) -> None:
    """Every template of the package is valid Jinja2."""
    render.environment().get_template(template)


@pytest.mark.parametrize(
    "source", ["a", "a\n", "a\n\n\n", "a{# end #}\n{# end #}\n", "{% if true %}\na\n{% endif %}\n"]
)
def test_text_ends_with_one_line_break(templates: Path, source: str) -> None:
    """However a template ends, its text ends with exactly one line break."""
    assert filled(templates, source) == "a\n"


def test_filters_quote(templates: Path) -> None:
    """A value goes through the filter of the dialect it is written in."""
    source = "a {{ value | haproxy }}\nb {{ value | yaml }}\nc {{ words | keepalived_command }}\nd {{ n }}\n"
    text = filled(templates, source, value="it's", words=["/c", "a b"], n=5)
    assert text == "a 'it'\"'\"'s'\nb \"it's\"\nc \"/c 'a b'\"\nd 5\n"


@pytest.mark.parametrize(
    "value", ["a b", "a\nb", "$(id)", "`id`", "a;b", "'", "-x", "@x", "é", "{", "a\\", "x\u2028", "*"]
)
def test_value_without_filter_must_be_a_plain_word(templates: Path, value: str) -> None:
    """A forgotten filter is an error at its line, which does not show the value, not an injection."""
    said = refused(templates, "one\n{{ value }}\n", value=value)
    assert said == (
        f"t.conf.j2:2: a value of {len(value)} characters, which is no plain word, is put in without a filter; "
        "allowed: the filter of the file's dialect, or `verbatim` for lines that are quoted already"
    )


@given(value=st.text())
def test_value_without_filter_makes_no_line(value: str) -> None:
    """Whatever the value, without a filter it is a word of one line or refused."""
    template = render.environment().from_string("[{{ value }}]")
    try:
        text = template.render(value=value)
    except GenerationError:
        return
    assert text == f"[{value}]"
    assert not set(value) & set("\n\r\t '\"\\$`;&|<>(){}[]*?~#!%=")


@pytest.mark.parametrize(("value", "shown"), [("10.0.0.1:5672", "10.0.0.1:5672"), (7, "7"), (-1.5, "-1.5"), ("", "")])
def test_plain_words_and_numbers_need_no_filter(templates: Path, value: object, shown: str) -> None:
    """Names, addresses and numbers stand for themselves."""
    assert filled(templates, "[{{ value }}]", value=value) == f"[{shown}]\n"


@pytest.mark.parametrize("value", [None, True, False])
def test_missing_values_are_not_written(templates: Path, value: object) -> None:
    """``None`` or ``True`` in a file is a mistake of the template, told as one."""
    assert f"t.conf.j2:1: {value} is put in without a filter" in refused(templates, "{{ value }}", value=value)


def test_lines_made_elsewhere_are_put_in_on_purpose(templates: Path) -> None:
    """``verbatim`` marks text that is quoted already; it stays so when it is indented."""
    source = "{{ lines | verbatim | indent(2) }}\n{{ made }}\n"
    text = filled(templates, source, lines="a 'b'\nc", made=quoting.Quoted("x y"))
    assert text == "a 'b'\n  c\nx y\n"


def test_joined_words_are_as_safe_as_their_words(templates: Path) -> None:
    """Words and quoted values may be joined by anything the template says; one that is neither spoils the whole."""
    source = (
        "{{ names | join(' or ') }}\n{{ names | map('shell') | join(' ') }}\n{{ hosts | join(', ', attribute='n') }}\n"
    )
    assert filled(templates, source, names=["a", 5], hosts=[{"n": "x"}, {"n": "y"}]) == "a or 5\na 5\nx, y\n"
    assert "t.conf.j2:1: a value of 5 characters" in refused(templates, "{{ names | join(' ') }}", names=["a", "b;c"])
    assert "t.conf.j2:1: a value of 6 characters" in refused(templates, "{{ names | join(' ') }}", names=["a", None])


def test_undefined_names_are_told_with_their_line(templates: Path) -> None:
    """An undefined name or attribute is an error, also within a filter and in an included template."""
    assert refused(templates, "\n\n{{ nme }}\n") == "t.conf.j2:3: 'nme' is undefined"
    assert refused(templates, "\n{{ nme | shell }}\n") == "t.conf.j2:2: 'nme' is undefined"
    assert "t.conf.j2:1: 'dict object' has no attribute 'b'" in refused(templates, "{{ a.b | yaml }}", a={})
    assert refused(templates, "\n{% include 'base.conf.j2' %}\n") == "base.conf.j2:1: 'name' is undefined"


def test_values_a_dialect_refuses_are_told_with_their_line(templates: Path) -> None:
    """What a dialect cannot say is an error that names the line of the template and not the value."""
    said = refused(templates, "one\ntwo\n  pass {{ secret | keepalived }}\n", secret='hunter2"x')
    assert said == (
        "t.conf.j2:3: a value of 9 characters cannot be written as a word of keepalived.conf: "
        "character 8 is '\"' (U+0022); keepalived has no escape for it that holds everywhere"
    )


def test_broken_templates_are_told_with_their_line(templates: Path) -> None:
    """A template that is no Jinja2, or asks for one that is not there, is an error with its place."""
    assert refused(templates, "a\n{% if %}\n").startswith("t.conf.j2:2: Expected an expression")
    assert refused(templates, "a\n{{ x | haprxy }}\n", x=1) == "t.conf.j2:2: No filter named 'haprxy'."
    assert refused(templates, "a\n{% include 'none.j2' %}\n") == "t.conf.j2:2: there is no template 'none.j2'"
    with pytest.raises(GenerationError, match=r"^none\.j2: there is no template 'none\.j2'$"):
        render.render("none.j2")


def override(tmp_path: Path, source: str | bytes, **context: object) -> str:
    """What a user's own template of this source gives, or what the error says, without the folder's name."""
    path = tmp_path / "mine.j2"
    path.write_bytes(source.encode() if isinstance(source, str) else source)
    try:
        return render.render_override(path, **context)
    except GenerationError as error:
        return str(error).replace(f"{tmp_path}/", "")


def test_override_takes_the_place_of_a_template(templates: Path, tmp_path: Path) -> None:
    """A user's template has the same filters, and may extend and include those of the package."""
    assert override(tmp_path, "[{{ value | shell }}]\n\n", value="a b") == "['a b']\n"
    source = "{% extends 'base.conf.j2' %}\n{% block body %}\nmine\n{{ super() | verbatim }}{% endblock %}\n"
    assert override(tmp_path, source, name="n") == "first n\nmine\ndefault\nlast\n"
    assert templates.is_dir()


def test_override_errors_name_the_users_file(templates: Path, tmp_path: Path) -> None:
    """Whatever goes wrong in a user's template is told with file and line."""
    assert override(tmp_path, "a\n{{ b }}") == "mine.j2:2: 'b' is undefined"
    assert override(tmp_path, "a\n{% for %}") == "mine.j2:2: Expected an expression, got 'end of statement block'"
    assert override(tmp_path, "a\n\n{{ 1 // 0 }}") == "mine.j2:3: integer division or modulo by zero"
    assert override(tmp_path, "{{ 'a' + 1 }}") == 'mine.j2:1: can only concatenate str (not "int") to str'
    assert override(tmp_path, "{{ 'x'.index(a) }}", a="secret") == "mine.j2:1: ValueError in an expression"
    assert override(tmp_path, "\n{% include '../secrets' %}") == "mine.j2:2: there is no template '../secrets'"
    assert override(tmp_path, b"\xff") == "mine.j2: cannot be read as a template: it is not UTF-8"
    with pytest.raises(GenerationError, match=r"none\.j2: cannot be read as a template: No such file or directory$"):
        render.render_override(templates / "none.j2")


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ names.append(1) }}",
        "{{ render.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{{ range(10000000) | list | length }}",
        "{{ '{0.__class__}'.format(names) }}",
    ],
)
def test_override_runs_in_a_sandbox(templates: Path, tmp_path: Path, source: str) -> None:
    """A template from elsewhere reaches nothing behind the values, and changes none of them."""
    names = ["a"]
    assert override(tmp_path, source, names=names, render=render.render).startswith("mine.j2:1: ")
    assert names == ["a"]
    assert templates.is_dir()


@pytest.mark.slow
def test_rendering_loads_nothing_heavy() -> None:
    """Importing the renderer does not bring in what generation has no use for."""
    code = "import sys, generators.render; print(*(n for n in ('simpy', 'numpy', 'networkx') if n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
