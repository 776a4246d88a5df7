"""HAProxy judges haproxy.cfg."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from generators.bundle import Artefact, Bundle
from generators.validate import Status, Verdict
from generators.validate.files import Tree
from generators.validate.haproxy import judge, tasks
from generators.validate.room import Outcome

HOSTS = "127.0.0.1 localhost\n10.0.0.1 rabbit1\n10.0.0.2 rabbit2\n"
CONFIG = """\
global
    log /dev/log local0
    chroot /var/lib/haproxy
    stats socket /run/haproxy/admin.sock mode 660 level admin
    user haproxy
    group haproxy
defaults
    log global
    mode tcp
    timeout connect 5s
    timeout client 1m
    timeout server 1m
listen amqp
    bind *:5672
    server rabbit1 rabbit1:5672 check
    server rabbit2 rabbit2:5672 check
"""
Check = Callable[..., tuple[Verdict, ...]]
needs = pytest.mark.usefixtures("private")


def files(config: str, *hosts: str) -> list[Artefact]:
    """Two hosts with one configuration."""
    names = hosts or ("lb1", "lb2")
    return [Artefact(host, "/etc/haproxy/haproxy.cfg", config) for host in names] + [
        Artefact(host, "/etc/hosts", HOSTS) for host in names
    ]


@needs
@pytest.mark.needs("haproxy")
def test_good(check: Check) -> None:
    """A good file passes, is checked once for both hosts, and gives no words."""
    (verdict,) = check("haproxy", *files(CONFIG))
    assert (verdict.status, verdict.detail) == (Status.OK, ())
    assert verdict.paths == ("lb1/etc/haproxy/haproxy.cfg", "lb2/etc/haproxy/haproxy.cfg")


@needs
@pytest.mark.needs("haproxy")
@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("timeout client", "timeout clint", 11, "'timeout' supports"),
        ("rabbit2:5672", "rabbit3:5672", 16, "could not resolve address 'rabbit3'"),
        ("*:5672", "*:5672 ssl crt /etc/haproxy/good.pem", 14, "unable to load certificate"),
    ],
)
def test_bad(check: Check, old: str, new: str, line: int, words: str) -> None:
    """A bad file fails, with the line in the output tree."""
    broken = Artefact("lb1", "/etc/haproxy/good.pem", "not a certificate\n")
    (verdict,) = check("haproxy", *files(CONFIG.replace(old, new), "lb1"), broken)
    assert verdict.status is Status.FAILED
    assert verdict.detail[0].startswith(f"lb1/etc/haproxy/haproxy.cfg:{line}: ")
    assert words in verdict.detail[0]


@needs
@pytest.mark.needs("haproxy", "openssl")
@pytest.mark.parametrize("path", ["/etc/haproxy/amqp.pem", "/etc/haproxy/certs/", "/etc/haproxy/certs"])
def test_certificate_of_the_user(check: Check, path: str) -> None:
    """A certificate that is not generated is replaced by a throw-away one, and the verdict says so."""
    (verdict,) = check(
        "haproxy", *files(CONFIG.replace("*:5672", f"*:5671 ssl crt {path} ca-file /etc/ssl/own-ca.crt"))
    )
    assert verdict.status is Status.OK
    assert "throw-away certificate" in verdict.detail[0]
    assert len(verdict.detail) == 2


@needs
@pytest.mark.needs("haproxy")
def test_warning_does_not_fail(check: Check) -> None:
    """A warning is told, and the file passes as it does for HAProxy."""
    (verdict,) = check("haproxy", *files(CONFIG.replace("    timeout server 1m\n", "")))
    assert verdict.status is Status.OK
    assert verdict.detail[0] == "missing timeouts for proxy 'amqp'."


@needs
@pytest.mark.needs("haproxy")
def test_user_this_machine_lacks(check: Check) -> None:
    """A user that a package would make is made up."""
    (verdict,) = check("haproxy", *files(CONFIG.replace("user haproxy", "user hapless")))
    assert verdict.status is Status.OK


@needs
@pytest.mark.needs("haproxy")
def test_other_version(check: Check) -> None:
    """A verdict of another version says so, whatever it is."""
    for config in (CONFIG, CONFIG + "    bogus\n"):
        (verdict,) = check("haproxy", *files(config), versions={"haproxy": "9.9"})
        assert verdict.caveat == f"checked by {verdict.program_version}, the design is for 9.9"
        assert verdict.caveat in str(verdict)


@needs
@pytest.mark.needs("haproxy")
@pytest.mark.parametrize(("wanted", "status"), [("9.9", Status.SKIPPED), ("1.8", Status.FAILED)])
def test_refusal_of_an_older_release_proves_nothing(check: Check, wanted: str, status: Status) -> None:
    """What a release refuses that is older than the design's may be new to it; a newer one's refusal counts."""
    (verdict,) = check("haproxy", *files(CONFIG + "    bogus\n"), versions={"haproxy": wanted})
    assert verdict.status is status
    assert any("bogus" in line for line in verdict.detail)


@needs
@pytest.mark.needs("haproxy")
def test_secret_is_not_told(check: Check) -> None:
    """A secret that HAProxy quotes does not come out."""
    config = CONFIG + "    stats auth admin:Tr0ub4dor 3\n    acl Tr0ub4dor\n"
    artefact = Artefact("lb1", "/etc/haproxy/haproxy.cfg", config, secret=True)
    (verdict,) = check("haproxy", artefact, Artefact("lb1", "/etc/hosts", HOSTS))
    assert verdict.status is Status.FAILED
    assert "Tr0ub4dor" not in str(verdict)


def test_status_counts_not_words() -> None:
    """Silence with status 0 is a pass (2.9 and later), words of success with another status are none."""
    assert list(judge(Outcome(0, "", 0.1))) == []
    assert [one.bad for one in judge(Outcome(1, "Configuration file is valid\n", 0.1))] == [True]
    assert [one.text for one in judge(Outcome(-11, "", 0.1))] == ["haproxy -c: killed by SIGSEGV"]


def test_older_words() -> None:
    """The lines of 2.2, which have a time in them, are read as well."""
    said = "[ALERT] 326/051234 (71) : parsing [/etc/haproxy/haproxy.cfg:3] : unknown keyword 'x' in 'global' section\n"
    assert [one.text for one in judge(Outcome(1, said, 0.1))] == [
        "/etc/haproxy/haproxy.cfg:3: unknown keyword 'x' in 'global' section"
    ]


def test_hosts_that_differ_are_checked_apart() -> None:
    """Another /etc/hosts makes another check, since names are resolved."""
    one, two = files(CONFIG, "lb1"), files(CONFIG, "lb2")
    changed = [Artefact("lb2", "/etc/hosts", "127.0.0.1 localhost\n") if a.path == "/etc/hosts" else a for a in two]
    assert len(list(tasks(Tree(Bundle("d", "x", (*one, *two)))))) == 1
    assert len(list(tasks(Tree(Bundle("d", "x", (*one, *changed)))))) == 2
