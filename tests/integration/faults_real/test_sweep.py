"""Programs that end in the middle of faults on real hosts: nothing of it is left."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from real_faults import CONFIG, carrier, connects, fault, state_of, until

from integration.errors import FaultError
from integration.faults import Faults, begin, daemons, guest, sweep

pytestmark = [pytest.mark.slow, pytest.mark.needs("systemd-nspawn", "ip", "nft")]

ROOT = Path(__file__).resolve().parents[3]

_LEAVES = """
    import signal, sys, time
    from integration.faults import Faults
    from integration.lab import find
    from pydantic import TypeAdapter
    from rmqha_model.faults import AnyFault

    # Whoever runs the tests in the background may have these ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    lab = find(sys.argv[1])
    with Faults(lab) as faults:
        for told in {faults!r}:
            faults.begin(TypeAdapter(AnyFault).validate_python(told))
        print("begun", flush=True)
        time.sleep(600)
"""


@contextlib.contextmanager
def leaving(lab: Any, *faults: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """Start a program that begins *faults* and waits; give it when it has begun them."""
    program = textwrap.dedent(_LEAVES).format(faults=[{"at": "0s", **each} for each in faults])
    command = [sys.executable, "-c", program, lab.name]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            yield process
        finally:
            process.kill()


def test_what_a_killed_program_left_is_swept(healthy: Any) -> None:
    """After SIGKILL in the middle of six faults a sweep undoes them all, the last first."""
    lab = healthy
    host = lab.hosts["rabbit2"]
    config = guest.read_file(host, CONFIG)
    with leaving(
        lab,
        {"fault": "haproxy_cannot_start", "host": "rabbit2"},
        {"fault": "memory_alarm", "host": "rabbit2"},
        {"fault": "keepalived_hang", "host": "rabbit2"},
        {"fault": "partition", "between": [["rabbit3"], ["@clients"]]},
        {"fault": "link_down", "host": "rabbit1"},
        {"fault": "broker_hang", "host": "rabbit2"},
    ):
        assert sweep(lab) == []  # its program lives
        with pytest.raises(FaultError, match="another program"):
            begin(lab, fault("haproxy_kill", "rabbit1"))
    assert lab.journal.stat().st_mode & 0o777 == 0o600
    told = sweep(lab)
    assert [line.split()[0] for line in told] == [
        "broker_hang", "link_down", "partition", "keepalived_hang", "memory_alarm", "haproxy_cannot_start"
    ]  # fmt: skip
    assert all(line.endswith("undone") for line in told)
    assert sweep(lab) == []
    assert guest.read_file(host, CONFIG) == config
    assert carrier(lab, "rabbit1")
    assert connects(lab, None, lab.topology.ip("rabbit3"), 15672)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_program_that_is_told_to_end_undoes_its_faults(healthy: Any, number: signal.Signals) -> None:
    """Ctrl-C, SIGTERM and SIGHUP end it when all is undone."""
    lab = healthy
    faults = [{"fault": "link_down", "host": "rabbit3"}, {"fault": "haproxy_hang", "host": "rabbit1"}]
    with leaving(lab, *faults) as process:
        pids = daemons.haproxy_all(lab.hosts["rabbit1"])
        process.send_signal(number)
        assert process.wait(30)
    assert carrier(lab, "rabbit3")
    assert not {state_of(lab.hosts["rabbit1"], pid) for pid in pids} & {"T"}
    assert sweep(lab) == []


def test_what_is_not_there_is_refused_in_words(healthy: Any) -> None:
    """A fault of a daemon that does not run is an error, and leaves nothing to undo."""
    with Faults(healthy) as faults:
        stopped = faults.begin(fault("haproxy_stop", "rabbit2"))
        until(lambda: guest.unit(healthy.hosts["rabbit2"], daemons.HAPROXY).active == "inactive", 10, "haproxy stops")
        with pytest.raises(FaultError, match=r"rabbit2: found no haproxy of haproxy\.service"):
            faults.begin(fault("haproxy_kill", "rabbit2"))
        stopped.undo()
