"""The documents: current, without dead links, and showing what really happens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docs import generate_reference
from docs.tools import commands, consoles
from docs.tools.markdown import anchors, blocks, code, links, prose, slug, table
from rmqha_model.topology import Topology

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DOCUMENTS = [path for path in DOCUMENTS if path.name != "summary.md"]  # Tables of evidence, told of in its README.
DECISIONS = sorted((ROOT / "docs/decisions").glob("*.md"))
LINES_OF_A_PAGE = 70


def name(path: Path) -> str:
    """A document as it is called in the repository."""
    return path.relative_to(ROOT).as_posix()


def runnable() -> list[Path]:
    """The documents that show ``rmqha`` being typed."""
    return [path for path in DOCUMENTS if any(map(consoles.is_run, blocks(path.read_text("utf-8"))))]


# -- the reference follows from the code ----------------------------------------------------------


@pytest.fixture(scope="module")
def pages() -> dict[Path, str]:
    """The reference as it has to be."""
    return generate_reference.pages()


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", ["artefacts.md", "cli.md", "scenario.md", "topology.md", "scenario.schema.json", "topology.schema.json"]
)
def test_reference_is_current(page: str, pages: dict[Path, str]) -> None:
    """Each page is what the code gives; if not: ``python docs/generate_reference.py``."""
    path = generate_reference.REFERENCE / page
    assert path.read_text("utf-8") == pages[path]


@pytest.mark.slow
def test_check_tells_stale_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--check`` writes nothing, names what is stale and gives 1; a run without it makes the pages current."""
    monkeypatch.setattr(generate_reference, "REFERENCE", tmp_path)
    assert generate_reference.main(["--check"]) == 1
    assert list(tmp_path.iterdir()) == []
    assert generate_reference.main([]) == 0
    assert generate_reference.main(["--check"]) == 0
    (tmp_path / "cli.md").write_text("old", "utf-8")
    capsys.readouterr()
    assert generate_reference.main(["--check"]) == 1
    assert capsys.readouterr().err.endswith("cli.md: stale\n")


def test_wrong_usage_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """What the program does not know is refused with its usage."""
    assert generate_reference.main(["--chek"]) == 2
    assert "usage:" in capsys.readouterr().err


def test_every_command_is_in_the_reference() -> None:
    """No command of the command line is missing from its page."""
    text = (generate_reference.REFERENCE / "cli.md").read_text("utf-8")
    assert {"init", "generate", "graph", "schema"} <= set(commands.commands())
    for command in commands.commands():
        assert f"\n## rmqha {command}\n" in text
        assert f"Usage: rmqha {command} " in text


def test_every_key_is_in_the_reference() -> None:
    """Each property of the JSON Schema, which pydantic makes, is a row of the page, which we make."""
    page = (generate_reference.REFERENCE / "topology.md").read_text("utf-8")
    rows = set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))
    schema: dict[str, Any] = Topology.model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        for key, told in part.get("properties", {}).items():
            assert key in rows or "const" in told, key


# -- links ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link of a document names a file that exists, and a heading that is in it."""
    for link in links(document.read_text("utf-8")):
        target, _, anchor = link.target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        path = (document.parent / target) if target else document
        assert path.exists(), f"{name(document)}:{link.line}: {link.target}"
        assert path.resolve().is_relative_to(ROOT), f"{name(document)}:{link.line}: {link.target}"
        if anchor:
            assert anchor in anchors(path.read_text("utf-8")), f"{name(document)}:{link.line}: {link.target}"


def test_every_document_is_listed() -> None:
    """The index leads to every document below docs/."""
    index = ROOT / "docs/index.md"
    listed = {(index.parent / link.target).resolve() for link in links(index.read_text("utf-8"))} | {index}
    below = [path for path in DOCUMENTS if path.is_relative_to(index.parent)]
    assert [name(path) for path in below if path not in listed] == []


# -- what is shown being typed --------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("document", runnable(), ids=name)
def test_consoles_print_what_is_shown(document: Path, tmp_path: Path) -> None:
    """Commands print what the document shows; if not, and it is meant: ``python -m docs.tools.consoles FILE``."""
    for run in consoles.runs(document.read_text("utf-8"), tmp_path / "folder"):
        assert consoles.matches(run), "\n".join(
            [f"{name(document)}:{run.block.start}: $ {run.command}", "shown:", *run.shown, "printed:", *run.printed]
        )


TEXT = """\
Some text.

<!-- file: sub/greeting.txt -->
```text
hello
```

```console
$ cat sub/greeting.txt; rmqha --version
hello
rmqha …
$ (exit 3)
$ echo $?
wrong
```

```console
$ git clone nothing
```
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> list[consoles.Run]:
    """The runs of a small document."""
    return list(consoles.runs(TEXT, tmp_path_factory.mktemp("consoles") / "folder"))


@pytest.mark.slow
def test_consoles_are_run_in_a_folder_with_the_files_shown(done: list[consoles.Run]) -> None:
    """Files are written, the status of a command is that of the one before, and other consoles are left alone."""
    assert [run.command for run in done] == ["cat sub/greeting.txt; rmqha --version", "(exit 3)", "echo $?"]
    assert done[0].printed[0] == "hello"
    assert [run.printed for run in done[1:]] == [[], ["3"]]
    assert [consoles.matches(run) for run in done] == [True, True, False]


@pytest.mark.slow
def test_only_wrong_output_is_rewritten(done: list[consoles.Run]) -> None:
    """What matches stays as it is written, with its placeholders."""
    assert consoles.rewritten(TEXT, done) == TEXT.replace("wrong", "3")


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        (["a", "...", "d"], ["a", "b", "c", "d"], True),
        (["a", "...", "d"], ["a", "d"], True),
        (["...", "d"], ["a", "b"], False),
        (["12 … 34"], ["12 and 34"], True),
        (["12 … 34"], ["12", "34"], False),
        (["a.c"], ["abc"], False),
        ([], [], True),
        ([], ["a"], False),
    ],
)
def test_placeholders(shown: list[str], printed: list[str], same: bool) -> None:  # noqa: FBT001 -- a column of a table
    """Three dots stand for lines, an ellipsis for text in a line, and everything else for itself."""
    block = next(blocks("```console\n```"))
    assert consoles.matches(consoles.Run(block, "", shown, printed)) is same


@pytest.mark.parametrize(
    ("command", "ours"),
    [
        ("rmqha init", True),
        ("python -m rmqha_model graph x.yaml", True),
        ("cd x && rmqha schema", True),
        ("A=b rmqha schema", True),
        ("pip install rmqha-model", False),
        ("ls rmqha_model", False),
    ],
)
def test_which_consoles_are_run(command: str, ours: bool) -> None:  # noqa: FBT001 -- a column of a table
    """A console is run when it calls the command line."""
    assert consoles.is_run(next(blocks(f"```console\n$ {command}\n```"))) is ours


# -- what a document may say ----------------------------------------------------------------------

TOP_FOLDERS = {"bin", "dev", "etc", "lib", "proc", "run", "sbin", "sys", "usr", "var"}
"""Of the Filesystem Hierarchy Standard 3.0: those that mean the same on every machine."""
REQUESTS = {"absolute", "api", "metrics", "path", "stats"}
"""First parts of paths that are no files: requests over HTTP, and words that stand for a path."""


def absolute_paths(text: str) -> Iterator[str]:
    """The first parts of all absolute paths in *text*."""
    yield from re.findall(r"(?<![\w./:~<>*\]…-])/([A-Za-z][\w.-]*)(?=/)", text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_no_path_of_one_machine(document: Path) -> None:
    """A document names only paths that every machine has."""
    assert set(absolute_paths(document.read_text("utf-8"))) <= TOP_FOLDERS | REQUESTS


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_nothing_on_how_a_text_came_to_be(document: Path) -> None:
    """A document speaks of its subject, not of its writing."""
    words = r"language model|chat ?bot|\bAI\b|\bLLM\b|as an assistant|\bthis (text|page|document) was (written|drafted)"
    said = re.compile(words, re.IGNORECASE)
    assert said.findall(document.read_text("utf-8")) == []


@pytest.mark.parametrize("document", DECISIONS, ids=lambda path: path.stem[:4])
def test_a_decision_is_a_page_in_three_parts(document: Path) -> None:
    """A record has its number, context, decision and consequences, and fits on a page."""
    text = document.read_text("utf-8")
    headings = [line for line in prose(text) if line.startswith("#")]
    assert headings[0].startswith(f"# {int(document.stem[:4])}. ")
    assert headings[1:] == ["## Context", "## Decision", "## Consequences"]
    assert text.count("\n") <= LINES_OF_A_PAGE


def test_decisions_are_numbered_without_gaps() -> None:
    """The numbers count from 1."""
    assert [int(path.stem[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


# -- the Markdown that these tests rely on --------------------------------------------------------


def test_headings_become_anchors_as_on_github() -> None:
    """Punctuation goes, blanks become hyphens, and the second of a kind gets a number."""
    assert slug("Listener: `amqp`, `amqps` and `management`") == "listener-amqp-amqps-and-management"
    assert slug("What [links](to.md) say") == "what-links-say"
    assert anchors("# A b\n\n## A b\n\n```text\n# no heading\n```\n") == {"a-b", "a-b-1"}


def test_links_in_code_are_no_links() -> None:
    """Links are found with the number of their line; code, in a line or a block, holds none."""
    text = "[a](b.md) `[c](d.md)`\n```md\n[e](f.md)\n```\n[g]: h.md\n"
    assert [(link.target, link.line) for link in links(text)] == [("b.md", 1), ("h.md", 5)]


def test_cells_stay_in_their_table() -> None:
    """A bar in a cell is escaped, and so is a backtick in code."""
    assert list(table(("a", "b"), [("x|y", "1\n2")])) == ["| a | b |", "|---|---|", "| x\\|y | 1 2 |"]
    assert code("a`b") == "``a`b``"
