"""Errors: how a problem, a path and a guess at a spelling are written."""

from __future__ import annotations

import pytest

from rmqha_model.errors import Place, Problem, did_you_mean, show_path


def test_a_problem_has_four_parts() -> None:
    """Where, what was found, what is allowed, what to do; what is not known is left out."""
    problem = Problem(("hosts", "a", "address"), "found 5", "an address", "write it in quotes")
    assert str(problem) == "hosts.a.address: found 5; allowed: an address; write it in quotes"
    assert str(problem.at(Place("f.yaml", 3, 7))).startswith("f.yaml:3:7: hosts.a.address: found 5")
    assert str(Problem((), "found nothing")) == "(top level): found nothing"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("haproxy", "listeners", "amqp", "servers", 2), "haproxy.listeners.amqp.servers[2]"),
        (("rabbitmq", "vhosts", "/", "max_queues"), "rabbitmq.vhosts['/'].max_queues"),
        (("rabbitmq", "policies", 0, "definition", "ha-mode"), "rabbitmq.policies[0].definition.ha-mode"),
        (("hosts", "a.b"), "hosts['a.b']"),
        ((), "(top level)"),
    ],
)
def test_paths_are_written_as_users_type_them(path: tuple[str | int, ...], text: str) -> None:
    """Keys have dots between them, indexes and odd keys brackets."""
    assert show_path(path) == text


@pytest.mark.parametrize(
    ("word", "known", "hint"),
    [
        ("hearbeat", ("heartbeat", "hosts"), "did you mean 'heartbeat'?"),
        ("Master", ("BACKUP", "MASTER"), "did you mean 'MASTER'?"),
        ("QUORUM", ("quorum", "Quorum"), "did you mean 'quorum'?"),
        ("zebra", ("heartbeat", "hosts"), ""),
        ("x", (), ""),
        ("", ("a",), ""),
    ],
)
def test_the_nearest_spelling(word: str, known: tuple[str, ...], hint: str) -> None:
    """A word that is nearly a known one gets a hint, whatever its case."""
    assert did_you_mean(word, known) == hint


def test_the_nearest_of_very_many_spellings() -> None:
    """Among thousands the nearest is found as well."""
    known = [f"rabbit-node-{number}" for number in range(5_000)]
    assert did_you_mean("rabit-node-4711", known) == "did you mean 'rabbit-node-4711'?"
