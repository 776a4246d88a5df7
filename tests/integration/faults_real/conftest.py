"""Each fault of the catalogue on real hosts: it does what its sentence says, and health returns when it is undone.

Runs on a lab that is up, which `RMQHA_LAB` names, of examples/article-fixed.yaml:

    rmqha lab up examples/article-fixed.yaml --name NAME
    RMQHA_LAB=NAME pytest -rP tests/integration/faults_real
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from real_faults import Seen, await_health, fault, tell

from integration.faults import Active, Faults, Prepared, prepare, resolve, sweep


@pytest.fixture(scope="module")
def lab() -> Any:
    """The lab that `RMQHA_LAB` names."""
    name = os.environ.get("RMQHA_LAB")
    if not name:
        pytest.skip("no lab to do faults in: RMQHA_LAB=NAME names one that is up, of examples/article-fixed.yaml")
    from integration.lab import find

    return find(name)


@pytest.fixture
def healthy(lab: Any) -> Iterator[Any]:
    """The lab, healthy before the test, and after it."""
    await_health(lab)
    yield lab
    left = sweep(lab)
    await_health(lab)
    assert not left


@pytest.fixture
def does(healthy: Any, record_property: Callable[[str, object], None]) -> Iterator[Callable[..., Active]]:
    """Begin a fault, and tell how long that took; what the test does not undo is undone after it."""
    with Faults(healthy) as faults:
        assert not faults.swept

        def do(name: str, host: str | None = None, **settings: Any) -> Active:
            called = time.monotonic()
            ready: Prepared = prepare(healthy, resolve(fault(name, host, **settings), Seen(healthy)))
            prepared = time.monotonic()
            active = faults.begin(ready)
            returned = time.monotonic()
            told = {"prepare": prepared - called, "effect": active.began - prepared, "return": returned - active.began}
            record_property("milliseconds", {what: round(1000 * seconds) for what, seconds in told.items()})
            words = ", ".join(f"{what} {1000 * seconds:.0f} ms" for what, seconds in told.items())
            tell(f"MEASURED {name} {settings or ''}: {words}")
            assert prepared <= active.began <= returned
            assert not active.over
            return active

        yield do
