"""Bad designs and scenarios: each file of ``tests/bad`` is a mistake somebody makes, the ``.txt`` what is said of it.

``pytest tests/rmqha_model/test_bad.py --snapshot-update`` writes the texts anew; read the difference as a user would:
it must say where, what was found, what is allowed, and what to do.
"""

from __future__ import annotations

import ast
import functools
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, get_args

import pytest

from rmqha_model import names, units
from rmqha_model.document import _READERS, _SYNTAXES, load, placed
from rmqha_model.errors import DocumentError, Place, Problem, show_path
from rmqha_model.scenario import Scenario
from rmqha_model.topology import Topology
from rmqha_model.versions import features

if TYPE_CHECKING:
    from rmqha_model.document.tree import Document

ROOT = Path(__file__).resolve().parents[2]
BAD = ROOT / "tests/bad"
FILES = sorted(path.name for path in BAD.iterdir() if path.suffix in _SYNTAXES)
SECRETS = ("Tr0ub4dor", "123456")
"""What stands for a secret in these files, beginning as shown here."""


@pytest.fixture(autouse=True)
def _beside_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where the files are, so that texts name them without a folder."""
    monkeypatch.chdir(BAD)


@functools.cache
def problems(name: str) -> tuple[Problem, ...]:
    """Give what is wrong with a file."""
    if name.startswith("scenario-"):
        return of_scenario(name)
    with pytest.raises(DocumentError) as caught:
        load(name, Topology)
    return caught.value.problems


def of_scenario(name: str) -> tuple[Problem, ...]:
    """Give what is wrong with a scenario alone, or with having it happen to the example its first line names."""
    design = re.match(r"# for: (\S+)", (BAD / name).read_text("utf-8"))
    if design:
        found = load(name, Scenario).problems(load(ROOT / f"examples/{design[1]}.yaml", Topology))
        return tuple(sorted(placed(name, found), key=lambda problem: problem.place or Place(name, 0, 0)))
    with pytest.raises(DocumentError) as caught:
        load(name, Scenario)
    return caught.value.problems


def text(name: str) -> str:
    """Give what the command line says of a file."""
    return "".join(f"error: {problem}\n" for problem in problems(name))


def expected(name: str) -> str:
    """Give what it shall say."""
    return (BAD / name).with_suffix(".txt").read_text("utf-8")


def test_each_file_has_its_text() -> None:
    """There are sixty mistakes and more, each with a text of its own, and no text without one."""
    assert len(FILES) >= 60
    assert sorted(Path(name).stem for name in FILES) == sorted(path.stem for path in BAD.glob("*.txt"))


@pytest.mark.parametrize("name", FILES)
def test_what_is_said(name: str, request: pytest.FixtureRequest) -> None:
    """A bad design is answered with all that is wrong with it, in these words, and with nothing else."""
    said = text(name)
    if request.config.getoption("update_snapshots", default=False):
        (BAD / name).with_suffix(".txt").write_text(said, "utf-8")
    assert said == expected(name)
    assert said.isascii()
    assert all(line.isprintable() for line in said.splitlines())


@pytest.mark.parametrize("name", FILES)
def test_no_secret_is_told(name: str) -> None:
    """No text holds a value that stands where a secret belongs, nor a piece of it."""
    assert not [secret for secret in SECRETS if secret in expected(name)]


def test_secrets_are_there_to_be_told() -> None:
    """The files do hold secrets, in every way somebody writes one."""
    holders = [name for name in FILES if any(secret.encode() in (BAD / name).read_bytes() for secret in SECRETS)]
    assert len(holders) >= 8


# -- places ---------------------------------------------------------------------------------------


def read(name: str) -> Document | None:
    """Read a file as far as it is one of its syntax; nothing when it is none."""
    try:
        return _READERS[_SYNTAXES[Path(name).suffix]]((BAD / name).read_text("utf-8"), name, [])
    except (DocumentError, UnicodeDecodeError):
        return None


def is_meant(problem: Problem, document: Document, before: str, rest: str) -> bool:
    """Tell whether the text at a place, and the text *before* it, is what a problem is about."""
    written, value = document.walk(problem.path)
    (*_, last) = problem.path
    key = next((str(part) for part in reversed(written) if isinstance(part, str)), "")
    bare = rest.lstrip("\"'")
    if bare.startswith((key, str(last))) or re.search(rf"{re.escape(str(last))}[\"']?\s*[:=]\s*$", before):
        return True
    if isinstance(value, str):
        return (rest[0] in "\"'" and not value.isprintable()) or bare.startswith(value[:20])
    if isinstance(value, int | float):
        return bare.startswith(str(value).lower())
    names = tuple(value) if isinstance(value, dict) else ()
    return bare.startswith(("{", "[", "*", *names))


@pytest.mark.parametrize("name", FILES)
def test_places_point_at_what_is_meant(name: str) -> None:
    """At each place stands the key or the value that the text is about."""
    lines = (BAD / name).read_text("utf-8", errors="replace").split("\n")
    document = read(name)
    for problem in problems(name):
        assert problem.place
        assert problem.place.file == name
        before, rest = (lines[problem.place.line - 1][part] for part in cut(problem.place.column - 1))
        if not document or not problem.path:
            continue
        if problem.place == document.place(document.top):
            assert not document.walk(problem.path[:1])[0], f"{problem}: there is a better place"
        else:
            assert is_meant(problem, document, before, rest), f"{problem}: points at {rest}"


def cut(at: int) -> tuple[slice, slice]:
    """Give what stands before a column, and what from it on."""
    return slice(at), slice(at, None)


# -- the command line -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "json-comma-at-the-end.json",
        "many-mistakes.yaml",
        "port-of-a-broker-beside-it.yaml",
        "secret-bare.yaml",
        "toml-many-mistakes.toml",
        "yaml-latin-1.yaml",
    ],
)
def test_command_line(name: str, rmqha: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    """``rmqha generate`` says the same on stderr, nothing on stdout, writes nothing and ends with exit status 2."""
    done = rmqha("generate", name, "--out", tmp_path / "out", "--secrets", tmp_path / "secrets.yaml", cwd=BAD)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", expected(name))
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "secrets.yaml").exists()


# -- nothing is left out --------------------------------------------------------------------------

MODEL = ROOT / "rmqha_model"
RULES = [*sorted((MODEL / "consistency").glob("*.py")), MODEL / "scenario.py"]
MODULES = [
    path for path in sorted({*MODEL.glob("*.py"), *MODEL.glob("faults/*.py")}) if "refuse(" in path.read_text("utf-8")
]
HELPERS = {"repeated": "found '.+' a second time"}
HELPERS |= dict.fromkeys(("unknown", "missing"), "found {} '.+', which .+ does not have")


def everything_said() -> Iterator[Problem]:
    """Give all problems of all files."""
    return (problem for name in FILES for problem in problems(name))


Known: TypeAlias = Mapping[str, Sequence[ast.expr]]


def pattern(node: ast.expr, known: Known) -> str:
    """Give an expression that matches what an expression of a program can become; *known* are its variables."""
    match node:
        case ast.Constant():
            shape = re.escape(str(node.value))
        case ast.JoinedStr():
            shape = "".join(pattern(part, known) for part in node.values)
        case ast.IfExp():
            shape = f"(?:{pattern(node.body, known)}|{pattern(node.orelse, known)})"
        case ast.Tuple():
            shape = ".*?".join(pattern(part, known) for part in node.elts)
        case ast.Starred():
            shape = pattern(node.value, known)
        case ast.Name() if node.id in known:
            others = {name: values for name, values in known.items() if name != node.id}
            shape = f"(?:{'|'.join(pattern(value, others) for value in known[node.id])})"
        case _:
            shape = ".*?"
    return shape


def variables(nodes: Iterable[ast.AST]) -> Known:
    """Give what is assigned to each name."""
    known: dict[str, list[ast.expr]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    known.setdefault(target.id, []).append(node.value)
    return known


def messages(module: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    """Give where a module makes a message, and what the path and the first words of that message look like."""
    for function in ast.walk(ast.parse(module.read_text("utf-8"))):
        nodes = list(ast.walk(function)) if isinstance(function, ast.FunctionDef) else []
        known = variables(nodes)
        for call in nodes:
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                where = f"{module.relative_to(ROOT)}:{call.lineno}"
                path, *words = (pattern(argument, known) for argument in (*call.args, ast.Constant("")))
                if call.func.id == "refuse":
                    yield where, (".*", path)
                elif call.func.id == "Problem":
                    yield where, (path, words[0])
                elif call.func.id in HELPERS:
                    yield where, (f"{path}.*", HELPERS[call.func.id].format(words[0]))


MESSAGES = list(dict(message for module in (*RULES, *MODULES) for message in messages(module)).items())


@pytest.mark.parametrize(("where", "shape"), MESSAGES, ids=[where for where, _ in MESSAGES])
def test_each_message_of_the_model_is_told(where: str, shape: tuple[str, str]) -> None:
    """Each message that a rule or a validator can give has a file that shows it."""
    path, found = map(re.compile, shape)
    said = [problem for problem in everything_said() if found.fullmatch(problem.found)]
    assert any(path.fullmatch(show_path(problem.path)) for problem in said), (
        f"no file of tests/bad shows {where}: {shape}"
    )


FEATURES = sorted(
    set(re.findall(r'"((?:rabbitmq|haproxy|keepalived)\.\w+)"', (MODEL / "consistency/features.py").read_text()))
)


@pytest.mark.parametrize("feature", FEATURES)
def test_each_feature_that_some_release_lacks_is_refused(feature: str) -> None:
    """What a design can ask for and some release cannot do has a file that shows the refusal."""
    row = features()[feature]
    found = [
        problem for problem in everything_said() if problem.found.startswith(f"found {row.title}: the design says")
    ]
    assert found, f"no file of tests/bad asks for {feature} of a release without it"
    assert all(problem.allowed == row.releases for problem in found)


TYPES = {name: getattr(module, name) for module in (names, units) for name in module.__all__}
TYPES = {name: [kind, *get_args(kind)] for name, kind in TYPES.items()}
ALLOWED = [
    (name, part.allowed)
    for name, parts in TYPES.items()
    for part in parts
    if isinstance(getattr(part, "allowed", 0), str)
]


@pytest.mark.parametrize(("name", "allowed"), ALLOWED)
def test_each_type_says_what_it_allows(name: str, allowed: str) -> None:
    """Each type of names, addresses, durations and sizes has a file that shows what it allows."""
    assert any(allowed in problem.allowed for problem in everything_said()), f"no file of tests/bad refuses a {name}"
