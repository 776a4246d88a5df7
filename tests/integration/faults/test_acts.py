"""What each fault does, and to which processes: by the catalogue, and by what hosts are told."""

from __future__ import annotations

import time
from typing import Any

import pytest
from idle_stack import Host, fault

from integration.errors import CommandFailed, FaultError
from integration.faults import begin, guest, hosts_of
from integration.faults.acts import ACTORS
from rmqha_model.faults import CATALOGUE


def test_every_fault_of_the_catalogue_has_an_actor() -> None:
    """And no actor is without a fault."""
    assert list(ACTORS) == list(CATALOGUE)


@pytest.mark.parametrize("name", [name for name, kind in CATALOGUE.items() if not kind.undo])
def test_what_ends_by_itself_can_be_waited_for(stack: Any, name: str) -> None:
    """Its plan says when it is over."""
    told = {
        "link_flap": fault("link_flap", "rabbit1"),
        "rolling_restart": fault("rolling_restart", layer="brokers"),
    }.get(name) or fault(name, "rabbit1")
    plan = ACTORS[name](stack, told, hosts_of(told, stack.topology))
    assert plan.over is not None


def test_signals_go_to_the_processes_of_the_unit_alone(stack: Any) -> None:
    """By their numbers, found by parentage and exact name."""
    stack.hosts["rabbit1"].answers["sh -c systemctl show --property MainPID"] = (
        "20\n1 (systemd) S 0 1\n20 (sh) S 1 2\n21 (beam.smp) S 20 2\n22 (beam.smp) S 1 2\n"
        "23 (beam.smp x) S 20 2\n24 (a) b) (c) S 21 2\n25 (beam.smp) S 24 2\n"
    )
    begin(stack, fault("broker_kill", "rabbit1"))
    assert stack.log[-1].endswith("sh KILL 21 25")


def test_a_daemon_that_does_not_run_is_told(stack: Any) -> None:
    """Before anything is done."""
    stack.hosts["rabbit1"].answers["sh -c systemctl show --property MainPID"] = "0\n1 (systemd) S 0 1\n"
    for name in ("broker_kill", "haproxy_hang", "keepalived_kill", "broker_stop_app"):
        with pytest.raises(FaultError, match=r"rabbit1: found no .*; allowed: a daemon that runs"):
            begin(stack, fault(name, "rabbit1"))
    assert not stack.journal.exists()


def test_of_two_children_the_one_with_the_socket_is_killed(stack: Any) -> None:
    """Keepalived has others for its checkers and for BFD."""
    host = stack.hosts["rabbit1"]
    host.answers["sh -c systemctl show --property MainPID"] = (
        "30\n30 (keepalived) S 1 2\n31 (keepalived) S 30 2\n32 (keepalived) S 30 2\n33 (keepalived) S 32 2\n"
    )
    host.answers["sh -c for pid in"] = (
        "31 socket:[100]\n32 socket:[200]\n32 /dev/null\n"
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref\n"
        "   1: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 100 2 x 0\n"
        " 112: 00000000:0070 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 200 2 x 0\n"
    )
    begin(stack, fault("keepalived_kill", "rabbit1", process="child"))
    assert stack.log[-1].endswith("sh KILL 32")


def test_an_order_began_when_systemd_says_so(stack: Any) -> None:
    """If that is between the beginning and the end of the command; else it is its end."""
    host = stack.hosts["rabbit1"]
    for told in ("5000000", "", "[not set]"):
        host.answers["systemctl show --property ActiveExit"] = told
        before = time.monotonic()
        assert guest.order(host, "stop", "u") >= before

    class Slow(Host):
        def check(self, *command: str, stdin: str = "", timeout_s: float = 60) -> str:
            self.answers["systemctl show --property ActiveExit"] = str(time.monotonic_ns() // 1000)
            time.sleep(0.01)
            return super().check(*command, stdin=stdin, timeout_s=timeout_s)

    before = time.monotonic()
    assert before <= guest.order(Slow("rabbit1", []), "stop", "u") < before + 0.01


def test_the_clock_of_the_vm_is_believed_if_it_is_this_machine_s(stack: Any) -> None:
    """Its time must lie between the beginning and the end of the command."""
    host = stack.hosts["rabbit1"]
    now = time.monotonic_ns()
    for stamp, exact in ((now + 50_000, False), (12, False)):
        host.answers["rabbitmqctl -q eval"] = f"{{rmqha,{stamp},{{absolute,\n  4}}}}\n"
        before = time.monotonic()
        value, when = guest.evaluate(host, "x")
        assert value == "{absolute,\n  4}"
        assert exact or when >= before
    host.answers["rabbitmqctl -q eval"] = "{undefined, x}"
    with pytest.raises(FaultError, match="allowed: a time and a value"):
        guest.evaluate(host, "x")


@pytest.mark.parametrize("content", [b"\x7fELF", b""])
def test_a_program_that_is_no_script_is_not_replaced(
    stack: Any, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """Others may use it: keepalived may be told to run pidof."""
    monkeypatch.setattr(guest, "read_file", lambda *_: guest.File("/bin/pidof", content, "755", "0:0"))
    with pytest.raises(FaultError, match="/bin/pidof is no script"):
        begin(stack, fault("check_script_fail", "rabbit1"))


def test_a_command_that_failed_is_an_error_with_its_words(stack: Any) -> None:
    """Of the host, the command and what it said."""
    del stack.hosts["rabbit1"].answers["systemctl --no-block"]
    with pytest.raises(CommandFailed, match=r"rabbit1: systemctl --no-block stop .*exit status 1\n  unknown here"):
        begin(stack, fault("broker_stop", "rabbit1"))
