"""Faults without hosts: who does which, on whom, what is written down before that, and what is undone in the end."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pydantic
import pytest

from integration.errors import CommandFailed, FaultError, LabError, NotPossible
from integration.faults import Faults, begin, guest, hosts_of, prepare, resolve, sweep
from integration.faults import journal as journals
from integration.faults.active import Active
from integration.faults.acts import ACTORS
from integration.faults.journal import Journal
from integration.faults.plan import Plan
from integration.faults.play import Play
from integration.faults.steps import STEPS, Boot, Continue, Evaluate, Heal, Link, PowerOn, Restore, Start, Step, read
from integration.host import Done, checked
from rmqha_model.document import load
from rmqha_model.faults import CATALOGUE, AnyFault, Fault
from rmqha_model.topology import Topology

FAULT: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(AnyFault)
UNIT = "ActiveState={}\nSubState=x\nMainPID={}\nInvocationID={}\nActiveEnterTimestampMonotonic=5000000\n"


class Host:
    """A host that runs nothing: it answers by what a command begins with, and remembers what it was told."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.running = True
        self.log = log
        self.answers: dict[str, str | Exception] = {
            "systemctl show --property Version": "Version=252",
            "systemctl show --property ActiveState": UNIT.format("active", 10, "a"),
            "systemctl --no-block": "",
            "systemctl reset-failed": "",
            "systemctl is-system-running": "running",
            "systemctl reboot": "",
            "cat /proc/sys/kernel/random/boot_id": "1",
            "sh -c kill": "",
            "sh -c signal": "",
            "sh -c systemctl show --property MainPID": "10\n10 (beam.smp) S 1 0\n11 (erl_child_setup) S 10 0\n",
        }

    def run(self, *command: str, stdin: str = "", timeout_s: float = 60) -> Done:  # noqa: ARG002
        """Give the answer."""
        if not self.running:
            raise LabError(f"{self.name}: is off")
        words = " ".join(command)
        self.log.append(f"{self.name}: {words}")
        for known, answer in self.answers.items():
            if words.startswith(known):
                if isinstance(answer, Exception):
                    raise answer
                return Done(command, 0, answer, "")
        return Done(command, 1, "", "unknown here")

    def check(self, *command: str, stdin: str = "", timeout_s: float = 60) -> str:
        """Give the answer, if there is one."""
        return checked(self.name, self.run(*command, stdin=stdin, timeout_s=timeout_s))


class Stack:
    """Hosts that run nothing, with a journal that is real."""

    def __init__(self, topology: Topology, journal: Path) -> None:
        self.topology = topology
        self.journal = journal
        self.log: list[str] = []
        self.hosts = {name: Host(name, self.log) for name in topology.hosts}

    def told(self, words: str) -> list[str]:
        """Give what was told that holds *words*."""
        return [line for line in self.log if words in line]

    def power_off(self, hosts: Sequence[str]) -> None:
        """Have it written down."""
        self.log.append(f"power off {' '.join(hosts)}")
        for name in hosts:
            self.hosts[name].running = False

    def power_on(self, hosts: Sequence[str]) -> None:
        """Have it written down."""
        self.log.append(f"power on {' '.join(hosts)}")
        for name in hosts:
            self.hosts[name].running = True

    def link(self, host: str, *, up: bool) -> None:
        """Have it written down."""
        self.log.append(f"link {host} {'up' if up else 'down'}")

    @contextlib.contextmanager
    def cut(self, source: Sequence[str], target: Sequence[str]) -> Iterator[None]:
        """Have it written down, and its end."""
        self.log.append(f"cut {' '.join(source)} from {' '.join(target)}")
        try:
            yield
        finally:
            self.log.append(f"joined {' '.join(source)} to {' '.join(target)}")

    @contextlib.contextmanager
    def lose(self, host: str, share: float) -> Iterator[None]:
        """Have it written down, and its end."""
        self.log.append(f"lose {share} of {host}")
        try:
            yield
        finally:
            self.log.append(f"lose nothing of {host}")

    def heal(self) -> None:
        """Have it written down."""
        self.log.append("heal")


@pytest.fixture(scope="module")
def design(root: Path) -> Topology:
    """Three brokers, two of which own the address."""
    return load(root / "examples" / "article-fixed.yaml", Topology)


@pytest.fixture
def stack(design: Topology, tmp_path: Path) -> Iterator[Any]:
    """Hosts that run nothing."""
    made = Stack(design, tmp_path / "faults.jsonl")
    yield made
    journals.of(made.journal).release()


@dataclasses.dataclass
class Roles:
    """Who is what."""

    owner: str | None = "rabbit1"
    backup: str | None = "rabbit2"
    leads: str | None = "rabbit3"
    follows: str | None = "rabbit1"

    def vip_owner(self) -> str | None:
        """The owner."""
        return self.owner

    def vip_backup(self) -> str | None:
        """The other one."""
        return self.backup

    def leader(self) -> str | None:
        """The leader."""
        return self.leads

    def follower(self) -> str | None:
        """One that does not lead."""
        return self.follows


def fault(name: str, host: str | None = None, **settings: Any) -> Fault:
    """Give a fault of the catalogue."""
    made: Fault = FAULT.validate_python({"fault": name, "at": "3s", **({"host": host} if host else {}), **settings})
    return made


# -- roles --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "hosts"),
    [
        (fault("broker_kill", "@leader"), ("rabbit3",)),
        (fault("broker_kill", "@follower"), ("rabbit1",)),
        (fault("haproxy_kill", "@vip_backup"), ("rabbit2",)),
        (fault("haproxy_kill", "rabbit1"), ("rabbit1",)),
        (fault("site_power_loss"), ("rabbit1", "rabbit2", "rabbit3")),
        (fault("site_power_loss", hosts=["@leader", "rabbit3", "@vip_owner"]), ("rabbit3", "rabbit1")),
        (fault("partition", between=[["@leader"], ["@clients", "@vip_owner"]]), ("rabbit3", "rabbit1")),
        (fault("rolling_restart", layer="haproxy"), ("rabbit1", "rabbit2")),
        (fault("rolling_restart", layer="brokers", hosts=["rabbit3", "rabbit1"]), ("rabbit3", "rabbit1")),
    ],
)
def test_roles_become_hosts(design: Topology, told: Fault, hosts: tuple[str, ...]) -> None:
    """A role is replaced by who has it, and a host that is named twice is there once."""
    assert hosts_of(resolve(told, Roles()), design) == hosts


def test_what_names_no_role_stays_as_it_is() -> None:
    """The fault itself comes back."""
    told = fault("broker_kill", "rabbit1")
    assert resolve(told, Roles()) is told


def test_a_role_that_nobody_has_is_told() -> None:
    """With what the role means."""
    with pytest.raises(FaultError, match=r"broker_kill at 3s: nobody is @leader now: the broker that leads"):
        resolve(fault("broker_kill", "@leader"), Roles(leads=None))


def test_a_partition_needs_two_sides_after_roles_are_known() -> None:
    """A role that turns out to be a host of the other side is refused."""
    with pytest.raises(FaultError, match=r"rabbit3 on both sides: @leader is rabbit3"):
        resolve(fault("partition", between=[["@leader"], ["rabbit3", "rabbit1"]]), Roles())


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (fault("haproxy_kill", "rabbit3"), "found rabbit3; allowed: rabbit1, rabbit2"),
        (fault("keepalived_stop", "rabbit3"), "found rabbit3; allowed: rabbit1, rabbit2"),
        (fault("broker_kill", "nobody"), "found nobody; allowed: rabbit1, rabbit2, rabbit3"),
        (fault("broker_kill", "@leader"), "found the role @leader; allowed: hosts"),
        (fault("rolling_restart", layer="keepalived", hosts=["rabbit3"]), "found rabbit3; allowed: rabbit1, rabbit2"),
    ],
)
def test_a_host_that_cannot_have_the_fault_is_refused(stack: Any, told: Fault, words: str) -> None:
    """Before anything is done."""
    with pytest.raises(FaultError, match=words):
        begin(stack, told)
    assert not stack.log


def test_a_host_without_power_has_no_faults(stack: Any) -> None:
    """Not even the loss of power."""
    stack.hosts["rabbit2"].running = False
    for name in ("broker_kill", "link_down", "host_power_loss"):
        with pytest.raises(FaultError, match="rabbit2: has no power"):
            begin(stack, fault(name, "rabbit2"))
    assert not stack.log


# -- the catalogue ------------------------------------------------------------------------------------


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


# -- a fault, from beginning to end -------------------------------------------------------------------


def test_what_undoes_a_fault_is_written_down_before_it_is_done(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the moment of the act the journal is on the disk, for root alone."""
    seen: list[dict[str, Any]] = []

    def link(_: str, *, up: bool) -> None:  # noqa: ARG001
        seen.append(json.loads(stack.journal.read_text(encoding="utf-8")))

    monkeypatch.setattr(stack, "link", link)
    begin(stack, fault("link_down", "rabbit3"))
    assert seen == [{"n": 1, "fault": "link_down", "hosts": ["rabbit3"], "undo": [{"step": "link", "host": "rabbit3"}]}]
    assert stack.journal.stat().st_mode & 0o777 == 0o600


def test_a_fault_is_undone_once(stack: Any) -> None:
    """However often one asks; nothing is left in the journal."""
    active = begin(stack, fault("link_down", "rabbit3"))
    assert (active.hosts, active.over, active.ended) == (("rabbit3",), False, None)
    active.wait(0)  # it does not end by itself
    active.order()
    assert active.ended is not None
    assert not active.over
    active.undo()
    active.undo()
    assert active.over
    assert active.began <= active.ended
    assert stack.log == ["link rabbit3 down", "link rabbit3 up"]
    assert stack.journal.read_bytes() == b""


def test_a_partition_is_cut_both_ways_or_one(stack: Any) -> None:
    """What passes again is what was cut, and no more."""
    for one_way in (False, True):
        begin(stack, fault("partition", between=[["rabbit1"], ["rabbit2", "@clients"]], one_way=one_way)).undo()
    there, back = "rabbit1 from rabbit2 @clients", "rabbit2 @clients from rabbit1"
    assert stack.told("cut") == [f"cut {there}", f"cut {back}", f"cut {there}"]
    assert len(stack.told("joined")) == 3
    assert not stack.told("heal")


def test_a_partition_that_fails_in_its_middle_leaves_nothing(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The half that was cut is joined."""
    cut = stack.cut

    def second(source: Sequence[str], target: Sequence[str]) -> Any:
        if stack.told("cut"):
            raise LabError("no more rules")
        return cut(source, target)

    monkeypatch.setattr(stack, "cut", second)
    with pytest.raises(LabError, match="no more rules"):
        begin(stack, fault("partition", between=[["rabbit1"], ["rabbit2"]]))
    assert stack.log == ["cut rabbit1 from rabbit2", "joined rabbit1 to rabbit2"]
    assert stack.journal.read_bytes() == b""


def test_what_hosts_cannot_be_asked_is_not_undone(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was done, so nothing is."""

    def refuse(_: Sequence[str]) -> None:
        raise NotPossible("only a login")

    monkeypatch.setattr(stack, "power_off", refuse)
    with pytest.raises(NotPossible):
        begin(stack, fault("host_power_loss", "rabbit1"))
    assert not stack.log
    assert stack.journal.read_bytes() == b""


def test_an_act_that_fails_is_undone(stack: Any) -> None:
    """What had been done of it is undone, and the error is the act's."""
    host = stack.hosts["rabbit1"]
    host.answers = {f"sh -c {guest._SIGNAL} sh STOP": LabError("cannot be reached")} | host.answers
    with pytest.raises(LabError, match="cannot be reached"):
        begin(stack, fault("broker_hang", "rabbit1"))
    assert stack.log[-1].endswith("sh CONT 10")
    assert stack.journal.read_bytes() == b""


def test_an_act_whose_undoing_fails_too_stays_written_down(stack: Any) -> None:
    """The error is the act's, and what could not be undone is a note to it."""
    stack.hosts["rabbit1"].answers["sh -c signal"] = LabError("cannot be reached")
    with pytest.raises(LabError, match="cannot be reached") as caught:
        begin(stack, fault("broker_hang", "rabbit1"))
    assert caught.value.__notes__ == ["broker_hang on rabbit1: could not be undone: cannot be reached"]
    assert [entry.fault for entry in journals.of(stack.journal).left] == ["broker_hang"]


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


# -- the journal --------------------------------------------------------------------------------------

ALL: tuple[Step, ...] = (
    Start("rabbit1", "haproxy.service"),
    Start("rabbit1", "rabbitmq-server.service", if_left=True),
    Continue("rabbit1", "rabbitmq-server.service", (10, 99)),
    Evaluate("rabbit1", "ok", "a"),
    Restore("rabbit1", "/x", "YQ==", "644", "0:0"),
    PowerOn(("rabbit2", "rabbit3"), 0.0),
    Boot("rabbit1", "0"),
    Link("rabbit1"),
    Heal(),
)


@pytest.mark.parametrize("step", ALL, ids=lambda step: step.kind)
def test_a_step_reads_back_equal(step: Step) -> None:
    """Through JSON."""
    assert read(json.loads(json.dumps(step.row()))) == step


def test_every_kind_of_step_is_tried_here() -> None:
    """None is left out."""
    assert {step.kind for step in ALL} == set(STEPS)


def test_entries_that_are_struck_off_are_gone(tmp_path: Path) -> None:
    """What is left comes last first; when nothing is left the file is empty."""
    journal = Journal(tmp_path / "j")
    first, second, third = (journal.write(name, ["h"], [Heal()]) for name in "abc")
    journal.strike(second)
    assert [entry.fault for entry in journal.left] == ["c", "a"]
    journal.release()
    again = Journal(tmp_path / "j")
    assert again.take()
    assert [entry.fault for entry in again.left] == ["c", "a"]
    assert again.write("d", ["h"], []) == third + 1
    for number in (first, third, third + 1):
        again.strike(number)
    assert (tmp_path / "j").read_bytes() == b""
    assert not again.kept


@pytest.mark.parametrize(
    "torn", [b'{"n":7,"fau', b"\xff\xfe", b'{"n":7}', b"[1]", b'{"n":7,"fault":"x","hosts":[],"undo":[{"step":"?"}]}']
)
def test_a_torn_line_spoils_no_other(tmp_path: Path, torn: bytes) -> None:
    """The lines before it and those written after it are read."""
    path = tmp_path / "j"
    journal = Journal(path)
    journal.write("a", ["h"], [Link("h")])
    journal.release()
    path.write_bytes(path.read_bytes() + torn)
    after = Journal(path)
    after.take()
    after.write("b", ["h"], [Heal()])
    after.release()
    last = Journal(path)
    last.take()
    assert [(entry.fault, entry.steps) for entry in last.left] == [("b", (Heal(),)), ("a", (Link("h"),))]
    last.release()


def test_one_program_at_a_time_keeps_a_journal(tmp_path: Path) -> None:
    """Another one is told, and gets it when the first lets go."""
    first, second = Journal(tmp_path / "j"), Journal(tmp_path / "j")
    number = first.write("a", ["h"], [])
    with pytest.raises(FaultError, match="another program has faults on these hosts"):
        second.write("b", ["h"], [])
    first.strike(number)
    assert second.write("b", ["h"], []) == 1
    second.release()


# -- the sweep ----------------------------------------------------------------------------------------


def left_behind(stack: Any, *steps: Sequence[Step]) -> None:
    """Have a program be killed that had begun a fault for each list of steps."""
    journal = Journal(stack.journal)
    for place, each in enumerate(steps):
        journal.write(f"fault{place}", ["rabbit1"], each)
    journal.release()


def test_a_sweep_undoes_the_last_first(stack: Any) -> None:
    """And tells each."""
    left_behind(stack, [Link("rabbit1")], [Heal(), Link("rabbit2")])
    told = sweep(stack)
    assert stack.log == ["heal", "link rabbit2 up", "link rabbit1 up"]
    assert told == [f"fault{n} on rabbit1, left by a program that was ended: undone" for n in (1, 0)]
    assert sweep(stack) == []
    assert stack.journal.read_bytes() == b""


def test_a_sweep_of_nothing_makes_no_journal(stack: Any) -> None:
    """A lab that was never hurt stays as it is."""
    assert sweep(stack) == []
    assert not stack.journal.exists()


def test_what_cannot_be_undone_is_told_and_stops_nothing(stack: Any) -> None:
    """It stays written down for the next time."""
    left_behind(stack, [Link("rabbit1")], [Restore("rabbit2", "/x", "", "644", "0:0"), Link("rabbit2")])
    stack.hosts["rabbit2"].running = False
    told = sweep(stack)
    assert told[0] == (
        "fault1 on rabbit1, left by a program that was ended: could not be undone: "
        "rabbit2: /x cannot be put back: the host has no power"
    )
    assert told[1].endswith("undone")
    assert stack.log == ["link rabbit2 up", "link rabbit1 up"]
    stack.hosts["rabbit2"].running = True
    stack.hosts["rabbit2"].answers["sh -c set -e"] = ""
    assert sweep(stack) == ["fault1 on rabbit1, left by a program that was ended: undone"]


def test_a_sweep_leaves_faults_of_this_program_alone(stack: Any) -> None:
    """They are somebody's."""
    active = begin(stack, fault("link_down", "rabbit1"))
    assert sweep(stack) == []
    assert not active.over


# -- steps --------------------------------------------------------------------------------------------


def test_a_service_is_started_if_it_was_left_dead(stack: Any) -> None:
    """One that systemd will restart by itself is left to it."""
    host = stack.hosts["rabbit1"]
    for state, started in (("active", False), ("activating", False), ("failed", True), ("inactive", True)):
        host.answers["systemctl show --property ActiveState"] = UNIT.format(state, 0, "a")
        stack.log.clear()
        Start("rabbit1", "u", if_left=True).order(stack)
        assert bool(stack.told("--no-block start u")) is started, state


def test_a_service_that_dies_again_is_given_up_at_last(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its failures are forgotten before each try, or systemd would refuse."""
    monkeypatch.setattr("integration.faults.steps._PAUSE_S", 0)
    host = stack.hosts["rabbit1"]
    host.answers["systemctl show --property ActiveState"] = UNIT.format("failed", 0, "a")
    with pytest.raises(FaultError, match=r"rabbit1: u was started and is failed \(x\)"):
        Start("rabbit1", "u").settle(stack)
    assert len(stack.told("reset-failed u")) == len(stack.told("start u")) == 3


def test_a_broker_that_was_restarted_knows_nothing_to_undo(stack: Any) -> None:
    """Another run of it has its settings from its configuration."""
    Evaluate("rabbit1", "ok", "another").order(stack)
    assert not stack.told("rabbitmqctl")
    stack.hosts["rabbit1"].answers["rabbitmqctl"] = "{rmqha,1,ok}"
    Evaluate("rabbit1", "ok", "a").order(stack)
    assert len(stack.told("rabbitmqctl -q eval")) == 1


def test_only_processes_that_still_are_the_service_s_go_on(stack: Any) -> None:
    """A number may be somebody else's by now."""
    Continue("rabbit1", "u", (11, 99)).order(stack)
    assert stack.log[-1].endswith("sh CONT 11")
    stack.log.clear()
    Continue("rabbit1", "u", (99,)).order(stack)
    assert not stack.told("CONT")


def test_power_returns_to_those_that_have_none(stack: Any) -> None:
    """In one go, or one after the other."""
    for stagger_s, told in ((0.0, ["power on rabbit1 rabbit3"]), (0.01, ["power on rabbit1", "power on rabbit3"])):
        stack.log.clear()
        stack.hosts["rabbit1"].running = stack.hosts["rabbit3"].running = False
        PowerOn(("rabbit1", "rabbit2", "rabbit3"), stagger_s).order(stack)
        assert stack.log == told


def test_a_host_that_turned_itself_off_to_reboot_is_turned_on(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is over when it has booted, which its kernel's mark shows."""
    host = stack.hosts["rabbit1"]
    host.running = False
    on = stack.power_on

    def boots(hosts: Sequence[str]) -> None:
        on(hosts)
        host.answers["cat /proc/sys/kernel/random/boot_id"] = "2"

    monkeypatch.setattr(stack, "power_on", boots)
    Boot("rabbit1", "1").order(stack)
    assert stack.told("power on") == ["power on rabbit1"]


def test_a_host_that_was_never_told_to_reboot_is_left_alone(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever would have told it was killed before."""
    monkeypatch.setattr("integration.faults.steps._PAUSE_S", 0)
    Boot("rabbit1", "1").order(stack)
    assert not stack.told("power on")


# -- all together -------------------------------------------------------------------------------------


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


# -- what goes on by itself ---------------------------------------------------------------------------


def test_a_flap_is_over_after_its_last_time(stack: Any) -> None:
    """With the cable in."""
    active = begin(stack, fault("link_flap", "rabbit1", times=2, down="5ms", up="1ms"))
    active.wait(5)
    assert active.over
    assert stack.log == ["link rabbit1 down", "link rabbit1 up"] * 2


def test_a_flap_can_be_stopped(stack: Any) -> None:
    """It ends with the cable in, whenever that is."""
    active = begin(stack, fault("link_flap", "rabbit1", times=100, down="10s", up="10s"))
    with pytest.raises(FaultError, match="link_flap on rabbit1: not over after 0 s"):
        active.wait(0)
    active.undo()
    assert active.over
    assert stack.log == ["link rabbit1 down", "link rabbit1 up"]


def test_what_goes_wrong_in_a_thread_is_told_to_who_waits() -> None:
    """And to nobody else."""

    def fail(_: threading.Event) -> None:
        raise FaultError("rabbit2 does not serve")

    play = Play(fail)
    play.start()
    with pytest.raises(FaultError, match="rabbit2 does not serve"):
        play.over(5)
    play.stop()


def test_a_rolling_restart_waits_for_each(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is restarted when the one before is another run and listens."""
    ports = (5670, 8100)
    lines = "".join(f"  0: 00000000:{port:04X} 00000000:0000 0A x\n" for port in ports)
    for host in stack.hosts.values():
        host.answers["sh -c cat /proc/net/tcp"] = lines
    restarted: list[str] = []

    def order(host: Any, verb: str, name: str) -> float:
        restarted.append(f"{host.name} {verb} {name}")
        host.answers["systemctl show --property ActiveState"] = UNIT.format("active", 11, "b")
        return time.monotonic()

    monkeypatch.setattr(guest, "order", order)
    active = begin(stack, fault("rolling_restart", layer="haproxy", pause="1ms"))
    active.wait(5)
    assert restarted == ["rabbit1 restart haproxy.service", "rabbit2 restart haproxy.service"]
    assert active.over


def test_a_command_that_failed_is_an_error_with_its_words(stack: Any) -> None:
    """Of the host, the command and what it said."""
    del stack.hosts["rabbit1"].answers["systemctl --no-block"]
    with pytest.raises(CommandFailed, match=r"rabbit1: systemctl --no-block stop .*exit status 1\n  unknown here"):
        begin(stack, fault("broker_stop", "rabbit1"))
