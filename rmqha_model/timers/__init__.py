"""The few times that follow from a design by arithmetic alone, each with its formula, its source and its versions.

Alerts wait as long as these say, the runbook tells people what to expect, and the budget ranks faults by them. Nothing
is simulated here; where a machine of the simulator is exact, the formula gives its bounds.
"""

from __future__ import annotations

from rmqha_model.timers import balancer, broker, client, kernel, vrrp
from rmqha_model.timers.span import Span, number

__all__ = ["Span", "balancer", "broker", "client", "kernel", "number", "vrrp"]
