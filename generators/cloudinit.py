"""cloud-init user data: a host that installs itself when it boots for the first time."""

from __future__ import annotations

import base64
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from generators import install
from generators.bundle import Artefact
from generators.header import header
from generators.quoting import yaml
from generators.steps import own_steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rmqha_model.topology import Topology

__all__ = ["FOLDER", "artefacts", "content_of"]

FOLDER = "/var/lib/rmqha/bundle"
"""Where a host's folder is put, in the form install.sh expects it."""

_PLAIN = re.compile(r"[\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*")
"""What a YAML literal block gives back as it is: 5.1 of YAML 1.2.2, less what YAML 1.1 takes for a line break."""


def artefacts(topology: Topology, installed: Iterable[Artefact]) -> Iterator[Artefact]:
    """Give the user data of every host; a text that hosts share is indented once."""
    files: dict[str, list[Artefact]] = defaultdict(list)
    for artefact in installed:
        if artefact.host is not None and artefact.path.startswith("/"):
            files[artefact.host].append(artefact)
    scripts = install.scripts(topology, (artefact for own in files.values() for artefact in own))
    blocks: dict[str, str] = {}
    what = "cloud-init user data: installs this host when it boots for the first time."
    top = f"#cloud-config\n{header(topology, what)}{_EXPLAINED}"
    for host in topology.hosts:
        parts = [top, _names(topology, host), "write_files:\n"]
        for artefact in files[host]:
            if artefact.content not in blocks:
                blocks[artefact.content] = content_of(artefact.content)
            parts.append(_file(artefact.path, artefact.tree_mode, blocks[artefact.content]))
        parts.append(_file(f"/{install.INSTALL}", 0o755, content_of(scripts[host])))
        parts.append(_commands(topology, host, files[host]))
        yield Artefact(None, f"cloud-init/{host}.yaml", "".join(parts), 0o600, secret=True)


_EXPLAINED = f"""\
#
# Holds the host's secrets: whoever can read a machine's user data can read them.
# Its files are put under {FOLDER}, and installed from there by the script that a person would run.
# That installs the packages, too: done here, Debian would start the daemons before their configuration is there.

"""


def _names(topology: Topology, host: str) -> str:
    return (
        f"hostname: {yaml(topology.short_name(host))}\n"
        f"fqdn: {yaml(topology.full_name(host))}\n"
        "preserve_hostname: false\n"
        "manage_etc_hosts: false\n"
        "package_update: true\n"
    )


def _file(path: str, mode: int, block: str) -> str:
    return f'- path: {FOLDER}{path}\n  owner: "root:root"\n  permissions: "{mode:04o}"\n{block}'


def content_of(text: str) -> str:
    """Give the keys of ``write_files`` that say *text*: as it is, or in base64 where YAML would change it."""
    if not text or not _PLAIN.fullmatch(text):
        return f'  encoding: b64\n  content: "{base64.b64encode(text.encode()).decode()}"\n'
    body = text.rstrip("\n")
    breaks = len(text) - len(body)
    # The number says where the text begins: its first line may begin with blanks itself.
    chomp = "" if breaks == 1 and body else "-" if not breaks else "+"
    lines = "\n".join(f"    {line}" if line else "" for line in text.split("\n"))
    return f"  content: |2{chomp}\n{lines.removesuffix(chr(10))}\n"


def _commands(topology: Topology, host: str, files: Sequence[Artefact]) -> str:
    commands = [f"{FOLDER}/{install.INSTALL}", *(step.path for step in own_steps(topology, host, files))]
    # In one shell that ends at the first failure: cloud-init itself would go on with the next.
    return f"runcmd:\n- [bash, -c, {yaml('set -e; ' + '; '.join(commands))}]\n"
