"""What the diagnosis makes of what each HAProxy says of its servers."""

from __future__ import annotations

from fake_stack import FakeStack, told

from integration.diagnose import balancers

SHOW_STAT = """\
# pxname,svname,status,check_status,last_chk
rabbitmq_cluster,FRONTEND,OPEN,,
rabbitmq_cluster,rabbit1,UP,L7OK,
rabbitmq_cluster,rabbit2,DOWN,L4CON,Connection refused
rabbitmq_cluster,BACKEND,UP,,
"""


def test_servers_that_are_down_are_told_with_their_last_check(stack: FakeStack) -> None:
    """A server that is DOWN, with what its check said; and one that is not there."""
    stack.hosts["rabbit1"].answers["socat"] = SHOW_STAT
    text = told(balancers.of_servers(stack, "rabbit1"))
    assert "server rabbit2 of rabbitmq_cluster: found DOWN (its last check: L4CON Connection refused)" in text
    assert "server rabbit3 of rabbitmq_cluster: found no such server" in text
    assert "server rabbit1" not in text
