"""Rooms: what a program sees in them, and that nothing of them is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from generators.validate import bounded, private, run
from generators.validate.room import File, NoRoom, Outcome, Room, find_program

BASH = find_program("bash") or "/bin/bash"
SLEEP = find_program("sleep") or "/bin/sleep"
OWN_USERS = ("--user", "--map-root-user")

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="NOT RUN: rooms are of Linux")


@pytest.fixture(params=["root", "user"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Both kinds of private rooms, of root and of user namespaces, where they can be had."""
    wanted = () if request.param == "root" else OWN_USERS
    if request.param == "root" and os.geteuid() != 0:
        pytest.skip("NOT RUN: needs root")
    try:
        private.run_private(wanted, ["/bin/true"], Room(), 20, {})
    except NoRoom as error:
        pytest.skip(f"NOT RUN: {error}")
    monkeypatch.setattr(run, "private_room", lambda: wanted)
    return wanted


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files that nobody else uses."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def shell(script: str, room: Room, *, private: bool = True, timeout_s: float = 20.0) -> Outcome:
    """Run a line of shell in a room."""
    return run.run([BASH, "-c", script], room, private=private, timeout_s=timeout_s)


def running(token: str) -> Iterator[int]:
    """The processes of this machine whose command line has a word in it."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                command = folder.joinpath("cmdline").read_bytes()
            except OSError:
                continue
            if token.encode() in command:
                yield int(folder.name)


def gone(token: str) -> bool:
    """Whether such processes are gone, at once or very soon."""
    end = time.monotonic() + 5
    while any(running(token)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(running(token))


@pytest.mark.usefixtures("kind")
def test_files_lie_at_their_places() -> None:
    """Files and folders lie where they will be installed, over what the machine has there, with mode and owner."""
    room = Room(
        (
            File("/etc/hosts", "10.0.0.1 here\n"),
            File("/etc/rmqha-new/deep/file", "content é\n", 0o640),
            File("/lib/systemd/system/rmqha.service", "unit\n"),
            File("/run/rmqha/file", "running\n"),
            File("/rmqha-top/file", "top\n"),
        )
    )
    script = (
        "cat /etc/hosts /etc/rmqha-new/deep/file /usr/lib/systemd/system/rmqha.service "
        "/run/rmqha/file /rmqha-top/file; "
        "stat -c '%a %U' /etc/rmqha-new/deep/file; test -e /etc/passwd && echo machine; pwd"
    )
    outcome = shell(script, room)
    assert outcome.output.splitlines() == [
        "10.0.0.1 here",
        "content é",
        "unit",
        "running",
        "top",
        "640 root",
        "machine",
        "/",
    ]
    assert not Path("/etc/rmqha-new").exists()
    assert not Path("/usr/lib/systemd/system/rmqha.service").exists()


@pytest.mark.usefixtures("kind")
def test_folder_alone() -> None:
    """A folder that is to stand alone shows nothing of the machine's."""
    room = Room((File("/etc/ssl/only", "x\n"),), alone=("/etc/ssl", "/etc/rmqha-empty"))
    assert shell("ls -A /etc/ssl /etc/rmqha-empty", room).output.split() == [
        "/etc/rmqha-empty:",
        "/etc/ssl:",
        "only",
    ]


@pytest.mark.usefixtures("kind")
def test_name_network_and_users() -> None:
    """Host name, interfaces and users are those asked for; no name and no address leads out."""
    room = Room(
        (File("/etc/hosts", "10.9.8.7 rabbit1\n"), File("/srv/x", "x", owner="someone", group="somegroup")),
        users=("another",),
        hostname="rabbit1",
        links={"ens33": ["10.9.8.7/32", "fd00::7/128"], "bond0.7": []},
    )
    script = (
        "hostname; getent hosts rabbit1; getent hosts example.org || echo unknown; id -un someone another; "
        "ls /sys/class/net >/dev/null; cut -d: -f1 /proc/net/dev | tail -n +3 | sort | tr -d ' ' | tr '\\n' ' '; "
        "(echo > /dev/tcp/10.9.8.8/80) 2>/dev/null || echo nowhere"
    )
    output = shell(script, room).output.split("\n")
    assert output[0] == "rabbit1"
    assert output[1].split() == ["10.9.8.7", "rabbit1"]
    assert output[2] == "unknown"
    assert {"ens33", "bond0.7", "lo"} <= set(output[-2].replace("nowhere", "").split())
    assert output[-2].endswith("nowhere")


@pytest.mark.usefixtures("kind")
def test_machine_is_out_of_reach() -> None:
    """Nothing outside can be written, no setting of the kernel changed, no mount made; what is written is gone."""
    script = (
        "for file in /root/x /proc/sys/vm/swappiness /proc/sys/net/ipv4/ip_forward /proc/sysrq-trigger; do "
        "(echo 0 > $file) 2>/dev/null && echo wrote $file; done; "
        "mount -t tmpfs x /mnt 2>/dev/null && echo mounted; "
        "echo kept > /etc/rmqha-left; cat /etc/rmqha-left; echo $(ls /proc | grep -c '^[0-9]')"
    )
    output = shell(script, Room()).output.split("\n")
    assert output[0] == "kept"
    assert int(output[1]) < 8  # this shell and what it starts: no other process is to be seen
    assert not Path("/etc/rmqha-left").exists()


def test_private_root_gives_up_capabilities(kind: tuple[str, ...]) -> None:
    """A program run as root can load no module, trace nobody, set no clock."""
    (line,) = (one for one in shell("cat /proc/self/status", Room()).output.splitlines() if one.startswith("CapBnd"))
    bits = int(line.split()[1], 16)
    forbidden = {"sys_module": 16, "sys_rawio": 17, "sys_ptrace": 19, "sys_admin": 21, "sys_boot": 22, "sys_time": 25}
    assert [name for name, bit in forbidden.items() if bits >> bit & 1] == [], kind


@pytest.mark.usefixtures("kind")
def test_nothing_stays_after_the_end(temporary: Path) -> None:
    """What a program leaves running ends with it; no mount and no temporary file stays."""
    token = uuid.uuid4().hex
    before = mounts()
    outcome = shell(f"exec -a {token} {SLEEP} 60 & echo started", Room((File("/etc/x", "x"),)))
    assert outcome.output == "started\n"
    assert outcome.elapsed_s < 10
    assert gone(token)
    assert mounts() <= before
    assert list(temporary.iterdir()) == []


def mounts() -> set[str]:
    """Give the places where this project has mounted something, here or in a lab that runs beside the tests."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return {place for line in lines if "rmqha" in (place := line.split()[4])}


@pytest.mark.slow
@pytest.mark.usefixtures("kind")
def test_time_is_bounded() -> None:
    """A program that does not end is ended, and so is what it started."""
    token = uuid.uuid4().hex
    outcome = shell(f"(exec -a {token} {SLEEP} 60) & exec -a {token} {SLEEP} 61", Room(), timeout_s=0.7)
    assert (outcome.exit_status, outcome.ended) == (None, "no answer within 1 s")
    assert gone(token)


@pytest.mark.slow
def test_time_is_bounded_in_a_plain_room(temporary: Path) -> None:
    """In a plain room too, and its folder is removed."""
    token = uuid.uuid4().hex
    script = f"(exec -a {token} {SLEEP} 60) & exec -a {token} {SLEEP} 61"
    outcome = shell(script, Room((File("/x", "secret"),)), private=False, timeout_s=0.5)
    assert outcome.exit_status is None
    assert gone(token)
    assert list(temporary.iterdir()) == []


def test_left_behind_in_a_plain_room() -> None:
    """What a program leaves running there holds nobody up and is ended."""
    token = uuid.uuid4().hex
    outcome = shell(f"(exec -a {token} {SLEEP} 60) & echo started", Room(), private=False)
    assert (outcome.exit_status, outcome.output) == (0, "started\n")
    assert outcome.elapsed_s < 10
    assert gone(token)


PROGRAM = """
import sys, tempfile
sys.path.insert(0, {root!r})
tempfile.tempdir = {temporary!r}
from generators.validate.room import File, Room
from generators.validate.run import run
run([{bash!r}, "-c", "exec -a {token} {sleep} 60"], Room((File("/etc/x", "x"),)), private={private}, timeout_s=60)
"""


def start(root: Path, temporary: Path, token: str, *, in_private: bool) -> subprocess.Popen[bytes]:
    """Start a program that waits in a room, and wait until it does."""
    text = PROGRAM.format(
        root=str(root), temporary=str(temporary), bash=BASH, sleep=SLEEP, token=token, private=in_private
    )
    process = subprocess.Popen([sys.executable, "-c", text], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 15
    while time.monotonic() < end:
        names = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in running(token)]
        if any(name.startswith(token.encode()) for name in names):
            return process
        time.sleep(0.02)
    process.kill()
    pytest.fail("the program in the room did not start")


@pytest.mark.slow
@pytest.mark.usefixtures("private")
def test_killed_tester_leaves_nothing(root: Path, tmp_path: Path) -> None:
    """Even ``kill -9`` of the one who runs it leaves no process, no mount and no file of a private room."""
    token = uuid.uuid4().hex
    before = mounts()
    process = start(root, tmp_path, token, in_private=True)
    process.kill()
    process.wait()
    assert gone(token)
    assert list(tmp_path.iterdir()) == []
    assert mounts() <= before


@pytest.mark.slow
@pytest.mark.parametrize("in_private", [True, False])
@pytest.mark.usefixtures("private")
def test_interrupted_tester_leaves_nothing(root: Path, tmp_path: Path, *, in_private: bool) -> None:
    """Ctrl-C ends what runs in either kind of room and removes its files."""
    token = uuid.uuid4().hex
    process = start(root, tmp_path, token, in_private=in_private)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=10)
    assert gone(token)
    assert list(tmp_path.iterdir()) == []


def test_output_is_bounded() -> None:
    """A program that talks without end fills no memory."""
    outcome = shell("head -c 3000000 /dev/zero | tr '\\0' x", Room(), private=False)
    assert (outcome.exit_status, len(outcome.output)) == (0, bounded.OUTPUT_BYTES_MAX)


def test_no_input_and_small_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program gets nothing to read and nothing of the user's environment."""
    monkeypatch.setenv("RMQHA_TOKEN", "hunter2")
    output = shell("cat; env", Room(), private=False).output
    assert "hunter2" not in output
    assert {line.partition("=")[0] for line in output.splitlines()} == {
        *("PATH", "LC_ALL", "LANG", "HOME", "TMPDIR", "PWD", "SHLVL", "_"),
    }


def test_plain_room_speaks_of_the_places() -> None:
    """A path of a wanted file is meant as such, and the folder it really lies in is not told."""
    room = Room((File("/etc/app.conf", "x\n", 0o200),))
    outcome = run.run(
        [BASH, "-c", 'cat "$1"; echo "$1" "$FILE"', "x", "/etc/app.conf"],
        room,
        private=False,
        timeout_s=5,
        env={"FILE": "/etc/app.conf"},
    )
    assert outcome.output == "x\n/etc/app.conf /etc/app.conf\n"


def test_program_that_cannot_be_started(tmp_path: Path) -> None:
    """A file that is no program is told as such."""
    tmp_path.joinpath("x").write_text("x", encoding="utf-8")
    with pytest.raises(NoRoom, match="cannot be started"):
        run.run([str(tmp_path / "x")], Room(), private=False, timeout_s=5)


@pytest.mark.usefixtures("kind")
def test_program_that_cannot_be_started_in_private() -> None:
    """Neither can it in a private room, and that is told in the same way."""
    with pytest.raises(NoRoom, match="No such file"):
        run.run(["/no/such/program"], Room(), private=True, timeout_s=5)


@pytest.mark.parametrize("path", ["/../escaped", "/a/../../escaped", "relative"])
@pytest.mark.parametrize("in_private", [True, False])
def test_path_that_leads_out(path: str, *, in_private: bool) -> None:
    """No file is laid outside of the room."""
    with pytest.raises(NoRoom, match="no plain absolute path"):
        run.run([BASH, "-c", "true"], Room((File(path, "x"),)), private=in_private, timeout_s=5)


def test_end_by_a_signal() -> None:
    """An end by a signal is told as such."""
    assert shell("kill -SEGV $$", Room(), private=False).ended == "killed by SIGSEGV"


def test_no_private_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the tools, or on another system, the reason is told."""
    monkeypatch.setattr(private, "find_program", lambda name: None if name == "ip" else f"/bin/{name}")
    private._private_room.cache_clear()
    assert str(private.private_room()) == "needs ip, not installed"
    monkeypatch.setattr(sys, "platform", "darwin")
    private._private_room.cache_clear()
    assert str(private.private_room()) == "needs Linux namespaces"
    private._private_room.cache_clear()
