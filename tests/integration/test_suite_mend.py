"""How the suite brings a stack back to health, and when it says that a design is made so."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_stack import FakeStack

from integration.diagnose import Finding
from integration.errors import Unhealthy
from integration.evidence import Evidence, concluded
from integration.suite import mend
from integration.suite.options import Options
from rmqha_model.document import load
from rmqha_model.topology import Topology

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def stack() -> FakeStack:
    """The sound three-host design on played hosts, whose services all run."""
    made = FakeStack(load(EXAMPLES / "article-fixed.yaml", Topology))
    unit = "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nResult=success\n"
    for host in made.hosts.values():
        host.answers["systemctl show"] = lambda command, _: (0, "\n".join([unit] * (len(command) - 3)), "")
    return made


def ailing(topic: str, where: str = "rabbit2") -> Finding:
    """Something that is wrong."""
    return Finding(topic, where, "it ill", "it well", "mend it")


def restarted(stack: FakeStack) -> list[str]:
    """What was restarted, and where."""
    return [
        f"{host.name} {c[2]}" for host in stack.hosts.values() for c in host.asked if c[:2] == ("systemctl", "restart")
    ]


def test_hosts_without_power_get_it_back_first(stack: FakeStack) -> None:
    """Nothing is restarted before every host has power."""
    stack.power_off(["rabbit2"])
    assert mend.repair(stack, [ailing("power")]) == ["power on rabbit2"]
    assert stack.hosts["rabbit2"].running
    assert stack.done == ["heal"]
    assert restarted(stack) == []


def test_broker_that_ails_is_restarted(stack: FakeStack) -> None:
    """Of brokers only the one that is complained of."""
    assert mend.repair(stack, [ailing("cluster")]) == ["restart rabbitmq-server on rabbit2"]
    assert restarted(stack) == ["rabbit2 rabbitmq-server.service"]


def test_one_side_of_a_partition_stays(stack: FakeStack) -> None:
    """Where all brokers complain, the first one is left for the others to come back to."""
    mend.repair(stack, [ailing("cluster", host) for host in stack.topology.brokers])
    assert restarted(stack) == ["rabbit2 rabbitmq-server.service", "rabbit3 rabbitmq-server.service"]


def test_address_is_brought_home_by_keepalived(stack: FakeStack) -> None:
    """Two owners or none: keepalived is restarted on all of its hosts."""
    mend.repair(stack, [ailing("address", "virtual address 172.16.2.200")])
    assert restarted(stack) == ["rabbit1 keepalived.service", "rabbit2 keepalived.service"]


def test_health_that_comes_by_itself_takes_no_repair(stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is well after a look is left alone; what is not is repaired, and if that does not help, told."""
    looks = [[ailing("cluster")], []]
    monkeypatch.setattr(mend, "ailments", lambda _: looks.pop(0) if len(looks) > 1 else looks[0])
    monkeypatch.setattr(mend, "_PAUSE_S", 0)
    assert mend.settle(stack).by_itself
    looks[:] = [[ailing("cluster")], []]
    assert mend.settle(stack, patience_s=-1).repairs == ["restart rabbitmq-server on rabbit2"]
    looks[:] = [[ailing("cluster")]]
    monkeypatch.setattr(mend, "_REPAIR_S", -1)
    with pytest.raises(Unhealthy, match="rabbit2: found it ill"):
        mend.settle(stack, patience_s=-1)


@pytest.mark.parametrize(
    ("design", "topic", "said"),
    [("article", "cluster", True), ("article", "address", False), ("article-fixed", "cluster", False)],
)
def test_partition_that_stays_is_the_designs_affair(design: str, topic: str, *, said: bool) -> None:
    """With partition_handling ignore brokers stay apart, which is told; anything else has no excuse."""
    made = FakeStack(load(EXAMPLES / f"{design}.yaml", Topology))
    assert bool(mend.excuse(made, [ailing(topic)])) is said


def test_run_that_is_over_is_known_by_what_was_asked(stack: FakeStack, tmp_path: Path) -> None:
    """A run is over for the same design and the same faults only, and not before all of them were seen."""
    asked = Options(faults=("all",), source="a on bookworm")
    evidence = Evidence(stack, tmp_path)
    assert concluded(tmp_path, asked) is None
    evidence.conclude(asked, good=False, whole=True)
    assert concluded(tmp_path, asked) is False
    assert concluded(tmp_path, Options(faults=("none",), source="a on bookworm")) is None
    assert concluded(tmp_path, Options(faults=("all",), source="b on bookworm")) is None
    evidence.conclude(asked, good=True, whole=False)
    assert concluded(tmp_path, asked) is None
