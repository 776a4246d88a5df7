"""Diffs: exact where they are shown, silent about secrets, harmless to a terminal."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from generators import diff as module
from generators.bundle import Artefact, Bundle
from generators.diff import diff, printable
from generators.write import apply, plan

KEY = bytes(range(32))
SECRET = Artefact("h", "/cookie", "HUSH", 0o400, secret=True)


def compare(out: Path, *artefacts: Artefact) -> list[str]:
    """The diff that writing *artefacts* to *out* would show."""
    return list(diff(plan(Bundle("d", "", artefacts), out, KEY, version="1")))


def write(out: Path, *artefacts: Artefact) -> None:
    """Write *artefacts*."""
    apply(plan(Bundle("d", "", artefacts), out, KEY, version="1"))


def test_nothing(tmp_path: Path) -> None:
    """What is as it should be has no diff."""
    write(tmp_path, Artefact("h", "/a", "x\n"), SECRET)
    assert compare(tmp_path, Artefact("h", "/a", "x\n"), SECRET) == []


def test_new(tmp_path: Path) -> None:
    """A new file is shown against nothing, also where there is no tree yet; a secret is named only."""
    assert compare(tmp_path / "no", Artefact("h", "/a", "x\ny\n"), SECRET) == [
        "--- /dev/null",
        "+++ h/a",
        "@@ -0,0 +1,2 @@",
        "+x",
        "+y",
        "h/cookie: secret is not there (not shown)",
    ]


def test_changed_and_edited(tmp_path: Path) -> None:
    """A change is shown from what is on disk, whoever wrote that, to what is generated."""
    write(tmp_path, Artefact("h", "/a", "x\ny\n"), Artefact("h", "/b", "1\n"))
    (tmp_path / "h/b").write_text("mine\n")
    assert compare(tmp_path, Artefact("h", "/a", "x\nz\n"), Artefact("h", "/b", "1\n")) == [
        *("--- h/a", "+++ h/a", "@@ -1,2 +1,2 @@", " x", "-y", "+z"),
        *("--- h/b", "+++ h/b", "@@ -1 +1 @@", "-mine", "+1"),
    ]


def test_no_final_line_end(tmp_path: Path) -> None:
    """A last line without line end is told as diff and git tell it."""
    write(tmp_path, Artefact("h", "/a", "x\ny"))
    assert compare(tmp_path, Artefact("h", "/a", "x\ny\n"))[3:] == [" x", "-y", "\\ No newline at end of file", "+y"]


@pytest.mark.parametrize("now", [SECRET, Artefact("h", "/cookie", "OPEN")], ids=["still secret", "secret no more"])
def test_secret(tmp_path: Path, now: Artefact) -> None:
    """Of a secret file no content is shown, the old one neither when it is no secret any longer."""
    write(tmp_path, SECRET)
    (tmp_path / "h/cookie").chmod(0o600)
    (tmp_path / "h/cookie").write_text("HUSH HUSH")
    assert compare(tmp_path, now) == ["h/cookie: secret content differs (not shown)"]


def test_other_states(tmp_path: Path) -> None:
    """What is no difference of content has one line."""
    names = ("blocked", "fifo", "mode", "stale")
    files = [Artefact("h", f"/{name}", "x\n") for name in names]
    write(tmp_path, *files)
    (tmp_path / "h/mode").chmod(0o600)
    for name, make in (("blocked", os.mkdir), ("fifo", os.mkfifo)):
        (tmp_path / "h" / name).unlink()
        make(tmp_path / "h" / name)
    assert compare(tmp_path, *files[:-1]) == [
        "h/blocked: cannot be written: a directory stands there",
        "h/fifo: not a regular file",
        "h/mode: mode 0600 differs from 0644",
        "h/stale: no longer generated",
    ]


def test_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a limit nothing is compared line by line."""
    monkeypatch.setattr(module, "LINES_MAX", 10)
    assert compare(tmp_path, Artefact("h", "/a", "x\n" * 11)) == ["h/a: content differs (too long to show)"]


def test_not_text(tmp_path: Path) -> None:
    """Bytes that are no text are shown as escapes."""
    (tmp_path / "h").mkdir()
    (tmp_path / "h/a").write_bytes(b"\xff\x00\r\n")
    assert "-\\xff\\x00\\r" in compare(tmp_path, Artefact("h", "/a", "x\n"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("\tserver a 10.0.0.1:5672 # é 中", "\tserver a 10.0.0.1:5672 # é 中"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\rb\x9b2J", "a\\rb\\x9b2J"),
        ("user\u202etxt.exe", "user\\u202etxt.exe"),
        ("\u2028\x85\xa0", "\\u2028\\x85\\xa0"),
        ("\ud800\U000e0001", "\\ud800\\U000e0001"),
    ],
)
def test_printable(line: str, expected: str) -> None:
    """What a terminal or a reader's eye would be led astray by is escaped, everything else left alone."""
    assert printable(line) == expected


@given(st.text(max_size=30))
@example("a\x0bb\n\x1bc\u2028b\r\nc\r")
def test_lines(text: str) -> None:
    """Lines end at line feeds alone, nothing of a text is lost, and each line is safe to print."""
    lines = module._split(text)
    assert "\n".join(line.removesuffix("\n") for line in lines) == text.removesuffix("\n")
    no_end = text[-1:] not in {"", "\n"}
    assert [line.endswith("\n") for line in lines] == [False] * text.count("\n") + [True] * no_end
    assert all(printable(line.removesuffix("\n")).replace("\t", "").isprintable() for line in lines)
