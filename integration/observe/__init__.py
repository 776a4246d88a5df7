"""Observers: they stamp what daemons do, without asking more of them than a glance.

One program a host (``python -m integration.observe``) runs with the host's network and this machine's clock. The kernel
tells it of addresses by itself (netlink) and which ports listen when asked (every 20 ms, answered from a table of
listeners alone); HAProxy tells the state of its servers through its runtime socket (every 25 ms) or, where the design
has none, its statistics page (every 100 ms); the broker's management API tells members, leaders and alarms (every
second, with a time limit, beside everything else). :mod:`integration.observe.watch` keeps one such program for each
host that has power; :mod:`integration.observe.vrrp` reads keepalived's journal when all is over.
"""

from __future__ import annotations

from integration.observe.spec import ObserveSpec
from integration.observe.view import View
from integration.observe.watch import Watch

__all__ = ["RESOLUTION_S", "ObserveSpec", "View", "Watch"]

RESOLUTION_S = 0.025
"""Between looks at ports and servers; members and leaders are looked at every second, servers by page every 100 ms."""
