"""Quoting against the programs that read it: hostile values come back to the last character, and nothing else does.

One process reads all values at once. Between them stand fixed lines, which a value that broke out would upset.
"""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from generators import quoting
from rmqha_model.errors import GenerationError

PIECES = (
    *" '\"\\$#!;&|<>(){}[]*?~`%@^=+-,:/.",
    *("a", "n", "x41", "é", "ß", "😀", "\u00a0", "''", '""', '"""', "'''", "\\\\", "\\n", "\\x41", "\\u000a", "\\042"),
    *("\\u0022", "$HOME", "${HOME}", "$_PWD", "${_HASH}", "$(id)", "`id`", "$5", "%h", "%%", "%n", "%[src]", "%{Q}o"),
    *("{{ 1 }}", "{% x %}", "{# x #}", "{{", "}}", "&&", "||", "//", "/*", "*/", "-rf", "--", "<b>", "]]>", "&amp;"),
    *("&#65;", "encrypted:x", "~SEQ(x,1,2)", "@id x", "include /x", "end", "global", "no", "style a:b", "1. x", "- x"),
)
HOSTILE = tuple(
    dict.fromkeys(
        text
        for piece in PIECES
        for other in ("", " ", "'", '"', "\\", "$", "#", "{", "é", "x")
        for text in (piece + other, other + piece, f"a{piece}{other}b")
        if text
    )
)
FEW = tuple(dict.fromkeys((*PIECES, *HOSTILE[::9])))
"""For programs that do much for each value."""


def written(dialect: Callable[[str], str], values: Sequence[str] = HOSTILE) -> dict[str, str]:
    """What a dialect makes of those values that it does not refuse."""
    made = {}
    for value in values:
        try:
            made[value] = dialect(value)
        except GenerationError:
            continue
    assert len(made) > len(values) / 4
    return made


def run(*command: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    defaults: dict[str, Any] = {"capture_output": True, "encoding": "utf-8"}
    done: subprocess.CompletedProcess[str]
    done = subprocess.run([str(part) for part in command], check=False, **(defaults | options))
    return done


@contextmanager
def running(*command: object, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for the length of a block, then end it."""
    process = subprocess.Popen([str(part) for part in command], **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def own_network(script: str) -> list[str]:
    """Command that runs *script* in a network of its own; where none can be had the test ends here."""
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    if run(*unshare, "true").returncode:
        pytest.skip("a network namespace cannot be made here")
    return [*unshare, "bash", "-c", script]


@pytest.mark.parametrize("reader", ["bash", "sh"])
def test_shell(reader: str, needs: Callable[[str], str], tmp_path: Path) -> None:
    """Shells read every word as the value it stands for."""
    made = written(quoting.shell)
    script = tmp_path / "script"
    script.write_text("\n".join(f"printf '%s\\0' {word} end" for word in made.values()), "utf-8")
    # A word that got out could redirect to a file.
    done = run(needs(reader), script, env={"HOME": "/nowhere", "LC_ALL": "C"}, cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout.split("\0")[:-1] == [part for value in made for part in (value, "end")]
    assert len(made) == len(HOSTILE)


@pytest.mark.needs("haproxy")
def test_haproxy(tmp_path: Path) -> None:
    """HAProxy prints each word as the value it stands for."""
    made = written(quoting.haproxy)
    config = tmp_path / "haproxy.cfg"
    rows = ["frontend f", f" bind unix@{tmp_path}/socket", " mode http", " timeout client 1s"]
    rows += [f".notice {word}\n acl rule path -- {word} end" for word in made.values()]
    config.write_text("\n".join(rows) + "\n", "utf-8")
    done = run("haproxy", "-c", "-f", config, errors="surrogateescape")
    assert done.returncode == 0, done.stderr[-2000:]
    said = re.findall(r"^\[NOTICE\].*? : config : parsing \[[^]]*:\d+\]: '(.*)'\.$", done.stderr, re.MULTILINE)
    assert said == list(made)
    assert len(made) == len(HOSTILE)


@pytest.mark.needs("haproxy")
def test_haproxy_format(tmp_path: Path) -> None:
    """HAProxy expands nothing in a log-format string that was quoted as one."""
    made = written(quoting.haproxy_format, FEW)
    config, where = tmp_path / "haproxy.cfg", tmp_path / "socket"
    rows = ["global", " tune.maxrewrite 1024", "frontend f", f" bind unix@{where}", " mode http", " timeout client 5s"]
    rows += [
        f" http-request return status 200 content-type text/plain lf-string {word} if {{ path /{number} }}"
        for number, word in enumerate(made.values())
    ]
    config.write_text("\n".join(rows) + "\n", "utf-8")
    with running("haproxy", "-db", "-f", config), socket.socket(socket.AF_UNIX) as client:
        connect(client, where)
        requests = "".join(f"GET /{number} HTTP/1.1\r\nHost: h\r\n\r\n" for number in range(len(made)))
        client.sendall(f"{requests}GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    bodies = []
    while b"content-length: " in answer:
        head, _, rest = answer.partition(b"\r\n\r\n")
        length = int(head.rpartition(b"content-length: ")[2].split()[0])
        bodies.append(rest[:length].decode())
        answer = rest[length:]
    assert bodies[: len(made)] == list(made)


def connect(client: socket.socket, where: Path) -> None:
    """Connect to a Unix socket, as soon as it is there."""
    client.settimeout(10)
    for _ in range(500):
        try:
            return client.connect(str(where))
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.01)
    raise TimeoutError(where)


@pytest.mark.slow
@pytest.mark.needs("keepalived", "unshare", "ip")
def test_keepalived(tmp_path: Path) -> None:
    """Both lexers of keepalived read words and commands as the values they stand for."""
    names = written(quoting.keepalived, FEW)
    commands = written(lambda value: quoting.keepalived_command(["/bin/true", value, "", value]), FEW)
    assert list(commands) == [value for value in FEW if "\\" not in value]
    config = tmp_path / "keepalived.conf"
    rows = ["global_defs {", " script_user root", " enable_script_security", "}"]
    numbered = {f"s{number}": command for number, command in enumerate(commands.values())}
    for name in names.values():
        rows += [f"vrrp_script {name} {{", ' script "/bin/true"', "}"]
    for number, command in numbered.items():
        rows += [f"vrrp_script {number} {{", f" script {command}", "}"]
    rows += ["vrrp_instance V {", " interface v0", " virtual_router_id 5", " priority 100"]
    rows += [" virtual_ipaddress {", "  192.0.2.1/32", " }", " track_script {"]
    rows += [f"  {name}" for name in (*names.values(), *numbered)] + [" }", "}", ""]
    config.write_text("\n".join(rows), "utf-8")
    script = (
        "ip link add v0 type veth peer name v1 && ip address add 192.0.2.2/24 dev v0 && ip link set v0 up || exit 9; "
        f"keepalived --config-test --use-file {config} || exit; "
        f"exec keepalived --dump-conf --log-console --no-syslog --dont-fork --vrrp --use-file {config} "
        f"--pid {tmp_path}/p --vrrp_pid {tmp_path}/v"
    )
    output = tmp_path / "output"
    with output.open("wb") as stream, running(*own_network(script), stdout=stream, stderr=stream) as process:
        for _ in range(1000):
            text = output.read_text("utf-8", "replace")
            if "< Interfaces >" in text or process.poll() is not None:
                break
            time.sleep(0.01)
    if process.returncode == 9:
        pytest.skip(f"a virtual interface cannot be made here: {text}")
    assert "< Interfaces >" in text, text
    assert text.startswith(next(line for line in text.splitlines() if "Starting Keepalived" in line)), "config test"
    values = re.findall(r"^\w+ \w+ +\d+ [\d:]+ \d+:  VRRP Script = (.*)$", text, re.MULTILINE)
    assert values == [*names, *numbered]
    read = re.findall(r"^\w+ \w+ +\d+ [\d:]+ \d+:    Command = (.*)$", text, re.MULTILINE)
    true = os.path.realpath("/bin/true")
    assert read[len(names) :] == [f"'{true}' '{value}' '' '{value}'" for value in commands]


ESCRIPT = r"""
main(["conf", Ebin, File]) ->
    true = code:add_path(Ebin),
    [io:format("~s ~s~n", [coded(string:join(Key, "|")), coded(Value)]) || {Key, Value} <- conf_parse:file(File)];
main(["terms", File]) ->
    {ok, Terms} = file:consult(File),
    [io:format("~s~n", [coded(Text)]) || Term <- Terms, Text <- texts(Term)].

texts({String, Atom, Binary}) -> [String, atom_to_list(Atom), unicode:characters_to_list(Binary, utf8)].

coded(Text) -> base64:encode(unicode:characters_to_binary(Text)).
"""


def erlang(tmp_path: Path, *arguments: object) -> list[str]:
    """The texts that Erlang's own readers find in a file."""
    script = tmp_path / "read.escript"
    script.write_text(f"#!/usr/bin/env escript\n%%! +S 1\n{ESCRIPT}", "utf-8")
    done = run("escript", script, *arguments)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    return [base64.b64decode(word).decode() for word in done.stdout.split()]


@pytest.mark.slow
@pytest.mark.needs("escript", "rabbitmqctl")
def test_rabbitmq_conf(tmp_path: Path) -> None:
    """RabbitMQ's own parser reads keys and values as what they stand for."""
    found = sorted(Path("/usr/lib/rabbitmq").glob("lib/*/plugins/cuttlefish-*/ebin"))
    if not found:
        pytest.skip("RabbitMQ is installed without an unpacked cuttlefish")
    made = written(quoting.rabbitmq_conf)
    keys = written(
        quoting.rabbitmq_conf_key, ("a", "a.b", ".", "a-b_c", "1", "..", "é", "a b", "a=b", "a#", "$x", "a\\b")
    )
    config = tmp_path / "rabbitmq.conf"
    rows = [f"a.b = {value}\nend = 1" for value in made.values()] + [f"a.{key}.c = 2" for key in keys.values()]
    config.write_text("\n".join(rows) + "\n", "utf-8")
    read = erlang(tmp_path, "conf", found[-1], config)
    expected = [word for value in made for word in ("a|b", value, "end", "1")]
    assert read == expected + [word for key in keys for word in (f"a|{key}|c", "2")]


@pytest.mark.slow
@pytest.mark.needs("escript")
def test_erlang_terms(tmp_path: Path) -> None:
    """``file:consult``, which reads advanced.config, gets every string, atom and binary back."""
    values = (*HOSTILE, "", "\n", "\0\x1b\x7f\x85\u2028", "when", "maybe", "Aa", "a@b", "x" * 255)
    config = tmp_path / "advanced.config"
    forms = (quoting.erlang_string, quoting.erlang_atom, quoting.erlang_binary)
    config.write_text("".join(f"{{{', '.join(form(value) for form in forms)}}}.\n" for value in values), "ascii")
    done = erlang(tmp_path, "terms", config)
    # An empty text is an empty word of the answer.
    assert done == [value for value in values if value for _ in forms]


@pytest.mark.slow
@pytest.mark.needs("java", "javac")
def test_java(tmp_path: Path) -> None:
    """Java's compiler gets every literal back, and comments stay comments."""
    values = (*FEW, "", "\n\r\t\0\x1b\x7f\x85\xff\u0100\u2028", "\\u0022 + x", "\\\\u000a")
    source = tmp_path / "Literals.java"
    remarks = written(lambda value: quoting.comment(value, "// "), values)
    rows = "".join(f"    {remarks.get(value, '')}\n    {quoting.java_string(value)},\n" for value in values)
    source.write_text(
        "class Literals {\n  static final String[] VALUES = {\n" + rows + "  };\n"
        "  public static void main(String[] arguments) {\n"
        "    for (String value : VALUES) {\n"
        "      byte[] bytes = value.getBytes(java.nio.charset.StandardCharsets.UTF_8);\n"
        '      System.out.println("=" + java.util.Base64.getEncoder().encodeToString(bytes));\n'
        "    }\n  }\n}\n",
        "utf-8",
    )
    done = run("java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", source)
    assert done.stderr == ""
    assert [base64.b64decode(word[1:]).decode() for word in done.stdout.split()] == list(values)


def systemd_dump(*units: Path) -> str:
    """What systemd makes of unit files, in its own words."""
    environment = os.environ | {"SYSTEMD_LOG_LEVEL": "debug", "SYSTEMD_LOG_TARGET": "console"}
    done = run("systemd-analyze", "verify", "--man=no", "--generators=no", *units, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.needs("systemd-analyze")
def test_systemd(tmp_path: Path) -> None:
    """Systemd reads each description as the text it stands for."""
    made = written(quoting.systemd, FEW)
    for number, text in enumerate(made.values()):
        unit = f"[Unit]\nDescription={text}\n[Service]\nExecStart=/bin/true\n"
        (tmp_path / f"u{number:04}.service").write_text(unit, "utf-8")
    dump = systemd_dump(*tmp_path.glob("u*.service"))
    read = dict(re.findall(r"^\t-> Unit (u\d+)\.service:\n\t\tDescription: (.*)$", dump, re.MULTILINE))
    assert [read[name] for name in sorted(read)] == list(made)


@pytest.mark.slow
@pytest.mark.needs("systemd-analyze")
def test_systemd_words(tmp_path: Path) -> None:
    """Systemd reads each variable and each argument as the value it stands for."""
    variables = {quoting.systemd_word(value): value for value in (f"V{n}={v}" for n, v in enumerate(HOSTILE))}
    arguments = {quoting.systemd_exec(value): value for value in HOSTILE}
    unit = tmp_path / "words.service"
    rows = ["[Service]", *(f"Environment={word} END=1" for word in variables)]
    unit.write_text("\n".join([*rows, f"ExecStart=/bin/true {' '.join(arguments)}", ""]), "utf-8")
    dump = systemd_dump(unit)
    assert sorted(re.findall(r"^\t\tEnvironment: (.*)$", dump, re.MULTILINE)) == sorted([*variables.values(), "END=1"])
    (line,) = re.findall(r"^\t+Command Line: /bin/true( .*)$", dump, re.MULTILINE)
    read = re.findall(r' (?:"((?:[^"\\]|\\.)*)"|([^ ]+))', line)
    # The second of two dollar signs goes when the command is run.
    assert [re.sub(r"\\(.)", r"\1", a) or b for a, b in read] == [v.replace("$", "$$") for v in arguments.values()]


@pytest.mark.needs("nft", "unshare")
def test_nftables(tmp_path: Path) -> None:
    """The kernel is given each comment as the value it stands for."""
    made = written(quoting.nft_comment, FEW)
    rules = tmp_path / "rules.nft"
    rows = [f"  tcp dport 1 accept comment {comment}" for comment in made.values()]
    rules.write_text("\n".join(["table inet t {", " chain c {", *rows, " }", "}", ""]), "utf-8")
    done = run(*own_network(f"nft --check --file {rules} && nft --file {rules} && nft --json list ruleset"))
    if "Operation not supported" in done.stderr or "not permitted" in done.stderr:
        pytest.skip("the kernel has no nftables here")
    assert done.returncode == 0, done.stderr[-2000:]
    listed = json.loads(done.stdout)["nftables"]
    assert [entry["rule"]["comment"] for entry in listed if "rule" in entry] == list(made)


@pytest.mark.needs("rsyslogd")
def test_rsyslog(tmp_path: Path) -> None:
    """Rsyslog reads each string constant as the value it stands for."""
    made = written(quoting.rsyslog)
    assert len(made) == len(HOSTILE)
    config, where, output = tmp_path / "rsyslog.conf", tmp_path / "socket", tmp_path / "output"
    rows = [f'global(workDirectory="{tmp_path}")', 'module(load="imuxsock" SysSock.Use="off")']
    rows += [f'input(type="imuxsock" Socket="{where}")', 'template(name="t" type="list") {']
    rows += [f' property(name="$!v{number}") constant(value="\\n")' for number in range(len(made))]
    rows += [' constant(value="end\\n")', "}"]
    rows += [f"set $!v{number} = {constant};" for number, constant in enumerate(made.values())]
    config.write_text("\n".join([*rows, f'action(type="omfile" file="{output}" template="t")', ""]), "utf-8")
    with (
        running("rsyslogd", "-n", "-f", config, "-i", tmp_path / "pid"),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client,
    ):
        connect(client, where)
        client.send(b"<13>test: message")
        for _ in range(500):
            if output.exists() and output.read_text("utf-8").endswith("end\n"):
                break
            time.sleep(0.01)
    assert output.read_text("utf-8").split("\n")[: len(made) + 1] == [*made, "end"]


@pytest.mark.slow
@pytest.mark.needs("promtool")
def test_prometheus(tmp_path: Path) -> None:
    """Prometheus matches each label value, and expands nothing in the text of an alert."""
    values = (*FEW, "\n", "\x85\u2028")
    series, rules, expected = [], [], []
    for number, value in enumerate(values):
        label = quoting.promql(value)
        series.append({"series": f"m{number}{{v={label}}}", "values": "1+0x5"})
        text = quoting.prometheus_text(value)
        alert = {
            "alert": f"A{number}",
            "expr": f"m{number}{{v={label}}} == 1",
            "annotations": {"text": text + "{{ 1 }}"},
        }
        rules.append(alert)
        alerts = [{"exp_labels": {"v": value}, "exp_annotations": {"text": value + "1"}}]
        expected.append({"eval_time": "1m", "alertname": f"A{number}", "exp_alerts": alerts})
    files = tmp_path / "rules.yaml", tmp_path / "test.yaml"
    files[0].write_text(quoting.yaml({"groups": [{"name": "g", "rules": rules}]}), "ascii")
    tests = [{"interval": "1m", "input_series": series, "alert_rule_test": expected}]
    files[1].write_text(quoting.yaml({"rule_files": ["rules.yaml"], "tests": tests}), "ascii")
    for command in (("check", "rules", files[0]), ("test", "rules", files[1])):
        done = run("promtool", *command)
        assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]


@pytest.mark.slow
@pytest.mark.needs("ansible-playbook")
def test_ansible(tmp_path: Path) -> None:
    """Ansible templates no value, in an inventory or in a play."""
    made = list(written(quoting.ansible, FEW))
    inventory, play, output = (tmp_path / name for name in ("hosts.yaml", "play.yaml", "output"))
    variables = quoting.ansible({"inventory_values": made, "inventory_map": {"key": made}})
    host = f"localhost: {{ansible_connection: local, ansible_python_interpreter: {quoting.yaml(sys.executable)}}}"
    inventory.write_text(f"all:\n  hosts:\n    {host}\n  vars: {variables}\n", "utf-8")
    play.write_text(
        "- hosts: all\n  gather_facts: false\n"
        f"  vars: {quoting.ansible({'play_values': made})}\n"
        "  tasks:\n    - ansible.builtin.copy:\n"
        f"        dest: {quoting.yaml(str(output))}\n        mode: '0600'\n"
        "        content: \"{{ [inventory_values, inventory_map['key'], play_values] | to_json }}\"\n",
        "utf-8",
    )
    environment = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_LOCALHOST_WARNING": "0",
    }
    done = run("ansible-playbook", "-i", inventory, play, env=environment, cwd=tmp_path)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    assert json.loads(output.read_text("utf-8")) == [made] * 3


@pytest.mark.needs("dot")
def test_dot(tmp_path: Path) -> None:
    """Graphviz shows each label as the value it stands for."""
    values = [value for value in FEW if value == value.strip()] + ["two\nlines"]
    graph = tmp_path / "graph.dot"
    nodes = (f" n{number} [label={quoting.dot(value)}]\n" for number, value in enumerate(values))
    graph.write_text("digraph {\n node [shape=plaintext]\n" + "".join(nodes) + "}\n", "utf-8")
    done = run("dot", "-Kosage", "-Tsvg", graph)
    assert done.stderr == ""
    space = "{http://www.w3.org/2000/svg}"
    shown = {}
    for group in ET.fromstring(done.stdout).iter(f"{space}g"):  # noqa: S314
        if group.get("class") == "node":
            rows = [text.text or "" for text in group.iter(f"{space}text")]
            shown[group.findtext(f"{space}title")] = "\n".join(rows)
    assert [shown[f"n{number}"].replace("\u00a0", " ") for number in range(len(values))] == [
        value.replace("\u00a0", " ") for value in values
    ]
