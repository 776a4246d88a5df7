"""Each queue of the design is replicated as designed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from integration.diagnose import queues
from integration.suite.plugin import refuse

if TYPE_CHECKING:
    from integration.host import Stack
    from rmqha_model.queues import Queue

__all__: list[str] = []

Found = dict[tuple[str, str], queues.Copies]


@pytest.fixture(scope="module")
def found(stack: Stack) -> Found:
    """The queues of the design's vhosts as the management API tells them."""
    seen = queues.look(stack)
    if seen is None:
        pytest.skip("the design has no user with the tag administrator or monitoring, or no management plugin, to ask")
    return seen


def test_queue_is_replicated(stack: Stack, found: Found, queue: Queue) -> None:
    """A quorum queue has its members, all online; a mirrored one its mirrors, all in step; a stream its replicas."""
    refuse(queues.of_queue(stack, queue, found.get((queue.vhost, queue.name))))


def test_leaders_are_told(found: Found, note: Callable[[str], None]) -> None:
    """Who leads how many queues is told; nothing keeps it even for ever."""
    if not found:
        pytest.skip("there are no queues")
    note(", ".join(f"{node} leads {count}" for node, count in queues.leaders(found.values()).items()))
