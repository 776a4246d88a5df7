"""The named layouts a design can start from, each a commented topology with a picture of it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

__all__ = ["PATTERNS", "Pattern"]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A layout: its name, what it is, when it is the right one, and what it costs."""

    name: str
    title: str
    choose_when: str
    costs: str

    @property
    def text(self) -> str:
        """The topology, as YAML with comments."""
        return resources.files(__name__).joinpath(f"{self.name}.yaml").read_text("utf-8")


PATTERNS = {
    pattern.name: pattern
    for pattern in (
        Pattern(
            "dedicated-lb",
            "three brokers, two load balancers on machines of their own, one virtual address",
            "clients cannot hold a list of brokers, and a lost machine shall cost one role only",
            "five machines, and one more hop",
        ),
        Pattern(
            "colocated",
            "three machines that each run a broker, two of them a load balancer too, one virtual address",
            "there are only three machines",
            "losing the first machine takes a broker, its queue leaders and the virtual address at once",
        ),
        Pattern(
            "active-active",
            "three brokers, two load balancers, two virtual addresses that stand in for each other",
            "one load balancer cannot carry all connections, and clients can hold two addresses",
            "each load balancer must be able to carry everything when the other is gone",
        ),
        Pattern(
            "no-vip",
            "three brokers, and clients that hold the list of them",
            "the clients are yours and their libraries take several addresses",
            "every client must be changed when a broker moves",
        ),
    )
}
