"""Logging in for real: a sshd in namespaces of its own, whose network is a loopback and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("ssh", "sshd", "ssh-keygen", "nft", "unshare"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may make namespaces"),
]

ROOT = Path(__file__).resolve().parent.parent.parent

# Everything below ends with the first process of the namespace, and that one with the test.
STAGE = """
set -eu
folder=$1; shift
ip link set lo up
mount -t tmpfs tmpfs /run
mkdir /run/sshd
umask 077
for key in host other id stranger; do ssh-keygen -q -t ed25519 -N '' -f "$folder/$key"; done
for port in 2201 2202; do
  cat >"$folder/sshd_$port" <<END
ListenAddress 127.0.0.1:$port
HostKey $folder/host
AuthorizedKeysFile $folder/id.pub
AllowTcpForwarding no
PasswordAuthentication no
PidFile none
StrictModes no
UsePAM no
END
done
echo 'MaxSessions 1' >>"$folder/sshd_2202"
for port in 2201 2202; do
  printf '[127.0.0.1]:%s %s\\n' "$port" "$(cut -d' ' -f1,2 "$folder/host.pub")" >>"$folder/known"
  "$(command -v sshd)" -f "$folder/sshd_$port" -E "$folder/log_$port"
done
printf '[127.0.0.1]:2201 %s\\n' "$(cut -d' ' -f1,2 "$folder/other.pub")" >"$folder/changed"
for name in known changed; do echo "UserKnownHostsFile $folder/$name" >"$folder/config_$name"; done
echo "UserKnownHostsFile /dev/null" >"$folder/config_none"
exec "$@"
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program below saw of that sshd."""
    folder = tmp_path_factory.mktemp("ssh")
    names = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
    line = ["setpriv", "--pdeathsig", "KILL", "--", "unshare", *names, "sh", "-c", STAGE, "stage", str(folder)]
    line += [sys.executable, "-W", "error", str(Path(__file__).with_name("ssh_driver.py")), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    environment.pop("SSH_AUTH_SOCK", None)
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_one_connection_carries_all_commands(seen: dict[str, Any]) -> None:
    """Twelve commands, eight at a time, each with its own input, are one login."""
    assert seen["echoed"] == [str(number) for number in range(12)]
    assert seen["logins"] == 1


def test_arguments_and_bytes_arrive_as_given(seen: dict[str, Any]) -> None:
    """Through ssh and the login shell, whatever they hold."""
    assert seen["argument"] == ["a b'c\n\"$x`\\é", "", "-n", "$(id)"]
    assert seen["failed"] == [7, "out\n", "err\n"]


def test_a_command_that_takes_too_long_is_ended(seen: dict[str, Any]) -> None:
    """124 says so, and nothing of it is left on the host."""
    assert seen["slow"] == 124
    assert seen["left"] == ""


def test_a_lost_connection_is_made_again(seen: dict[str, Any]) -> None:
    """The command that was under way fails in words; the next one gets through."""
    assert seen["lost"][0] == "Unreachable"
    assert "the connection ended" in seen["lost"][1]
    assert seen["again"] == "yes\n"
    assert seen["logins_again"] == 2


def test_a_sshd_with_one_session_a_connection_will_do(seen: dict[str, Any]) -> None:
    """Where sharing is forbidden, each command has a connection of its own."""
    assert seen["single"] == ["1\n", "2\n"]


def test_connections_are_led_through_a_host(seen: dict[str, Any]) -> None:
    """Though sshd forbids forwarding; a port that nobody listens on is told before anything is led there."""
    assert seen["led"] == "hello through the host"
    assert seen["not_led"] == ["NotReached", "connection refused"]


@pytest.mark.parametrize(
    ("case", "kind", "words"),
    [
        ("unknown", "Refused", "its key is not known here, and unknown keys are not accepted"),
        ("changed", "Refused", "its key is another than the one in known_hosts"),
        ("stranger", "Refused", "it lets no key of yours in as root"),
        ("closed", "Unreachable", "Connection refused; start sshd there"),
    ],
)
def test_what_does_not_get_through_is_explained(seen: dict[str, Any], case: str, kind: str, words: str) -> None:
    """Which host, which address, what ssh said, what to do."""
    assert seen[case][0] == kind
    assert seen[case][1].startswith("rabbit1 (root@127.0.0.1 port ")
    assert words in seen[case][1]
    assert seen["known_hosts_written"] == []


def test_a_host_without_systemd_is_left_alone(seen: dict[str, Any]) -> None:
    """No timer, no fault: the rules are not even loaded."""
    assert seen["fault"][0] == "NotPossible"
    assert "no fault without a timer that undoes it" in seen["fault"][1]
    assert seen["rules"] == ""


def test_connections_end_with_their_program(seen: dict[str, Any]) -> None:
    """A program that is killed leaves no ssh behind, and no session on the host."""
    assert seen["orphans"] == []
