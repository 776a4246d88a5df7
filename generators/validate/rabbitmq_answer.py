"""What a booted node, or one that would not boot, tells of its configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from generators.validate.task import Finding

if TYPE_CHECKING:
    from generators.bundle import Artefact
    from generators.validate.room import Outcome

__all__ = ["judge"]

CONFIG = "/etc/rabbitmq/rabbitmq.conf"
PLUGINS = "/etc/rabbitmq/enabled_plugins"
LINE_LENGTH_MAX = 400
"""What is kept of one line: Erlang prints whole supervision trees, with the reason early."""

LISTENER = re.compile(
    r"^(?P<key>(?:\w+\.)*listeners\.(?:tcp|ssl)\.\w+|\w+\.(?:tcp|ssl)\.port)[ \t]*=[ \t]*(?:\S*:)?(?P<port>\d+)[ \t]*$",
    re.MULTILINE,
)
LOGGED = re.compile(r"^\d{4}-\d\d-\d\d \S+ (?:\[(?P<level>\w+)\] )?(?:<[\d.]+> ?)?(?P<text>.*)$")
SOURCED = re.compile(r"^\S+: (?:line )?(?P<line>\d+): (?P<path>/etc/rabbitmq/[^:]+): (?P<text>.*)$")
"""A mistake in rabbitmq-env.conf, which the start script reads as shell."""
TERMS = re.compile(r"^(?P<path>/etc/rabbitmq/[^:]+): ?(?P<line>\d+): (?P<text>.*)$")
START = re.compile(r"^(?:Error|ERROR)\b")
NOISE = re.compile(r"^(?:=+|BOOT FAILED|)$|^Error preparing configuration")
SUMMARY = re.compile(r"^Error during startup: \{error,failed_to_\w+\}$")
AFTERMATH = re.compile(r"^ *(?:supervisor:|crash\w*:|offender:)|Kernel pid terminated|rabbitmq_prelaunch exited")
NO_LISTENER = re.compile(
    r'could_not_start_listener,"(?P<address>[^"]*)",(?P<port>\d+).*?(?P<why>\be[a-z]+)\}', re.DOTALL
)


def judge(files: dict[str, Artefact], outcome: Outcome) -> Iterator[Finding]:
    """Read the answer of ``_boot.py``."""
    if outcome.exit_status is None:
        return
    try:
        told: dict[str, Any] = json.loads(outcome.output)
    except ValueError:
        yield Finding(f"the boot broke off: {outcome.output.strip()[-LINE_LENGTH_MAX:] or outcome.ended}")
        return
    yield from _serving(told, files) if told["serves"] else _failing(told, files)


def _serving(told: dict[str, Any], files: dict[str, Artefact]) -> Iterator[Finding]:
    """Compare what a node does with what its files ask for."""
    config = files[CONFIG].content
    for found in LISTENER.finditer(config):
        if int(found["port"]) not in told["ports"]:
            yield Finding(f"{_place(CONFIG, config, found.start())}{found['key']}: nothing listens on {found['port']}")
    if PLUGINS in files and told["plugins"]["status"] == 0:
        wanted = files[PLUGINS].content
        running = set(re.findall(r"\w+", told["plugins"]["said"]))
        for plugin in re.finditer(r"\w+", re.sub(r"%.*", lambda comment: " " * len(comment[0]), wanted)):
            if plugin[0] not in running:
                yield Finding(f"{_place(PLUGINS, wanted, plugin.start())}{plugin[0]}: this RabbitMQ runs without it")
    for path, answer in told["imports"].items():
        if answer["status"] != 0:
            text = " ".join(answer["said"].split())[:LINE_LENGTH_MAX]
            yield Finding(f"{_in_definitions(path, files[path].content, text)}: cannot be imported: {text}")


def _place(path: str, text: str, offset: int) -> str:
    return f"{path}:{text.count(chr(10), 0, offset) + 1}: "


def _in_definitions(path: str, content: str, said: str) -> str:
    """Find where definitions are wrong: where they stop being JSON, else where the words that are quoted stand."""
    try:
        json.loads(content)
    except json.JSONDecodeError as error:
        return f"{path}:{error.lineno}"
    for word in re.findall(r"'([^']+)'", said):
        if (offset := content.find(json.dumps(word))) >= 0:
            return _place(path, content, offset).rstrip(": ")
    return path


def _failing(told: dict[str, Any], files: dict[str, Artefact]) -> Iterator[Finding]:
    """Find the few lines that say why a node does not serve."""
    reasons = list(dict.fromkeys(_reasons(told["node"]))) or list(dict.fromkeys(_reasons(told["logs"])))
    if len(reasons) > 1:
        reasons = [reason for reason in reasons if not SUMMARY.match(reason)]
    for line in told["terms"].splitlines():
        if terms := TERMS.match(line):
            yield Finding(f"{terms['path']}:{terms['line']}: {terms['text']}")
    keys = {
        line.partition("=")[0].strip(): number
        for number, line in enumerate(files[CONFIG].content.splitlines(), start=1)
        if "=" in line and not line.lstrip().startswith("#")
    }
    for reason in reasons:
        yield Finding(_located(reason, keys, files[CONFIG].content)[:LINE_LENGTH_MAX])
    if told["exit"] is None:
        lines = [line for line in told["control"].splitlines() if line.strip()]
        yield Finding(f"the node never served: {lines[0] if lines else 'it did not say why'}")
        yield from (Finding(f"the last it logged: {line}"[:LINE_LENGTH_MAX]) for line in told["logs"].splitlines()[-3:])
    elif not reasons:
        yield Finding(f"rabbitmq-server ended with exit status {told['exit']}")


def _located(reason: str, keys: dict[str, int], config: str) -> str:
    if sourced := SOURCED.match(reason):
        return f"{sourced['path']}:{sourced['line']}: {sourced['text']}"
    if refused := NO_LISTENER.search(reason):
        text = f"cannot listen on {refused['address']}:{refused['port']}: {refused['why']}"
        found = next((one for one in LISTENER.finditer(config) if one["port"] == refused["port"]), None)
        return _place(CONFIG, config, found.start()) + text if found else text
    key = next((word for word in re.findall(r"\w[\w.]*\w", reason) if word in keys), "")
    return f"{CONFIG}:{keys[key]}: {reason}" if key else reason


def _reasons(text: str) -> Iterator[str]:
    """Give what was logged or printed as an error, the lines that go on from another joined to it."""
    reason = ""
    for line in text.splitlines():
        logged = LOGGED.match(line)
        said = logged["text"] if logged else line
        if AFTERMATH.search(said):
            break
        goes_on = said.startswith("   ") and reason != ""
        if goes_on:
            reason += " " + said.strip()
            continue
        if reason:
            yield reason
        begins = logged["level"] in ("error", "critical", None) if logged else START.match(line) or SOURCED.match(line)
        said = said.strip().removeprefix("- ")
        reason = said if begins and not NOISE.match(said) else ""
    if reason:
        yield reason
