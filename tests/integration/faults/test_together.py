"""Several faults at once: all are undone, in order, whatever ends the program."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import pytest
from idle_stack import fault, left_behind

from integration.errors import FaultError, LabError
from integration.faults import Faults, prepare
from integration.faults import journal as journals
from integration.faults.active import Active
from integration.faults.plan import Plan
from integration.faults.steps import Heal, Restore, Start


def test_all_are_undone_last_first_when_it_is_left(stack: Any) -> None:
    """Those that were undone before are not undone again."""
    with Faults(stack) as faults:
        for name in ("rabbit1", "rabbit2", "rabbit3"):
            active = faults.begin(fault("link_down", name))
            if name == "rabbit2":
                active.undo()
    assert stack.told("up") == ["link rabbit2 up", "link rabbit3 up", "link rabbit1 up"]
    with pytest.raises(FaultError, match="all are being undone"):
        faults.begin(fault("link_down", "rabbit1"))


def test_orders_come_before_waiting(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Brokers that wait for each other when they start are all started before one is waited for."""
    monkeypatch.setattr(Start, "settle", lambda self, _: stack.log.append(f"settled {self.host}"))
    with Faults(stack) as faults:
        for name in ("rabbit1", "rabbit2"):
            faults.begin(fault("broker_stop", name))
    told = [line for line in stack.log if "no-block start" in line or "settled" in line]
    assert [line.split(":")[0] for line in told] == ["rabbit2", "rabbit1", "settled rabbit2", "settled rabbit1"]


def test_what_an_earlier_program_left_is_swept_first(stack: Any) -> None:
    """And told."""
    left_behind(stack, [Heal()])
    with Faults(stack) as faults:
        assert len(faults.swept) == 1
        assert stack.log == ["heal"]


def test_an_error_is_not_hidden_by_what_could_not_be_undone(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be undone is a note to it; without an error it is one itself."""

    def link(host: str, *, up: bool) -> None:
        if up:
            raise LabError(f"{host}: no cable")

    monkeypatch.setattr(stack, "link", link)
    words = "link_down on rabbit1: could not be undone: rabbit1: no cable"
    with pytest.raises(ZeroDivisionError) as caught, Faults(stack) as faults:  # noqa: PT012
        faults.begin(fault("link_down", "rabbit1"))
        raise ZeroDivisionError
    assert caught.value.__notes__ == [words]
    assert journals.of(stack.journal).kept is False
    stack.journal.unlink()
    with pytest.raises(FaultError, match=words), Faults(stack) as faults:
        faults.begin(fault("link_down", "rabbit1"))


def test_what_failed_is_tried_again_when_all_else_is_undone(stack: Any) -> None:
    """A file on a host that had no power is put back when the power has returned."""
    host = stack.hosts["rabbit1"]
    host.answers["sh -c set -e"] = ""
    plan = Plan(time.monotonic, (Restore("rabbit1", "/x", "", "644", "0:0"),))
    number = journals.of(stack.journal).write("x", ["rabbit1"], plan.steps)
    with Faults(stack) as faults:
        faults.begin(fault("host_power_loss", "rabbit1"))
        file = Active(stack, fault("haproxy_cannot_start", "rabbit1"), ("rabbit1",), plan, number)
        with pytest.raises(FaultError, match="has no power"):
            file.undo()
    assert stack.told("power on") == ["power on rabbit1"]
    assert stack.told("/x")
    assert stack.journal.read_bytes() == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_programs_undoes_all(stack: Any, number: signal.Signals) -> None:
    """As Ctrl-C does; afterwards the signal means what it meant before."""
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt, match=number.name), Faults(stack) as faults:  # noqa: PT012
        faults.begin(fault("link_down", "rabbit1"))
        signal.raise_signal(number)
    assert stack.log == ["link rabbit1 down", "link rabbit1 up"]
    assert signal.getsignal(number) == before


def test_a_signal_that_is_ignored_stays_so(stack: Any) -> None:
    """As nohup has it for SIGHUP."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Faults(stack):
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_waits_until_all_is_undone(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it takes effect."""

    def heal(host: str, *, up: bool) -> None:
        if up:
            signal.raise_signal(signal.SIGINT)
        stack.log.append(f"{host} {up}")

    monkeypatch.setattr(stack, "link", heal)
    with pytest.raises(KeyboardInterrupt, match="SIGINT"), Faults(stack) as faults:  # noqa: PT012
        faults.begin(fault("link_down", "rabbit1"))
        faults.begin(fault("link_down", "rabbit2"))
    assert stack.log[2:] == ["rabbit2 True", "rabbit1 True"]


def test_faults_of_other_threads_are_waited_for(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is just being begun when all is undone is undone too."""
    entered, go = threading.Event(), threading.Event()

    def link(host: str, *, up: bool) -> None:
        stack.log.append(f"{host} {up}")
        if not up:
            entered.set()
            go.wait(5)

    monkeypatch.setattr(stack, "link", link)
    with Faults(stack) as faults:
        thread = threading.Thread(target=faults.begin, args=(fault("link_down", "rabbit1"),))
        thread.start()
        entered.wait(5)
        threading.Timer(0.02, go.set).start()
    thread.join()
    assert stack.log == ["rabbit1 False", "rabbit1 True"]


def test_a_prepared_fault_is_begun_later(stack: Any) -> None:
    """To prepare one changes nothing."""
    ready = prepare(stack, fault("broker_hang", "rabbit1"))
    assert not stack.told("STOP")
    assert not stack.journal.exists()
    with Faults(stack) as faults:
        assert faults.begin(ready).hosts == ("rabbit1",)
        assert stack.told("STOP")
