"""``ansible-playbook --syntax-check`` on the design's playbooks, together with its inventory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from generators.validate.room import File, NoRoom, Outcome, Room
from generators.validate.task import Finding, Subject, Task

if TYPE_CHECKING:
    from generators.validate.files import Tree

__all__ = ["tasks"]

FOLDER = "ansible/"
ROOT = "/tmp/ansible/"  # noqa: S108 - a path in the program's own room
PLAYBOOK = re.compile(r"^(?:- |  )(?:hosts|import_playbook|ansible\.builtin\.import_playbook):", re.MULTILINE)
INVENTORY = re.compile(r"^(?:inventory|hosts)(?:\.(?:ya?ml|ini|toml))?$")
PLACE = re.compile(r"appears to be in '(?P<path>/[^']+)': line (?P<line>\d+), column")
COLLECTION = re.compile(r"couldn't resolve module/action '(?P<name>(?!ansible\.builtin\.)\w+\.\w+)\.\w+'")
ENV = {
    # By itself it warns of an inventory it cannot read, and goes on with none.
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
    "ANSIBLE_LOCALHOST_WARNING": "0",
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_RETRY_FILES_ENABLED": "0",
}


def tasks(tree: Tree) -> Iterator[Task]:
    """Check every playbook; the first also reads the inventory, and its verdict is for both."""
    files = {ROOT + path.removeprefix(FOLDER): one for path, one in tree.design.items() if path.startswith(FOLDER)}
    top = {path: one for path, one in files.items() if "/" not in path.removeprefix(ROOT)}
    inventories = [path for path in top if INVENTORY.match(path.removeprefix(ROOT))]
    others = {path: one.content for path, one in top.items() if path not in inventories}
    playbooks = [path for path, text in others.items() if path.endswith((".yml", ".yaml")) and PLAYBOOK.search(text)]
    room = Room(tuple(File(path, one.content) for path, one in files.items()))
    asked = [word for path in inventories for word in ("-i", path)]
    settings = {"ANSIBLE_CONFIG": f"{ROOT}ansible.cfg"} if f"{ROOT}ansible.cfg" in files else {}
    for playbook in playbooks:
        judged = [playbook, *(inventories if playbook == playbooks[0] else ())]
        yield Task(
            "ansible-playbook",
            tuple(Subject(path, (files[path],)) for path in judged),
            ("--syntax-check", *asked, playbook),
            room,
            partial(_judge, frozenset(judged)),
            places={path: one.tree_path for path, one in files.items()},
            private=None,
            timeout_s=60,
            env=ENV | settings,
        )


def _judge(known: frozenset[str], outcome: Outcome) -> Iterator[Finding]:
    if outcome.exit_status == 0:
        return
    lacking = COLLECTION.search(outcome.output)
    if lacking:
        raise NoRoom(f"the Ansible collection {lacking['name']} is not installed")
    output = re.sub(r"(?<=\S)\n(?=\S)", " ", outcome.output)  # it breaks lines anywhere
    lines = [line for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR!", "[ERROR]"))] or lines[-1:]
    place = PLACE.search(output)
    where = f"{place['path']}:{place['line']}: " if place else ""
    about = place["path"] if place and place["path"] in known else ""
    for error in errors:
        yield Finding(where + re.sub(r"^(?:ERROR!|\[ERROR\]:?) *", "", error), about)
    if not errors:
        yield Finding(f"ansible-playbook --syntax-check: {outcome.ended}")
