"""Whether the cluster holds what the design declares: users, permissions, policies, limits, queues, bindings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from generators.definitions import Definitions
from integration.diagnose.finding import Finding
from integration.errors import LabError
from rmqha_model.usual import OWN

if TYPE_CHECKING:
    from integration.host import Stack

__all__ = ["differences", "exported", "of_cluster"]

Objects: TypeAlias = list[dict[str, Any]]
Key: TypeAlias = tuple[str, ...]


def exported(stack: Stack) -> dict[str, Objects]:
    """Give the definitions that the cluster holds, from the first broker that gives them.

    Raises:
        LabError: no broker does.
    """
    said = ""
    for host in stack.topology.brokers:
        if not stack.hosts[host].running:
            continue
        done = stack.hosts[host].run("rabbitmqctl", "--quiet", "export_definitions", "-", timeout_s=90)
        start = done.out.find("{")
        if not done.status and start >= 0:
            return dict(json.JSONDecoder().raw_decode(done.out[start:])[0])
        said = f"{host}: {(done.err or done.out).strip()[-300:]}"
    raise LabError(f"no broker exports its definitions: {said or 'none has power'}")


def of_cluster(stack: Stack) -> Iterator[Finding]:
    """Give what the cluster lacks, or has otherwise than the design."""
    try:
        there = exported(stack)
    except LabError as error:
        todo = "mend the brokers first"
        yield Finding("definitions", "cluster", str(error), "a cluster that tells what it holds", todo)
        return
    yield from differences(stack, there)


def differences(stack: Stack, there: dict[str, Objects]) -> Iterator[Finding]:
    """Compare what the cluster holds with the design, kind by kind."""
    topology = stack.topology
    made: dict[str, Objects] = json.loads(Definitions(topology, stack.secrets).whole())
    for kind, (word, key, facts) in _KINDS.items():
        found = {key(thing): facts(thing) for thing in there.get(kind, ())}
        for thing in made.get(kind, ()):
            yield from _compare(word, key(thing), facts(thing), found)
    yield from _too_many(stack, there, made)


def _compare(word: str, key: Key, wanted: dict[str, Any], found: dict[Key, dict[str, Any]]) -> Iterator[Finding]:
    where = f"{word} {_named(key)}"
    todo = _MEND[word]
    if key not in found:
        yield Finding("definitions", where, "nothing of that name", "it to be there, as the design says", todo)
        return
    for name, value in wanted.items():
        is_value = _mapped(found[key].get(name))
        if value is False and is_value is None:
            continue  # What is false is left out of some exports: an exchange's `internal` in 4.0.
        if name in {"arguments", "definition"}:
            # Newer releases add to arguments what they decided themselves, such as x-queue-type.
            is_value = {part: is_value.get(part) for part in value} if isinstance(is_value, dict) else is_value
        if is_value != value:
            yield Finding("definitions", where, f"{name} {_shown(is_value)}", f"{name} {_shown(value)}", todo)


def _too_many(stack: Stack, there: dict[str, Objects], made: dict[str, Objects]) -> Iterator[Finding]:
    rabbitmq = stack.topology.rabbitmq
    users = {user["name"] for user in there.get("users", ())}
    if rabbitmq.delete_guest and "guest" in users:
        todo = "rabbitmqctl delete_user guest"
        yield Finding("definitions", "user guest", "the well-known account", "no such user", todo)
    wanted = {_of_vhost(policy) for policy in made.get("policies", ())}
    for policy in there.get("policies", ()):
        strange = _of_vhost(policy) not in wanted and policy["vhost"] in rabbitmq.vhosts
        if strange and not policy["name"].startswith(OWN):
            todo = f"rabbitmqctl clear_policy -p {policy['vhost']} {policy['name']}, or put it into the design"
            found = "a policy that the design does not have, which may displace one it has"
            yield Finding("definitions", f"policy {_named(_of_vhost(policy))}", found, "no such policy", todo)


# -- kinds ----------------------------------------------------------------------------------------------


def _by_name(thing: dict[str, Any]) -> Key:
    return (str(thing["name"]),)


def _of_vhost(thing: dict[str, Any]) -> Key:
    return str(thing["vhost"]), str(thing["name"])


def _of_permission(thing: dict[str, Any]) -> Key:
    return str(thing["vhost"]), str(thing["user"])


def _of_parameter(thing: dict[str, Any]) -> Key:
    return str(thing["vhost"]), str(thing["component"]), str(thing["name"])


def _of_binding(thing: dict[str, Any]) -> Key:
    parts = ("vhost", "source", "destination_type", "destination", "routing_key")
    arguments = json.dumps(thing.get("arguments") or {}, sort_keys=True)
    return (*(str(thing[part]) for part in parts), arguments)


def _only(*names: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda thing: {name: thing.get(name) for name in names}


def _user(thing: dict[str, Any]) -> dict[str, Any]:
    tags = thing.get("tags") or []
    words = tags.split(",") if isinstance(tags, str) else tags
    return {"tags": sorted(word.strip() for word in words if word.strip())}


_KINDS: dict[str, tuple[str, Callable[[dict[str, Any]], Key], Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "vhosts": ("vhost", _by_name, _only()),
    "users": ("user", _by_name, _user),
    "permissions": ("permission", _of_permission, _only("configure", "write", "read")),
    "parameters": ("parameter", _of_parameter, _only("value")),
    "policies": ("policy", _of_vhost, _only("pattern", "apply-to", "priority", "definition")),
    "exchanges": ("exchange", _of_vhost, _only("type", "durable", "auto_delete", "internal", "arguments")),
    "queues": ("queue", _of_vhost, _only("durable", "auto_delete", "arguments")),
    "bindings": ("binding", _of_binding, _only()),
}

_USERS = "/usr/local/sbin/rmqha-apply-users on a broker"
_POLICIES = "/usr/local/sbin/rmqha-apply-policies on a broker"
_QUEUES = "/usr/local/sbin/rmqha-apply-queues on a broker; it does not change what exists: delete that first"
_MEND = {
    "vhost": _USERS,
    "user": _USERS,
    "permission": _USERS,
    "parameter": _POLICIES,
    "policy": _POLICIES,
    "exchange": _QUEUES,
    "queue": _QUEUES,
    "binding": _QUEUES,
}


def _named(key: Key) -> str:
    return " ".join(part or "(none)" for part in key if part != "{}")


def _mapped(value: Any) -> Any:
    """Give *value* with mappings in place of lists of pairs, which rabbitmqctl makes of those in parameters."""
    if (
        isinstance(value, list)
        and value
        and all(isinstance(v, list) and len(v) == 2 and isinstance(v[0], str) for v in value)
    ):
        return {name: _mapped(inner) for name, inner in value}
    if isinstance(value, dict):
        return {name: _mapped(inner) for name, inner in value.items()}
    return value


def _shown(value: Any) -> str:
    return json.dumps(value, sort_keys=True)[:300]
