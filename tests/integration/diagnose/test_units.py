"""What the diagnosis makes of services: a daemon that does not run is quoted."""

from __future__ import annotations

import pytest
from fake_stack import FakeStack, told

from integration.diagnose import units

HAPROXY_2_6 = """\
[NOTICE]   (312) : haproxy version is 2.6.12-1+deb12u4
[ALERT]    (312) : config : parsing [/etc/haproxy/haproxy.cfg:23] : unknown keyword 'balanse' in 'listen' section
[ALERT]    (312) : config : Error(s) found in configuration file : /etc/haproxy/haproxy.cfg
[ALERT]    (312) : config : Fatal errors found in configuration.
"""
HAPROXY_2_2 = """\
[ALERT] 326/083005 (82) : parsing [/etc/haproxy/haproxy.cfg:23] : unknown keyword 'balanse' in 'listen' section
[ALERT] 326/083005 (82) : Error(s) found in configuration file : /etc/haproxy/haproxy.cfg
"""


@pytest.mark.parametrize("said", [HAPROXY_2_6, HAPROXY_2_2], ids=["2.6", "2.2"])
def test_haproxy_that_cannot_start_is_quoted(stack: FakeStack, said: str) -> None:
    """HAProxy's own line, with file and number, is the cause; its frame around it is left out."""
    stack.hosts["rabbit1"].answers["haproxy -c"] = (1, "", said)
    unit = units.Unit("haproxy", "loaded", "failed", "failed", "enabled", "exit-code")
    (finding,) = units.of_unit(stack, "rabbit1", unit)
    wanted = "    parsing [/etc/haproxy/haproxy.cfg:23] : unknown keyword 'balanse' in 'listen' section"
    assert finding.found == f"failed (failed, exit-code); it says:\n{wanted}"
    assert "mend /etc/haproxy/haproxy.cfg on rabbit1" in finding.todo


@pytest.mark.parametrize(
    ("status", "said", "refused"),
    [
        (0, "", False),
        (143, "", False),
        (6, "SECURITY VIOLATION - scripts are being executed but script_security not enabled.", False),
        (0, "(/etc/keepalived/keepalived.conf: Line 12) Unknown keyword 'foo'", True),
        (6, "Unsafe permissions found for script '/etc/keepalived/check.sh' - disabling.", True),
        (5, "Non-existent interface specified in configuration", True),
    ],
)
def test_keepalived_is_read_whatever_its_status(stack: FakeStack, status: int, said: str, *, refused: bool) -> None:
    """Keepalived 2.1 ends with 0 whatever it finds, and 2.2.7 by SIGTERM when all is well."""
    stack.hosts["rabbit1"].answers["keepalived -t"] = (status, "", said)
    assert bool(units.refused_by_keepalived(stack.hosts["rabbit1"])) is refused


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        (units.Unit("keepalived", "masked", "inactive", "dead", "masked", ""), "a masked unit"),
        (units.Unit("keepalived", "not-found", "inactive", "dead", "", ""), "its package is not installed"),
        (units.Unit("keepalived", "loaded", "active", "running", "disabled", "success"), "a unit that is disabled"),
    ],
)
def test_unit_is_judged(stack: FakeStack, unit: units.Unit, words: str) -> None:
    """A unit that is masked, missing or not enabled is told as what it is."""
    assert words in told(units.of_unit(stack, "rabbit1", unit))


def test_taken_port_is_told_with_its_holder(stack: FakeStack) -> None:
    """A daemon whose port somebody else has: the port, and who has it."""
    host = stack.hosts["rabbit1"]
    binding = "[ALERT] (9) : Binding [/etc/haproxy/haproxy.cfg:30] for proxy monitor: "
    host.answers["journalctl"] = f"{binding}cannot bind socket (Address already in use) for [0.0.0.0:8100]\n"
    host.answers["ss -Hltnp"] = 'LISTEN 0 5 0.0.0.0:8100 0.0.0.0:* users:(("python3",pid=77,fd=3))\n'
    unit = units.Unit("haproxy", "loaded", "failed", "failed", "enabled", "exit-code")
    (finding,) = units.of_unit(stack, "rabbit1", unit)
    assert "port 8100 is taken by process python3 (77)" in finding.found
    assert finding.todo.startswith("end what listens on port 8100")


def test_start_that_hangs_is_told_as_what_it_is(stack: FakeStack) -> None:
    """A broker that waits for ever after its host was back too soon; one whose start has gone on since is not."""
    unit = units.Unit("rabbitmq-server", "loaded", "activating", "start", "enabled", "success")
    host = stack.hosts["rabbit1"]
    host.answers["Global hang"] = "[info] Global hang workaround: global state on rabbit@rabbit3 seems broken\n"
    (finding,) = units.of_unit(stack, "rabbit1", unit)
    assert units.HANG in finding.found
    assert finding.todo == "systemctl restart rabbitmq-server on rabbit1"
    host.answers["Global hang"] = "[info]  Starting RabbitMQ 3.10.8 on Erlang 25.2.3 [jit]\n"
    (finding,) = units.of_unit(stack, "rabbit1", unit)
    assert units.HANG not in finding.found
