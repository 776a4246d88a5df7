"""The pytest plugin of the suite: gives tests the stack and its parts by name, and tells at the end what was seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any

import pytest

from integration import summary
from integration.diagnose import Finding, ailments, diagnose, listed
from integration.errors import LabError
from integration.suite.mend import settle
from rmqha_model.cases import Case, chosen

if TYPE_CHECKING:
    from integration.evidence import Evidence
    from integration.host import Stack
    from integration.suite.options import Options

__all__ = ["PLUGIN", "Plugin", "refuse"]

_DIAGNOSES_MAX = 5
"""After so many failures a diagnosis says nothing new."""


def refuse(findings: Iterable[Finding]) -> None:
    """Fail the test with *findings* in words, if there are any."""
    __tracebackhide__ = True
    told = list(findings)
    if told:
        pytest.fail(listed(told), pytrace=False)


PLUGIN: pytest.StashKey[Plugin] = pytest.StashKey()
"""Where the fixtures of the suite find the run that they are of."""


class Plugin:
    """What the tests are given, and what is told of them."""

    def __init__(
        self,
        stack: Stack,
        options: Options,
        evidence: Evidence | None,
        run: Callable[..., Any] | None = None,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.the_stack = stack
        self.the_options = options
        self.the_evidence = evidence
        self.run_scenario = run
        self.on_step = on_step
        self.cases = chosen(stack.topology, options.faults)
        self.rows: list[summary.Row] = []
        self.notes: list[str] = []
        self.began = time.monotonic()
        self._diagnoses = 0
        self.left_healthy = False
        """Whether the last fault was seen to be over, all well."""

    def pytest_configure(self, config: pytest.Config) -> None:
        """Be found by the fixtures."""
        config.stash[PLUGIN] = self

    def make_healthy(self, when: str) -> list[str]:
        """Wait until the stack is healthy, mend it where it does not become so, and say what had to be done."""
        settled = settle(self.the_stack, on_step=self.on_step)
        if settled.repairs:
            self.notes.append(f"{when}: {', '.join(settled.repairs)}, for: {'; '.join(map(str, settled.ailing))}")
        return settled.repairs

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Give a test each part of the design that it names."""
        topology = self.the_stack.topology
        listeners = topology.haproxy.listeners if topology.haproxy else {}
        parts: dict[str, tuple[Iterable[Any], str]] = {
            "host": (topology.hosts, "hosts"),
            "broker": (topology.brokers, "brokers"),
            "balancer": (topology.load_balancers, "load balancers"),
            "vrrp_host": (topology.vrrp_hosts, "virtual addresses"),
            "instance": (topology.keepalived.instances if topology.keepalived else (), "virtual addresses"),
            "listener": (listeners, "load balancers"),
            "user": (topology.rabbitmq.users, "users"),
            "client": (topology.clients, "clients"),
            "queue": (topology.rabbitmq.queues, "queues of its own: applications declare theirs"),
            "case": (self.cases, "faults that were asked for"),
        }
        for name, (things, word) in parts.items():
            if name in metafunc.fixturenames:
                found = list(things)
                absent = pytest.mark.skip(reason=f"the design has no {word}")
                values = found or [pytest.param(None, marks=absent)]
                metafunc.parametrize(name, values, ids=[_label(each) for each in found] or ["none"])

    # -- what is told ---------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, Any]:
        """Add to a test that failed what is wrong with the stack."""
        report: Any = yield
        if report.failed and self._diagnoses < _DIAGNOSES_MAX and not isinstance(call.excinfo, KeyboardInterrupt):
            self._diagnoses += 1
            self.on_step(f"{item.name} failed; looking for the cause")
            try:
                found = diagnose(self.the_stack) if report.when == "call" else ailments(self.the_stack)
            except (LabError, OSError) as error:
                report.sections.append(("diagnosis", f"there is none: {error}"))
            else:
                report.sections.append(("diagnosis", listed(found) or "nothing is wrong with the stack now"))
        return report

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Say which test runs."""
        self.on_step(nodeid.rpartition("::")[2])

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show what the faults did, and everything that no test can judge."""
        if self.rows:
            terminalreporter.section("what the faults did")
            terminalreporter.write_line(summary.text(self.rows))
        if self.notes:
            terminalreporter.section("notes")
            for text in self.notes:
                terminalreporter.write_line(text)


def _label(thing: Any) -> str:
    if isinstance(thing, Case):
        return thing.name
    return str(getattr(thing, "name", thing))
