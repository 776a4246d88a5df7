"""Faults of HAProxy, of keepalived, and of the script by which one watches the other."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rmqha_model.faults.base import OneHost
from rmqha_model.names import VrrpName

__all__ = [
    "CheckScriptFail",
    "CheckScriptHang",
    "HaproxyCannotStart",
    "HaproxyHang",
    "HaproxyKill",
    "HaproxyStop",
    "KeepalivedHang",
    "KeepalivedKill",
    "KeepalivedStop",
]


class HaproxyKill(OneHost):
    """SIGKILL to all processes of HAProxy."""

    target = "load_balancer"
    meaning = "HAProxy's master and worker get SIGKILL, and systemd does what its unit says."
    undo = "An HAProxy that systemd left dead is started."
    fault: Literal["haproxy_kill"]


class HaproxyStop(OneHost):
    """An orderly stop of HAProxy's service."""

    target = "load_balancer"
    meaning = "systemctl stop haproxy."
    undo = "systemctl start haproxy."
    fault: Literal["haproxy_stop"]


class HaproxyHang(OneHost):
    """An HAProxy that does nothing and keeps its sockets."""

    target = "load_balancer"
    meaning = "HAProxy's processes get SIGSTOP: connections are accepted by the kernel and answered by nobody."
    undo = "SIGCONT."
    fault: Literal["haproxy_hang"]


class HaproxyCannotStart(OneHost):
    """An HAProxy that is stopped and whose configuration is invalid."""

    target = "load_balancer"
    meaning = "A line that HAProxy refuses is added to its configuration, and then HAProxy is stopped."
    undo = "The configuration is put back as it was, and HAProxy and keepalived are started if they do not run."
    fault: Literal["haproxy_cannot_start"]


class KeepalivedStop(OneHost):
    """An orderly stop of keepalived's service."""

    target = "vrrp"
    meaning = "systemctl stop keepalived: it sends priority 0 and removes its addresses."
    undo = "systemctl start keepalived."
    fault: Literal["keepalived_stop"]


class KeepalivedKill(OneHost):
    """SIGKILL to keepalived's parent process, its VRRP child, or both."""

    target = "vrrp"
    meaning = "The processes of keepalived that are named get SIGKILL; with both, its addresses are left on the host."
    undo = "A keepalived that is dead is started."
    fault: Literal["keepalived_kill"]
    process: Literal["parent", "child", "both"] = Field("both", description="Which of its processes.")


class KeepalivedHang(OneHost):
    """A keepalived that says nothing and keeps its addresses."""

    target = "vrrp"
    meaning = "keepalived's parent and VRRP child get SIGSTOP: no advert is sent, its addresses stay."
    undo = "SIGCONT."
    fault: Literal["keepalived_hang"]


class _OfScript(OneHost):
    target = "vrrp"
    script: VrrpName | None = Field(None, description="Which script; left out, the first one of the design.")


class CheckScriptFail(_OfScript):
    """A check script that fails though what it checks is well."""

    meaning = "The check script is replaced by one that ends at once with exit status 1."
    undo = "The script is put back as it was, and keepalived is started if it does not run."
    fault: Literal["check_script_fail"]


class CheckScriptHang(_OfScript):
    """A check script that does not end."""

    meaning = "The check script is replaced by one that sleeps until somebody ends it."
    undo = "The script is put back as it was, and keepalived is started if it does not run."
    fault: Literal["check_script_hang"]
