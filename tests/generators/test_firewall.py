"""nftables and firewalld rules: accepted by the real programs, and doing what the port matrix says."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import throwaway
from designs import design, secrets_of
from hypothesis import HealthCheck, given, settings
from strategies import topologies

from generators import firewall
from generators.bundle import Bundle
from generators.validate import Status, validate
from rmqha_model.document import load
from rmqha_model.topology import Topology

NFT = "/etc/nftables.d/rmqha.nft"
POLICY = "/etc/firewalld/policies/rmqha.xml"


def files(topology: Topology, host: str) -> dict[str, str]:
    """What a host gets: path to text."""
    return {a.path: a.content for a in firewall.artefacts(topology, secrets_of(topology)) if a.host == host}


def test_only_the_kinds_asked_for() -> None:
    """`kinds` says which rule files are made; a host the stack does not use gets none."""
    assert NFT in files(design(firewall={"kinds": ["nftables"]}), "r1")
    assert POLICY not in files(design(firewall={"kinds": ["nftables"]}), "r1")
    assert files(design(firewall={"kinds": []}), "r1") == {}
    assert files(design(haproxy=None, keepalived=None), "lb1") == {}


def test_equal_hosts_share_their_texts() -> None:
    """Three brokers have one text, two load balancers another."""
    topology = design()
    texts = {id(a.content) for a in firewall.artefacts(topology, secrets_of(topology)) if a.path == NFT}
    assert len(texts) == 2


def test_the_table_replaces_itself_in_one_step() -> None:
    """Loading twice does not double the rules: the table is made, deleted and made again in one transaction."""
    text = files(design(), "lb1")[NFT]
    assert text.index("table inet rmqha {}\n") < text.index("delete table inet rmqha\n") < text.index("chain input")
    assert "flush ruleset" not in text


def test_everybody_needs_no_set() -> None:
    """A network of all addresses is a rule without a source: sets take no prefix of length 0."""
    made = files(design(firewall={"clients": ["0.0.0.0/0", "::/0"]}), "lb1")
    assert "meta nfproto ipv4 tcp dport { 5672 } accept" in made[NFT]
    assert "meta nfproto ipv6 tcp dport { 5672 } accept" in made[NFT]
    assert '<rule family="ipv6" priority="-1"><port port="5672" protocol="tcp"/><accept/></rule>' in made[POLICY]
    assert not any("clients" in path for path in made)


def test_authenticated_adverts_are_another_protocol() -> None:
    """With AH, VRRP comes as protocol 51; that of others, of IPsec for one, is left alone."""
    authentication = {"type": "AH", "password": {"secret": "vrrp"}}
    made = files(design(keepalived={"instances": {"VI": {"authentication": authentication}}}), "lb1")
    assert "ip saddr @vrrp_ah_ipv4 ah nexthdr 112 accept" in made[NFT]
    assert "ah nexthdr 112 counter drop" in made[NFT]
    assert '<source ipset="rmqha-vrrp-ah-4"/><protocol value="51"/><accept/>' in made[POLICY]
    assert '<protocol value="51"/><drop/>' not in made[POLICY]


def test_the_policy_is_for_what_comes_to_the_host() -> None:
    """The policy is readable XML, comes before the zones, and leaves to them what it does not name."""
    for path, text in files(design(), "lb1").items():
        if path.endswith(".xml"):
            parsed = ET.fromstring(text.encode())  # noqa: S314 - our own
            if path == POLICY:
                assert (parsed.attrib["target"], int(parsed.attrib["priority"]) < 0) == ("CONTINUE", True)
                assert [parsed.find(f"{side}-zone").attrib["name"] for side in ("ingress", "egress")] == ["ANY", "HOST"]


@pytest.mark.slow
@pytest.mark.needs("nft", "firewall-offline-cmd", "unshare", "ip")
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(topology=topologies())
def test_the_programs_accept_any_design(topology: Topology) -> None:
    """Whatever the model lets through makes rules that nft and firewalld read."""
    artefacts = tuple(firewall.artefacts(topology, secrets_of(topology)))
    verdicts = validate(Bundle(topology.name, topology.digest, artefacts), versions={}, boot=False)
    assert not [str(v) for v in verdicts if v.status is Status.FAILED]
    assert {v.program for v in verdicts if v.status is Status.OK} == (
        {"nft", "firewall-offline-cmd"} if artefacts else set()
    )


# -- a small world ------------------------------------------------------------------------------
# Every actor is a network namespace on one bridge inside a throw-away copy of the machine.

ACTORS = {
    "r1": 11,
    "r2": 12,
    "lb1": 14,
    "lb2": 15,
    "client": 51,
    "operator": 52,
    "monitor": 53,
    "stranger": 54,
}
PORTS = (22, 4369, 5672, 8404, 8405, 15672, 15692, 25672, 35675)

EXPECTED = {
    "r1": {
        "r2": {22, 4369, 25672, 35675, 8404, 8405},
        "lb1": {22, 5672, 8404, 8405},
        "lb2": {22, 5672, 8404, 8405},
        "client": {22, 8404, 8405},
        "operator": {22, 15672, 8404, 8405},
        "monitor": {22, 15692, 8404, 8405},
        "stranger": {22, 8404, 8405},
    },
    "lb1": {
        "r1": {22, 4369, 15672, 15692, 25672, 35675},
        "lb2": {22, 4369, 15672, 15692, 25672, 35675},
        "client": {22, 4369, 5672, 15672, 15692, 25672, 35675},
        "operator": {22, 8404, 4369, 15672, 15692, 25672, 35675},
        "monitor": {22, 8405, 4369, 15672, 15692, 25672, 35675},
        "stranger": {22, 4369, 15672, 15692, 25672, 35675},
    },
}
"""Who reaches which ports of a broker and of a load balancer; a port that is none of that host's own is left alone."""

OWN = {"r1": {22, 4369, 5672, 15672, 15692, 25672, 35675}, "lb1": {22, 5672, 8404, 8405}}
"""The ports that are named on each host, and ssh, which firewalld's public zone leaves open."""

WORLD = r"""
ip link add bridge type bridge
ip link set bridge up
actors=(ACTORS)
for pair in "${actors[@]}"; do
    name=${pair%=*} number=${pair#*=}
    ip netns add "$name"
    ip link add "to-$name" type veth peer name eth0 netns "$name"
    ip link set "to-$name" master bridge up
    ip -n "$name" link set lo up
    ip -n "$name" link set eth0 up
    ip -n "$name" address add "10.0.0.$number/24" dev eth0
    ip -n "$name" address add "fd00::$number/64" dev eth0 nodad
done
in_host() { ip netns exec HOST "$@"; }
in_host PYTHON /root/bundle/listen.py PORTS &
sleep 1
ip netns exec stranger PYTHON /root/bundle/hold.py 10.0.0.NUMBER HELD &
sleep 1
LOAD
touch /tmp/loaded
pids=()
ip netns exec HOST PYTHON /root/bundle/connect.py local 127.0.0.1 10.0.0.NUMBER PORTS
for pair in "${actors[@]}"; do
    name=${pair%=*}
    if [ "$name" = HOST ]; then continue; fi
    ip netns exec "$name" PYTHON /root/bundle/connect.py "$name" 10.0.0.NUMBER fd00::NUMBER PORTS &
    pids+=($!)
done
wait "${pids[@]}"
sleep 0.5
printf '{"who": "adverts", "heard": %s}\n' "$(cat /tmp/heard)"
printf '{"who": "held", "echo": "%s"}\n' "$(cat /tmp/echo)"
"""

LISTEN = '''
"""Accepts connections on all ports, echoes what comes, and writes down whose adverts (protocol 112) are heard."""
import json, selectors, socket, sys
ports = map(int, sys.argv[1:])
choose = selectors.DefaultSelector()
for port in ports:
    s = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    choose.register(s, selectors.EVENT_READ, "accept")
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
choose.register(raw, selectors.EVENT_READ, "advert")
heard = set()
open("/tmp/heard", "w").write("[]")
while True:
    for key, _ in choose.select():
        if key.data == "accept":
            choose.register(key.fileobj.accept()[0], selectors.EVENT_READ, "talk")
        elif key.data == "advert":
            heard.add(key.fileobj.recvfrom(2048)[1][0])
            open("/tmp/heard", "w").write(json.dumps(sorted(heard)))
        elif data := key.fileobj.recv(99):
            key.fileobj.sendall(data)
        else:
            choose.unregister(key.fileobj)
            key.fileobj.close()
'''

CONNECT = '''
"""Says which ports of two addresses answer, and sends each an advert first."""
import concurrent.futures, json, socket, sys
who, *addresses = sys.argv[1:4]
for address in addresses:
    if ":" not in address:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, 112).sendto(b"advert", (address, 0))
def answers(pair):
    try:
        socket.create_connection(pair, 0.7).close()
        return True
    except OSError:
        return False
found = {}
with concurrent.futures.ThreadPoolExecutor(32) as pool:
    for address in addresses:
        pairs = [(address, int(port)) for port in sys.argv[4:]]
        found[address] = [port for (_, port), ok in zip(pairs, pool.map(answers, pairs)) if ok]
print(json.dumps({"who": who, "found": found}), flush=True)
'''

HOLD = '''
"""Holds a connection from before the rules were loaded, and says something afterwards."""
import os, socket, sys, time
held = socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)
while not os.path.exists("/tmp/loaded"):
    time.sleep(0.05)
held.settimeout(3)
held.sendall(b"still here")
open("/tmp/echo", "w").write(held.recv(99).decode())
'''

LOADS = {
    "nftables": "in_host nft -f /etc/nftables.d/rmqha.nft\nin_host nft -f /etc/nftables.d/rmqha.nft",
    "firewalld": """
mkdir -p /run/dbus
dbus-daemon --system --nofork --nopidfile 2>/dev/null &
for _ in $(seq 50); do [ -S /run/dbus/system_bus_socket ] && break; sleep 0.1; done
in_host firewalld --nofork --nopid >/dev/null 2>&1 &
for _ in $(seq 100); do in_host firewall-cmd --state >/dev/null 2>&1 && break; sleep 0.2; done
in_host firewall-cmd --get-active-policies | grep -qx rmqha
""",
}


def world(tmp_path: Path, host: str, kind: str) -> dict[str, Any]:
    """Load the rules of *host* in a world of actors, and give what each of them got to."""
    topology = design(
        hosts={
            name: {"address": f"10.0.0.{n}/24", "addresses": [f"fd00::{n}/64"]} for name, n in ACTORS.items() if n < 50
        },
        haproxy={
            "listeners": {"amqp": {"kind": "amqp"}, "stats": {"kind": "stats"}, "metrics": {"kind": "prometheus"}}
        },
        firewall={
            "clients": ["10.0.0.51/32", "fd00::51/128"],
            "operators": ["10.0.0.52/32", "fd00::52/128"],
            "monitoring": ["10.0.0.53/32", "fd00::53/128"],
        },
    )
    for path, text in files(topology, host).items():
        place = tmp_path / "files" / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    for name, program in (("listen", LISTEN), ("connect", CONNECT), ("hold", HOLD)):
        (bundle / f"{name}.py").write_text(program)
    # The interpreter itself: an environment may lie in a folder that is another one in there.
    script = WORLD.replace("LOAD", LOADS[kind]).replace("PYTHON", str(Path(sys.executable).resolve()))
    script = script.replace("ACTORS", " ".join(f"{name}={n}" for name, n in ACTORS.items()))
    script = script.replace("HELD", "5672").replace("PORTS", " ".join(map(str, PORTS)))
    script = script.replace("HOST", host).replace("NUMBER", str(ACTORS[host]))
    ran = throwaway.run(tmp_path, script, bring={tmp_path / "files": "/", bundle: "/root/bundle"}, host=host)
    assert ran.returncode == 0, ran.stderr
    said = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    return {one.pop("who"): one for one in said}


@pytest.mark.slow
@pytest.mark.parametrize("host", ["r1", "lb1"])
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("nftables", marks=pytest.mark.needs("nft", "unshare", "ip")),
        pytest.param("firewalld", marks=pytest.mark.needs("firewalld", "firewall-cmd", "dbus-daemon", "unshare", "ip")),
    ],
)
def test_in_a_world_of_hosts(tmp_path: Path, host: str, kind: str) -> None:
    """Each actor reaches what the matrix says, over IPv4 and IPv6; nftables cuts nobody off, ssh stays open."""
    seen = world(tmp_path, host, kind)
    for actor, ports in EXPECTED[host].items():
        # firewalld's zone closes what is not named; nftables leaves it as it was, open here.
        wanted = ports if kind == "nftables" else ports & OWN[host]
        for address, found in seen[actor]["found"].items():
            assert (actor, address, set(found)) == (actor, address, wanted)
    for found in seen["local"]["found"].values():
        assert set(found) == set(PORTS)
    if kind == "nftables":
        # firewalld judges a connection it did not see beginning anew.
        assert seen["held"]["echo"] == "still here"
    if host == "lb1":
        assert set(seen["adverts"]["heard"]) - {"127.0.0.1", "10.0.0.14"} == {"10.0.0.15"}


def test_examples_are_complete(root: Path) -> None:
    """Each host of each example that the stack stands on has rules, where the example asks for any."""
    for path in sorted((root / "examples").glob("*.yaml")):
        topology = load(path, Topology)
        if topology.firewall.kinds:
            made = {a.host for a in firewall.artefacts(topology, secrets_of(topology))}
            assert made == {*topology.brokers, *topology.load_balancers, *topology.vrrp_hosts}
