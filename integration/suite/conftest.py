"""What the tests of the suite are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from integration.suite.plugin import PLUGIN, Plugin

if TYPE_CHECKING:
    from integration.host import Stack

__all__: list[str] = []


@pytest.fixture(scope="session")
def suite(pytestconfig: pytest.Config) -> Plugin:
    """This run of the suite."""
    return pytestconfig.stash[PLUGIN]


@pytest.fixture(scope="session")
def stack(suite: Plugin) -> Stack:
    """The stack that is tested."""
    return suite.the_stack


@pytest.fixture
def healthy(suite: Plugin) -> Iterator[None]:
    """A stack that is healthy before the test; and it is taken care that the next one has one too."""
    suite.make_healthy("before the test")
    yield
    suite.make_healthy("after the test")


@pytest.fixture
def note(suite: Plugin, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Give a way to tell what no test can judge."""
    node = request.node

    def told(text: str) -> None:
        suite.notes.append(f"{node.name}: {text}")
        node.user_properties.append(("note", text))

    return told
