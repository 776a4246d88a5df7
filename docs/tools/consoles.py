"""What the documents show being typed, run again and compared: ``python -m docs.tools.consoles [--check] FILE...``.

The convention:

* In a block fenced as ``console`` a line that begins with ``$ `` is a command; what follows, up to the next one, is
  what it prints, stdout and stderr together.
* A block is run when one of its commands is ``rmqha`` or ``python -m rmqha_model``; others (``git``, ``pip``) are not.
* The blocks of a document run one after the other in one new folder that holds a copy of ``examples/``. A block of any
  kind below ``<!-- file: NAME -->`` is written to that file first.
* In what is shown, a line ``...`` stands for any number of lines, and ``…`` for any text in a line: use it for what
  differs from run to run.

Without ``--check`` the output that does not match is replaced by what was printed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from docs.tools.markdown import Block, blocks

__all__ = ["Run", "is_run", "main", "matches", "rewritten", "runs"]

ROOT = Path(__file__).resolve().parent.parent.parent
PROMPT = "$ "
OURS = re.compile(r"(?:^|[;&|] *)(?:\w+=\S* )*(?:rmqha|python -m rmqha_model)(?= |$)")
_FILE = re.compile(r"<!-- file: (?P<name>\S+) -->")
_LIMIT_S = 300
_MARK = "--- end of output ---"


class Run(NamedTuple):
    """A command of a document: in which block, what it is shown to print, and what it prints."""

    block: Block
    command: str
    shown: list[str]
    printed: list[str]


def is_run(block: Block) -> bool:
    """Whether a block is run: it is a console, and calls ``rmqha``."""
    return block.info == "console" and any(OURS.search(command) for command, _ in _commands(block))


def runs(text: str, folder: Path) -> Iterator[Run]:
    """Run the consoles of a document in *folder*, which is empty."""
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("secrets.yaml", "build"))
    environment = _environment(folder.parent / f"{folder.name}-programs")
    lines = text.split("\n")
    for block in blocks(text):
        above = next((line for line in reversed(lines[: block.start - 1]) if line.strip()), "")
        if named := _FILE.fullmatch(above.strip()):
            target = folder / named["name"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("".join(f"{line}\n" for line in block.lines), "utf-8")
        if is_run(block):
            commands = _commands(block)
            for (command, shown), printed in zip(
                commands, _outputs([c for c, _ in commands], folder, environment), strict=True
            ):
                yield Run(block, command, shown, printed)


def matches(run: Run) -> bool:
    """Whether a command printed what is shown."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else ".*?".join(map(re.escape, line.split("…"))) + r"\n" for line in run.shown
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in run.printed)) is not None


def rewritten(text: str, done: list[Run]) -> str:
    """Give the document with the output that its commands printed, where what it shows does not match."""
    lines = text.split("\n")
    by_start: dict[int, list[Run]] = {}
    for run in done:
        by_start.setdefault(run.block.start, []).append(run)
    for start in sorted(by_start, reverse=True):
        block = by_start[start][0].block
        content: list[str] = []
        for run in by_start[start]:
            content += [f"{PROMPT}{run.command}", *(run.shown if matches(run) else run.printed)]
        lines[start : start + len(block.lines)] = [f"{block.indent}{line}".rstrip() for line in content]
    return "\n".join(lines)


def _commands(block: Block) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for line in block.lines:
        if line.startswith(PROMPT):
            found.append((line.removeprefix(PROMPT), []))
        elif found:
            found[-1][1].append(line)
    return found


def _environment(programs: Path) -> dict[str, str]:
    """Give an environment in which ``rmqha`` and ``python`` are those of this checkout, and HOME is empty."""
    home = programs / "home"
    home.mkdir(parents=True)
    for name, options in (("rmqha", "-m rmqha_model "), ("python", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {options}"$@"\n', "utf-8")
        program.chmod(0o755)
    path = os.pathsep.join((str(programs), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RMQHA_", "PYTEST_"))}
    # Unbuffered, so that stdout and stderr come in the order they are written in, as at a terminal.
    fixed = {"LC_ALL": "C.UTF-8", "COLUMNS": "100", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    return kept | fixed | {"HOME": str(home), "PATH": path, "PYTHONPATH": str(ROOT)}


def _outputs(commands: list[str], folder: Path, environment: dict[str, str]) -> list[list[str]]:
    """Run the commands of one block in one shell, so that ``$?`` holds; what is exported holds in later blocks too."""
    exported = f"{environment['HOME']}/exported"
    script = f'umask 022\nif [ -e "{exported}" ]; then . "{exported}"; fi\n'
    for command in commands:
        script += f"{command}\n_status=$?; printf '\\n%s\\n' '{_MARK}'; (exit $_status)\n"
    script += f'export -p > "{exported}"\n'
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    parts = done.stdout.split(f"\n{_MARK}\n")[:-1]
    return [[line.rstrip() for line in part.removesuffix("\n").split("\n")] if part else [] for part in parts]


def main(arguments: list[str]) -> int:
    """Run the consoles of the files that *arguments* name; give 1 when one of them prints something else."""
    check = "--check" in arguments
    differ = False
    for name in arguments:
        if name == "--check":
            continue
        path = Path(name)
        text = path.read_text("utf-8")
        with tempfile.TemporaryDirectory() as scratch:
            done = list(runs(text, Path(scratch, "folder")))
        wrong = [run for run in done if not matches(run)]
        differ |= bool(wrong)
        for run in wrong:
            sys.stderr.write(f"{path}:{run.block.start}: {run.command}\n")
        if wrong and not check:
            path.write_text(rewritten(text, done), "utf-8")
    return 1 if check and differ else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
