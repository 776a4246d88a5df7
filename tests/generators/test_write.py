"""Writing: what is written and what is kept, modes, links, other runs, and disks that fail."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from generators.bundle import Artefact, Bundle
from generators.tree import Identity, Tree
from generators.write import Plan, State, Written, apply, plan
from rmqha_model.errors import WriteError

KEY = bytes(range(32))
OTHER_KEY = bytes(32)
HOSTS = "rabbit1/etc/hosts"
CONF = "rabbit1/etc/haproxy/haproxy.cfg"
COOKIE = "rabbit1/var/lib/rabbitmq/.erlang.cookie"
INSTALL = "rabbit1/install.sh"
RUNBOOK = "_design/runbook.md"


def bundle(**contents: str | None) -> Bundle:
    """A small design; a keyword gives a file another content, or with ``None`` leaves it out."""
    files = {
        "runbook": Artefact(None, "runbook.md", "# Runbook\n"),
        "conf": Artefact("rabbit1", "/etc/haproxy/haproxy.cfg", "global\n"),
        "hosts": Artefact("rabbit1", "/etc/hosts", "127.0.0.1 localhost\n"),
        "install": Artefact("rabbit1", "install.sh", "#!/bin/sh\n", 0o755),
        "cookie": Artefact("rabbit1", "/var/lib/rabbitmq/.erlang.cookie", "HUSH", 0o400, "rabbitmq", secret=True),
    }
    made = [
        replace(artefact, content=contents.get(name) or artefact.content)
        for name, artefact in files.items()
        if contents.get(name, "") is not None
    ]
    return Bundle("article", "ab" * 32, tuple(made))


def compared(made: Bundle, out: Path, *, key: bytes = KEY) -> Plan:
    """What writing *made* would do."""
    return plan(made, out, key, version="1.2.3")


def run(made: Bundle, out: Path, *, key: bytes = KEY, force: bool = False, prune: bool = False) -> Written:
    """A whole run, as the command line does it."""
    return apply(compared(made, out, key=key), force=force, prune=prune)


def paths(entries: tuple[object, ...]) -> list[str]:
    """Of *entries*, what they are about."""
    return [entry.path for entry in entries]  # type: ignore[attr-defined]


def states(made: Plan) -> dict[str, State]:
    """State by path, of all but unchanged files."""
    return {entry.path: entry.state for entry in made.entries if entry.state is not State.UNCHANGED}


def snapshot(top: Path) -> dict[str, tuple[int, int, int]]:
    """What a run that changes nothing leaves as it is: identity, time and mode of everything."""
    return {
        str(path.relative_to(top)): (path.lstat().st_ino, path.lstat().st_mtime_ns, path.lstat().st_mode)
        for path in sorted(top.rglob("*"))
    }


def mode(path: Path) -> int:
    """Permission bits."""
    return stat.S_IMODE(path.lstat().st_mode)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Another umask for a while."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where to write; nothing is there yet."""
    return tmp_path / "a" / "build"


@pytest.fixture
def written(out: Path) -> Path:
    """A tree written by a run before."""
    run(bundle(), out)
    return out


def test_first_run(out: Path) -> None:
    """All files lie in their places with their modes; secrets are readable by nobody else; nothing else is there."""
    done = run(bundle(), out)
    assert paths(done.written) == [RUNBOOK, CONF, HOSTS, INSTALL, COOKIE]
    assert done.complete
    files = {str(p.relative_to(out)): (p.read_text(), mode(p)) for p in out.rglob("*") if p.is_file()}
    own = {name: files.pop(name)[1] for name in list(files) if name.startswith((".rmqha/", "manifest.json"))}
    assert files == {
        RUNBOOK: ("# Runbook\n", 0o644),
        CONF: ("global\n", 0o644),
        HOSTS: ("127.0.0.1 localhost\n", 0o644),
        INSTALL: ("#!/bin/sh\n", 0o755),
        COOKIE: ("HUSH", 0o400),
    }
    assert own == {".rmqha/.gitignore": 0o600, ".rmqha/keys": 0o600, ".rmqha/lock": 0o600, "manifest.json": 0o644}
    assert mode(out / ".rmqha") == 0o700


def test_manifest_lists_all(written: Path) -> None:
    """The manifest names every file in order of path, with the mode it has on its host."""
    data = json.loads((written / "manifest.json").read_bytes())
    assert [(a["path"], a["target"], a["mode"]) for a in data["artefacts"]] == [
        (RUNBOOK, None, "0644"),
        (CONF, "/etc/haproxy/haproxy.cfg", "0644"),
        (HOSTS, "/etc/hosts", "0644"),
        (INSTALL, None, "0755"),
        (COOKIE, "/var/lib/rabbitmq/.erlang.cookie", "0400"),
    ]
    assert (data["design"], data["model_digest"], data["stale"]) == ("article", "ab" * 32, [])
    assert "HUSH" not in (written / "manifest.json").read_text()


def test_second_run_changes_nothing(written: Path) -> None:
    """A second run writes no byte and touches no time, not even of its own files."""
    before = snapshot(written)
    again = compared(bundle(), written)
    assert not again.differs
    assert apply(again) == Written((), (), (), ())
    assert snapshot(written) == before


def test_second_run_needs_no_write_permission(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is to be done, no lock is taken: a tree on a read-only disk is no error."""
    monkeypatch.setattr(os, "mkdir", lambda *_, **__: pytest.fail("wrote"))
    assert run(bundle(), written).complete


def test_reproducible(tmp_path: Path) -> None:
    """Two trees of the same design are the same to the last byte, wherever they lie and whatever the order."""
    made = bundle()
    run(made, tmp_path / "one")
    run(replace(made, artefacts=made.artefacts[::-1]), tmp_path / "two" / "deeper")
    one, two = (
        {str(p.relative_to(top)): p.read_bytes() for p in top.rglob("*") if p.is_file()}
        for top in (tmp_path / "one", tmp_path / "two" / "deeper")
    )
    assert one == two


def test_plan_only_reads(out: Path) -> None:
    """Comparing makes nothing, not even the directory."""
    made = compared(bundle(), out)
    assert made.differs
    assert set(states(made).values()) == {State.NEW}
    assert not out.exists()


def test_change(written: Path) -> None:
    """Only what changed is written; everything else stays the same file."""
    before = snapshot(written)
    made = compared(bundle(conf="global\n  daemon\n"), written)
    assert states(made) == {CONF: State.CHANGED}
    assert paths(apply(made).written) == [CONF]
    after = snapshot(written)
    assert {p for p in after if after[p] != before.get(p)} - {"."} == {CONF, str(Path(CONF).parent), ".rmqha"} | {
        "manifest.json"
    }


@pytest.mark.parametrize("conf", ["global\n", "global\n  daemon\n"], ids=["same design", "changed design"])
def test_edited_is_kept(written: Path, conf: str) -> None:
    """A file changed by hand is kept and told, in this run and in later ones, while all others are written."""
    (written / CONF).write_text("my own\n")
    made = bundle(conf=conf, hosts="new\n")
    for expected in ([HOSTS], []):
        done = run(made, written)
        assert not done.complete
        assert [str(entry) for entry in done.kept] == [f"{CONF}: edited by hand"]
        assert paths(done.written) == expected
        assert (written / CONF).read_text() == "my own\n"
        assert compared(made, written).differs
    assert (written / HOSTS).read_text() == "new\n"


def test_edited_same_length(written: Path) -> None:
    """An edit that leaves length and time as they were is found: content is what is compared."""
    before = (written / CONF).stat()
    (written / CONF).write_text("GLOBAL\n")
    os.utime(written / CONF, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert states(compared(bundle(), written)) == {CONF: State.EDITED}


def test_edited_is_forced(written: Path) -> None:
    """With force it is as if nobody had touched it."""
    (written / CONF).write_text("my own\n")
    assert paths(run(bundle(), written, force=True).written) == [CONF]
    assert not compared(bundle(), written).differs


def test_edit_undone(written: Path) -> None:
    """An edit that is undone is forgotten, also when it was reported before and the design went on."""
    (written / CONF).write_text("my own\n")
    run(bundle(conf="next\n"), written)
    (written / CONF).write_text("global\n")
    assert states(compared(bundle(conf="next\n"), written)) == {CONF: State.CHANGED}
    assert run(bundle(conf="next\n"), written).complete


def test_edit_that_the_design_follows(written: Path) -> None:
    """An edit that is taken over into the design is nothing to report."""
    (written / CONF).write_text("better\n")
    done = run(bundle(conf="better\n"), written)
    assert done.complete
    assert done.written == ()
    assert not compared(bundle(conf="better\n"), written).differs


def test_foreign_is_kept(out: Path) -> None:
    """A file that the tool never wrote is kept, is not in the manifest and stays foreign; an equal one is taken."""
    (out / CONF).parent.mkdir(parents=True)
    (out / CONF).write_text("my own\n")
    (out / HOSTS).write_text("127.0.0.1 localhost\n")
    for _ in range(2):
        done = run(bundle(), out)
        assert [str(entry) for entry in done.kept] == [f"{CONF}: not written by this tool"]
        assert HOSTS not in paths(done.written)
        assert CONF not in (out / "manifest.json").read_text()
        assert HOSTS in (out / "manifest.json").read_text()
    assert (out / CONF).read_text() == "my own\n"
    assert run(bundle(), out, force=True).complete
    assert not compared(bundle(), out).differs


def test_unrelated_files(written: Path) -> None:
    """What lies in the tree and was never generated is neither touched nor mentioned, by force and prune neither."""
    (written / "rabbit1/notes.txt").write_text("mine\n")
    (written / "README").write_text("mine\n")
    assert not compared(bundle(), written).differs
    run(bundle(hosts="x\n"), written, force=True, prune=True)
    assert (written / "rabbit1/notes.txt").read_text() == "mine\n"
    assert (written / "README").read_text() == "mine\n"


def test_removed_by_hand(written: Path) -> None:
    """A file that somebody removed is written again, and the directory too."""
    (written / CONF).unlink()
    (written / CONF).parent.rmdir()
    made = compared(bundle(), written)
    assert states(made) == {CONF: State.MISSING}
    assert paths(apply(made).written) == [CONF]
    assert not compared(bundle(), written).differs


def test_mode_is_restored(written: Path) -> None:
    """A mode changed by hand is set right: it is no content that could be lost, and may show a secret."""
    (written / COOKIE).chmod(0o644)
    (written / INSTALL).chmod(0o644)
    made = compared(bundle(), written)
    assert states(made) == {COOKIE: State.MODE, INSTALL: State.MODE}
    apply(made)
    assert (mode(written / COOKIE), mode(written / INSTALL)) == (0o400, 0o755)
    assert not compared(bundle(), written).differs


def test_file_becomes_secret(written: Path) -> None:
    """A file that holds a secret from now on is closed to others, and its plain digest leaves the manifest."""
    made = bundle()
    secret = tuple(replace(a, secret=a.tree_path == CONF or a.secret) for a in made.artefacts)
    run(replace(made, artefacts=secret), written)
    assert mode(written / CONF) == 0o600
    data = json.loads((written / "manifest.json").read_bytes())
    assert [("sha256" in a, "hmac_sha256" in a) for a in data["artefacts"] if a["path"] == CONF] == [(False, True)]


def test_edited_secret_is_closed_to_others(written: Path) -> None:
    """An editor that saved a secret file readable by all: the edit is kept, the readers are not."""
    (written / COOKIE).unlink()
    (written / COOKIE).write_text("MINE")
    (written / COOKIE).chmod(0o644)
    done = run(bundle(), written)
    assert [entry.state for entry in done.kept] == [State.EDITED]
    assert ((written / COOKIE).read_text(), mode(written / COOKIE)) == ("MINE", 0o600)
    before = snapshot(written)
    run(bundle(), written)
    assert snapshot(written) == before


def test_stale_is_reported(written: Path) -> None:
    """A file no longer generated is told in each run, and stays."""
    for _ in range(2):
        done = run(bundle(conf=None), written)
        assert [str(entry) for entry in done.stale] == [f"{CONF}: no longer generated"]
        assert done.complete
        assert done.removed == ()
    assert (written / CONF).exists()
    assert compared(bundle(conf=None), written).differs


def test_stale_is_pruned(written: Path) -> None:
    """With prune it goes, and so do the directories that it leaves empty."""
    run(bundle(conf=None), written)
    done = run(bundle(conf=None, cookie=None), written, prune=True)
    assert paths(done.removed) == [CONF, COOKIE]
    assert not (written / "rabbit1/etc/haproxy").exists()
    assert not (written / "rabbit1/var").exists()
    assert (written / "rabbit1/etc").is_dir()
    assert not compared(bundle(conf=None, cookie=None), written).differs


def test_prune_leaves_directories_in_use(written: Path) -> None:
    """A directory with a file of somebody else in it stays."""
    (written / "rabbit1/etc/haproxy/notes.txt").write_text("mine\n")
    run(bundle(conf=None), written, prune=True)
    assert [path.name for path in (written / "rabbit1/etc/haproxy").iterdir()] == ["notes.txt"]


def test_stale_and_edited(written: Path) -> None:
    """One that was edited goes by prune and force together only; until then it stays known."""
    (written / CONF).write_text("my own\n")
    text = f"{CONF}: no longer generated, edited by hand"
    assert [str(entry) for entry in run(bundle(conf=None), written, force=True).stale] == [text]
    done = run(bundle(conf=None), written, prune=True)
    assert ([str(entry) for entry in done.kept], done.stale, done.removed) == ([text], (), ())
    assert (written / CONF).read_text() == "my own\n"
    assert paths(run(bundle(conf=None), written, prune=True, force=True).removed) == [CONF]
    assert not compared(bundle(conf=None), written).differs


def test_stale_comes_back(written: Path) -> None:
    """A file that is generated again after a while is still known as the tool's own."""
    run(bundle(conf=None), written)
    assert states(compared(bundle(conf="other\n"), written)) == {CONF: State.CHANGED}
    run(bundle(), written)
    assert not compared(bundle(), written).differs


def test_stale_and_gone(written: Path) -> None:
    """One that was removed by hand is forgotten."""
    (written / CONF).unlink()
    made = compared(bundle(conf=None), written)
    assert states(made) == {}
    apply(made)
    assert CONF not in (written / "manifest.json").read_text()


def test_lost_manifest(written: Path) -> None:
    """Without a manifest nothing is known: what differs is kept, what is equal is taken."""
    (written / "manifest.json").unlink()
    made = compared(bundle(conf="other\n"), written)
    assert states(made) == {CONF: State.FOREIGN}
    assert made.differs
    run(bundle(), written)
    assert not compared(bundle(), written).differs


@pytest.mark.parametrize("content", [b"", b'{"name": "My web app"}', b"\x00" * 100])
def test_manifest_of_something_else(out: Path, content: bytes) -> None:
    """A manifest.json that is not the tool's is never overwritten, and nothing is written beside it."""
    out.mkdir(parents=True)
    (out / "manifest.json").write_bytes(content)
    with pytest.raises(WriteError, match=r"build/manifest\.json: not a manifest of rmqha"):
        run(bundle(), out, force=True)
    assert [path.name for path in out.iterdir()] == ["manifest.json"]
    assert (out / "manifest.json").read_bytes() == content


def test_version_and_model_digest(written: Path) -> None:
    """A new version of the tool, or another model that gives the same files, changes the manifest alone."""
    newer = plan(replace(bundle(), model_digest="cd" * 32), written, KEY, version="1.3.0")
    assert newer.differs
    assert states(newer) == {}
    assert apply(newer).written == ()
    data = json.loads((written / "manifest.json").read_bytes())
    assert (data["tool"]["version"], data["model_digest"]) == ("1.3.0", "cd" * 32)


def test_changed_secret(written: Path) -> None:
    """A changed secret is a change, though no old digest can be checked by the new key alone; old keys are dropped."""
    made = compared(bundle(cookie="NEXT"), written, key=OTHER_KEY)
    assert states(made) == {COOKIE: State.CHANGED}
    assert apply(made).complete
    assert (written / ".rmqha/keys").read_text() == f"{OTHER_KEY.hex()}\n"
    assert not compared(bundle(cookie="NEXT"), written, key=OTHER_KEY).differs


def test_changed_secret_and_edited(written: Path) -> None:
    """A secret file that was edited stays known as such over a change of secrets, and so does one that is stale."""
    (written / COOKIE).chmod(0o600)
    (written / COOKIE).write_text("MINE")
    assert paths(run(bundle(cookie="NEXT"), written, key=OTHER_KEY).kept) == [COOKIE]
    assert run(bundle(cookie=None), written, key=bytes([7]) * 32).stale[0].state is State.STALE_EDITED
    (written / COOKIE).write_text("HUSH")
    assert run(bundle(cookie=None), written, key=bytes([8]) * 32).stale[0].state is State.STALE


def test_changed_secret_of_a_copy_without_keys(written: Path) -> None:
    """In a copy that left out the private directory a changed secret cannot be told from an edit, so it is kept."""
    for path in (written / ".rmqha").iterdir():
        path.unlink()
    (written / ".rmqha").rmdir()
    assert not compared(bundle(), written).differs
    assert states(compared(bundle(cookie="NEXT"), written, key=OTHER_KEY)) == {COOKIE: State.EDITED}


@pytest.mark.parametrize("length", [0, 16, 31])
def test_short_key(out: Path, length: int) -> None:
    """A key that could be found by trying is refused."""
    with pytest.raises(ValueError, match="at least 32 bytes"):
        compared(bundle(), out, key=bytes(length))


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o027, 0o077])
def test_umask(out: Path, mask: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modes of files do not depend on the umask, no directory is open to all, no secret is ever open to anybody."""
    write, seen = os.write, []

    def watched(file: int, content: bytes) -> int:
        if b"HUSH" in content:
            seen.append(stat.S_IMODE(os.fstat(file).st_mode))
        return write(file, content)

    monkeypatch.setattr(os, "write", watched)
    with umask(mask):
        run(bundle(), out)
    assert seen == [0o400]
    assert [mode(out / p) for p in (COOKIE, CONF, INSTALL, "manifest.json")] == [0o400, 0o644, 0o755, 0o644]
    assert mode(out / ".rmqha") == 0o700
    assert all(mode(path) & 0o022 == 0 for path in out.rglob("*") if path.is_dir())


def test_staged_secret_is_closed_from_the_start(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no umask at all, a secret's file is created with its final mode: there is no moment before a chmod."""
    opened, modes = os.open, []

    def watched(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        file = opened(path, flags, mode, dir_fd=dir_fd)
        if flags & os.O_CREAT:
            modes.append(stat.S_IMODE(os.fstat(file).st_mode))
        return file

    monkeypatch.setattr(os, "open", watched)
    monkeypatch.setattr(os, "fchmod", lambda _file, mode: None if mode == 0o700 else pytest.fail("too late"))
    with umask(0):
        run(bundle(), out)
    assert modes.count(0o400) == 1
    assert set(modes) == {0o400, 0o600, 0o644, 0o755}


def test_private_directory_is_closed(written: Path) -> None:
    """A private directory that somebody opened is closed before anything is written in it."""
    (written / ".rmqha").chmod(0o777)
    run(bundle(hosts="x\n"), written)
    assert mode(written / ".rmqha") == 0o700


def test_link_in_place_of_file(written: Path, tmp_path: Path) -> None:
    """A link where a file was is kept like an edit; force replaces the link and leaves alone what it leads to."""
    target = tmp_path / "target"
    target.write_text("mine\n")
    (written / CONF).unlink()
    (written / CONF).symlink_to(target)
    assert paths(run(bundle(), written).kept) == [CONF]
    assert run(bundle(), written, force=True).complete
    assert not (written / CONF).is_symlink()
    assert target.read_text() == "mine\n"


def test_link_to_the_very_content(written: Path, tmp_path: Path) -> None:
    """A link is never taken for the file, even if it leads to the same content."""
    (written / CONF).rename(tmp_path / "moved")
    (written / CONF).symlink_to(tmp_path / "moved")
    assert states(compared(bundle(), written)) == {CONF: State.EDITED}


@pytest.mark.parametrize("force", [False, True])
def test_link_in_place_of_directory(written: Path, tmp_path: Path, *, force: bool) -> None:
    """Nothing is read or written through a linked directory; that is told, and everything else is written."""
    elsewhere = tmp_path / "elsewhere"
    (written / CONF).parent.rename(elsewhere)
    (written / CONF).parent.symlink_to(elsewhere)
    before = snapshot(elsewhere)
    done = run(bundle(conf="new\n", hosts="new\n"), written, force=force, prune=True)
    assert [entry.state for entry in done.kept] == [State.BLOCKED]
    assert str(done.kept[0]) == (
        f"{CONF}: cannot be written: {written}/rabbit1/etc/haproxy: not a directory, or a symbolic link to one"
    )
    assert paths(done.written) == [HOSTS]
    assert snapshot(elsewhere) == before
    run(bundle(conf=None), written, force=True, prune=True)
    assert snapshot(elsewhere) == before


def test_directory_in_place_of_file(written: Path) -> None:
    """A directory where a file has to be is told; force does not remove it."""
    (written / CONF).unlink()
    (written / CONF).mkdir()
    done = run(bundle(), written, force=True)
    assert [str(entry) for entry in done.kept] == [f"{CONF}: cannot be written: a directory stands there"]


def test_file_in_place_of_directory(written: Path) -> None:
    """A file where a directory has to be is told."""
    (written / CONF).unlink()
    (written / CONF).parent.rmdir()
    (written / CONF).parent.write_text("mine\n")
    assert [entry.state for entry in run(bundle(), written, force=True).kept] == [State.BLOCKED]
    assert (written / CONF).parent.read_text() == "mine\n"


def test_pipe_in_place_of_file(written: Path) -> None:
    """A pipe is not waited for; it counts as an edit."""
    (written / CONF).unlink()
    os.mkfifo(written / CONF)
    assert paths(run(bundle(), written).kept) == [CONF]
    assert run(bundle(), written, force=True).complete


def test_hard_link(written: Path, tmp_path: Path) -> None:
    """A file that has another name outside of the tree is replaced, not written into, and its mode stays there."""
    for name, path in (("conf", CONF), ("cookie", COOKIE)):
        (tmp_path / name).hardlink_to(written / path)
    (tmp_path / "cookie").chmod(0o444)
    run(bundle(conf="new\n"), written)
    assert (tmp_path / "conf").read_text() == "global\n"
    assert mode(tmp_path / "cookie") == 0o444
    assert mode(written / COOKIE) == 0o400


@pytest.mark.parametrize("name", [".rmqha", "manifest.json", ".rmqha/keys", ".rmqha/lock", ".rmqha/journal.1"])
def test_own_files_are_no_links(written: Path, tmp_path: Path, name: str) -> None:
    """The tool's own files are not followed elsewhere either."""
    target = tmp_path / "target"
    if (written / name).exists():
        (written / name).rename(target)
    (written / name).symlink_to(target)
    before = snapshot(tmp_path)
    with pytest.raises(WriteError, match=name.replace(".", r"\.")):
        run(bundle(conf="new\n"), written)
    assert snapshot(tmp_path) == before


def test_planted_stage(written: Path, tmp_path: Path) -> None:
    """A link planted where the next file is prepared is swept like any leftover."""
    (written / ".rmqha/new").symlink_to(tmp_path / "target")
    assert run(bundle(conf="new\n"), written).complete
    assert not (tmp_path / "target").exists()
    assert not (written / ".rmqha/new").is_symlink()


def test_tree_by_a_link(tmp_path: Path) -> None:
    """The directory that the user names may itself be a link: that is the user's own word."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    run(bundle(), tmp_path / "link")
    assert (tmp_path / "real" / CONF).exists()


@pytest.mark.parametrize("place", ["build", "build/deeper"])
def test_a_file_is_no_tree(tmp_path: Path, place: str) -> None:
    """A file in place of the directory is told, and left alone."""
    (tmp_path / "build").write_text("mine\n")
    with pytest.raises(WriteError, match=r"build(/deeper)?: not a directory"):
        run(bundle(), tmp_path / place)
    assert (tmp_path / "build").read_text() == "mine\n"


def test_dangling_link_as_tree(tmp_path: Path) -> None:
    """A link to nothing is told."""
    (tmp_path / "build").symlink_to("nowhere")
    with pytest.raises(WriteError, match=r"cannot make .*build: File exists"):
        run(bundle(), tmp_path / "build")


HOSTILE = {
    "leads out": [Artefact("..", "/etc/passwd", "x")],
    "leads out of the host": [Artefact("h", "/../../x", "x")],
    "a host with a slash": [Artefact("h/../..", "/x", "x")],
    "the manifest": [Artefact("manifest.json", "/x", "x")],
    "the private directory": [Artefact(".rmqha", "/keys", "x")],
    "an escape": [Artefact("h", "/x\x1b[2J", "x")],
    "twice": [Artefact("h", "/x", "x"), Artefact("h", "x", "x")],
    "file and directory": [Artefact("h", "/x", "x"), Artefact("h", "/x/y/z", "x")],
    "no text": [Artefact("h", "/x", "\ud800")],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bundle(tmp_path: Path, name: str) -> None:
    """A bundle whose paths make no tree is refused before anything is written."""
    with pytest.raises(WriteError) as caught:
        run(Bundle("d", "", tuple(HOSTILE[name])), tmp_path / "out")
    assert str(caught.value).isprintable()
    assert list(tmp_path.iterdir()) == []


def test_damaged_keys(written: Path) -> None:
    """Damaged keys are told, with what to do."""
    (written / ".rmqha/keys").write_text("zz\n")
    with pytest.raises(WriteError, match=r"\.rmqha/keys: damaged; remove it"):
        compared(bundle(), written)


def test_another_run(written: Path) -> None:
    """While another run writes, a second one gives up after a bounded wait, having done nothing."""
    before = snapshot(written)
    with (written / ".rmqha/lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(WriteError, match="another run is writing here"):
            apply(compared(bundle(conf="new\n"), written), wait_s=0)
    assert snapshot(written) == before
    assert run(bundle(conf="new\n"), written).complete


def test_another_run_ends(written: Path) -> None:
    """A second run waits for the first and goes on."""
    with (written / ".rmqha/lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        end = threading.Timer(0.06, fcntl.flock, (lock, fcntl.LOCK_UN))
        end.start()
        assert run(bundle(conf="new\n"), written).complete
        end.join()


def test_another_run_between(out: Path) -> None:
    """A plan made before another run wrote is made anew, so that no file of that run passes for an edit."""
    first, second = compared(bundle(), out), compared(bundle(conf="second\n", hosts=None), out)
    apply(first)
    done = apply(second)
    assert done.complete
    assert paths(done.written) == [CONF]
    assert paths(done.stale) == [HOSTS]


def test_another_run_between_with_the_same_manifest(written: Path) -> None:
    """Two runs that put right the same removed file: the second finds it done, and takes it for nobody's edit."""
    (written / CONF).unlink()
    first, second = compared(bundle(), written), compared(bundle(), written)
    assert paths(apply(first).written) == [CONF]
    assert apply(second) == Written((), (), (), ())


@pytest.mark.parametrize("path", [CONF, HOSTS])
def test_edited_after_comparing(written: Path, path: str) -> None:
    """A file that somebody edits or makes while the run is on is kept, and known as edited by the next run."""
    if path == HOSTS:
        (written / HOSTS).unlink()
    made = compared(bundle(conf="new\n"), written)
    (written / path).write_text("just now\n")
    done = apply(made, force=True)
    assert [str(entry) for entry in done.kept] == [f"{path}: changed by somebody else while this run was writing"]
    assert (written / path).read_text() == "just now\n"
    assert states(compared(bundle(conf="new\n"), written))[path] is State.EDITED


def test_edited_before_removing(written: Path) -> None:
    """A file that somebody edits while the run prunes is kept; one that somebody removes is gone all the same."""
    made = compared(bundle(conf=None, hosts=None), written)
    (written / CONF).write_text("just now\n")
    (written / HOSTS).unlink()
    done = apply(made, prune=True)
    assert (paths(done.kept), paths(done.removed)) == ([CONF], [HOSTS])
    assert states(compared(bundle(conf=None, hosts=None), written)) == {CONF: State.STALE_EDITED}


def is_written_to(file: object) -> bool:
    """Whether the descriptor *file* is that of a file that is being made."""
    return isinstance(file, int) and bool(fcntl.fcntl(file, fcntl.F_GETFL) & os.O_WRONLY)


FAILURES = [("write", errno.ENOSPC), ("rename", errno.EROFS), ("rename", errno.EXDEV), ("mkdir", errno.EACCES)]


@pytest.mark.parametrize(("call", "number"), [*FAILURES, ("close", errno.EDQUOT), ("fchmod", errno.EPERM)])
def test_failing_disk(written: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> None:
    """When the disk fails, the error names file and reason, no half file is left, and the next run does the rest."""
    real, made = getattr(os, call), bundle(conf="new\n", hosts="new\n", install="new\n")
    made = replace(made, artefacts=(*made.artefacts, Artefact("rabbit2", "/etc/hosts", "x\n", 0o640)))
    calls = iter(range(100))

    def failing(*arguments: object, **options: object) -> object:
        # Only the work on files fails: the journal is there by then.
        if not list((written / ".rmqha").glob("journal.*")) or next(calls) == 0:
            return real(*arguments, **options)
        if call == "close":
            is_file = is_written_to(arguments[0])
            real(*arguments)
            if not is_file:
                return None
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch, umask(0o077 if call == "fchmod" else 0o022):
        patch.setattr(os, call, failing)
        with pytest.raises(WriteError) as caught:
            run(made, written)
    assert str(caught.value).startswith("cannot write ")
    assert (os.strerror(number) if number != errno.EXDEV else "another file system") in str(caught.value)
    assert not (written / ".rmqha/new").exists()
    assert {(written / path).read_text() for path in (CONF, HOSTS, INSTALL)} <= {
        *("global\n", "127.0.0.1 localhost\n", "#!/bin/sh\n", "new\n")
    }
    assert run(made, written).complete
    assert not compared(made, written).differs


def test_unreadable(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be read is told by its name."""
    opened = os.open

    def failing(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if path == "hosts":
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", failing)
    with pytest.raises(WriteError, match=f"cannot read .*/{HOSTS}: Permission denied"):
        compared(bundle(), written)


def test_short_writes(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes a few bytes at a time gets them all."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, content: write(file, content[:7]))
    run(bundle(), out)
    monkeypatch.undo()
    assert not compared(bundle(), out).differs


@pytest.mark.parametrize("call", ["write", "rename", "close"])
def test_interrupt(written: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """Ctrl-C leaves whole files only and nothing half-written; the next run takes up the work."""
    real = getattr(os, call)
    made = bundle(conf="new\n", hosts="new\n")

    def interrupted(*arguments: object, **options: object) -> object:
        is_file = call != "close" or is_written_to(arguments[0])
        result = real(*arguments, **options)
        if is_file and list((written / ".rmqha").glob("journal.*")):
            raise KeyboardInterrupt
        return result

    with monkeypatch.context() as patch:
        patch.setattr(os, call, interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(made, written)
    assert not (written / ".rmqha/new").exists()
    assert run(made, written).complete
    assert not compared(made, written).differs
    assert not list((written / ".rmqha").glob("journal.*"))


def stopped_before(path: str, made: Bundle, out: Path, monkeypatch: pytest.MonkeyPatch, *, force: bool = False) -> None:
    """A run that is stopped just before it writes *path*."""
    put = Tree.put

    def stopping(tree: Tree, at: str, content: bytes, mode: int, *, over: Identity | None) -> bool:
        if at == path:
            raise KeyboardInterrupt
        return put(tree, at, content, mode, over=over)

    with monkeypatch.context() as patch:
        patch.setattr(Tree, "put", stopping)
        with pytest.raises(KeyboardInterrupt):
            run(made, out, force=force)


def test_stopped_and_no_longer_generated(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a stopped run wrote is known as the tool's own for as long as it lies there, generated again or not."""
    stopped_before(HOSTS, bundle(conf="new\n", hosts="new\n"), written, monkeypatch)
    for _ in range(2):
        assert states(compared(bundle(conf=None), written)) == {CONF: State.STALE}
        run(bundle(conf=None), written)
    assert paths(run(bundle(conf=None), written, prune=True).removed) == [CONF]


def test_stopped_before_a_file_of_somebody_else(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that a stopped run only meant to write is not the tool's: what somebody put there is left alone."""
    path = "rabbit2/etc/hosts"
    more = replace(bundle(), artefacts=(*bundle().artefacts, Artefact("rabbit2", "/etc/hosts", "x\n")))
    stopped_before(path, more, written, monkeypatch)
    (written / path).parent.mkdir(parents=True)
    (written / path).write_text("mine\n")
    assert states(compared(bundle(), written)) == {}
    assert run(bundle(), written, force=True, prune=True) == Written((), (), (), ())
    assert (written / path).read_text() == "mine\n"
    assert not compared(bundle(), written).differs


def test_stopped_before_an_edited_file(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit that a stopped run was forced to overwrite, and did not come to, is kept by a next run without force."""
    (written / HOSTS).write_text("mine\n")
    stopped_before(HOSTS, bundle(conf="new\n", hosts="new\n"), written, monkeypatch, force=True)
    assert states(compared(bundle(conf="new\n"), written)) == {HOSTS: State.EDITED}
