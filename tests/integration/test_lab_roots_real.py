"""Roots of hosts are made once, whole or not at all, whoever else makes them or is killed while making them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from integration.errors import LabError
from integration.lab import roots
from integration.lab.mirrors import Mirror

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("setpriv", "unshare", "apt-config"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may make namespaces"),
]

# Stands for mmdebstrap: its last but one argument is the folder it makes.
FAKE = """\
#!/bin/bash
target=${@: -2:1}
mkdir "$target"
echo "$$" >>"$(dirname "$target")/runs"
cat >"$target/sources"
read -r how <"$(dirname "$target")/how"
case $how in
    slow) sleep 1 ;;
    hang) sleep 300 ;;
    fail) echo "E: no such suite" >&2; exit 25 ;;
esac
touch "$target/whole"
"""
MAKE = """
import sys
from integration.lab import mirrors, roots
mirrors.known_mirrors = lambda: (mirrors.Mirror("http://deb.example/debian/", False, ""),)
print(roots.root("trixie").path)
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a program that stands for mmdebstrap."""
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "mmdebstrap").write_text(FAKE, encoding="utf-8")
    (programs / "mmdebstrap").chmod(0o755)
    monkeypatch.setenv("RMQHA_LAB_CACHE", str(folder))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(
        "integration.lab.mirrors.known_mirrors", lambda: (Mirror("http://deb.example/", security=False, keyring=""),)
    )
    return folder


def maker() -> subprocess.Popen[str]:
    """Another process that wants the same root."""
    return subprocess.Popen([sys.executable, "-c", MAKE], stdout=subprocess.PIPE, text=True)


def test_two_makers_make_one_root(cache: Path) -> None:
    """The second waits for the first, and both have the same, whole."""
    (cache / "how").write_text("slow\n", encoding="ascii")
    with maker() as one, maker() as other:
        said = {process.communicate(timeout=60)[0].strip() for process in (one, other)}
    assert said == {str(cache / roots.key("trixie"))}
    assert (cache / roots.key("trixie") / "whole").exists()
    assert len((cache / "runs").read_text("ascii").splitlines()) == 1


def test_killed_maker_leaves_nothing_that_is_used(cache: Path) -> None:
    """Its children die with it, and what they had made is thrown away by the next one."""
    (cache / "how").write_text("hang\n", encoding="ascii")
    partial = cache / f"{roots.key('trixie')}.partial"
    with maker() as one:
        while not (partial / "sources").exists():
            time.sleep(0.02)
        one.kill()
    deadline = time.monotonic() + 10
    while any(str(partial).encode() in _command(path) for path in Path("/proc").glob("[0-9]*")):
        assert time.monotonic() < deadline, "a child of the killed maker lives on"
        time.sleep(0.02)
    assert not (cache / roots.key("trixie")).exists()
    (partial / "left-over").touch()
    (cache / "how").write_text("well\n", encoding="ascii")
    made = roots.root("trixie")
    assert sorted(path.name for path in made.path.iterdir()) == ["sources", "whole"]
    assert not partial.exists()


def test_failure_is_told_in_the_words_of_mmdebstrap(cache: Path) -> None:
    """And leaves nothing."""
    (cache / "how").write_text("fail\n", encoding="ascii")
    with pytest.raises(LabError, match=r"root of trixie: exit status 25; see .*\.log\n  E: no such suite"):
        roots.root("trixie")
    assert not list(cache.glob("*.partial"))
    assert not (cache / roots.key("trixie")).exists()


def _command(path: Path) -> bytes:
    try:
        return (path / "cmdline").read_bytes()
    except OSError:
        return b""
