"""Client programs: they say what the design says, and their compilers take them."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from designs import design, secrets_of
from hypothesis import given, settings
from strategies import hostile

from generators import clients

JARS = "/usr/share/java/amqp-client.jar:/usr/share/java/slf4j-api.jar"
GO_SOURCES = Path("/usr/share/gocode/src/github.com/rabbitmq/amqp091-go")


def program(kind: str, **changes: Any) -> str:
    """The program of a client of some kind."""
    topology = design(clients={"app": {"kind": kind, **changes}})
    return next(iter(clients.artefacts(topology, secrets_of(topology)))).content


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        (
            "pika",
            ["HEARTBEAT_S = 7", "CONFIRMS = False", "PREFETCH = 9", "DELAY_S = 1500 / 1000", '("10.0.0.100", 5672),'],
        ),
        ("java", ["HEARTBEAT_S = 7;", "CONFIRMS = false;", "PREFETCH = 9;", "DELAY_MS = 1500;", '"10.0.0.100", 5672']),
        ("dotnet", ["FromSeconds(7)", "Confirms = false;", "Prefetch = 9;", "DelayMs = 1500;", '"10.0.0.100", 5672']),
        ("go", ["= 7 * time.Second", "= false", "= 9", "= 1500 * time.Millisecond", '"10.0.0.100", 5672']),
    ],
)
def test_settings_are_the_designs(kind: str, lines: list[str]) -> None:
    """Heartbeat, confirms, prefetch, delay and endpoints stand in every language as the design has them."""
    text = program(kind, heartbeat="7s", confirms=False, prefetch=9, reconnect={"delay": "1500ms"})
    for line in lines:
        assert line in text


@pytest.mark.parametrize("kind", clients.FILES)
def test_no_password_stands_in_a_program(kind: str) -> None:
    """Programs read the password from the environment."""
    topology = design(clients={"app": {"kind": kind}})
    text = program(kind)
    assert "RMQHA_PASSWORD" in text
    assert not any(value in text for value in secrets_of(topology).values())


@settings(max_examples=25)
@given(hostile())
def test_python_holds_any_name(name: str) -> None:
    """A user and a queue of any name stand in the Python program as themselves."""
    topology = design(
        rabbitmq={"users": {name: {}}, "queues": [{"name": name, "type": "quorum"}], "delete_guest": False},
        clients={"app": {"kind": "pika"}},
    )
    tree = ast.parse(next(iter(clients.artefacts(topology, secrets_of(topology)))).content)
    values = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    assert (values["USER"], values["QUEUE"]) == (name, name)


@pytest.mark.slow
@pytest.mark.needs("javac")
@pytest.mark.parametrize("tls", [False, True])
def test_java_compiles(tls: bool, tmp_path: Path, needs: Callable[[str], str]) -> None:  # noqa: FBT001
    """The Java program compiles without a warning.

    With TLS it asks for host name verification, which Debian 12's client library, 5.0.0, is too old to know: there
    that is the one thing the compiler misses.
    """
    if not Path(JARS.partition(":")[0]).exists():
        needs("librabbitmq-client-java, the RabbitMQ client for Java")
    changes: dict[str, Any] = {"tls": True, "endpoints": [{"host": "r1", "port": 5671}]} if tls else {}
    (tmp_path / "Client.java").write_text(program("java", **changes))
    command = [needs("javac"), "-Xlint:all", "-Werror", "-cp", JARS, "-d", tmp_path, tmp_path / "Client.java"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if tls and done.returncode:
        assert done.stderr.count("error:") == 1, done.stderr
        assert "enableHostnameVerification()" in done.stderr
    else:
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.needs("go")
def test_go_compiles(tmp_path: Path, needs: Callable[[str], str]) -> None:
    """The Go program passes `go vet`, and gofmt has nothing to change."""
    if not GO_SOURCES.exists():
        needs("golang-github-rabbitmq-amqp091-go-dev, the RabbitMQ client for Go")
    file = tmp_path / "client.go"
    file.write_text(program("go"))
    home = {"HOME": str(tmp_path), "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
    environment = os.environ | home | {"GOCACHE": str(tmp_path / "cache")}
    done = subprocess.run([needs("go"), "vet", file], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    formatted = subprocess.run([needs("gofmt"), "-d", file], capture_output=True, text=True, check=True)
    assert not formatted.stdout


@pytest.mark.slow
def test_csharp_parses() -> None:
    """The C# program has no syntax error, by a grammar of the language: no compiler of it is packaged for Debian."""
    import tree_sitter
    import tree_sitter_c_sharp

    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_c_sharp.language()))
    tree = parser.parse(program("dotnet").encode())
    assert not tree.root_node.has_error, str(tree.root_node)
    assert parser.parse(b"class {").root_node.has_error


def test_python_compiles(tmp_path: Path) -> None:
    """The Python program compiles, and says how it is used."""
    file = tmp_path / "client.py"
    file.write_text(program("pika"))
    compile(file.read_text(), str(file), "exec")
    done = subprocess.run([sys.executable, file], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "usage: client.py publish COUNT | client.py consume\n"
