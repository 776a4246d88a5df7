"""Ten thousand damaged designs: each is read, or refused in words, and soon; none ends in a traceback.

The examples are damaged as texts (bytes, signs, words, lines) and as data (keys, values, whole branches), written in
all three syntaxes, beside plain garbage. What is still a design afterwards goes through the generators as well. The
damage is the same in every run: batch and number of an input are all it depends on.
"""

from __future__ import annotations

import hashlib
import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from damage import DAMAGES, DUMPS, damaged, garbage, grown, parsed

from generators import generate
from rmqha_model.document import Syntax, load
from rmqha_model.errors import RmqhaError
from rmqha_model.secrets import Secrets
from rmqha_model.topology import Topology

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [path.read_text("utf-8") for path in sorted((ROOT / "examples").glob("*.yaml")) if path.name != "secrets.yaml"]
BATCHES, SIZE = 20, 500
TIME_MAX_S = 1.0


def inputs(batch: int) -> Iterator[tuple[bytes, Syntax]]:
    """Give the inputs of a batch, each with the syntax it is read as."""
    for number in range(SIZE):
        chance = random.Random(f"{batch} {number}")  # noqa: S311 - the same in every run
        text = chance.choice(TEXTS)
        syntax: Syntax = chance.choice(("yaml", "yaml", "json", "toml"))
        dump = DUMPS[syntax]
        match number % 10:
            case 0 | 1 | 2:
                yield _bytes(dump(damaged(parsed(text), chance))), syntax
            case 3 | 4 | 5:
                yield _bytes(dump(grown(parsed(text), chance))), syntax
            case 6 if chance.random() < 0.5:
                yield garbage(chance), syntax
            case _:
                whole = text if syntax == "yaml" else dump(parsed(text))
                yield _bytes(chance.choice(DAMAGES)(whole, chance)), syntax


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def secrets_of(topology: Topology) -> Secrets:
    """Give a value for each secret of a design."""
    return Secrets(
        {
            need.source: need.source.literal.get_secret_value()
            if need.source.literal
            else hashlib.sha256(str(need.source).encode()).hexdigest()[: need.length]
            for need in topology.secret_needs()
        }
    )


def outcome(path: Path, seen: set[str]) -> str:
    """Read a file, and generate from it where it is a design that was not *seen* yet."""
    try:
        topology = load(path, Topology)
        if topology.digest not in seen:
            seen.add(topology.digest)
            assert generate(topology, secrets_of(topology)).artefacts
            return "generated"
    except RmqhaError as error:
        text = str(error)
        assert text
        assert all(line.isprintable() for line in text.split("\n"))
        return "refused"
    return "read"


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_damage_ends_in_a_traceback(
    batch: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A damaged design is read or refused in words, in less than a second."""
    counts: Counter[str] = Counter()
    seen: set[str] = set()
    for number, (raw, syntax) in enumerate(inputs(batch)):
        path = tmp_path / f"damaged.{syntax}"
        path.write_bytes(raw)
        started = time.process_time()
        try:
            counts[outcome(path, seen)] += 1
        except Exception:  # noqa: BLE001 - whatever it is, it is the finding
            pytest.fail(
                f"batch {batch}, input {number}, as {syntax}:\n{raw[:3000]!r}\n{traceback.format_exc()}", pytrace=False
            )
        took = time.process_time() - started
        assert took < TIME_MAX_S, f"batch {batch}, input {number} took {took:.1f} s: {raw[:1000]!r}"
    record_property("outcomes", dict(counts))
    assert counts.total() == SIZE
    assert counts["generated"] > SIZE // 50
    assert counts["refused"] > SIZE // 3


def test_ten_thousand() -> None:
    """All batches together are ten thousand inputs, and hardly any two are the same."""
    assert BATCHES * SIZE == 10_000
    texts = [raw for raw, _ in inputs(0)]
    assert len(set(texts)) > 0.95 * SIZE
