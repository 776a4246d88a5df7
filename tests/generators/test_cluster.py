"""The cluster's scripts, run against a recorder in the place of RabbitMQ's tools: every word, as it arrives."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from designs import design, secrets_of
from hypothesis import HealthCheck, given, settings
from strategies import HOSTILE, hostile, topologies

from generators import cluster
from generators.bundle import Artefact
from rmqha_model.document import load
from rmqha_model.errors import GenerationError
from rmqha_model.topology import Topology

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EXAMPLES = sorted(Path(__file__).resolve().parents[2].glob("examples/*.yaml"))

# Keeps its arguments, parted by NUL, and says what `answers/COMMAND` says: a shell file that is sourced.
RECORDER = r"""#!/bin/bash
here=$(dirname "$0")
{ printf '%s\0' "${0##*/}" "$@"; printf '\n'; } >>"$here/../calls"
[[ -z $(cat) ]] || echo "stdin" >>"$here/../read"
options=("$@")
node=rabbit@r2
while (($#)); do
  case $1 in
    --node) node=$2; shift 2 ;;
    -*) shift ;;
    *) break ;;
  esac
done
command=$1
[[ $command != import_definitions ]] || cp "$2" "$here/../imported.json"
[[ ! -e $here/../answers/$command ]] || . "$here/../answers/$command"
"""

STATUS = '{"disk_nodes":[%s],"ram_nodes":[],"running_nodes":[%s]}'


def status(*nodes: str) -> str:
    """What cluster_status says of nodes that all run."""
    names = ",".join(f'"{node}"' for node in nodes)
    return STATUS % (names, names)


class Tools:
    """RabbitMQ's tools, replaced by a recorder with *answers* by command."""

    def __init__(self, folder: Path, answers: Mapping[str, str]) -> None:
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        (folder / "answers").mkdir()
        for name, text in {"rabbitmqctl": RECORDER, "rabbitmq-queues": RECORDER, "sleep": "#!/bin/sh\n"}.items():
            (folder / "bin" / name).write_text(text, encoding="utf-8")
            (folder / "bin" / name).chmod(0o755)
        (folder / "bin" / "getent").write_text('#!/bin/sh\n[ "$2" != nowhere ]\n', encoding="utf-8")
        (folder / "bin" / "getent").chmod(0o755)
        for command, text in answers.items():
            (folder / "answers" / command).write_text(text, encoding="utf-8")

    def run(self, script: Artefact, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a script with them."""
        path = self.folder / script.path.rpartition("/")[2]
        path.write_text(script.content, encoding="utf-8")
        binaries = str(self.folder / "bin")
        environment = {"PATH": f"{binaries}:{os.environ['PATH']}", "RMQHA_BIN": binaries, "TMPDIR": str(self.folder)}
        return subprocess.run(
            ["bash", str(path), *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of every call, in order, without the tool's own name."""
        if not (self.folder / "calls").exists():
            return []
        raw = (self.folder / "calls").read_bytes().decode().removesuffix("\n").split("\0\n")
        return [call.removesuffix("\0").split("\0")[1:] for call in raw]

    def of(self, command: str) -> list[list[str]]:
        """The calls of a command."""
        return [call for call in self.calls if command in call]

    @property
    def changes(self) -> list[str]:
        """The commands that change something, in order, with what they are told."""
        kept = ("--quiet", "--node")
        return [" ".join(word for word in call if word not in kept) for call in self.calls if "--quiet" in call]


@pytest.fixture
def tools(tmp_path: Path) -> Callable[..., Tools]:
    """``tools(cluster_status="echo ...")`` gives a folder of recorders with these answers."""
    return lambda **answers: Tools(tmp_path / "tools", {"eval": "echo rabbit@r2", **answers})


def scripts(topology: Topology, host: str | None = None) -> dict[str, Artefact]:
    """The scripts of a host by their paths."""
    host = host or topology.brokers[0]
    return {a.path: a for a in cluster.artefacts(topology, secrets_of(topology)) if a.host == host}


def broker(**changes: Any) -> Topology:
    """A design with changes to its cluster; ``release`` is RabbitMQ's."""
    release = changes.pop("release", "4.0.5")
    return design(versions={"rabbitmq": release}, rabbitmq=changes, clients={"app": {"user": "admin"}})


def join_script(**changes: Any) -> Artefact:
    """The join script of such a design."""
    return scripts(broker(formation={"method": "join_script"}, **changes))[cluster.JOIN]


def accepted(content: str, needs: Callable[[str], str]) -> None:
    """Have bash and shellcheck look at a script."""
    subprocess.run(["bash", "-n"], input=content, text=True, check=True)
    # 2310, 2312: every function that is asked for success checks each of its steps itself.
    command = [needs("shellcheck"), "--enable=all", "--exclude=SC2310,SC2312", "-"]
    done = subprocess.run(command, input=content, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.needs("shellcheck")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_shellcheck_accepts_examples(example: Path, needs: Callable[[str], str]) -> None:
    """The scripts of every example are clean, and the same on all brokers."""
    topology = load(example, Topology)
    contents = {a.path: a.content for host in topology.brokers for a in scripts(topology, host).values()}
    assert len(contents) == 3 + topology.rabbitmq.joins_by_script
    for content in contents.values():
        accepted(content, needs)


@pytest.mark.slow
@pytest.mark.needs("shellcheck")
@pytest.mark.parametrize("release", ["3.8.9", "3.10.8", "4.3"])
def test_shellcheck_accepts_any_names(release: str, needs: Callable[[str], str]) -> None:
    """Names that mean something to a shell make no script another script, whatever the release's commands are."""
    vhosts = {name: {"max_queues": 5} for name in ("/", *HOSTILE)}
    policies = [
        {"name": name, "vhost": name, "pattern": re.escape(name), "definition": {"max-length": 1}} for name in HOSTILE
    ]
    topology = broker(
        release=release,
        nodes={"r1": {}, "r2": {}, "r3": {"type": "disc" if release == "4.3" else "ram"}},
        formation={"method": "both"},
        vhosts=vhosts,
        users={name: {"permissions": {vhost: {} for vhost in vhosts}} for name in ("admin", *HOSTILE)},
        policies=policies,
        operator_policies=policies,
        exchanges=[{"name": name, "vhost": name} for name in HOSTILE],
        queues=[{"name": name, "vhost": name, "type": "quorum"} for name in HOSTILE],
        bindings=[{"source": name, "vhost": name, "destination": name, "routing_key": name} for name in HOSTILE],
    )
    for artefact in scripts(topology).values():
        accepted(artefact.content, needs)


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(topology=topologies(text=hostile()))
def test_bash_accepts_any_names(topology: Topology) -> None:
    """No design makes a script that bash cannot read."""
    for artefact in scripts(topology).values():
        subprocess.run(["bash", "-n"], input=artefact.content, text=True, check=True)


def test_join_script_only_where_it_is_asked_for() -> None:
    """Nodes that find each other get none."""
    assert cluster.JOIN not in scripts(broker())
    assert cluster.JOIN in scripts(broker(formation={"method": "both"}))


def test_no_script_holds_a_secret() -> None:
    """Passwords reach the cluster as hashes in a file: a script everybody may read has none."""
    topology = broker(formation={"method": "both"})
    secrets = secrets_of(topology)
    for artefact in cluster.artefacts(topology, secrets):
        assert artefact.mode == 0o755
        assert not [value for value in secrets.values() if value in artefact.content]


def test_release_that_cannot_import_is_refused() -> None:
    """Before 3.8.2 there is no import_definitions to bring users and queues in."""
    with pytest.raises(GenerationError, match=r"3\.8\.2 or newer"):
        scripts(broker(release="3.8.1"))


@pytest.mark.parametrize("path", [cluster.JOIN, cluster.USERS_SCRIPT, cluster.POLICIES, cluster.QUEUES])
def test_help_and_misuse(path: str, tools: Callable[..., Tools]) -> None:
    """``--help`` explains on standard output; an unknown argument is told and touches nothing."""
    made = tools()
    script = scripts(broker(formation={"method": "both"}))[path]
    helped = made.run(script, "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "Exit status: 0" in helped.stdout
    refused = made.run(script, "--frobnicate")
    assert refused.returncode == 2
    assert "--frobnicate" in refused.stderr
    assert made.calls == []


JOINED = """
case $node in
  rabbit@r1) printf '%s' '{"disk_nodes":["rabbit@r1"'; [[ ! -e $here/../joined ]] || printf ',"rabbit@r2"' ;;
  rabbit@r2) printf '%s' '{"disk_nodes":["rabbit@r2"'; [[ ! -e $here/../joined ]] || printf ',"rabbit@r1"' ;;
esac
printf '%s\n' '],"ram_nodes":[],"running_nodes":["rabbit@r1","rabbit@r2"]}'
"""
BLANK = {
    "cluster_status": JOINED,
    "join_cluster": 'touch "$here/../joined"',
    "list_vhosts": "echo /",
    "list_users": r"printf 'guest\t[administrator]\n'",
}
"""A blank node whose seed runs."""


class TestJoin:
    """rmqha-join-cluster, on the second of three nodes."""

    @pytest.mark.parametrize(
        ("release", "commands"),
        [
            ("3.8.9", ["stop_app", "reset", "join_cluster rabbit@r1", "start_app"]),
            ("4.0", ["stop_app", "reset", "join_cluster rabbit@r1", "start_app"]),
            ("4.1", ["join_cluster rabbit@r1"]),
            ("4.3", ["join_cluster rabbit@r1"]),
        ],
    )
    def test_commands_of_the_release(self, release: str, commands: list[str], tools: Callable[..., Tools]) -> None:
        """A blank node does what its release takes, and nothing else; a second run does nothing."""
        made = tools(**BLANK)
        done = made.run(join_script(release=release))
        assert done.returncode == 0, done.stderr
        assert made.changes == commands
        assert made.run(join_script(release=release)).returncode == 0
        assert made.changes == commands

    def test_ram_node(self, tools: Callable[..., Tools]) -> None:
        """A RAM node joins as one; the others do not."""
        nodes = {"r1": {}, "r2": {"type": "ram"}, "r3": {}}
        made = tools(**BLANK)
        assert made.run(join_script(release="3.10", nodes=nodes)).returncode == 0
        assert "join_cluster --ram rabbit@r1" in made.changes

    def test_seed_joins_nobody(self, tools: Callable[..., Tools]) -> None:
        """The seed stays as it is."""
        made = tools(eval="echo rabbit@r1", cluster_status=f"echo '{status('rabbit@r1')}'")
        done = made.run(join_script())
        assert done.returncode == 0
        assert "is the seed" in done.stderr
        assert made.changes == []

    def test_member_stays_although_the_seed_is_down(self, tools: Callable[..., Tools]) -> None:
        """Who is a member needs nobody to say so."""
        made = tools(cluster_status=f"[[ $node != rabbit@r1 ]] && echo '{status('rabbit@r1', 'rabbit@r2')}'")
        assert made.run(join_script(), "--timeout", "0").returncode == 0
        assert made.changes == []

    @pytest.mark.parametrize(
        ("answers", "told"),
        [
            ({"list_vhosts": r"printf '/\nothers\n'"}, "vhost others"),
            ({"list_users": r"printf 'guest\t[]\nbob\t[]\n'"}, "user bob"),
            ({"list_queues": r"printf 'mine\t0\nother\t0\n'"}, "queue other"),
            ({"list_queues": r"printf 'mine\t7\n'"}, "queue mine with 7 messages"),
            ({"list_queues": r"printf 'mine\t\n'"}, "queue mine with unknown messages"),
        ],
    )
    def test_data_is_not_wiped(self, answers: dict[str, str], told: str, tools: Callable[..., Tools]) -> None:
        """What the design does not bring back is named, and stays, unless told otherwise."""
        made = tools(**BLANK, **{k: v for k, v in answers.items() if k not in BLANK})
        for command, text in answers.items():
            (made.folder / "answers" / command).write_text(text, encoding="utf-8")
        script = join_script(queues=[{"name": "mine", "type": "quorum"}])
        done = made.run(script)
        assert done.returncode == 1
        assert told in done.stderr
        assert made.changes == []
        assert made.run(script, "--reset").returncode == 0
        assert "join_cluster rabbit@r1" in made.changes

    def test_what_the_design_brings_back_may_go(self, tools: Callable[..., Tools]) -> None:
        """Its own users, vhosts and empty queues keep nobody from joining."""
        made = tools(**BLANK)
        vhosts: dict[str, Any] = {name: {} for name in ("/", *HOSTILE)}
        users: dict[str, Any] = {name: {} for name in ("admin", *HOSTILE)}
        queues = [{"name": name, "vhost": vhost, "type": "classic"} for name in HOSTILE for vhost in ("/", name)]
        lines = {
            "list_vhosts": "\n".join(vhosts),
            "list_users": "\n".join(f"{name}\t[]" for name in ("guest", *users)),
            "queues": "\n".join(f"{name}\t0" for name in HOSTILE),
        }
        for command, text in lines.items():
            (made.folder / command).write_text(text + "\n", encoding="utf-8")
            (made.folder / "answers" / command).write_text(f'cat "$here/../{command}"', encoding="utf-8")
        # In a vhost of its own there is only the queue of its name.
        (made.folder / "answers" / "list_queues").write_text(
            'for option in "${options[@]}"; do case $option in --vhost=/) cat "$here/../queues" ;; '
            r"""--vhost=*) printf '%s\t0\n' "${option#--vhost=}" ;; esac; done""",
            encoding="utf-8",
        )
        done = made.run(join_script(vhosts=vhosts, users=users, queues=queues))
        assert done.returncode == 0, done.stderr
        assert {call[-3] for call in made.of("list_queues")} == {f"--vhost={name}" for name in vhosts}

    def test_what_cannot_be_seen_is_not_wiped(self, tools: Callable[..., Tools]) -> None:
        """A list that fails is no empty list."""
        made = tools(**BLANK, list_queues="exit 1")
        done = made.run(join_script())
        assert done.returncode == 1
        assert "cannot be found out" in done.stderr
        assert made.changes == []

    def test_other_cluster_is_not_left(self, tools: Callable[..., Tools]) -> None:
        """A node with other peers is left with them; told otherwise, it goes."""
        other = status("rabbit@r2", "rabbit@r3")
        answers = BLANK | {
            "cluster_status": "if [[ $node == rabbit@r2 && ! -e $here/../joined ]]; then "
            f"echo '{other}'; else {JOINED}\nfi"
        }
        made = tools(**answers)
        done = made.run(join_script(release="4.3"))
        assert done.returncode == 1
        assert "is in a cluster without rabbit@r1, with: rabbit@r3" in done.stderr
        assert made.changes == []
        assert made.run(join_script(release="4.3"), "--reset").returncode == 0
        assert made.changes == ["stop_app", "reset", "start_app", "join_cluster rabbit@r1"]

    def test_seed_that_remembers_a_lost_member(self, tools: Callable[..., Tools]) -> None:
        """A node that was made anew takes its old place only when told; then the old member is forgotten first."""
        remembers = status("rabbit@r1", "rabbit@r2")
        answers = BLANK | {"cluster_status": f"if [[ $node == rabbit@r1 ]]; then echo '{remembers}'; else {JOINED}\nfi"}
        made = tools(**answers)
        done = made.run(join_script(release="3.13"))
        assert done.returncode == 1
        assert "knows rabbit@r2 as a member" in done.stderr
        assert made.changes == []
        assert made.run(join_script(release="3.13"), "--reset").returncode == 0
        assert made.changes[:2] == ["stop_app", "rabbit@r1 forget_cluster_node rabbit@r2"]

    @pytest.mark.parametrize("release", ["4.0", "4.2"])
    def test_failed_join_leaves_the_node_running(self, release: str, tools: Callable[..., Tools]) -> None:
        """Five tries, the reason each time, and the last thing that happens is that the node is started."""
        made = tools(**BLANK | {"join_cluster": "echo 'Error: inconsistent_database' >&2; exit 70"})
        done = made.run(join_script(release=release))
        assert done.returncode == 1
        assert done.stderr.count("inconsistent_database") == 5
        assert len(made.of("join_cluster")) == 5
        assert made.changes[-1] == "start_app"

    def test_join_that_fails_for_a_moment_is_tried_again(self, tools: Callable[..., Tools]) -> None:
        """Two nodes that join at once can get in each other's way."""
        once = 'if [[ -e $here/../tried ]]; then touch "$here/../joined"; else touch "$here/../tried"; exit 70; fi'
        made = tools(**BLANK | {"join_cluster": once})
        assert made.run(join_script()).returncode == 0
        assert len(made.of("join_cluster")) == 2

    @pytest.mark.parametrize(
        ("said", "told"),
        [
            ("  * TCP connection succeeded but Erlang distribution failed ", "its Erlang cookie differs"),
            ("  * unable to connect to epmd (port 4369) on r1: econnrefused", "no epmd answers on r1"),
            ("  * unable to connect to epmd (port 4369) on r1: nxdomain", "the name r1 does not resolve"),
            ("Error: this command requires the 'rabbit' app to be running", "is stopped or still booting"),
            ("", "does not answer in time"),
        ],
    )
    def test_waiting_for_the_seed_ends_with_the_cause(self, said: str, told: str, tools: Callable[..., Tools]) -> None:
        """The wait has an end, and names what is wrong once while it lasts and once when it is over."""
        other = status("rabbit@r2")
        made = tools(cluster_status=f"[[ $node != rabbit@r1 ]] || {{ echo \"{said}\" >&2; exit 69; }}\necho '{other}'")
        done = made.run(join_script(), "--timeout", "1")
        assert done.returncode == 1
        assert done.stderr.count(told) == 2
        assert made.changes == []

    def test_name_that_does_not_resolve(self, tools: Callable[..., Tools]) -> None:
        """It is told before RabbitMQ's tools wait for it."""
        made = tools(cluster_status=f"echo '{status('rabbit@r2')}'")
        done = made.run(join_script(), "--timeout", "0", "--seed", "rabbit@nowhere")
        assert "the name nowhere does not resolve here" in done.stderr
        assert not [call for call in made.calls if "rabbit@nowhere" in call]

    def test_stranger_is_refused(self, tools: Callable[..., Tools]) -> None:
        """A node whose name is not of the design is not touched."""
        made = tools(eval="echo rabbit@elsewhere", cluster_status=f"echo '{status('rabbit@elsewhere')}'")
        done = made.run(join_script())
        assert done.returncode == 1
        assert "calls itself rabbit@elsewhere" in done.stderr

    def test_node_that_was_stopped_is_started(self, tools: Callable[..., Tools]) -> None:
        """A run that was killed between stop_app and start_app is taken up by the next."""
        waits = f"[[ -e $here/../started ]] || exit 64\n{JOINED}"
        answers = BLANK | {
            "cluster_status": waits,
            "eval": "[[ ${options[1]} == 'node().' ]] && echo rabbit@r2 || echo false",
            "start_app": 'touch "$here/../started"',
        }
        made = tools(**answers)
        done = made.run(join_script(release="4.1"))
        assert done.returncode == 0, done.stderr
        assert made.changes == ["start_app", "join_cluster rabbit@r1"]


class TestNames:
    """Names that mean something to a shell, an option parser or a pattern."""

    def test_policies_arrive_to_the_letter(self, tools: Callable[..., Tools]) -> None:
        """Vhost, name, pattern and definition of each policy are the design's, behind what ends the options."""
        policies = [
            {
                "name": name,
                "vhost": name,
                "pattern": re.escape(name),
                "priority": number - 5,
                "definition": {"dead-letter-routing-key": name},
            }
            for number, name in enumerate(HOSTILE)
        ]
        vhosts = {name: {"max_queues": number} for number, name in enumerate(HOSTILE)}
        topology = broker(
            vhosts={"/": {}, **vhosts},
            users={"admin": {"permissions": {vhost: {} for vhost in ("/", *vhosts)}}},
            policies=policies,
            operator_policies=policies,
        )
        made = tools(cluster_status="echo {}", list_policies="printf '/\\tforeign\\t.*\\n'")
        done = made.run(scripts(topology)[cluster.POLICIES])
        assert done.returncode == 0, done.stderr
        for command in ("set_policy", "set_operator_policy"):
            for number, (call, name) in enumerate(zip(made.of(command), HOSTILE, strict=True)):
                assert call[:-1] == [
                    "--quiet",
                    command,
                    f"--vhost={name}",
                    f"--priority={number - 5}",
                    "--apply-to=queues",
                    "--",
                    name,
                    re.escape(name),
                ]
                assert json.loads(call[-1]) == {"dead-letter-routing-key": name}
        limits = [
            ["--quiet", "set_vhost_limits", f"--vhost={n}", f'{{"max-queues":{i}}}'] for i, n in enumerate(HOSTILE)
        ]
        assert made.of("set_vhost_limits") == limits
        assert "not in the design: policies foreign of vhost /" in done.stderr

    @pytest.mark.parametrize("release", ["3.8.9", "4.0.5"])
    def test_queues_arrive_to_the_letter(self, release: str, tools: Callable[..., Tools]) -> None:
        """What is missing is imported as it is, and recognised among what is listed."""
        queues = [{"name": name, "vhost": name, "type": "quorum"} for name in HOSTILE]
        topology = broker(
            release=release,
            vhosts={name: {} for name in ("/", *HOSTILE)},
            users={"admin": {"permissions": {name: {} for name in ("/", *HOSTILE)}}},
            queues=queues,
            exchanges=[{"name": name, "type": "topic"} for name in HOSTILE],
            bindings=[
                {"source": name, "destination": "amq.fanout", "destination_type": "exchange"} for name in HOSTILE
            ],
        )
        listed = r"""
        [[ -e $here/../imported.json ]] || exit 0
        for option in "${options[@]}"; do
          case $option in
            --vhost=/) ;;
            --vhost=*) printf '%s\tquorum\t[rabbit@r1, rabbit@r2, rabbit@r3]\n' "${option#--vhost=}" ;;
          esac
        done
        """
        rows = '[{"Node Name":"rabbit@r1"},{"Node Name":"rabbit@r2"},{"Node Name":"rabbit@r3"}]'
        made = tools(cluster_status="echo {}", list_queues=listed, quorum_status=f"echo '{rows}'")
        done = made.run(scripts(topology)[cluster.QUEUES])
        assert done.returncode == 0, done.stderr
        imported = json.loads((made.folder / "imported.json").read_text(encoding="utf-8"))
        assert [(queue["vhost"], queue["name"]) for queue in imported["queues"]] == [(name, name) for name in HOSTILE]
        assert [exchange["name"] for exchange in imported["exchanges"]] == HOSTILE
        assert [binding["source"] for binding in imported["bindings"]] == HOSTILE
        assert [call[-1] for call in made.of("quorum_status")] == (HOSTILE if release == "3.8.9" else [])

    def test_users_are_found_to_the_letter(self, tools: Callable[..., Tools]) -> None:
        """The script imports the hashes, then looks for each name; names with blanks at their ends too."""
        users: dict[str, Any] = {name: {} for name in ("admin", *HOSTILE, " x ")}
        made = tools(cluster_status="echo {}", list_users='cat "$here/../users"')
        rows = [f"{name}\t[administrator]" for name in ("guest", *users)]
        (made.folder / "users").write_text("\n".join(rows) + "\n", encoding="utf-8")
        # The recorder copies what is imported: any file does.
        script = scripts(broker(users=users))[cluster.USERS_SCRIPT]
        imported = made.folder / "definitions-users.json"
        imported.write_text("{}", encoding="utf-8")
        content = script.content.replace("/etc/rabbitmq/definitions-users.json", str(imported))
        local = Artefact(None, script.path, content)
        done = made.run(local)
        assert done.returncode == 0, done.stderr
        assert made.changes == [f"import_definitions {imported}", "delete_user guest"]
        (made.folder / "users").write_text("\n".join(rows[:-1]) + "\n", encoding="utf-8")
        done = made.run(local)
        assert done.returncode == 1
        assert "missing after the import:  x " in done.stderr

    @pytest.mark.slow
    @settings(max_examples=25, suppress_health_check=list(HealthCheck))
    @given(name=hostile(), pattern=hostile().map(re.escape), vhost=hostile())
    def test_any_policy_arrives_to_the_letter(
        self, name: str, pattern: str, vhost: str, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """The same for any text that a design may hold."""
        topology = broker(
            vhosts={"/": {}, vhost: {}},
            policies=[{"name": name, "vhost": vhost, "pattern": pattern, "definition": {"expires": "1s"}}],
        )
        made = Tools(tmp_path_factory.mktemp("any") / "tools", {"cluster_status": "echo {}"})
        done = made.run(scripts(topology)[cluster.POLICIES])
        assert done.returncode == 0, done.stderr
        (call,) = made.of("set_policy")
        assert (call[2], call[-3:]) == (f"--vhost={vhost}", [name, pattern, '{"expires":1000}'])


class TestQueues:
    """rmqha-apply-queues."""

    def listing(self, text: str) -> dict[str, str]:
        """Answers of a whole cluster that lists these queues."""
        return {"cluster_status": "echo {}", "list_queues": f"printf '{text}'"}

    def test_existing_queues_are_not_declared_again(self, tools: Callable[..., Tools]) -> None:
        """RabbitMQ 3.8.9 and 3.9.5 fail when an existing quorum queue is imported: only what is missing is."""
        made = tools(**self.listing(r"a\tquorum\t[rabbit@r1, rabbit@r2, rabbit@r3]\nb\tclassic\t\n"))
        queues = [{"name": "a", "type": "quorum"}, {"name": "b", "type": "classic"}]
        done = made.run(scripts(broker(queues=queues))[cluster.QUEUES])
        assert done.returncode == 0, done.stderr
        assert json.loads((made.folder / "imported.json").read_text(encoding="utf-8"))["queues"] == []

    @pytest.mark.parametrize(
        ("listed", "told"),
        [
            (r"a\tclassic\t\n", "queue a of vhost / is of type classic, not quorum"),
            (r"a\tquorum\t[rabbit@r1]\n", "queue a of vhost / has 1 members of 3"),
            (r"b\tquorum\t[]\n", "queue a of vhost / is missing"),
        ],
    )
    def test_what_is_wrong_is_told(self, listed: str, told: str, tools: Callable[..., Tools]) -> None:
        """A queue of another type, with too few members, or still missing."""
        made = tools(**self.listing(listed))
        done = made.run(scripts(broker(queues=[{"name": "a", "type": "quorum"}]))[cluster.QUEUES])
        assert done.returncode == 1
        assert told in done.stderr

    def test_waits_for_all_nodes(self, tools: Callable[..., Tools]) -> None:
        """Without them nothing is declared: members would be missing."""
        made = tools(cluster_status="echo {}", await_online_nodes="exit 1")
        done = made.run(scripts(broker(queues=[{"name": "a", "type": "quorum"}]))[cluster.QUEUES], "--timeout", "7")
        assert done.returncode == 1
        assert made.of("await_online_nodes") == [["--quiet", "await_online_nodes", "3", "--timeout", "7"]]
        assert made.of("import_definitions") == []

    @pytest.mark.parametrize(
        ("release", "on", "enabled"),
        [
            ("4.0.5", True, ["all"]),
            ("3.8.9", True, ["quorum_queue", "user_limits"]),
            ("4.0.5", False, []),
        ],
    )
    def test_feature_flags(self, release: str, *, on: bool, enabled: list[str], tools: Callable[..., Tools]) -> None:
        """All stable ones at once where the release can, else one by one."""
        flags = r"printf 'quorum_queue\tdisabled\nvirtual_host_metadata\tenabled\nuser_limits\tdisabled\n'"
        made = tools(cluster_status="echo {}", list_feature_flags=flags)
        done = made.run(scripts(broker(release=release, enable_feature_flags=on))[cluster.QUEUES])
        assert done.returncode == 0, done.stderr
        assert [call[-1] for call in made.of("enable_feature_flag")] == enabled


def test_second_run_waits_for_the_first(tools: Callable[..., Tools]) -> None:
    """Two runs on one host never change the node at the same time; a tool that stays behind does not keep the lock."""
    behind = '(exec >/dev/null 2>&1; exec /bin/sleep 30) & echo $! >>"$here/../behind"'
    made = tools(**BLANK | {"list_vhosts": f"{behind}; echo /"})
    script = join_script()
    assert made.run(script).returncode == 0
    path = made.folder / "rmqha-join-cluster"
    with subprocess.Popen(["flock", str(path), "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdin.write(b"x\n")
        holder.stdin.flush()
        holder.stdout.read(2)
        content = path.read_text(encoding="utf-8")
        environment = {"PATH": f"{made.folder / 'bin'}:{os.environ['PATH']}", "RMQHA_BIN": str(made.folder / "bin")}
        done = subprocess.run(
            ["bash", str(path), "--timeout", "0"], env=environment, capture_output=True, text=True, check=False
        )
        assert content == path.read_text(encoding="utf-8")
        assert done.returncode == 1
        assert "another rmqha-join-cluster" in done.stderr
        holder.stdin.close()
    assert made.run(script).returncode == 0
    for number in (made.folder / "behind").read_text(encoding="ascii").split():
        os.kill(int(number), 9)
