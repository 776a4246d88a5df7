"""What is done to a host when its turn has come: configuration, reboot, upgrade; and when to stop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators import titles
from generators.runbook.hops import hops
from generators.runbook.text import code, listed, prose, table
from rmqha_model.timers import number

if TYPE_CHECKING:
    from generators.quoting import Quoted
    from rmqha_model.topology import Topology

__all__ = ["kinds", "stop", "upgrade"]


def kinds(topology: Topology) -> Iterator[Quoted]:
    """Say how each kind of change is made."""
    yield from prose("## What to do at *Change*", "")
    rows = [
        (
            "Configuration of RabbitMQ",
            "generate, copy the host's folder, `./install.sh --restart` there: it does *Stop* and *Start* itself",
            "as for a broker",
        ),
    ]
    if topology.haproxy:
        stop = topology.haproxy.global_.hard_stop_after
        left = (
            f"old sessions live on in the old process for up to {number(stop.s)} s, unchecked"
            if stop
            else ("old sessions live on in the old process, unchecked")
        )
        rows.append(
            (
                "Configuration of HAProxy",
                "`./install.sh` there: it reloads. No need to move the address",
                f"nobody is cut; {left}",
            )
        )
    if topology.keepalived:
        effect = "none, unless priorities or addresses changed: then an address may move"
        rows.append(
            (
                "Configuration of keepalived",
                "`./install.sh` on every member, the present owner last: it reloads",
                effect,
            )
        )
    rows += [
        ("Users, policies, queues", "`./install.sh`, then the scripts under /usr/local/sbin, on one broker", "none"),
        ("Reboot", "`systemctl reboot`", "as for what runs there"),
        ("A kernel or a library", "install it, then `systemctl reboot`", "as for what runs there"),
        (
            "Another machine in its place",
            f"see *{titles.INSTALLATION}* and *{titles.BROKER_DOWN}* in the runbook",
            "as for what runs there",
        ),
    ]
    yield from table(("Change", "How", "Effect"), rows)


def upgrade(topology: Topology) -> Iterator[Quoted]:
    """Say how RabbitMQ is upgraded, hop by hop."""
    yield from prose("## Upgrading RabbitMQ", "")
    yield from prose(
        f"This design is made for {topology.versions.rabbitmq}. From there, hop by hop; a broker refuses to start "
        "over a hop that is left out. There is no way back.",
        "",
    )
    yield from table(("From", "To", "First"), ((hop.start, hop.end, hop.first) for hop in hops(topology)))
    enable: str = code("rabbitmqctl enable_feature_flag all")
    if not topology.versions.can("rabbitmq.enable_all_feature_flags"):
        enable = f"{code('rabbitmqctl enable_feature_flag NAME')} for each of {code('rabbitmqctl list_feature_flags')}"
    yield from listed(
        [
            (
                "Before: a backup of the definitions, `rabbitmqctl export_definitions FILE`; the Erlang that the new "
                "release asks for."
            ),
            (
                f"All feature flags of the present release must be enabled on the whole cluster: {enable}. Look: "
                f"{code('rabbitmqctl list_feature_flags')}."
            ),
            (
                "Change `versions.rabbitmq` in the design, generate, and look at what differs: `rmqha generate "
                "TOPOLOGY "
                "--out DIR --diff`."
            ),
            (
                "Each broker as above; at *Change* `./install.sh --no-start` of the new files, then the new packages "
                "(those of Debian start the broker themselves)."
            ),
            f"When all run the new release and the gate is well: {enable}. Let it run for a day before the next hop.",
            "A cluster of two releases works, and is no place to stay: finish within hours.",
        ],
        ordered=True,
    )


def stop(topology: Topology) -> Iterator[Quoted]:
    """Say when not to go on, and what then."""
    yield from prose("## Stop, and do not go on, if", "")
    needed = len(topology.brokers) // 2 + 1
    yield from listed(
        [
            f"another broker than the one you are at does not run: {needed} of {len(topology.brokers)} are needed;",
            "an alarm is set, or a partition is reported;",
            "a gate that was well before a step is not after it;",
            "clients do not come back, or messages wait that did not wait before;",
            "a step takes longer than it says.",
        ]
    )
    yield from prose(
        "Then: bring the host you are at back to where it was (the folder generated from the design before the change, "
        "`./install.sh`), wait for the gate, and find out why. A RabbitMQ that was upgraded stays upgraded: "
        "downgrades are not supported.",
        "",
    )
