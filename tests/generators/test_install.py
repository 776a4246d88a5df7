"""install.sh, run for real on throw-away copies of this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import throwaway
from designs import design, secrets_of

from generators import cluster, firewall, haproxy, identity, install, keepalived, rabbitmq, system
from rmqha_model.document import load
from rmqha_model.topology import Topology

if TYPE_CHECKING:
    from generators.bundle import Artefact

PARTS = (identity, rabbitmq, cluster, haproxy, keepalived, system, firewall)
OURS = {
    "versions": {"rabbitmq": "3.10", "haproxy": "2.6", "keepalived": "2.2"},
    "hosts": {"r1": {"address": "10.0.0.11/24", "interface": "ens33"}},
}
"""A design of the releases of Debian 12 or older, whose files newer ones read as well."""

COOKIE = "/var/lib/rabbitmq/.erlang.cookie"
DATA = "/var/lib/rabbitmq/mnesia/rabbit@r1"

NETWORK = """
ip link add ens33 type veth peer name other
ip address add 10.0.0.11/24 dev ens33
ip link set ens33 up
cd /root/bundle
"""


def made(topology: Topology) -> list[Artefact]:
    """Everything that is installed, and the installers."""
    secrets = secrets_of(topology)
    files = [artefact for part in PARTS for artefact in part.artefacts(topology, secrets)]
    return [*files, *install.artefacts(topology, files)]


def tree(topology: Topology, host: str, place: Path) -> Path:
    """Write the folder of *host* as it would be copied to it."""
    for artefact in made(topology):
        if artefact.host == host:
            file = place / artefact.path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(artefact.content)
            file.chmod(artefact.tree_mode)
    return place


def co_located(**changes: object) -> Topology:
    """A design whose first host runs everything."""
    both = {"hosts": ["r1", "r2"]}
    listeners = {"amqp": {"kind": "amqp", "port": 5670}, "stats": {"kind": "stats"}}
    return design(**OURS, haproxy={**both, "listeners": listeners}, keepalived=both, **changes)


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a script in a copy of this machine that is r1 of the co-located design."""
    bundle = tree(co_located(), "r1", tmp_path / "bundle")

    def runs(script: str, **options: object) -> subprocess.CompletedProcess[str]:
        return throwaway.run(tmp_path, NETWORK + script, bring={bundle: "/root/bundle"}, host="r1", **options)

    return runs


def test_the_list_of_files_is_in_the_script() -> None:
    """Every file of a host is listed with owner, group and mode; other hosts' are not."""
    topology = design()
    files = [a for a in made(topology) if a.path != install.INSTALL]
    texts = {a.host: a for a in made(topology) if a.path == install.INSTALL}
    assert set(texts) == set(topology.hosts)
    for host, script in texts.items():
        listed = script.content.split("FILES=(\n")[1].split("\n)\n")[0].splitlines()
        wanted = [f"    '{a.owner} {a.group} {a.mode:04o} {a.path}'" for a in files if a.host == host]
        assert listed == wanted
        assert (script.mode, script.secret) == (0o755, False)


@pytest.mark.parametrize(
    ("host", "family", "packages"),
    [
        ("r1", "debian", "procps rabbitmq-server"),
        ("lb1", "debian", "procps haproxy rsyslog logrotate keepalived socat"),
        ("lb1", "rpm", "procps-ng haproxy rsyslog logrotate keepalived socat"),
    ],
)
def test_packages_follow_the_role(host: str, family: str, packages: str) -> None:
    """A host gets the packages of what runs on it, and what its check script and logs need."""
    files = made(design(os={"family": family}))
    script = next(a for a in files if a.host == host and a.path == install.INSTALL).content
    assert f"\nreadonly PACKAGES=({packages})\n" in script


def test_no_secret_is_in_it(root: Path) -> None:
    """The scripts are readable by all, so no secret of any example stands in them."""
    for path in sorted((root / "examples").glob("*.yaml")):
        topology = load(path, Topology)
        values = set(secrets_of(topology).values())
        for artefact in made(topology):
            if artefact.path == install.INSTALL:
                assert not any(value in artefact.content for value in values)


@pytest.mark.needs("bash")
@pytest.mark.parametrize(("argument", "status"), [("--help", 0), ("--nonsense", 2), ("--firewall=iptables", 2)])
def test_arguments(tmp_path: Path, argument: str, status: int) -> None:
    """`--help` explains itself; what is not known ends with exit status 2."""
    script = tree(design(), "lb1", tmp_path) / install.INSTALL
    ran = subprocess.run([script, argument], capture_output=True, text=True, check=False)
    assert ran.returncode == status
    assert ran.stdout.startswith("Usage: ./install.sh") is (status == 0)
    assert (ran.stderr == "") is (status == 0)


ALL = pytest.mark.needs("unshare", "ip", "haproxy", "keepalived", "rabbitmq-server", "nft", "rsyslogd")


@pytest.mark.slow
@ALL
def test_installs_and_leaves_alone_what_is_there(run: Run) -> None:
    """Files get owner and mode, what was there is kept, and a second run finds nothing to do."""
    ran = run("""
        ./install.sh --no-packages --no-start --firewall nftables
        stat -c '%U:%G %a %n' /etc/haproxy/haproxy.cfg /etc/rabbitmq/rabbitmq.conf /var/lib/rabbitmq/.erlang.cookie \
            /etc/rabbitmq/definitions.json /etc/keepalived/check_haproxy.sh /etc/nftables.d/rmqha.nft
        ls -d /etc/firewalld/policies/rmqha.xml 2>&1 || true
        cat /etc/hostname
        tail -n 1 /etc/nftables.conf
        ls /var/backups/rmqha/etc/haproxy | sed 's/cfg\\..*/cfg/'
        stat -c %a /var/backups/rmqha /var/lib/rmqha
        find /etc /var/lib -name '.rmqha*' -o -name '*.rmqha.*'
        find /etc -newer /etc/hostname | sort >/tmp/before
        sleep 0.1
        echo SECOND
        ./install.sh --no-packages --no-start --firewall nftables
        grep -c rmqha.nft /etc/nftables.conf
    """)
    assert ran.returncode == 0, ran.stderr
    first, second = ran.stdout.split("SECOND\n")
    lines = first.splitlines()
    for wanted in (
        "root:root 600 /etc/haproxy/haproxy.cfg",
        "root:rabbitmq 644 /etc/rabbitmq/rabbitmq.conf",
        "rabbitmq:rabbitmq 400 /var/lib/rabbitmq/.erlang.cookie",
        "root:rabbitmq 640 /etc/rabbitmq/definitions.json",
        "root:root 755 /etc/keepalived/check_haproxy.sh",
        "root:root 644 /etc/nftables.d/rmqha.nft",
        "r1",
        'include "/etc/nftables.d/rmqha.nft"',
        "haproxy.cfg",
        "installed: /etc/keepalived/keepalived.conf",
    ):
        assert wanted in lines, wanted
    assert lines.count("700") == 2
    assert any(line.startswith("ls: cannot access '/etc/firewalld/policies/rmqha.xml'") for line in lines)
    assert second.splitlines() == [
        "nothing to change: r1 is as the design says",
        "not everything has taken effect yet",
        "1",
    ]


@pytest.mark.slow
@ALL
def test_merges_the_names_into_a_hosts_file_that_is_there(run: Run) -> None:
    """Other people's lines stay; the design's names lead to its addresses only, however often it runs."""
    ran = run("""
        cat >/etc/hosts <<END
127.0.0.1 localhost r3
127.0.1.1 r1
# a remark about r1
10.9.9.9 r2 # moved
10.8.8.8 printer r2 scanner # r2
END
        ./install.sh --no-packages --no-start >/dev/null
        cp /etc/hosts /tmp/first
        echo '10.7.7.7 later' >>/etc/hosts
        ./install.sh --no-packages --no-start >/dev/null
        cat /tmp/first
        echo SECOND
        cat /etc/hosts
    """)
    assert ran.returncode == 0, ran.stderr
    block = "".join(f"10.0.0.{n} {name}\n" for n, name in enumerate(("r1", "r2", "r3", "lb1", "lb2"), 11))
    block = f"# BEGIN rmqha test\n{block}# END rmqha test\n"
    others = "127.0.0.1 localhost\n# a remark about r1\n10.8.8.8 printer scanner # r2\n"
    assert ran.stdout == f"{others}{block}SECOND\n{others}10.7.7.7 later\n{block}"


@pytest.mark.slow
@ALL
def test_puts_everything_back_when_a_daemon_refuses(run: Run) -> None:
    """A configuration that HAProxy does not take leaves the machine as it was, and ends with exit status 1."""
    ran = run("""
        sed -i 's/mode tcp/mode tpc/' etc/haproxy/haproxy.cfg
        find /etc /var/lib/rabbitmq -type f -exec sha256sum {} + | sort >/tmp/before
        ./install.sh --no-packages --no-start >/dev/null || echo "status $?"
        find /etc /var/lib/rabbitmq -type f -exec sha256sum {} + | sort >/tmp/after
        cmp /tmp/before /tmp/after && echo as before
    """)
    assert ran.stdout.splitlines() == ["status 1", "as before"], ran.stderr
    assert "haproxy refuses /etc/haproxy/haproxy.cfg" in ran.stderr
    assert "files were put back as they were" in ran.stderr


@pytest.mark.slow
@ALL
def test_scripts_without_script_security_are_told_and_installed(run: Run) -> None:
    """All keepalived has against such a design is what the design wants: it is no reason to refuse it."""
    ran = run("""
        sed -i '/enable_script_security/d' etc/keepalived/keepalived.conf
        ./install.sh --no-packages --no-start >/dev/null
    """)
    assert ran.returncode == 0, ran.stderr
    assert "scripts are being executed but script_security not enabled" in ran.stderr


@pytest.mark.slow
@ALL
def test_address_is_found_on_a_host_with_many(run: Run) -> None:
    """Also where it comes first and much comes after it, which whoever lists addresses is still writing."""
    ran = run("""
        for n in $(seq 400); do echo "address add 10.200.$((n / 250)).$((n % 250 + 1))/16 dev ens33"; done | ip -batch -
        for _ in 1 2 3 4 5 6 7 8; do ./install.sh --no-packages --dry-run >/dev/null || echo "status $?"; done
    """)
    assert ran.stdout == "", ran.stderr


@pytest.mark.slow
@ALL
def test_a_dry_run_changes_nothing(run: Run) -> None:
    """It says what would be installed and replaced, and writes no file."""
    ran = run("""
        touch /tmp/mark; sleep 0.05
        ./install.sh --no-packages --dry-run
        labs=/var/lib/rmqha-labs
        echo "files written: $(find / -xdev -path ${labs} -prune -o -newer /tmp/mark -type f -print | wc -l)"
    """)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert "would replace: /etc/haproxy/haproxy.cfg" in lines
    assert "would install: /etc/keepalived/keepalived.conf" in lines
    assert not any(line.startswith(("installed", "replaced", "kept")) for line in lines)
    assert lines[-1] == "files written: 0"


@pytest.mark.slow
@ALL
def test_keeps_what_was_changed_by_hand_and_prunes_what_is_gone(run: Run) -> None:
    """A file that somebody edited is backed up; one the design no longer has is named, and removed when asked to."""
    ran = run("""
        ./install.sh --no-packages --no-start --firewall nftables >/dev/null
        rm -r /var/backups/rmqha
        echo '# by hand' >>/etc/keepalived/keepalived.conf
        echo '# design' >>etc/sysctl.d/60-rmqha.conf
        sed -i '/check_haproxy.sh/d' install.sh
        sed -i 's/socat/true/' etc/keepalived/keepalived.conf
        ./install.sh --no-packages --no-start --firewall nftables
        find /var/backups/rmqha -type f | sed 's/\\.[0-9a-f]*$//'
        ./install.sh --no-packages --no-start --firewall nftables --prune
        ls /etc/keepalived/check_haproxy.sh 2>/dev/null || echo gone
    """)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("no longer part of the design: /etc/keepalived/check_haproxy.sh; --prune removes it") == 1
    lines = ran.stdout.splitlines()
    assert "/var/backups/rmqha/etc/keepalived/keepalived.conf" in lines
    assert not any("backups/rmqha/etc/sysctl.d" in line for line in lines)  # ours, changed by the design only
    assert "removed: /etc/keepalived/check_haproxy.sh" in lines
    assert lines[-1] == "gone"


@pytest.mark.slow
@ALL
@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("ip address del 10.0.0.11/24 dev ens33", "this machine does not have the address of r1, 10.0.0.11"),
        (
            f"rm -f {COOKIE}; mkdir -p /var/lib/rabbitmq/mnesia/rabbit@elsewhere",
            "/var/lib/rabbitmq/mnesia/rabbit@elsewhere/ holds the data of node rabbit@elsewhere",
        ),
        (
            f"echo x >{COOKIE}; mkdir -p {DATA}; echo '{{[rabbit@r1,rabbit@r2],[]}}.' >{DATA}/cluster_nodes.config",
            "the node here is or may be in a cluster with another cookie",
        ),
        (
            f"mkdir -p {DATA}/coordination; echo other >{COOKIE}",
            "the node here is or may be in a cluster with another cookie",
        ),
        ("rm etc/haproxy/haproxy.cfg", "/root/bundle/etc/haproxy/haproxy.cfg is missing"),
    ],
    ids=["another machine", "other data", "clustered", "cannot be asked", "incomplete"],
)
def test_refuses(run: Run, before: str, said: str) -> None:
    """Where a machine or a cluster would come to harm nothing is changed; --force goes on, but not without files."""
    ran = run(f"""
        chmod u+w /var/lib/rabbitmq/.erlang.cookie 2>/dev/null || true
        {before}
        touch /tmp/mark; sleep 0.05
        ./install.sh --no-packages --no-start && exit 9
        find /etc /var/lib -xdev -path /var/lib/rmqha-labs -prune -o -newer /tmp/mark -type f -print
        ./install.sh --no-packages --no-start --force >/dev/null 2>&1 && echo forced
    """)
    assert said in ran.stderr
    assert ran.stdout.splitlines() == ([] if "missing" in said else ["forced"])


@pytest.mark.slow
@ALL
def test_a_lone_node_takes_a_new_cookie(run: Run) -> None:
    """The cookie that the package made is replaced where the node's record names no other node."""
    ran = run("""
        d=/var/lib/rabbitmq/mnesia/rabbit@r1; mkdir -p $d; echo '{[rabbit@r1],[rabbit@r1]}.' >$d/cluster_nodes.config
        ./install.sh --no-packages --no-start >/dev/null
        cmp .//var/lib/rabbitmq/.erlang.cookie /var/lib/rabbitmq/.erlang.cookie && echo new
    """)
    assert ran.stdout == "new\n", ran.stderr


SYSTEMD = r"""
mkdir -p /run/systemd/system /tmp/active
cat >/usr/local/sbin/systemctl <<'END'
#!/bin/bash
# Stands in for systemd: remembers what is active, and what it was told.
while [[ $1 == --* ]]; do shift; done
name=${!#}
name=${name%.service}
case $1 in
show) if [[ -e /tmp/active/$name ]]; then echo active; else echo inactive; fi; exit ;;
is-active) [[ -e /tmp/active/$name ]]; exit ;;
is-enabled) [[ $name != firewalld ]]; exit ;;
start | restart) touch "/tmp/active/$name" ;;
stop) rm -f "/tmp/active/$name" ;;
esac
echo "systemctl $*" | sed 's/\.service//' >>/tmp/told
END
printf '#!/bin/sh\necho "hostname: $2"\n' >/usr/local/sbin/hostnamectl
printf '#!/bin/sh\nif [ "$2" = eval ]; then echo false; fi\n' >/usr/local/sbin/rabbitmqctl
printf '#!/bin/sh\nexit ${CRITICAL:-0}\n' >/usr/local/sbin/rabbitmq-diagnostics
chmod 755 /usr/local/sbin/*
told() { grep -vE ' enable | daemon-reload' /tmp/told; : >/tmp/told; }
"""


@pytest.mark.slow
@ALL
def test_starts_in_order_and_reloads_only_what_changed(run: Run) -> None:
    """The first run starts broker, HAProxy and keepalived; later ones touch only what a changed file belongs to."""
    ran = run(f"""{SYSTEMD}
        ./install.sh --no-packages >/dev/null 2>&1; told
        echo '== again'; ./install.sh --no-packages; told || true
        echo '== haproxy.cfg'; echo '# x' >>etc/haproxy/haproxy.cfg; ./install.sh --no-packages >/dev/null; told
        echo '== keepalived, not started'; echo '# x' >>etc/keepalived/keepalived.conf
        ./install.sh --no-packages --no-start >/dev/null; told || true
        echo '== remembered'; ./install.sh --no-packages >/dev/null; told
        echo '== broker alone'; echo '# x' >>etc/rabbitmq/rabbitmq.conf; ./install.sh --no-packages >/dev/null; told
        echo '== definitions'; echo >>etc/rabbitmq/definitions.json; ./install.sh --no-packages >/dev/null; told || true
        echo '== table'; nft list table inet rmqha | grep -c 'tcp dport'
    """)
    assert ran.returncode == 0, ran.stderr
    runs = dict(part.split("\n", 1) for part in f" first\n{ran.stdout}".split("== "))
    assert runs[" first"].splitlines() == [
        "systemctl restart rsyslog",
        "systemctl start rabbitmq-server",
        "systemctl start haproxy",
        "systemctl start keepalived",
    ]
    assert runs["again"] == "nothing to change: r1 is as the design says\n"
    assert runs["haproxy.cfg"] == "systemctl reload haproxy\n"
    assert runs["keepalived, not started"] == ""
    assert runs["remembered"] == "systemctl reload keepalived\n"
    assert runs["broker alone"] == "systemctl restart rabbitmq-server\n"
    assert runs["definitions"] == ""
    assert int(runs["table"]) >= 3


@pytest.mark.slow
@ALL
def test_a_clustered_broker_is_restarted_only_when_told_to(run: Run) -> None:
    """A member of a cluster goes on with its old settings until --restart, and then only if its queues can spare it."""
    ran = run(f"""{SYSTEMD}
        ./install.sh --no-packages >/dev/null 2>&1; told >/dev/null
        d=/var/lib/rabbitmq/mnesia/rabbit@r1; mkdir -p $d
        echo '{{[rabbit@r1,rabbit@r2],[rabbit@r1]}}.' >$d/cluster_nodes.config
        echo '# x' >>etc/rabbitmq/rabbitmq.conf
        ./install.sh --no-packages | grep yet; told || true
        CRITICAL=1 ./install.sh --no-packages --restart || echo "status $?"; told || true
        ./install.sh --no-packages --restart >/dev/null; told
        ./install.sh --no-packages --restart; told || true
    """)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "not everything has taken effect yet",
        "status 1",
        "systemctl restart rabbitmq-server",
        "nothing to change: r1 is as the design says",
    ]
    assert "rabbitmq-server runs with its old settings" in ran.stderr
    assert "without this node some queues have no majority" in ran.stderr


@pytest.mark.slow
@ALL
@pytest.mark.needs("apt-get", "dpkg")
def test_packages_are_installed_without_starting_anything(run: Run) -> None:
    """While packages are installed policy-rc.d says no, and afterwards it is gone."""
    ran = run("""
        cat >/usr/local/sbin/apt-get <<'END'
#!/bin/bash
echo "apt-get ${*: -1}, policy: $(/usr/sbin/policy-rc.d 2>/dev/null; echo $?)"
END
        printf '#!/bin/sh\\necho unknown\\n' >/usr/local/sbin/dpkg-query
        chmod 755 /usr/local/sbin/*
        rm -f /usr/sbin/policy-rc.d
        ./install.sh --no-start --firewall none | grep -E 'apt-get|packages'
        ls /usr/sbin/policy-rc.d 2>/dev/null || echo gone
    """)
    assert ran.returncode == 0, ran.stderr
    packages = "procps rabbitmq-server haproxy rsyslog logrotate keepalived socat"
    assert ran.stdout.splitlines() == [
        f"packages: {packages}",
        "apt-get update, policy: 127",
        "apt-get socat, policy: 101",
        "gone",
    ]


RPM = r"""
printf '#!/bin/sh\nexit 1\n' >/usr/local/sbin/rpm
cat >/usr/local/sbin/dnf <<'END'
#!/bin/bash
echo "dnf $*"
exit "${DNF:-0}"
END
chmod 755 /usr/local/sbin/rpm /usr/local/sbin/dnf
"""


@pytest.mark.slow
@ALL
def test_on_the_rpm_family(tmp_path: Path) -> None:
    """Packages come by dnf, whose failure is explained; the rules are included where that family's nftables reads."""
    bundle = tree(co_located(os={"family": "rpm"}), "r1", tmp_path / "bundle")
    script = f"""{NETWORK}{RPM}
        DNF=1 ./install.sh --no-start --firewall nftables || echo "status $?"
        ls /etc/sysconfig/nftables.conf 2>/dev/null || echo nothing installed
        ./install.sh --no-start --firewall nftables | grep -E '^dnf|^added'
        cat /etc/sysconfig/nftables.conf
        ls -d /run/haproxy
    """
    ran = throwaway.run(tmp_path, script, bring={bundle: "/root/bundle"}, host="r1")
    assert ran.returncode == 0, ran.stderr
    packages = "procps-ng rabbitmq-server haproxy rsyslog logrotate keepalived socat nftables"
    assert ran.stdout.splitlines() == [
        f"packages: {packages}",
        f"dnf --quiet --assumeyes install {packages}",
        "status 1",
        "nothing installed",
        f"dnf --quiet --assumeyes install {packages}",
        'added to /etc/sysconfig/nftables.conf: include "/etc/nftables.d/rmqha.nft"',
        "#!/usr/sbin/nft -f",
        "",
        "# The ports of the stack.",
        'include "/etc/nftables.d/rmqha.nft"',
        "/run/haproxy",
    ]
    assert "https://www.rabbitmq.com/docs/install-rpm" in ran.stderr
