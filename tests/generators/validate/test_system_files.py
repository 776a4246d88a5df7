"""firewalld, logrotate, rsyslog, sysctl, Ansible and cloud-init judge what is theirs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from generators.bundle import Artefact
from generators.validate import Status, Verdict
from generators.validate.ansible import _judge as judge_ansible
from generators.validate.cloud_init import _judge as judge_cloud_init
from generators.validate.room import NoRoom, Outcome, find_program
from generators.validate.sysctl import _judge as judge_sysctl

Check = Callable[..., tuple[Verdict, ...]]
needs = pytest.mark.usefixtures("private")

ZONE = """\
<?xml version="1.0" encoding="utf-8"?>
<zone>
  <short>rmqha</short>
  <service name="rmqha-amqp"/>
  <protocol value="vrrp"/>
  <rule family="ipv4"><source address="10.0.0.1"/><port port="4369" protocol="tcp"/><accept/></rule>
</zone>
"""
SERVICE = """\
<?xml version="1.0" encoding="utf-8"?>
<service>
  <port port="5672" protocol="tcp"/>
</service>
"""
ROTATE = """\
/var/log/haproxy.log {
    daily
    rotate 7
    missingok
    create 0640 syslogger adm
    postrotate
        true
    endscript
}
"""
RSYSLOG = """\
$AddUnixListenSocket /var/lib/haproxy/dev/log
if $programname startswith 'haproxy' then {
    /var/log/haproxy.log
    stop
}
"""
SYSCTL = "net.ipv4.ip_nonlocal_bind = 1\nnet.ipv4.tcp_retries2=8\nnet.core.somaxconn = 4096\n"
PLAYBOOK = """\
- name: Install
  hosts: all
  tasks:
    - name: File
      ansible.builtin.copy:
        src: a
        dest: /b
"""
INVENTORY = "all:\n  hosts:\n    rabbit1:\n      ansible_host: 10.0.0.1\n"


def firewalld(zone: str = ZONE, service: str = SERVICE) -> list[Artefact]:
    """A zone and a service of it."""
    return [
        Artefact("a", "/etc/firewalld/zones/rmqha.xml", zone),
        Artefact("a", "/etc/firewalld/services/rmqha-amqp.xml", service),
    ]


@needs
@pytest.mark.slow
@pytest.mark.needs("firewall-offline-cmd")
def test_firewalld_good(check: Check) -> None:
    """Good files pass, each with its own verdict."""
    assert [one.status for one in check("firewall-offline-cmd", *firewalld())] == [Status.OK, Status.OK]


@needs
@pytest.mark.slow
@pytest.mark.needs("firewall-offline-cmd")
@pytest.mark.parametrize(
    ("zone", "service", "told"),
    [
        (ZONE.replace("<short>", "<shor>"), SERVICE, "a/etc/firewalld/zones/rmqha.xml:3: PARSE_ERROR"),
        (ZONE.replace("10.0.0.1", "10.0.0.999"), SERVICE, "a/etc/firewalld/zones/rmqha.xml:6: INVALID_ADDR"),
        (ZONE.replace("rmqha-amqp", "rmqha-x"), SERVICE, "a/etc/firewalld/zones/rmqha.xml:4: INVALID_SERVICE"),
        (ZONE, SERVICE.replace("tcp", "tpc"), "a/etc/firewalld/services/rmqha-amqp.xml:3: INVALID_PROTOCOL"),
    ],
    ids=["element", "address", "service", "protocol"],
)
def test_firewalld_bad(check: Check, zone: str, service: str, told: str) -> None:
    """A bad file fails at the line that has the words firewalld quotes, and the other file does not."""
    verdicts = check("firewall-offline-cmd", *firewalld(zone, service))
    (failed,) = (one for one in verdicts if one.status is Status.FAILED)
    assert failed.detail[0].startswith(told), failed.detail


@needs
@pytest.mark.needs("logrotate")
def test_logrotate(check: Check) -> None:
    """A good file passes, a misspelt word and a missing end fail."""
    path = "/etc/logrotate.d/haproxy"
    (good,) = check("logrotate", Artefact("a", path, ROTATE))
    assert (good.status, good.detail) == (Status.OK, ())
    (misspelt,) = check("logrotate", Artefact("a", path, ROTATE.replace("rotate 7", "rotates 7")))
    assert (misspelt.status, misspelt.detail) == (
        Status.FAILED,
        (f"a{path}:3: unknown option 'rotates' -- ignoring line",),
    )
    (endless,) = check("logrotate", Artefact("a", path, ROTATE.replace("endscript", "")))
    assert endless.status is Status.FAILED
    assert "without endscript" in endless.detail[0]


@needs
@pytest.mark.needs("rsyslogd")
def test_rsyslog(check: Check) -> None:
    """A good file passes, also on a machine whose own files differ; a wrong property and a missing brace fail."""
    path = "/etc/rsyslog.d/49-haproxy.conf"
    (good,) = check("rsyslogd", Artefact("a", path, RSYSLOG))
    assert (good.status, good.detail) == (Status.OK, ())
    (wrong,) = check("rsyslogd", Artefact("a", path, RSYSLOG.replace("programname", "programnam")))
    assert (wrong.status, wrong.detail) == (Status.FAILED, (f"a{path}:2: invalid property 'programnam'",))
    (endless,) = check("rsyslogd", Artefact("a", path, RSYSLOG.replace("}", "")))
    assert endless.status is Status.FAILED


@pytest.mark.needs("sysctl")
def test_sysctl(check: Check) -> None:
    """Known settings pass; an unknown one and a line that is none fail at their lines."""
    path = "/etc/sysctl.d/90-rmqha.conf"
    (good,) = check("sysctl", Artefact("a", path, SYSCTL))
    assert (good.status, good.detail) == (Status.OK, ())
    text = SYSCTL.replace("nonlocal_bind", "nonlocal_bnd").replace("tcp_retries2=8", "tcp_retries2 8")
    (bad,) = check("sysctl", Artefact("a", path, text))
    assert bad.status is Status.FAILED
    assert set(bad.detail) == {
        f"a{path}:1: net.ipv4.ip_nonlocal_bnd: this kernel has no such setting",
        f"a{path}:2: invalid syntax",
    }


def test_sysctl_that_cannot() -> None:
    """An old sysctl is no judge; a setting of a module that is not loaded is no mistake."""
    file = Artefact("a", "/etc/sysctl.d/x.conf", "net.netfilter.nf_conntrack_max = 1\n")
    with pytest.raises(NoRoom, match="no --dry-run"):
        list(judge_sysctl(file, Outcome(1, "sysctl: unrecognized option '--dry-run'\n", 0.1)))
    said = "sysctl: cannot stat /proc/sys/net/netfilter/nf_conntrack_max: No such file or directory\n"
    (finding,) = judge_sysctl(file, Outcome(1, said, 0.1))
    assert not finding.bad


@pytest.mark.slow
@pytest.mark.needs("ansible-playbook")
def test_ansible(check: Check) -> None:
    """A good playbook and its inventory pass; mistakes in either fail at their lines."""

    def run(playbook: str, inventory: str = INVENTORY) -> tuple[Verdict, ...]:
        files = {
            "ansible/site.yml": playbook,
            "ansible/inventory.yml": inventory,
            "ansible/tasks/x.yml": "- hosts: 1\n",
        }
        return check("ansible-playbook", *(Artefact(None, path, text) for path, text in files.items()))

    assert [(one.status, one.paths[0]) for one in run(PLAYBOOK)] == [
        (Status.OK, "_design/ansible/site.yml"),
        (Status.OK, "_design/ansible/inventory.yml"),
    ]
    playbook, inventory = run(PLAYBOOK.replace("tasks:", "takss:"))
    assert (playbook.status, inventory.status) == (Status.FAILED, Status.OK)
    assert playbook.detail == ("_design/ansible/site.yml:1: 'takss' is not a valid attribute for a Play",)
    playbook, inventory = run(PLAYBOOK, "all:\n  hosts: [\n")
    assert inventory.status is Status.FAILED
    assert any("inventory" in line for line in inventory.detail)


def test_ansible_collection_that_is_not_installed() -> None:
    """A module of a collection that this machine lacks cannot be judged; a builtin that is not there can."""
    said = "ERROR! couldn't resolve module/action '{}'. This often indicates a misspelling\n"
    with pytest.raises(NoRoom, match=r"collection ansible\.posix is not installed"):
        list(judge_ansible(frozenset(), Outcome(4, said.format("ansible.posix.sysctl"), 0.1)))
    assert list(judge_ansible(frozenset(), Outcome(4, said.format("ansible.builtin.cpy"), 0.1)))


@pytest.mark.slow
@pytest.mark.skipif(
    not find_program("cloud-init"), reason="NOT RUN for want of cloud-init, whose package changes how a machine boots"
)
def test_cloud_init(check: Check) -> None:
    """A good file passes, one with a wrong value does not, nor one that is no YAML."""
    good = Artefact(None, "cloud-init/a.yaml", "#cloud-config\nhostname: a\n")
    wrong = Artefact(None, "cloud-init/b.yaml", "#cloud-config\npackages: [x]\nhostname: [1]\n")
    broken = Artefact(None, "cloud-init/c.yaml", "#cloud-config\nhostname: a\n  b: c\n")
    found = check("cloud-init", good, wrong, broken)
    assert [one.status for one in found] == [Status.OK, Status.FAILED, Status.FAILED]
    assert found[1].detail[0].startswith("_design/cloud-init/b.yaml:3: hostname: [1] is not of type 'string'")
    assert found[2].detail[0].startswith("_design/cloud-init/c.yaml:3: ")


def test_cloud_init_places() -> None:
    """What cloud-init 22.4 said of three files, read without it."""
    path, file = "/tmp/tree/x.yaml", Artefact(None, "x.yaml", "#cloud-config\na: 1\nhostname: [1]\n")  # noqa: S108
    said = "Error:\nCloud config schema errors: hostname: [1] is not a 'string', hostname: [1] is not a 'string'\n"
    assert [one.text for one in judge_cloud_init(file, path, Outcome(1, said, 0.1))] == [
        f"{path}:3: hostname: [1] is not a 'string'"
    ]
    said = "Error:\nCloud config schema errors: format-l3.c6: File x.yaml is not valid yaml.\n"
    assert [one.text for one in judge_cloud_init(file, path, Outcome(1, said, 0.1))] == [
        f"{path}:3: File x.yaml is not valid yaml."
    ]
    assert list(judge_cloud_init(file, path, Outcome(0, "Valid cloud-config: x.yaml\n", 0.1))) == []
