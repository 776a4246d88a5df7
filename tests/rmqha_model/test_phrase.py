"""Faults in a few words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmqha_model.document import load
from rmqha_model.faults import CATALOGUE
from rmqha_model.phrase import PhraseError, parse
from rmqha_model.scenario import Scenario
from rmqha_model.topology import Topology

ARTICLE = load(Path(__file__).parents[2] / "examples/article.yaml", Topology)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("kill broker rabbit2", {"fault": "broker_kill", "host": "rabbit2"}),
        ("broker_kill @leader for 40s", {"fault": "broker_kill", "host": "@leader", "for": "40s"}),
        ("power-loss rabbit3", {"fault": "host_power_loss", "host": "rabbit3"}),
        ("power loss", {"fault": "site_power_loss"}),
        ("power loss rabbit1, rabbit2", {"fault": "site_power_loss", "hosts": ["rabbit1", "rabbit2"]}),
        ("hang haproxy rabbit1", {"fault": "haproxy_hang", "host": "rabbit1"}),
        ("freeze rabbitmq rabbit1", {"fault": "broker_hang", "host": "rabbit1"}),
        ("unplug rabbit1 at 3s", {"fault": "link_down", "host": "rabbit1", "at": "3s"}),
        ("kill keepalived rabbit1 process=child", {"fault": "keepalived_kill", "host": "rabbit1", "process": "child"}),
        (
            "partition rabbit1 from rabbit2 and rabbit3",
            {"fault": "partition", "between": [["rabbit1"], ["rabbit2", "rabbit3"]]},
        ),
        ("rolling restart layer=brokers", {"fault": "rolling_restart", "layer": "brokers"}),
    ],
)
def test_words_name_a_fault(text: str, fault: dict[str, Any]) -> None:
    """In any order, with synonyms; the scenario takes what comes of it."""
    found = parse(text, ARTICLE)
    assert found == {"at": "10s", **fault}
    Scenario.model_validate({"name": "x", "faults": [found], "duration": "300s"}).check(ARTICLE)


def test_a_fault_lasts_as_long_as_is_said_or_usual() -> None:
    """One that ends by itself is given no length."""
    assert parse("kill broker rabbit2", ARTICLE, lasts="60s")["for"] == "60s"
    assert parse("kill broker rabbit2 for 5s", ARTICLE, lasts="60s")["for"] == "5s"
    assert "for" not in parse("reboot rabbit2", ARTICLE, lasts="60s")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kil broker rabbit2", "did you mean 'kill'?"),
        ("kill rabbit2", "found words of broker_kill, haproxy_kill, keepalived_kill"),
        ("kill broker", "found no host; allowed: one of rabbit1, rabbit2, rabbit3, @vip_owner"),
        ("kill broker rabbit1 rabbit2", "found 2 hosts"),
        ("hang haproxy rabit1", "did you mean 'rabbit1'?"),
        ("kill broker @chief", "found @chief; allowed: @vip_owner"),
        ("partition rabbit1", "found one side; allowed: partition HOST[,HOST...] from HOST[,HOST...]"),
        ("", "found no fault; allowed: broker_kill"),
        ("kill hang rabbit1", "found no fault of the words kill, hang"),
    ],
)
def test_other_words_are_refused(text: str, words: str) -> None:
    """It is said what was found and what is allowed."""
    with pytest.raises(PhraseError) as error:
        parse(text, ARTICLE)
    assert words in str(error.value)


@given(st.sampled_from(sorted(CATALOGUE)), st.randoms(use_true_random=False))
def test_every_fault_is_named_by_its_own_words(name: str, random: Any) -> None:
    """In whatever order they come."""
    words = [*name.split("_"), "rabbit1"]
    random.shuffle(words)
    if name == "partition":
        words = ["partition", "rabbit1", "from", "rabbit2"]
    assert parse(" ".join(words), ARTICLE)["fault"] == name


@given(st.text(max_size=40))
def test_any_text_gives_a_fault_or_a_clear_error(text: str) -> None:
    """Never anything else."""
    try:
        fault = parse(text, ARTICLE)
    except PhraseError as error:
        said = str(error)
    else:
        said = f"allowed: {fault['fault']}"
    assert "allowed" in said or "did you mean" in said
