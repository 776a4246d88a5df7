"""keepalived judges keepalived.conf; the exit statuses are those of 2.2.7, which Debian 12 has."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from generators.bundle import Artefact, Bundle
from generators.validate import Status, Verdict
from generators.validate.files import Tree
from generators.validate.keepalived import tasks
from generators.validate.room import Outcome

Check = Callable[..., tuple[Verdict, ...]]
needs = pytest.mark.usefixtures("private")

CONFIG = """\
global_defs {
    router_id lb1
    enable_script_security
    script_user root
}
vrrp_script chk_haproxy {
    script "/usr/local/sbin/check-haproxy"
    interval 2
    weight -60
}
vrrp_instance VI_1 {
    state BACKUP
    interface ens33
    virtual_router_id 51
    priority 100
    advert_int 1
    unicast_src_ip 10.0.0.1
    unicast_peer {
        10.0.0.2
    }
    authentication {
        auth_type PASS
        auth_pass 12345678
    }
    track_interface {
        ens34 weight -20
    }
    track_script {
        chk_haproxy
    }
    virtual_ipaddress {
        10.0.0.100/24 dev ens33
    }
}
"""
SCRIPT = Artefact("lb1", "/usr/local/sbin/check-haproxy", "#!/bin/sh\nexit 0\n", 0o755)
PATH = "/etc/keepalived/keepalived.conf"


def files(config: str, *others: Artefact) -> list[Artefact]:
    """One host with a configuration."""
    hosts = "127.0.0.1 localhost\n10.0.0.1 lb1\nfd00::1 lb1\n"
    return [Artefact("lb1", PATH, config), Artefact("lb1", "/etc/hosts", hosts), *others]


@needs
@pytest.mark.needs("keepalived")
@pytest.mark.parametrize("user", ["root", "keepalived_script", "somebody_new"])
def test_good(check: Check, user: str) -> None:
    """A good file passes with whatever user runs its scripts: no end by signal 15 (2.2.7)."""
    (verdict,) = check("keepalived", *files(CONFIG.replace("script_user root", f"script_user {user}"), SCRIPT))
    assert (verdict.status, verdict.detail) == (Status.OK, ())


@needs
@pytest.mark.needs("keepalived")
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("priority 100", "prioritee 100", f"lb1{PATH}:15: Unknown keyword 'prioritee'"),
        ("priority 100", "priority 300", f"lb1{PATH}:15: number '300' outside range [1, 255]"),
        ("10.0.0.100/24", "10.0.0.300/24", f"lb1{PATH}:32: VRRP parsed invalid IP 10.0.0.300/24. skipping IP..."),
        ("auth_pass 12345678", "auth_pass 123456789", f"lb1{PATH}:23: Truncating auth_pass to 8 characters"),
        ("        chk_haproxy\n", "        chk_x\n", f"lb1{PATH}:29: (VI_1) track script chk_x not found, ignoring..."),
        ("state BACKUP", "state MASTER\n    nopreempt", "(VI_1) Warning - nopreempt will not work with initial state"),
        ("    virtual_router_id 51\n", "", "(VI_1) the virtual router id must be set"),
    ],
)
def test_bad(check: Check, old: str, new: str, told: str) -> None:
    """A file with an error, or with a setting that keepalived would not honour, fails."""
    (verdict,) = check("keepalived", *files(CONFIG.replace(old, new), SCRIPT))
    assert verdict.status is Status.FAILED
    assert any(line.startswith(told) for line in verdict.detail), verdict.detail


@needs
@pytest.mark.needs("keepalived")
def test_unclosed_block(check: Check) -> None:
    """A brace that is missing is told once, though keepalived says it four times."""
    (verdict,) = check("keepalived", *files(CONFIG.rstrip()[:-1], SCRIPT))
    assert (verdict.status, verdict.detail) == (Status.FAILED, ("There are 1 missing '}'s or extra '{'s",))


@needs
@pytest.mark.needs("keepalived")
def test_script_that_cannot_be_run(check: Check) -> None:
    """A generated script without the mode to be run fails: keepalived itself does not look."""
    (verdict,) = check("keepalived", *files(CONFIG, Artefact("lb1", SCRIPT.path, SCRIPT.content, 0o644)))
    assert verdict.status is Status.FAILED
    assert verdict.detail == (f"lb1{PATH}:7: lb1/usr/local/sbin/check-haproxy is not executable: its mode is 0644",)


@needs
@pytest.mark.needs("keepalived")
def test_script_others_can_write(check: Check) -> None:
    """A script that anybody may change is refused."""
    (verdict,) = check("keepalived", *files(CONFIG, Artefact("lb1", SCRIPT.path, SCRIPT.content, 0o777)))
    assert verdict.status is Status.FAILED
    assert verdict.detail == ("Disabling track script chk_haproxy due to insecure",)


@needs
@pytest.mark.needs("keepalived")
def test_script_of_the_user(check: Check) -> None:
    """A script that is not generated is the user's own: one stands in for it, and the verdict says so."""
    config = CONFIG.replace("state BACKUP", "state BACKUP\n    notify /opt/site/tell-us")
    (verdict,) = check("keepalived", *files(config, SCRIPT))
    assert verdict.status is Status.OK
    assert verdict.detail == ("/opt/site/tell-us is not generated: a script that does nothing stood in for it",)


@needs
@pytest.mark.needs("keepalived")
def test_no_script_security(check: Check) -> None:
    """Scripts without script security pass with a warning, as they run with one."""
    config = CONFIG.replace("    enable_script_security\n    script_user root\n", "")
    (verdict,) = check("keepalived", *files(config, SCRIPT))
    assert verdict.status is Status.OK
    assert any(line.startswith("SECURITY VIOLATION") for line in verdict.detail)
    (verdict,) = check("keepalived", *files(config.replace("weight -60", "weight -600"), SCRIPT))
    assert verdict.status is Status.FAILED


@needs
@pytest.mark.needs("keepalived")
def test_part_of_a_file(check: Check) -> None:
    """What is included is there, and a line of it is told by its own name."""
    part = Artefact(
        "lb1", "/etc/keepalived/conf.d/script.conf", "vrrp_script chk_x {\n    script true\n    interwal 2\n}\n"
    )
    (verdict,) = check("keepalived", *files(CONFIG + "include /etc/keepalived/conf.d/*.conf\n", SCRIPT, part))
    assert verdict.status is Status.FAILED
    assert verdict.detail == ("lb1/etc/keepalived/conf.d/script.conf:3: Unknown keyword 'interwal'",)


def test_room_has_what_the_file_names() -> None:
    """Interfaces, addresses and users of the file exist where it is checked."""
    config = CONFIG.replace("script_user root", "script_user checker watchers")
    (task,) = tasks(Tree(Bundle("d", "x", tuple(files(config, SCRIPT)))))
    assert task.room.links == {"ens33": ["10.0.0.1/32", "fd00::1/128"], "ens34": []}
    assert set(task.room.users) == {"checker", "watchers"}
    assert {file.path for file in task.room.files} == {PATH, SCRIPT.path}


def test_file_that_was_not_read() -> None:
    """Status 0 for a file that is not there (2.2.7) is no pass."""
    (task,) = tasks(Tree(Bundle("d", "x", tuple(files(CONFIG, SCRIPT)))))
    (finding,) = task.judge(Outcome(0, f"Config files missing '{PATH}'.\n", 0.1))
    assert finding.bad


def test_end_by_a_signal() -> None:
    """An end by a signal is a failure, with its name."""
    (task,) = tasks(Tree(Bundle("d", "x", tuple(files(CONFIG, SCRIPT)))))
    (finding,) = task.judge(Outcome(-15, "", 0.1))
    assert (finding.bad, finding.text) == (True, "keepalived -t: killed by SIGTERM")
