"""What boots a RabbitMQ node in a private room: start it, wait until it serves, ask, tell.

Run as a script, inside the room, by :mod:`generators.validate.rabbitmq`, with one argument: what is wanted, as JSON.
It prints one JSON object. It need not stop the node: this process is process 1 of the room, and when it ends the kernel
ends every other one there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HOME = "/var/lib/rabbitmq"
LOGS = Path("/var/log/rabbitmq")
SAID = Path("/run/home")
LISTENING = "0A"
"""The state column of /proc/net/tcp for TCP_LISTEN (include/net/tcp_states.h)."""
SERVES = b"completed with"
"""What a node prints when it serves: ``completed with 4 plugins.`` (rabbit.erl, 3.8 to 4.3)."""
ASK_AFTER_S = 25.0
"""When to ask the node all the same. Not at once: ``await_startup`` of 3.10 was seen to look only every 10 s."""
ASK_S = 60.0
"""How long one question to a node that serves may take; 2 s is usual, most of it the start of Erlang."""
KEPT = 100_000
CONSULT = """
    [case file:consult(F) of
        {error, R} -> io:format("~ts:~ts~n", [F, file:format_error(R)]);
        _ -> ok
     end || F <- init:get_plain_arguments()], halt().
"""


def open_ports() -> list[int]:
    """Give the TCP ports something listens on."""
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING:
                    ports.add(int(fields[1].rpartition(":")[2], 16))
    return sorted(ports)


def start(program: list[str], user: str, output: Path) -> subprocess.Popen[bytes]:
    """Start a program as *user*, what it says going to a file."""
    # A user namespace of one user cannot become another; its root is this user's own self.
    alone = Path("/proc/self/uid_map").read_text(encoding="ascii").split()[2] == "1"
    who: dict[str, Any] = {} if alone else {"user": user, "group": user, "extra_groups": []}
    with output.open("wb") as stream:
        return subprocess.Popen(
            program, stdout=stream, stderr=stream, cwd=HOME, env={**os.environ, "HOME": HOME}, **who
        )


def read(path: Path) -> str:
    """Give the end of what was said."""
    return path.read_text(encoding="utf-8", errors="replace")[-KEPT:] if path.exists() else ""


def ask(control: list[str], user: str) -> dict[str, Any]:
    """Put a question to the node."""
    answer = SAID / "answer"
    process = start(control, user, answer)
    try:
        status = process.wait(ASK_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return {"status": -1, "said": f"{read(answer)} no answer within {ASK_S:.0f} s"}
    return {"status": status, "said": read(answer)}


def terms(paths: list[str], user: str) -> str:
    """Say where files of Erlang terms are wrong: of some of them a node says only that they are."""
    if not paths or not shutil.which("erl"):
        return ""
    answer = ask(["erl", "-noinput", "-eval", CONSULT, "-extra", *paths], user)
    return str(answer["said"])


def main(wanted: dict[str, Any]) -> None:
    """Boot, look, tell."""
    begin = time.monotonic()
    control, user = wanted["control"], wanted["user"]
    node = start([wanted["server"]], user, SAID / "node")
    asking: subprocess.Popen[bytes] | None = None
    while node.poll() is None and (spent := time.monotonic() - begin) < wanted["timeout_s"]:
        if asking is not None and asking.poll() is not None:
            break
        if asking is None and (spent > ASK_AFTER_S or SERVES in (SAID / "node").read_bytes()):
            left = max(1, int(wanted["timeout_s"] - spent))
            asking = start([control, "await_startup", "--timeout", str(left)], user, SAID / "control")
        time.sleep(0.1)
    serves = node.poll() is None and asking is not None and asking.poll() == 0
    told = {
        "serves": serves,
        "exit": node.poll(),
        "ports": open_ports(),
        "plugins": ask([control, "-q", "eval", "rabbit_plugins:active()."], user) if serves else None,
        "imports": {
            path: ask([control, "-q", "import_definitions", path], user) if serves else None
            for path in wanted["definitions"]
        },
        "terms": "" if serves else terms(wanted["terms"], user),
        "node": read(SAID / "node"),
        "control": read(SAID / "control"),
        "logs": "".join(map(read, sorted(LOGS.rglob("*.log"))))[-KEPT:],
    }
    print(json.dumps(told))  # noqa: T201 - standard output is how it tells


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
