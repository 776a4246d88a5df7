"""Private rooms: namespaces in which wanted files lie where they will be installed, and the network leads nowhere."""

from __future__ import annotations

import functools
import grp
import json
import os
import pwd
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from generators.validate.bounded import bounded
from generators.validate.room import File, NoRoom, Outcome, Room, find_program

__all__ = ["private_room", "run_private"]

INSIDE = Path(__file__).with_name("_inside.py")
TOOLS = ("ip", "setpriv", "unshare")
FIRST_MADE_UP_ID = 61_000
"""Where user numbers of no Linux distribution lie (systemd's UIDS-GIDS table: 60578..61183 is unused)."""


def private_room() -> tuple[str, ...] | NoRoom:
    """Find how private rooms can be made here: the options of ``unshare``, or why there can be none."""
    return _private_room(os.geteuid())


@functools.cache
def _private_room(user: int) -> tuple[str, ...] | NoRoom:
    if not sys.platform.startswith("linux"):
        return NoRoom("needs Linux namespaces")
    missing = [name for name in TOOLS if not find_program(name)]
    if missing:
        return NoRoom(f"needs {' and '.join(missing)}, not installed")
    own_users = ("--user", "--map-root-user")
    refusal = ""
    for kind in [(), own_users] if user == 0 else [own_users]:
        try:
            run_private(kind, [find_program("true") or "/bin/true"], Room(), 20, {})
        except NoRoom as error:
            refusal = refusal or str(error)
        else:
            return kind
    return NoRoom(f"needs root or user namespaces: {refusal}")


def run_private(
    kind: tuple[str, ...], argv: Sequence[str], room: Room, timeout_s: float, env: Mapping[str, str]
) -> Outcome:
    """Run a program as process 1 of a private room; *kind* is what :func:`private_room` gave."""
    ip, setpriv, unshare = (find_program(name) or name for name in TOOLS)
    named = {*room.users, *(name for file in room.files for name in (file.owner, file.group))}
    users, groups, accounts = _accounts(named, all_root=bool(kind))
    folders = [File(path, None, 0o755) for path in ("/run/home", *room.alone)]
    things = [
        {"path": one.path, "mode": one.mode, "uid": users[one.owner], "gid": groups[one.group]}
        | ({} if one.content is None else {"content": one.content})
        for one in (*folders, *accounts, *room.files)
    ]
    wanted = {
        "files": [one for one in things if "content" in one],
        "folders": [one for one in things if "content" not in one],
        "alone": room.alone,
        "links": {name: list(dict.fromkeys(addresses)) for name, addresses in room.links.items()},
        "hostname": room.hostname,
        "own_users": bool(kind),
        "ip": ip,
        "argv": list(argv),
        "env": dict(env),
    }
    # --pdeathsig and --kill-child: if this process is killed, so is unshare, so is process 1, so is everything inside.
    command = [setpriv, "--pdeathsig", "KILL", "--", unshare, *kind, "--mount", "--net", "--uts", "--ipc", "--pid"]
    command += ["--fork", "--kill-child", "--mount-proc", "--", sys.executable, "-I", "-S", str(INSIDE)]
    return _told(command, json.dumps(wanted).encode(), timeout_s, env)


def _told(command: list[str], wanted: bytes, timeout_s: float, env: Mapping[str, str]) -> Outcome:
    """Run ``_inside.py``, hand it what is wanted, hear whether it could do it."""
    asked = os.memfd_create("rmqha-validate")  # not a pipe, which could fill up; not a file, since secrets are in it
    report, reporter = os.pipe()
    try:
        with os.fdopen(asked, "wb", closefd=False) as stream:
            stream.write(wanted)
        os.lseek(asked, 0, os.SEEK_SET)
        try:
            command = [*command, str(reporter)]
            outcome = bounded(command, timeout_s, stdin=asked, pass_fds=(reporter,), env=env, cwd="/")
        finally:
            os.close(reporter)
        answer = os.read(report, 4096).decode(errors="replace")
    finally:
        os.close(asked)
        os.close(report)
    if answer != "ok":
        why = answer.removeprefix("ok").strip() or outcome.output.strip() or outcome.ended
        raise NoRoom(why.splitlines()[-1])
    return outcome


def _accounts(names: Iterable[str], *, all_root: bool) -> tuple[dict[str, int], dict[str, int], list[File]]:
    """Number users and groups, and give account files that know those this machine lacks.

    Where there is only one user, root, they *all* are *root* by other names: a program can become none but itself.
    Names are looked up in files only: no name server, no directory service is asked for a host or a user.
    """
    users = {one.pw_name: one for one in pwd.getpwall()}
    groups = {one.gr_name: one.gr_gid for one in grp.getgrall()}
    user_ids = {name: one.pw_uid for name, one in users.items()}
    passwd = {n: f"{n}:x:{p.pw_uid}:{p.pw_gid}::{p.pw_dir}:{p.pw_shell}" for n, p in users.items()}
    group = {g.gr_name: f"{g.gr_name}:x:{g.gr_gid}:{','.join(g.gr_mem)}" for g in grp.getgrall()}
    for number, name in enumerate(sorted(set(names)), start=FIRST_MADE_UP_ID):
        if name not in groups or all_root:
            groups[name] = 0 if all_root else number
            group[name] = f"{name}:x:{groups[name]}:"
        if name not in users or all_root:
            user_ids[name] = 0 if all_root else number
            passwd[name] = f"{name}:x:{user_ids[name]}:{groups[name]}::/nonexistent:/usr/sbin/nologin"
    switch = "".join(f"{what}: files\n" for what in ("passwd", "group", "shadow", "hosts", "services", "protocols"))
    accounts = {"passwd": passwd.values(), "group": group.values()}
    texts = accounts | {"nsswitch.conf": [switch], "resolv.conf": ["# none here"]}
    return user_ids, groups, [File(f"/etc/{name}", "\n".join(lines) + "\n") for name, lines in texts.items()]
