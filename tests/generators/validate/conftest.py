"""What the tests of validation share: small bundles, and the verdicts of one program on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import pytest

from generators.bundle import Artefact, Bundle
from generators.validate import CHECKS, Verdict, rabbitmq
from generators.validate.files import Tree
from generators.validate.private import private_room
from generators.validate.redact import hider
from generators.validate.room import NoRoom
from generators.validate.task import perform

VERSIONS = {"haproxy": "2.6", "keepalived": "2.2", "rabbitmq": "3.10"}

Check = Callable[..., tuple[Verdict, ...]]


def bundle(artefacts: Iterable[Artefact]) -> Bundle:
    """Make a bundle as the generators do."""
    return Bundle("design", "digest", tuple(sorted(artefacts, key=lambda one: one.tree_path)))


@pytest.fixture
def check() -> Check:
    """``check("nft", *artefacts)``: what one program says of some files."""

    def run(program: str, *artefacts: Artefact, versions: dict[str, str] | None = None) -> tuple[Verdict, ...]:
        tree = Tree(bundle(artefacts))
        found = [task for tasks in (*CHECKS, rabbitmq.tasks) for task in tasks(tree) if task.program == program]
        redact = hider((), artefacts)
        return tuple(verdict for task in found for verdict in perform(task, versions or VERSIONS, redact))

    return run


@pytest.fixture
def private() -> None:
    """Skip the test, loudly, where no private room can be had; fail it where programs are demanded, as in CI."""
    room = private_room()
    if isinstance(room, NoRoom):
        if os.environ.get("RMQHA_REQUIRE_DAEMONS") == "1":
            pytest.fail(f"no private room, and RMQHA_REQUIRE_DAEMONS=1 demands one: {room}", pytrace=False)
        pytest.skip(f"NOT RUN: {room}")
