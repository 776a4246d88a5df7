"""Writing that is killed at any moment, and any sequence of runs, kills and edits: no half file, no edit lost."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from generators.bundle import Artefact, Bundle
from generators.write import State, Written, apply, plan

KEY = bytes(range(32))
CALLS = ("mkdir", "open", "write", "close", "fchmod", "rename", "unlink", "rmdir")
"""All by which the product changes a disk; ``write`` is killed half-way too."""


def bundle(contents: dict[str, str]) -> Bundle:
    """A design of files by their path in the tree; one of them is secret."""
    made = []
    for path, content in sorted(contents.items()):
        (host, _, name), secret = path.partition("/"), path == "h1/c"
        made.append(Artefact(host, name, content, 0o400 if secret else 0o644, secret=secret))
    return Bundle("d", "", tuple(made))


def run(made: Bundle, out: Path, *, key: bytes = KEY, force: bool = False, prune: bool = False) -> Written:
    """A whole run."""
    return apply(plan(made, out, key, version="1"), force=force, prune=prune)


def killed(work: Callable[[], object], moment: int) -> bool:
    """Do *work* in a child that is killed with SIGKILL at the given *moment*; tell whether it came to that.

    Even moments are just before a call that changes the disk; odd ones half-way through a write, or after the call.
    """
    child = os.fork()
    if child == 0:
        try:
            _arm(moment)
            work()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def _arm(moment: int) -> None:
    count = 0

    def armed(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            if name == "open" and not arguments[1] & os.O_CREAT:
                return real(*arguments, **options)
            if count == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            if count + 1 == moment:
                if name == "write":
                    arguments = (arguments[0], arguments[1][: len(arguments[1]) // 2])
                real(*arguments, **options)
                os.kill(os.getpid(), signal.SIGKILL)
            count += 2
            return real(*arguments, **options)

        return call

    for name in CALLS:
        setattr(os, name, armed(name))


def contents(out: Path) -> dict[str, str]:
    """All files of the tree but the tool's own."""
    return {
        str(path.relative_to(out)): path.read_text()
        for path in out.rglob("*")
        if path.is_file() and path.relative_to(out).parts[0] not in {".rmqha", "manifest.json"}
    }


def everything(out: Path) -> dict[str, tuple[int, bytes]]:
    """All files of the tree with their modes, the tool's own too."""
    return {
        str(path.relative_to(out)): (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
        for path in out.rglob("*")
        if path.is_file()
    }


FIRST = {"_design/a": "a1\n", "h1/b": "b1\n", "h1/c": "c1\n", "h1/old/d": "d1\n"}
SECOND = {"_design/a": "a2\n", "h1/b": "b1\n", "h1/c": "c2\n", "h2/new/e": "e2\n"}
THIRD = {"_design/a": "a3\n", "h1/b": "b3\n", "h1/c": "c3\n", "h2/f": "f3\n"}


@pytest.mark.slow
@pytest.mark.parametrize("before", [None, FIRST], ids=["first run", "later run"])
@pytest.mark.parametrize("rotate", [False, True], ids=["same secrets", "changed secrets"])
def test_killed_at_every_moment(tmp_path: Path, before: dict[str, str] | None, *, rotate: bool) -> None:
    """Whenever a run is killed, each file is the old or the new one, and the next run has nothing to keep back.

    That holds for a next run of the same design and of another, and it ends in the same bytes as an undisturbed one.
    """
    key = bytes(32) if rotate else KEY
    expected = {}
    for name, design in (("second", SECOND), ("third", THIRD)):
        run(bundle(design), tmp_path / name, key=key)
        expected[name] = everything(tmp_path / name)
    origin = tmp_path / "origin"
    if before:
        run(bundle(before), origin)
    moment = 0
    while True:
        out = tmp_path / f"{moment}"
        if before:
            shutil.copytree(origin, out)
        if not killed(lambda: run(bundle(SECOND), out, key=key, prune=True), moment):  # noqa: B023  called at once
            break
        found = contents(out)
        for path in {*FIRST, *SECOND}:
            allowed = {(before or {}).get(path), SECOND.get(path)}
            assert found.get(path) in allowed, (moment, path)
        assert not stat.S_IMODE((out / "h1/c").stat().st_mode) & 0o077 if "h1/c" in found else True
        copy = tmp_path / f"{moment}-copy"
        if out.exists():
            shutil.copytree(out, copy)
        for tree, name, design in ((out, "second", SECOND), (copy, "third", THIRD)):
            done = run(bundle(design), tree, key=key, prune=True)
            assert done.kept == (), (moment, name)
            assert everything(tree) == expected[name], (moment, name)
        shutil.rmtree(out)
        shutil.rmtree(copy)
        moment += 1
    # Own files, five or so calls a file and the journal: fewer moments would mean that calls were missed.
    assert moment > 60
    assert everything(out) == expected["second"]


@pytest.mark.slow
def test_killed_with_nothing_to_do_next(tmp_path: Path) -> None:
    """A half-written file of a killed run is swept also by a run that has nothing to write."""
    run(bundle(FIRST), tmp_path)
    (tmp_path / "_design/a").write_text("mine\n")
    moment = 0
    while killed(lambda: run(bundle(FIRST), tmp_path, force=True), moment) and not (tmp_path / ".rmqha/new").exists():
        moment += 1
    assert (tmp_path / ".rmqha/new").exists()
    assert [entry.path for entry in run(bundle(FIRST), tmp_path).kept] == ["_design/a"]
    assert not (tmp_path / ".rmqha/new").exists()


@pytest.mark.slow
def test_killed_again_and_again(tmp_path: Path) -> None:
    """Runs of ever other designs, each killed somewhere, never make the tool take its own files for edited ones."""
    out, luck = tmp_path / "out", random.Random(1)  # noqa: S311  the same in each run
    for number in range(40):
        design = bundle({path: f"{path} {number}\n" for path in FIRST if luck.random() < 0.8})
        key = bytes([luck.randrange(3)]) * 32
        killed(lambda: run(design, out, key=key, prune=luck.random() < 0.5), luck.randrange(80))  # noqa: B023  at once
    assert run(bundle(FIRST), out, prune=True).kept == ()
    assert contents(out) == FIRST
    assert [path.name for path in sorted((out / ".rmqha").iterdir())] == [".gitignore", "keys", "lock"]


@pytest.mark.slow
def test_killed_by_the_clock(tmp_path: Path, root: Path) -> None:
    """A run of many files in a process of its own, killed at moments the product has no say in."""
    out = tmp_path / "out"
    program = (
        "import sys; from pathlib import Path\n"
        "from generators.bundle import Artefact, Bundle; from generators.write import apply, plan\n"
        "files = tuple(Artefact(f'h{i // 10}', f'/etc/{i}', sys.argv[2] * 500) for i in range(400))\n"
        "made = plan(Bundle('d', '', files), Path(sys.argv[1]), bytes(32), version='1')\n"
        "print(flush=True)\n"
        "sys.exit(not apply(made).complete)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(root)}
    luck = random.Random(2)  # noqa: S311  the same in each run
    before = ""
    for letter in "abcdef":
        command = [sys.executable, "-c", program, str(out), letter]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.read(1)
            time.sleep(luck.uniform(0, 0.03))
            process.kill()
        before += letter
        assert all(text in {old * 500 for old in before} for text in contents(out).values())
    assert subprocess.run([sys.executable, "-c", program, str(out), "g"], env=environment, check=False).returncode == 0
    assert set(contents(out).values()) == {"g" * 500}


PATHS = ("_design/a", "h1/b", "h1/c", "h1/x/d", "h2/x/e")


class AnyHistory(RuleBasedStateMachine):
    """A tree through any sequence of changed designs, runs, kills, edits, removals and changed modes."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp(prefix="rmqha-test-"))
        self.out = self.top / "out"
        self.design: dict[str, str] = {}
        self.key = KEY
        self.by_hand: dict[str, str] = {}
        self.edits = 0

    def teardown(self) -> None:
        """Leave nothing."""
        shutil.rmtree(self.top)

    @initialize(design=st.dictionaries(st.sampled_from(PATHS), st.sampled_from("uv"), min_size=1))
    def start(self, design: dict[str, str]) -> None:
        """Begin with some design, written."""
        self.design = design
        run(bundle(design), self.out, key=self.key)

    @rule(path=st.sampled_from(PATHS), content=st.sampled_from("uvw"))
    def generate(self, path: str, content: str) -> None:
        """The design changes a file, or has one more."""
        self.design[path] = content

    @rule(path=st.sampled_from(PATHS))
    def generate_no_more(self, path: str) -> None:
        """The design loses a file."""
        self.design.pop(path, None)

    @rule(key=st.sampled_from([KEY, bytes(32)]))
    def change_secrets(self, key: bytes) -> None:
        """Some secret changes."""
        self.key = key

    @rule(path=st.sampled_from(PATHS))
    def edit(self, path: str) -> None:
        """Somebody writes a file by hand, over the tool's or where there is none."""
        self.edits += 1
        self.by_hand[path] = f"by hand {self.edits}"
        file = self.out / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            file.chmod(0o600)
        file.write_text(self.by_hand[path])

    @rule(path=st.sampled_from(PATHS))
    def remove(self, path: str) -> None:
        """Somebody removes a file."""
        (self.out / path).unlink(missing_ok=True)
        self.by_hand.pop(path, None)

    @rule(path=st.sampled_from(PATHS), mode=st.sampled_from([0o600, 0o644, 0o755]))
    def change_mode(self, path: str, mode: int) -> None:
        """Somebody changes a mode."""
        if (self.out / path).exists():
            (self.out / path).chmod(mode)

    @rule(force=st.booleans(), prune=st.booleans(), moment=st.integers(0, 120))
    def kill(self, *, force: bool, prune: bool, moment: int) -> None:
        """A run is killed, or ends before that."""
        before = contents(self.out)
        killed(lambda: run(bundle(self.design), self.out, key=self.key, force=force, prune=prune), moment)
        after = contents(self.out)
        for path in PATHS:
            allowed = {before.get(path), self.design.get(path, None if prune else before.get(path))}
            assert after.get(path) in allowed
        if force:
            self.by_hand = {path: text for path, text in self.by_hand.items() if after.get(path) == text}

    @rule(force=st.booleans(), prune=st.booleans())
    def write(self, *, force: bool, prune: bool) -> None:
        """A run ends, and a second one has nothing left to do."""
        before = contents(self.out)
        made = bundle(self.design)
        done = run(made, self.out, key=self.key, force=force, prune=prune)
        after = contents(self.out)
        if force:
            removed = {entry.path for entry in done.removed}
            self.by_hand = {p: t for p, t in self.by_hand.items() if p not in self.design and p not in removed}
        # Kept is what somebody had a hand in, all of it and nothing else; all other files are as generated.
        kept = {entry.path for entry in done.kept}
        assert kept >= {path for path in self.design if path in self.by_hand}
        assert kept <= self.by_hand.keys()
        for artefact in made.artefacts:
            path = artefact.tree_path
            if path not in kept:
                assert after[path] == artefact.content
                assert stat.S_IMODE((self.out / path).stat().st_mode) == artefact.tree_mode
        ours = {path for path in before if path not in self.design and path not in self.by_hand}
        if prune:
            assert {entry.path for entry in done.removed} >= ours
            assert not ours & after.keys()
        else:
            assert {entry.path for entry in done.stale} >= ours
        self.has_settled(made, kept)

    def has_settled(self, made: Bundle, kept: set[str]) -> None:
        """A second run changes no byte; without edits and leftovers, the tree is that of a run into nothing."""
        before = everything(self.out)
        second = plan(made, self.out, self.key, version="1")
        assert {e.state for e in second.entries} <= {State.UNCHANGED, State.EDITED, State.FOREIGN} | {
            *(State.STALE, State.STALE_EDITED)
        }
        assert apply(second).written == ()
        assert everything(self.out) == before
        assert not (self.out / ".rmqha/new").exists()
        if not second.differs:
            assert not kept
            run(made, self.top / "fresh", key=self.key)
            fresh = everything(self.top / "fresh")
            assert {path: before[path] for path in fresh if path != ".rmqha/keys"} == {
                path: fresh[path] for path in fresh if path != ".rmqha/keys"
            }
            shutil.rmtree(self.top / "fresh")

    @invariant()
    def no_edit_is_lost(self) -> None:
        """What somebody wrote by hand is there, to the letter."""
        if self.by_hand:
            found = contents(self.out)
            assert {path: found.get(path) for path in self.by_hand} == self.by_hand


AnyHistory.TestCase.settings = settings(max_examples=80, stateful_step_count=25)
TestAnyHistory = pytest.mark.slow(AnyHistory.TestCase)
