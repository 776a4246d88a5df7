"""Each fault of the catalogue on real hosts: it does what its sentence says, and health returns when it is undone.

Runs on a lab that is up, which `RMQHA_LAB` names, of examples/article-fixed.yaml:

    rmqha lab up examples/article-fixed.yaml --name NAME
    RMQHA_LAB=NAME pytest -rP tests/integration/test_faults_real.py
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest

from integration.errors import FaultError, LabError
from integration.faults import Active, Faults, Prepared, begin, daemons, guest, prepare, resolve, sweep
from rmqha_model.faults import CATALOGUE, AnyFault, Fault

pytestmark = [pytest.mark.slow, pytest.mark.needs("systemd-nspawn", "ip", "nft")]

ROOT = Path(__file__).resolve().parents[2]
FAULT: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(AnyFault)
HEALTHY_S = 300
CONFIG = "/etc/haproxy/haproxy.cfg"


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


def await_health(lab: Any) -> float:
    """Wait until nothing is wrong; give how long that took."""
    from integration.lab.health import wait_healthy

    began = time.monotonic()
    wait_healthy(lab, lambda _: None, HEALTHY_S)
    for name in lab.topology.vrrp_hosts:
        until(
            lambda host=lab.hosts[name]: vrrp_state(host) in {"MASTER", "BACKUP"}, 20, f"{name} could have the address"
        )
    return time.monotonic() - began


def vrrp_state(host: Any) -> str:
    """Give the state keepalived entered last, as it said itself."""
    told = host.check("journalctl", "--no-pager", "--output=cat", "--unit=keepalived", "--lines=200")
    return ["", *re.findall(r"Entering (\w+) STATE", told)][-1]


class Seen:
    """Who is what, by looking."""

    def __init__(self, lab: Any) -> None:
        self.lab = lab

    def vip_owner(self) -> str | None:
        """The holder of the address."""
        owners = holders(self.lab)
        return owners[0] if owners else None

    def vip_backup(self) -> str | None:
        """The other one."""
        return next((name for name in self.lab.topology.vrrp_hosts if name not in holders(self.lab)), None)

    def leader(self) -> str | None:
        """Nobody looks."""
        return None

    def follower(self) -> str | None:
        """Nobody looks."""
        return None


def holders(lab: Any) -> list[str]:
    """Give the hosts that have the virtual address."""
    (address,) = lab.topology.virtual_ips
    return list(lab.network.owners(lab.topology.vrrp_hosts, address))


def fault(name: str, host: str | None = None, **settings: Any) -> Fault:
    """Give a fault of the catalogue."""
    settings |= {"fault": name, "at": "0s"} | ({"host": host} if host else {})
    found: Fault = FAULT.validate_python(settings)
    return found


def tell(words: str) -> None:
    """Print what was measured: `pytest -rP` shows it."""
    sys.stdout.write(f"{words}\n")


def until(question: Callable[[], Any], within_s: float, what: str) -> float:
    """Ask until the answer is yes, at most so long; give how long that took."""
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        try:
            if question():
                return time.monotonic() - began
        except LabError:
            pass
        time.sleep(0.05)
    pytest.fail(f"not within {within_s} s: {what}")


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


def undone(active: Active) -> None:
    """Undo a fault, twice, and tell how long that took."""
    called = time.monotonic()
    active.undo()
    took = time.monotonic() - called
    assert active.over
    assert active.ended is not None
    assert called <= active.ended
    active.undo()
    tell(f"UNDONE {active.fault.name}: order {1000 * (active.ended - called):.0f} ms, all {1000 * took:.0f} ms")


def state_of(host: Any, pid: int) -> str:
    """Give the state of a process of a host as one letter; nothing where it is gone, or is only not buried yet."""
    stat = host.run("cat", f"/proc/{pid}/stat")
    return "" if stat.status else stat.out.rpartition(") ")[2][0].strip("ZX")


def gone(host: Any, *pids: int) -> bool:
    """Whether processes end that have got SIGKILL: on a busy machine a killed one may have to wait for a processor."""
    return until(lambda: not any(state_of(host, pid) for pid in pids), 1, "they end") < 1


def alarms(lab: Any, host: str) -> set[str]:
    """Give the resources of which the cluster says that the broker of *host* has no more."""
    from integration.lab.health import cluster_status

    status = cluster_status(lab, host)
    assert isinstance(status, dict)
    node = lab.topology.node_name(host)
    return {alarm["resource"] for alarm in status["alarms"] if alarm["node"] == node}


def connects(lab: Any, host: str | None, target: str, port: int) -> bool:
    """Whether a connection from *host*, or from the clients' place, to *target* is accepted within a second."""
    program = f"import socket; socket.create_connection(({target!r}, {port}), 1)"
    command = (sys.executable, "-c", program)
    line = lab.host_command(host, *command) if host else lab.client_command(*command)
    return not subprocess.run(line, capture_output=True, check=False).returncode


def carrier(lab: Any, host: str) -> bool:
    """Whether a host has its carrier."""
    return "NO-CARRIER" not in lab.hosts[host].check("ip", "-o", "link", "show", lab.topology.hosts[host].interface)


# -- brokers ------------------------------------------------------------------------------------------


def test_a_broker_is_killed_and_is_there_again(does: Any, lab: Any) -> None:
    """Its VM is gone when the fault has begun, and it is active when it is undone."""
    host = lab.hosts["rabbit2"]
    (pid,) = daemons.broker_vm(host)
    active = does("broker_kill", "rabbit2")
    assert gone(host, pid)
    until(lambda: guest.unit(host, daemons.BROKER).sub == "auto-restart", 5, "systemd means to restart it")
    undone(active)
    assert guest.unit(host, daemons.BROKER).active == "active"
    assert daemons.broker_vm(host) != (pid,)


def test_a_broker_is_stopped_in_order_and_started(does: Any, lab: Any) -> None:
    """Its service is inactive, and active again."""
    host = lab.hosts["rabbit2"]
    active = does("broker_stop", "rabbit2")
    until(lambda: guest.unit(host, daemons.BROKER).active == "inactive", 60, "the broker stops")
    undone(active)
    assert guest.unit(host, daemons.BROKER).active == "active"


def test_the_application_stops_and_the_vm_goes_on(does: Any, lab: Any) -> None:
    """No listener is left, and the VM is the same."""
    host = lab.hosts["rabbit2"]
    before = daemons.broker_vm(host)
    active = does("broker_stop_app", "rabbit2")
    assert 5672 not in guest.listening(host)
    assert daemons.broker_vm(host) == before
    undone(active)
    assert 5672 in guest.listening(host)
    assert daemons.broker_vm(host) == before


def test_a_broker_hangs_and_goes_on(does: Any, lab: Any) -> None:
    """Its VM is stopped, epmd is not, and connections are still accepted."""
    host = lab.hosts["rabbit2"]
    (pid,) = daemons.broker_vm(host)
    active = does("broker_hang", "rabbit2")
    assert state_of(host, pid) == "T"
    others = {each.pid for each in guest.processes(host, daemons.BROKER)[1] if each.comm == "epmd"}
    assert all(state_of(host, other) != "T" for other in others)
    assert connects(lab, "rabbit1", lab.topology.ip("rabbit2"), 5672)
    undone(active)
    assert state_of(host, pid) not in {"T", ""}


def test_a_broker_is_restarted(does: Any, lab: Any) -> None:
    """It is over when it is active again, in another run."""
    host = lab.hosts["rabbit2"]
    before = guest.unit(host, daemons.BROKER)
    active = does("broker_restart", "rabbit2")
    active.wait(180)
    assert active.over
    assert active.ended is not None
    assert active.began < active.ended <= time.monotonic()
    tell(f"OVER broker_restart after {active.ended - active.began:.1f} s")
    assert guest.unit(host, daemons.BROKER).invocation != before.invocation


@pytest.mark.parametrize(
    ("name", "resource", "question"),
    [
        ("memory_alarm", "memory", "vm_memory_monitor:get_vm_memory_high_watermark()"),
        ("disk_alarm", "disk", "rabbit_disk_monitor:get_disk_free_limit()"),
    ],
)
def test_a_broker_has_an_alarm_and_has_it_no_more(does: Any, lab: Any, name: str, resource: str, question: str) -> None:
    """The alarm is on when the fault has begun, and what it was set to is as before when it is undone."""
    host = lab.hosts["rabbit2"]
    before, _ = guest.evaluate(host, question)
    active = does(name, "rabbit2")
    assert resource in alarms(lab, "rabbit2")
    undone(active)
    assert guest.evaluate(host, question)[0] == before
    assert resource not in alarms(lab, "rabbit2")


# -- hosts --------------------------------------------------------------------------------------------


def test_a_host_loses_its_power_and_boots(does: Any, lab: Any) -> None:
    """It does not run, the address is taken over, and it runs when power has returned."""
    active = does("host_power_loss", "@vip_owner")
    (name,) = active.hosts
    assert not lab.hosts[name].running
    (other,) = {*lab.topology.vrrp_hosts} - {name}
    took = until(lambda: holders(lab) == [other], 8, "the address is taken over")
    tell(f"TAKEN OVER {time.monotonic() - active.began:.2f} s after the cut (looked for from {took:.2f} s before)")
    undone(active)
    assert lab.hosts[name].running


def test_a_host_reboots(does: Any, lab: Any) -> None:
    """It is over when the host has booted again."""
    host = lab.hosts["rabbit3"]
    before = host.check("cat", "/proc/sys/kernel/random/boot_id")
    active = does("host_reboot", "rabbit3")
    active.wait(180)
    assert active.over
    tell(f"OVER host_reboot after {active.ended - active.began:.1f} s")
    assert host.check("cat", "/proc/sys/kernel/random/boot_id") != before


def test_a_site_loses_its_power_and_starts_cold(does: Any, lab: Any) -> None:
    """No host runs, and all run in the end, the second one two seconds after the first."""
    active = does("site_power_loss", stagger="2s")
    assert active.hosts == tuple(lab.topology.hosts)
    assert not any(host.running for host in lab.hosts.values())
    called = time.monotonic()
    undone(active)
    assert time.monotonic() - called >= 2 * (len(active.hosts) - 1)
    assert all(host.running for host in lab.hosts.values())
    tell(f"COLD START healthy after {await_health(lab):.1f} s")


# -- network ------------------------------------------------------------------------------------------


def test_a_link_goes_down_and_up(does: Any, lab: Any) -> None:
    """The host sees it, and loses the address to the other one."""
    active = does("link_down", "@vip_owner")
    (name,) = active.hosts
    assert not carrier(lab, name)
    (other,) = {*lab.topology.vrrp_hosts} - {name}
    until(lambda: holders(lab) == [other], 8, "the address is taken over")
    undone(active)
    assert carrier(lab, name)


def test_a_link_flaps(does: Any, lab: Any) -> None:
    """It is over after so many times, and the link is up then."""
    active = does("link_flap", "rabbit3", times=3, down="500ms", up="300ms")
    assert not carrier(lab, "rabbit3")
    active.wait(30)
    assert active.over
    assert active.ended - active.began == pytest.approx(3 * 0.5 + 2 * 0.3, abs=0.15)
    assert carrier(lab, "rabbit3")


def test_a_flapping_link_can_be_stopped(does: Any, lab: Any) -> None:
    """Undone in the middle of it, the link is up and stays so."""
    active = does("link_flap", "rabbit3", times=100, down="200ms", up="200ms")
    time.sleep(0.5)
    undone(active)
    time.sleep(0.5)
    assert carrier(lab, "rabbit3")


def test_a_partition_drops_all_between_two_sets_and_nothing_else(does: Any, lab: Any) -> None:
    """No connection between them, in neither direction, and all others as before."""
    ips = {name: lab.topology.ip(name) for name in lab.topology.hosts}
    active = does("partition", between=[["rabbit3"], ["rabbit1", "@clients"]])
    assert carrier(lab, "rabbit3")
    assert not connects(lab, "rabbit3", ips["rabbit1"], 5672)
    assert not connects(lab, "rabbit1", ips["rabbit3"], 5672)
    assert not connects(lab, None, ips["rabbit3"], 15672)
    assert connects(lab, "rabbit2", ips["rabbit3"], 5672)
    assert connects(lab, None, ips["rabbit1"], 15672)
    undone(active)
    assert connects(lab, "rabbit1", ips["rabbit3"], 5672)
    assert connects(lab, None, ips["rabbit3"], 15672)


def received(lab: Any, sender: str | None, host: str, count: int) -> int:
    """Send *count* datagrams to a port of *host* that nobody has; give how many arrived."""

    def without_port() -> int:
        text = subprocess.run(
            lab.host_command(host, "cat", "/proc/net/snmp"), capture_output=True, text=True, check=True
        ).stdout
        names, values = (line.split() for line in text.splitlines() if line.startswith("Udp:"))
        return int(dict(zip(names, values, strict=True))["NoPorts"])

    program = f"""
        import socket
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for _ in range({count}):
            s.sendto(b"x", ({lab.topology.ip(host)!r}, 9))
    """
    before = without_port()
    command = (sys.executable, "-c", textwrap.dedent(program))
    line = lab.host_command(sender, *command) if sender else lab.client_command(*command)
    subprocess.run(line, check=True)
    time.sleep(0.2)
    return without_port() - before


def test_a_partition_of_one_way_lets_the_other_way_pass(does: Any, lab: Any) -> None:
    """Datagrams arrive in one direction only."""
    connects(lab, "rabbit1", lab.topology.ip("rabbit3"), 5672)
    active = does("partition", between=[["rabbit3"], ["rabbit1"]], one_way=True)
    assert received(lab, "rabbit1", "rabbit3", 20) == 20
    assert received(lab, "rabbit3", "rabbit1", 20) == 0
    undone(active)
    assert received(lab, "rabbit3", "rabbit1", 20) == 20


def test_a_share_of_the_packets_is_lost(does: Any, lab: Any) -> None:
    """Of a thousand about three in ten, and none afterwards."""
    active = does("packet_loss", "rabbit3", share=0.3)
    arrived = received(lab, None, "rabbit3", 1000)
    undone(active)
    tell(f"LOST {1000 - arrived} of 1000")
    assert 620 <= arrived <= 780
    assert received(lab, None, "rabbit3", 200) == 200


# -- load balancers -----------------------------------------------------------------------------------


def test_an_haproxy_is_killed_and_is_there_again(does: Any, lab: Any) -> None:
    """Master and worker are gone when the fault has begun, and there are others when it is undone."""
    host = lab.hosts["rabbit1"]
    before = daemons.haproxy_all(host)
    assert len(before) == 2
    active = does("haproxy_kill", "rabbit1")
    assert gone(host, *before)
    undone(active)
    assert guest.unit(host, daemons.HAPROXY).active == "active"
    assert not {*daemons.haproxy_all(host)} & {*before}


def test_an_haproxy_is_stopped_and_started(does: Any, lab: Any) -> None:
    """It does not listen, and its host loses the address."""
    active = does("haproxy_stop", "@vip_owner")
    (name,) = active.hosts
    host = lab.hosts[name]
    until(lambda: guest.unit(host, daemons.HAPROXY).active == "inactive", 10, "haproxy stops")
    assert not daemons.ports(lab) & guest.listening(host)
    until(lambda: name not in holders(lab), 15, "the address moves")
    undone(active)
    assert daemons.ports(lab) <= guest.listening(host)


def test_an_haproxy_hangs_and_goes_on(does: Any, lab: Any) -> None:
    """All of its processes are stopped, and its kernel accepts connections."""
    host = lab.hosts["rabbit1"]
    before = daemons.haproxy_all(host)
    active = does("haproxy_hang", "rabbit1")
    assert {state_of(host, pid) for pid in before} == {"T"}
    assert connects(lab, None, lab.topology.ip("rabbit1"), min(daemons.ports(lab)))
    undone(active)
    assert not {state_of(host, pid) for pid in before} & {"T", ""}


def test_an_haproxy_cannot_start_until_its_configuration_is_back(does: Any, lab: Any) -> None:
    """HAProxy refuses it, and it is as it was when the fault is undone, to the byte, with owner and mode."""
    (name,) = holders(lab)
    host = lab.hosts[name]
    before = guest.read_file(host, CONFIG)
    active = does("haproxy_cannot_start", "@vip_owner")
    until(lambda: guest.unit(host, daemons.HAPROXY).active == "inactive", 10, "haproxy stops")
    assert host.run("haproxy", "-c", "-f", CONFIG).status
    # HAProxy 3.2 tells systemd that it is ready before it has read its configuration, so the status says nothing.
    host.run("systemctl", "start", "haproxy")
    assert not daemons.ports(lab) & guest.listening(host)
    assert (guest.read_file(host, CONFIG).mode, guest.read_file(host, CONFIG).owner) == (before.mode, before.owner)
    until(lambda: name not in holders(lab), 15, "the address moves")
    undone(active)
    assert guest.read_file(host, CONFIG) == before
    assert guest.unit(host, daemons.HAPROXY).active == "active"
    assert guest.unit(host, daemons.KEEPALIVED).active == "active"


# -- keepalived ---------------------------------------------------------------------------------------


def test_a_keepalived_is_stopped_and_started(does: Any, lab: Any) -> None:
    """The address moves at once."""
    active = does("keepalived_stop", "@vip_owner")
    (name,) = active.hosts
    (other,) = {*lab.topology.vrrp_hosts} - {name}
    until(lambda: holders(lab) == [other], 3, "the address moves")
    tell(f"MOVED {time.monotonic() - active.began:.2f} s after the order")
    undone(active)
    assert guest.unit(lab.hosts[name], daemons.KEEPALIVED).active == "active"


def test_a_parent_that_is_killed_takes_its_child_along_in_order(does: Any, lab: Any) -> None:
    """The child gives the address up, so that it moves at once."""
    (name,) = holders(lab)
    parent, child = daemons.vrrp(lab.hosts[name])
    active = does("keepalived_kill", name, process="parent")
    assert gone(lab.hosts[name], parent)
    (other,) = {*lab.topology.vrrp_hosts} - {name}
    until(lambda: holders(lab) == [other], 2.5, "the address moves before adverts are missed")
    tell(f"MOVED {time.monotonic() - active.began:.2f} s after the kill")
    until(lambda: not state_of(lab.hosts[name], child), 3, "the child ends")
    undone(active)
    assert guest.unit(lab.hosts[name], daemons.KEEPALIVED).active == "active"


def test_a_child_that_is_killed_is_replaced_by_its_parent(does: Any, lab: Any) -> None:
    """The parent stays, with another child."""
    (name,) = holders(lab)
    host = lab.hosts[name]
    parent, child = daemons.vrrp(host)
    active = does("keepalived_kill", name, process="child")
    assert gone(host, child)
    until(lambda: daemons.vrrp(host)[1] != child, 5, "there is another child")
    assert daemons.vrrp(host)[0] == parent
    undone(active)
    until(lambda: len(holders(lab)) == 1, 10, "one has the address")


def test_a_keepalived_that_is_killed_leaves_its_address_behind(does: Any, lab: Any) -> None:
    """Both processes are gone, and the address is still there."""
    (name,) = holders(lab)
    host = lab.hosts[name]
    before = daemons.vrrp(host)
    active = does("keepalived_kill", name)
    assert gone(host, *before)
    assert holders(lab) == [name]
    undone(active)
    assert guest.unit(host, daemons.KEEPALIVED).active == "active"
    assert not {*daemons.vrrp(host)} & {*before}


def test_a_keepalived_that_hangs_leaves_two_owners(does: Any, lab: Any) -> None:
    """Both processes are stopped, the other host takes the address, and one yields when it goes on."""
    (name,) = holders(lab)
    host = lab.hosts[name]
    before = daemons.vrrp(host)
    active = does("keepalived_hang", "@vip_owner")
    assert active.hosts == (name,)
    assert {state_of(host, pid) for pid in before} == {"T"}
    until(lambda: sorted(holders(lab)) == sorted(lab.topology.vrrp_hosts), 6, "both have the address")
    undone(active)
    until(lambda: len(holders(lab)) == 1, 5, "one yields")
    assert daemons.vrrp(host) == before


@pytest.mark.parametrize("name", ["check_script_fail", "check_script_hang"])
def test_a_check_script_that_says_no_moves_the_address(does: Any, lab: Any, name: str) -> None:
    """The address moves although HAProxy is well; the script is back to the byte when the fault is undone."""
    (owner,) = holders(lab)
    host = lab.hosts[owner]
    path = next(iter(lab.topology.keepalived.scripts.values())).path
    before = guest.read_file(host, path)
    active = does(name, "@vip_owner")
    replaced = guest.read_file(host, path)
    assert replaced.content != before.content
    assert (replaced.mode, replaced.owner) == (before.mode, before.owner)
    until(lambda: holders(lab) and owner not in holders(lab), 20, "the address moves")
    tell(f"MOVED {time.monotonic() - active.began:.2f} s after the replacement")
    undone(active)
    assert guest.read_file(host, path) == before
    said = host.check("journalctl", "--no-pager", "--unit", "keepalived", "--since", "-60s").lower()
    assert "security violation" not in said


# -- changes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["brokers", "haproxy", "keepalived"])
def test_a_layer_is_restarted_host_after_host(does: Any, lab: Any, layer: str) -> None:
    """Each is another run, in the design's order, and the next begins when the one before serves."""
    unit = {"brokers": daemons.BROKER, "haproxy": daemons.HAPROXY, "keepalived": daemons.KEEPALIVED}[layer]
    hosts = lab.topology.brokers if layer == "brokers" else lab.topology.vrrp_hosts
    before = {name: guest.unit(lab.hosts[name], unit) for name in hosts}
    active = does("rolling_restart", layer=layer, pause="2s")
    assert active.hosts == hosts
    active.wait(600)
    assert active.over
    tell(f"OVER rolling_restart of {layer} after {active.ended - active.began:.1f} s")
    after = {name: guest.unit(lab.hosts[name], unit) for name in hosts}
    assert all(after[name].invocation != before[name].invocation for name in hosts)
    since = [after[name].since_us for name in hosts]
    assert all(later - earlier >= 2e6 for earlier, later in itertools.pairwise(since))


# -- programs that end in the middle ------------------------------------------------------------------

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


def test_every_fault_is_done_here() -> None:
    """No fault of the catalogue is left out of this module."""
    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in CATALOGUE if f'"{name}"' not in text] == []
