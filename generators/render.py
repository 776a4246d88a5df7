"""Templates to text: the one Jinja2 environment, and the way a user's own template takes the place of ours.

Safe by default: what a template puts in without a filter must be a word that no dialect reads as anything else
(:func:`generators.quoting.token`). A value with a blank, a quote, a ``$`` or a line break in it needs a filter that
knows the dialect, so forgetting one makes an error, not an injection.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

import jinja2
from jinja2.filters import do_indent, make_attrgetter
from jinja2.sandbox import ImmutableSandboxedEnvironment

from generators.quoting import DIALECTS, Quoted, is_token
from rmqha_model.errors import GenerationError

__all__ = ["TEMPLATES", "environment", "render", "render_override"]

TEMPLATES = Path(__file__).parent / "templates"
"""Where the templates of this package are."""

_MISTAKES = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
"""What an expression of a user's template can raise, besides what Jinja2 itself raises."""


@functools.cache
def environment() -> jinja2.Environment:
    """The environment of this package's templates, with a filter for each dialect; undefined names are errors."""
    return _prepared(jinja2.Environment)


def render(template: str, /, **context: object) -> str:
    """Fill in one of this package's templates; the text ends with exactly one line break.

    Raises:
        GenerationError: with template and line; an undefined name, a value without a filter, a value that a dialect
            cannot say, a template that is no Jinja2.
    """
    try:
        return _ended(environment().get_template(template).render(context))
    except (jinja2.TemplateError, GenerationError) as error:
        raise _placed(error, template) from error


def render_override(path: Path, /, **context: object) -> str:
    """Fill in a user's own template, which may extend and include those of this package.

    It runs in Jinja2's sandbox: it sees the values it is given, and can change none and reach nothing behind them.

    Raises:
        GenerationError: with file and line; as for :func:`render`, or the file cannot be read, or an expression fails.
    """
    name = str(path)
    try:
        source = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise GenerationError(f"{name}: cannot be read as a template: {why}") from error
    sandbox = _sandbox()
    try:
        code: CodeType = sandbox.compile(source, name, name)
        template = sandbox.template_class.from_code(sandbox, code, sandbox.make_globals(None))
        return _ended(template.render(context))
    except (jinja2.TemplateError, GenerationError, *_MISTAKES) as error:
        raise _placed(error, name) from error


@functools.cache
def _sandbox() -> jinja2.Environment:
    return _prepared(ImmutableSandboxedEnvironment)


def _prepared(kind: Callable[..., jinja2.Environment]) -> jinja2.Environment:
    made = kind(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        # HTML's escapes are wrong in every file made here; each value is quoted by a filter for its own dialect.
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        cache_size=-1,
        finalize=_finalize,
    )
    made.filters.update(DIALECTS)
    made.filters["indent"] = _indent
    made.filters["join"] = _join
    return made


def _finalize(value: object) -> str:
    """Let pass what may stand in any file: text that a filter made, a number, a plain word."""
    text = str(value)  # says what is undefined, if it is
    if text and not _stands(value, text):
        missing = value is None or isinstance(value, bool)
        what = text if missing else f"a value of {len(text)} characters, which is no plain word,"
        raise GenerationError(
            f"{what} is put in without a filter; allowed: the filter of the file's dialect, "
            "or `verbatim` for lines that are quoted already"
        )
    return text


def _stands(value: object, text: str) -> bool:
    if value is None or isinstance(value, bool):
        return False
    return isinstance(value, Quoted | int | float) or is_token(text)


def _indent(value: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:  # noqa: FBT001, FBT002
    """Jinja2's own filter, which keeps quoted text quoted."""
    text = do_indent(value, width, first, blank)
    return Quoted(text) if isinstance(value, Quoted) else text


@jinja2.pass_environment
def _join(env: jinja2.Environment, value: Iterable[Any], d: str = "", attribute: str | int | None = None) -> str:
    """Jinja2's own filter, which gives quoted text where every item could stand by itself."""
    items = list(value if attribute is None else map(make_attrgetter(env, attribute), value))
    texts = list(map(str, items))
    joined = d.join(texts)
    return Quoted(joined) if all(map(_stands, items, texts)) else joined


def _ended(text: str) -> str:
    return text.rstrip("\n") + "\n"


def _placed(error: Exception, template: str) -> GenerationError:
    if isinstance(error, jinja2.TemplateSyntaxError):
        return GenerationError(f"{_shown(error.filename or template)}:{error.lineno}: {error.message}")
    if isinstance(error, jinja2.TemplateNotFound):
        return GenerationError(f"{_place(error.__traceback__) or template}: there is no template {error.name!r}")
    # What other errors say may quote a secret.
    told = isinstance(error, jinja2.TemplateError | GenerationError | ArithmeticError | TypeError)
    said = str(error) if told else f"{type(error).__name__} in an expression"
    return GenerationError(f"{_place(error.__traceback__) or template}: {said}")


def _place(trace: TracebackType | None) -> str:
    """File and line of the innermost template; Jinja2 gives its frames the template's own file name and lines."""
    place = ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.endswith(".py") and not file.startswith("<"):
            place = f"{_shown(file)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _shown(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(TEMPLATES)) if path.is_relative_to(TEMPLATES) else file
