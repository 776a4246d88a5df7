"""Hosts that are reached by ssh, as a stack: what they refuse, in words, and what hosts are told, without any host."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_stack import FakeHost

from generators import generate
from integration.errors import LabError, NotPossible
from integration.faults.steps import Continue, Evaluate, Heal, Link, PowerOn, Restore, Start
from integration.host import Distant, Host, Insured, Stack
from integration.ssh import rules
from integration.ssh.explain import Refused, Unreachable, explained
from integration.ssh.inventory import Inventory, Way
from integration.ssh.opening import opened
from integration.ssh.stack import SshStack
from integration.ssh.switch import Switch
from integration.ssh.undo import scripts
from rmqha_model.document import load
from rmqha_model.errors import SecretError
from rmqha_model.secrets import Secrets
from rmqha_model.topology import Topology

WAY = Way("rabbit1", "192.0.2.1", 2222, "admin", None, sudo=True)


def stack_of(design: Topology, *, allowed: bool) -> SshStack:
    """A stack that is connected to nothing."""
    secrets = Secrets({need.source: "x" * 8 for need in design.secret_needs()})
    ways = {host: Way(host, design.ip(host), None, "root", None, sudo=False) for host in design.hosts}
    return SshStack(design, generate(design, secrets), secrets, Inventory(), ways, allowed=allowed)


@pytest.fixture(scope="module")
def design(root: Path) -> Topology:
    """Three hosts."""
    return load(root / "examples/article-fixed.yaml", Topology)


@pytest.fixture
def stack(design: Topology) -> Iterator[SshStack]:
    """A stack that may be broken."""
    with stack_of(design, allowed=True) as made:
        yield made


def test_it_is_a_stack(stack: SshStack) -> None:
    """It has what tests, faults and observers ask for."""
    as_stack: Stack = stack
    as_host: Host = stack.hosts["rabbit1"]
    assert as_host.name in as_stack.hosts
    assert isinstance(stack, Insured)
    assert isinstance(stack, Distant)


def test_clients_run_on_this_machine(stack: SshStack) -> None:
    """Nothing is put before their command line."""
    assert stack.client_command("python", "-m", "x") == ["python", "-m", "x"]


def test_what_ssh_cannot_do_is_said_in_words(stack: SshStack) -> None:
    """Each refusal names the host and says what to do instead, where there is something."""
    for act, words in (
        (lambda: stack.host_command("rabbit1", "ask"), "rabbit1: reached by ssh: ask of this machine cannot run"),
        (lambda: stack.path_of("rabbit1", "/etc"), "rabbit1: reached by ssh: /etc is not seen from this machine"),
        (lambda: stack.power_off(["rabbit1"]), "rabbit1: reached by ssh, which cannot give power back: .* host_reboot"),
        (lambda: stack.power_on(["rabbit1"]), "rabbit1: reached by ssh, which cannot give power back: .* hypervisor"),
        (
            lambda: stack.link("rabbit1", up=False),
            "rabbit1: reached by ssh, which has no hand on the cable: .*partition",
        ),
    ):
        with pytest.raises(NotPossible, match=words):
            act()
    stack.link("rabbit1", up=True)


def test_faults_are_refused_unless_they_are_allowed(design: Topology) -> None:
    """Whatever breaks something asks first, and is told what lets it."""
    with stack_of(design, allowed=False) as stack:
        for act in (lambda: stack.insure(1, ()), lambda: stack.insure(1, (Start("rabbit1", "x.service"),))):
            with pytest.raises(NotPossible, match="need --allow-faults"):
                act()
        for context in (stack.lose("rabbit1", 0.1), stack.cut([], [])):
            with pytest.raises(NotPossible, match="need --allow-faults"), context:
                pass


def test_a_fault_that_only_somebody_else_can_undo_is_refused(stack: SshStack) -> None:
    """A host without power cannot switch itself on, and a host without a cable cannot be told to put it back."""
    with pytest.raises(NotPossible, match="rabbit1, rabbit2: reached by ssh, which cannot give power back"):
        stack.insure(1, (PowerOn(("rabbit1", "rabbit2")),))
    with pytest.raises(NotPossible, match="rabbit3: reached by ssh, which has no hand on the cable"):
        stack.insure(1, (Link("rabbit3"),))


def test_hosts_that_are_not_the_designs_are_told(stack: SshStack) -> None:
    """A wrong name gets the right ones."""
    with pytest.raises(LabError, match="host: found 'rabit1'; allowed: rabbit1, rabbit2, rabbit3; did you mean"):
        stack.host("rabit1")


def test_the_journal_is_private_and_of_these_hosts(
    design: Topology, stack: SshStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two inventories of one design have two journals."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert stack.journal.parent == tmp_path / "rmqha"
    assert stack.journal.parent.stat().st_mode & 0o777 == 0o700
    way = {host: Way(host, "192.0.2.9", None, "root", None, sudo=False) for host in design.hosts}
    with SshStack(design, stack.bundle, stack.secrets, Inventory(), way) as other:
        assert other.journal.parent == stack.journal.parent
        assert other.journal != stack.journal


def test_secrets_are_those_of_the_hosts_and_none_is_made(root: Path, tmp_path: Path) -> None:
    """A new password would be one that no host knows."""
    inventory = tmp_path / "hosts.yaml"
    inventory.write_text("user: root\n")
    with pytest.raises(SecretError, match=r"found no erlang_cookie, .*the hosts' files were made"):
        opened(root / "examples/article-fixed.yaml", inventory, secrets=tmp_path / "secrets.yaml")
    assert not (tmp_path / "secrets.yaml").exists()


# -- what ssh says ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "kind", "told"),
    [
        (
            "No ED25519 host key is known for x.\nHost key verification failed.\n",
            Refused,
            "unknown keys are not accepted: compare what `ssh -p 2222 admin@192.0.2.1` shows with what",
        ),
        (
            "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.\n",
            Refused,
            "its key is another than the one in known_hosts",
        ),
        ("admin@192.0.2.1: Permission denied (publickey).\n", Refused, "it lets no key of yours in as admin"),
        ("ssh: connect to host 192.0.2.1 port 2222: Connection refused\n", Unreachable, "start sshd there"),
        ("ssh: connect to host 192.0.2.1 port 2222: Connection timed out\n", Unreachable, "whether the host runs"),
        ("ssh: connect to host 192.0.2.1 port 2222: No route to host\n", Unreachable, "whether the host runs"),
        ("ssh: Could not resolve hostname x: Name or service not known\n", Unreachable, "`hosts: {rabbit1: ADDRESS}`"),
        ("kex_exchange_identification: read: reset\n", Unreachable, "ssh says:\n  kex_exchange_identification"),
        ("", Unreachable, "the connection ended; ssh says: nothing"),
    ],
)
def test_what_ssh_says_is_told_with_what_to_do(words: str, kind: type[LabError], told: str) -> None:
    """Each error says which host at which address, what ssh said, and what to do about it."""
    error = explained(WAY, words)
    assert type(error) is kind
    assert str(error).startswith("rabbit1 (admin@192.0.2.1 port 2222): ")
    assert told in str(error)
    assert (words.splitlines() or [""])[-1].strip("@ .").split(" port ")[0] in str(error) or "CHANGED" in str(error)


# -- what hosts are told ------------------------------------------------------------------------------


@pytest.mark.needs("nft", "unshare")
@pytest.mark.slow
def test_nftables_takes_the_rules(tmp_path: Path) -> None:
    """Every shape of the tables is one that nft loads, beside another, and takes away again."""
    tables = [
        rules.cut("a", ["22"], to=["192.0.2.1", "2001:db8::1"], of=["192.0.2.2"], hardware=["02:00:00:00:00:01"]),
        rules.cut("b", ["22", "2222"], of=["2001:db8::2"]),
        rules.cut("c", ["22"]),
        rules.lose("d", ["22"], 0.25),
    ]
    for number, text in enumerate(tables):
        (tmp_path / str(number)).write_text(text)
    lines = [*(f"nft -f {tmp_path}/{number}" for number in range(len(tables))), "nft list ruleset"]
    lines += [f"sh -c '{rules.remove(name)}'" for name in ("a", "b", "c", "d", "never-was")]
    lines += ['test -z "$(nft list tables)"']
    done = subprocess.run(
        ["unshare", "--net", "sh", "-e", "-c", "\n".join(lines)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "ip saddr 192.0.2.2 counter packets 0 bytes 0 drop" in done.stdout
    assert "numgen random mod 1000000 < 250000 counter packets 0 bytes 0 drop" in done.stdout


def test_ssh_passes_before_anything_is_dropped() -> None:
    """In each chain the ports of sshd, at either end, come before the first drop."""
    for text in (
        rules.cut("t", ["22", "2222"], to=["192.0.2.1"], of=["192.0.2.1"]),
        rules.lose("t", ["22", "2222"], 1),
    ):
        chains = text.split("chain ")[1:]
        assert len(chains) == 2
        for chain in chains:
            before = chain.partition(" drop")[0]
            assert "tcp dport { 22, 2222 } accept" in before
            assert "tcp sport { 22, 2222 } accept" in before


def test_a_host_undoes_alone_what_its_steps_say() -> None:
    """One script a host, in the order of the steps, without what has a timer of its own."""
    made = scripts(
        [
            Restore("a", "/etc/x y.cfg", "aGVsbG8K", "640", "0:0"),
            Start("a", "haproxy.service"),
            Continue("b", "keepalived.service", (12, 13)),
            Evaluate("b", "rabbit:start('it''s')", "f00"),
            Heal(),
        ]
    )
    assert list(made) == ["a", "b"]
    assert made["a"].index("base64 -d >'/etc/x y.cfg'.rmqha") < made["a"].index("--no-block start haproxy.service")
    assert "for pid in 12 13; do" in made["b"]
    for text in made.values():
        assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


def test_a_script_puts_a_file_back_to_the_byte(tmp_path: Path) -> None:
    """Content, mode, and nothing left beside it."""
    path = tmp_path / "it's a file"
    path.write_text("wrong")
    owner = f"{path.stat().st_uid}:{path.stat().st_gid}"
    subprocess.run(
        ["sh", "-e"], input=scripts([Restore("a", str(path), "AAECCg==", "640", owner)])["a"], text=True, check=True
    )
    assert path.read_bytes() == b"\0\1\2\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_no_timer_no_fault() -> None:
    """A host on which the timer cannot be started is left alone, and those on which it was are told to forget it."""
    good, bad = FakeHost("good"), FakeHost("bad", {"systemd-run": (127, "", "systemd-run: not found")})
    switch = Switch({good: "true", bad: "true"}, lambda _: None)  # type: ignore[dict-item]
    with pytest.raises(
        NotPossible, match=r"bad: no fault without a timer that undoes it, and systemd-run says: .*not found"
    ):
        switch.arm()
    assert 'systemctl stop "$2.timer"' in good.asked[-1][2]


def test_a_timer_that_ran_out_is_told() -> None:
    """Who comes back too late learns that the host has helped itself."""
    host = FakeHost("rabbit1", {"systemctl stop": "acted\n"})
    switch = Switch({host: "true"}, lambda _: None)  # type: ignore[dict-item]
    switch.arm()
    assert switch.release() == ("rabbit1",)


# -- the command line ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--allow-faults"], "found --allow-faults or --secrets without --ssh"),
        (["--ssh", "hosts.yaml", "--keep"], "found --name or --keep with --ssh"),
        (["--ssh", "hosts.yaml", "--faults", "broker_kill"], "found --faults with --ssh; allowed: with --allow-faults"),
        (["--ssh", "nowhere.yaml"], "nowhere.yaml:1:1: (top level): there is no such file"),
    ],
)
def test_options_that_do_not_fit_are_refused(rmqha: Callable[..., Any], options: list[str], told: str) -> None:
    """Before anything is made or connected."""
    done = rmqha("lab", "test", "examples/article-fixed.yaml", *options)
    assert done.returncode == 2
    assert told in done.stderr
