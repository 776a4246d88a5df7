"""Overrides: lines and templates of the user's own, and what cannot take them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from designs import design, secrets_of

from generators import generate
from rmqha_model.errors import GenerationError

CONFIG = "/etc/haproxy/haproxy.cfg"


def made(templates: Path | None = None, **override: Any) -> dict[str, str]:
    """What the load balancers' configuration is with an override."""
    topology = design(overrides=[override])
    bundle = generate(topology, secrets_of(topology), templates=templates)
    return {host: bundle.find(host, override["path"]).content for host in ("lb1", "lb2")}


def test_lines_are_added_at_the_end_where_it_is_said() -> None:
    """Lines go to the end of the file, on the hosts that are named."""
    texts = made(path=CONFIG, hosts=["lb1"], append=["", "frontend mine", "    bind :9000"])
    assert texts["lb1"].endswith("\n\nfrontend mine\n    bind :9000\n")
    assert "mine" not in texts["lb2"]


def test_a_template_replaces_the_file(tmp_path: Path) -> None:
    """A template sees the design, the host and what would have been made."""
    (tmp_path / "own.cfg").write_text("# {{ host }} of {{ topology.name }}\n{{ content | verbatim }}")
    texts = made(tmp_path, path=CONFIG, template="own.cfg")
    assert texts["lb1"].startswith("# lb1 of test\n# HAProxy: ")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        (
            {"path": "/etc/haproxy/haproxy.conf", "append": ["#"]},
            r"overrides\[0\]\.path: .*did you mean '/etc/haproxy/haproxy.cfg'",
        ),
        ({"path": CONFIG, "hosts": ["r1"], "append": ["#"]}, "not made on r1; allowed: on lb1, lb2"),
        ({"path": "/etc/rabbitmq/definitions.json", "append": ["{}"]}, r"append: .*a template; the file is one term"),
        ({"path": "/var/lib/rabbitmq/.erlang.cookie", "append": ["# x"]}, r"append: .*the file is one word"),
        ({"path": "/etc/hostname", "append": ["# x"]}, r"append: .*the file is one word"),
        ({"path": CONFIG, "template": "none.cfg"}, r"overrides\[0\]\.template: .*none\.cfg: cannot be read"),
    ],
)
def test_what_cannot_be_overridden_is_said(override: dict[str, Any], words: str, tmp_path: Path) -> None:
    """An override that would do nothing, or spoil a file, is refused with what is allowed."""
    topology = design(overrides=[override])
    with pytest.raises(GenerationError, match=words):
        generate(topology, secrets_of(topology), templates=tmp_path)
