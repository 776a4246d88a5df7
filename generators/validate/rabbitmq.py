"""A RabbitMQ node booted on every distinct configuration: there is no other way to have rabbitmq.conf checked.

The node has its host's name and addresses and nobody to talk to; a fresh data folder; and the generated files, cookie
included. That it boots is not enough. Seen with 3.10.8: definitions that are no JSON, or that name a virtual host which
does not exist, are loaded without a word and without effect; a plugin nobody has is left out without a word. So what it
listens on is compared with rabbitmq.conf, its plugins with enabled_plugins, and the definitions are imported once
more, by ``rabbitmqctl``, which does complain.

Peer discovery from the list of nodes would find nobody, which 3.x takes some seconds to believe and 4.x ten minutes (30
rounds, 10 s for each peer that does not answer). So a file that is read after rabbitmq.conf tells the node to ask a
name service it does not know instead, once, and it goes on alone. Its own list is read all the same.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from generators.validate.certificates import missing
from generators.validate.files import Tree, addresses_of, alike, below, laid, mentioned, names_of
from generators.validate.rabbitmq_answer import judge
from generators.validate.room import File, Room
from generators.validate.task import Subject, Task

if TYPE_CHECKING:
    from generators.bundle import Artefact
    from generators.validate.program import Program

__all__ = ["tasks"]

FOLDER = "/etc/rabbitmq"
CONFIG = f"{FOLDER}/rabbitmq.conf"
COOKIE = "/var/lib/rabbitmq/.erlang.cookie"
ALONE_CONFIG = f"{FOLDER}/conf.d/zz-validate.conf"
USER = "rabbitmq"
ALONE = (FOLDER, "/var/lib/rabbitmq", "/var/log/rabbitmq")
INSIDE = Path(__file__).with_name("_boot.py")

BOOT_S = 90.0
"""4 to 10 s are usual on two cores; a busy machine has been seen to need 30."""
QUESTIONS_S = 180.0
LISTED = re.compile(
    r"^cluster_formation\.peer_discovery_backend[ \t]*=[ \t]*(?:rabbit_peer_discovery_)?classic_config[ \t]*$",
    re.MULTILINE,
)
STATED = re.compile(
    r"^cluster_formation\.(target_cluster_size_hint|discovery_retry_limit)[ \t]*=[ \t]*(\S+)[ \t]*$", re.MULTILINE
)


def tasks(tree: Tree) -> Iterator[Task]:
    """Boot once on each distinct configuration."""
    hosts = [(host, files) for host, files in tree.hosts.items() if CONFIG in files]
    for same in alike(hosts, lambda pair: _distinct(*pair)):
        yield _task(same)


def _needed(files: dict[str, Artefact]) -> dict[str, Artefact]:
    own = below(files, FOLDER)
    others = {path: files[path] for path in ("/etc/hosts", COOKIE) if path in files}
    return {CONFIG: own[CONFIG]} | own | mentioned(files, own.values()) | others


def _distinct(host: str, files: dict[str, Artefact]) -> tuple[tuple[str, str], ...]:
    """Give the files without what only says which host this is."""
    own = [host, *names_of(host, files), *(one.rpartition("/")[0] for one in addresses_of(host, files))]
    pattern = re.compile(rf"(?<![\w.:-])(?:{'|'.join(re.escape(name) for name in dict.fromkeys(own))})(?![\w-])")

    def nameless(text: str) -> str:
        lines = text.splitlines()
        return "\n".join(line if line.startswith("cluster_formation") else pattern.sub("-", line) for line in lines)

    return tuple(
        (nameless(path), one.content if path == "/etc/hosts" else nameless(one.content))
        for path, one in _needed(files).items()
        if path != COOKIE
    )


def _task(same: list[tuple[str, dict[str, Artefact]]]) -> Task:
    host, files = same[0]
    needed = _needed(files)
    texts = [one.content for one in needed.values()]
    certificates = missing(texts, needed)
    owned = tuple(File(path, None, 0o755, USER, USER) for path in ALONE)
    hostname = files["/etc/hostname"].content.strip() if "/etc/hostname" in files else host
    return Task(
        "rabbitmq-server",
        (Subject(CONFIG, tuple(one for _, other in same for one in _judged(other))),),
        (),
        Room(
            (
                *owned,
                *laid(needed.values()),
                File(ALONE_CONFIG, _alone(files[CONFIG].content)),
            ),
            alone=ALONE,
            users=(USER,),
            hostname=hostname,
            links={"eth0": addresses_of(host, files)},
        ),
        partial(judge, needed),
        places={path: one.tree_path for path, one in needed.items()},
        timeout_s=BOOT_S + QUESTIONS_S,
        certificates=certificates,
        names=(hostname, *names_of(host, files)),
        command=partial(_command, list(needed)),
    )


def _alone(config: str) -> str:
    """Give the settings with which a node waits for nobody; none where it would not wait.

    They do not hide a number that is none.
    """
    stated = dict(STATED.findall(config))
    settings = {"peer_discovery_backend": "dns", "discovery_retry_limit": "1"} if LISTED.search(config) else {}
    for key, value in stated.items():
        settings[key] = "1"
        if not value.isdecimal():
            del settings[key]
    return "".join(f"cluster_formation.{key} = {value}\n" for key, value in settings.items())


def _judged(files: dict[str, Artefact]) -> list[Artefact]:
    return [files[CONFIG], *(one for path, one in below(files, FOLDER).items() if path != CONFIG)]


def _command(paths: list[str], program: Program) -> list[str]:
    # Debian and Red Hat put a script in PATH that changes user and hides the output; the real one lies here.
    packaged = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    server = str(packaged if packaged.exists() else Path(program.path).resolve())
    wanted = {
        "server": server,
        "control": f"{server.rpartition('/')[0]}/rabbitmqctl",
        "user": USER,
        "timeout_s": BOOT_S,
        "definitions": [path for path in paths if path.endswith(".json") and path.startswith(f"{FOLDER}/")],
        "terms": [path for path in paths if path.endswith((".config", "/enabled_plugins"))],
    }
    return [sys.executable, "-I", "-S", str(INSIDE), json.dumps(wanted)]
