"""The few times that follow from a design by arithmetic alone, each with its formula, its source and its versions.

Alerts wait as long as these say, and the runbook tells people what to expect. Nothing is simulated here.
"""

from __future__ import annotations

from generators.timers import balancer, broker, client, vrrp
from generators.timers.span import Span, number

__all__ = ["Span", "balancer", "broker", "client", "number", "vrrp"]
