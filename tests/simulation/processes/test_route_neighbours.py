"""A neighbour entry for a virtual address, as Linux keeps it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.machines.machine import NEVER
from simulation.processes.route_neighbours import Heard, Leads, Looked, Neighbour

REACHABLE_S = 22.0


class Segment:
    """Who answers, and one entry for the address."""

    def __init__(self, *answers: str, host: str | None = "one") -> None:
        self.answers = list(answers)
        self.asked = 0
        self.entry = Neighbour(0.0, host, self._ask, lambda _: REACHABLE_S)

    def _ask(self) -> str | None:
        self.asked += 1
        return next(iter(self.answers), None)

    def run(self, until: float) -> list[Leads]:
        """Fire all that is due before an instant."""
        said: list[Leads] = []
        while self.entry.due < until:
            said += self.entry.fire()
        return said


def test_one_that_works_costs_nothing() -> None:
    """Acknowledgements keep it REACHABLE."""
    assert Segment("one").entry.due == NEVER


def test_a_host_that_went_without_a_word_is_found_out_late() -> None:
    """REACHABLE for the kernel's draw, DELAY for 5 s, three probes a second apart: 15 + 8 to 45 + 8 s."""
    segment = Segment("two")
    segment.entry.feed(10.0, Looked(works=False, answered=True))
    assert segment.run(100.0) == [Leads(10.0 + REACHABLE_S + 8.0, "two")]
    assert segment.asked == 1


def test_it_comes_back_in_time() -> None:
    """An answer to the third probe is enough; after it the address is asked for anew."""
    last_probe = 10.0 + REACHABLE_S + 5.0 + 2.0
    for back, asked in ((12.0, 0), (40.0 - 5.0, 0), (last_probe, 0), (last_probe + 0.5, 1)):
        segment = Segment("one")
        segment.entry.feed(10.0, Looked(works=False, answered=False))
        segment.run(back)
        segment.entry.feed(back, Looked(works=True, answered=True))
        assert segment.run(1000.0) == []
        assert (segment.asked, segment.entry.host, segment.entry.due) == (asked, "one", NEVER)


def test_gratuitous_arp_overrides_at_once() -> None:
    """It makes the entry STALE: what it says is believed for 8 s where nothing confirms it."""
    segment = Segment("one")
    assert segment.entry.feed(10.0, Heard("two", works=True)) == [Leads(10.0, "two")]
    assert segment.run(1000.0) == []
    assert segment.entry.feed(20.0, Heard("three", works=False)) == [Leads(20.0, "three")]
    assert segment.run(1000.0) == [Leads(28.0, "one")]


def test_one_that_says_what_is_known_changes_no_state() -> None:
    """neigh_update leaves a valid entry as it is when the address is the same."""
    segment = Segment("two")
    segment.entry.feed(10.0, Looked(works=False, answered=True))
    assert segment.entry.feed(20.0, Heard("one", works=False)) == []
    assert segment.run(1000.0) == [Leads(40.0, "two")]


def test_nobody_answers() -> None:
    """Questions go out each second; the first one that somebody can answer is answered."""
    segment = Segment(host=None)
    assert (segment.entry.host, segment.entry.due) == (None, NEVER)
    segment.answers.append("two")
    segment.entry.feed(7.3, Looked(works=False, answered=True))
    assert segment.run(100.0) == [Leads(8.0, "two")]


def test_a_lost_answer_costs_a_second() -> None:
    """Somebody is there, but the first questions were in vain."""
    segment = Segment()
    segment.entry.feed(10.0, Looked(works=False, answered=True))
    said = segment.run(10.0 + REACHABLE_S + 8.5)
    assert said == [Leads(10.0 + REACHABLE_S + 8.0, None)]
    segment.run(10.0 + REACHABLE_S + 9.5)
    segment.answers.append("two")
    assert segment.run(100.0) == [Leads(10.0 + REACHABLE_S + 10.0, "two")]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(0.01, 20.0), st.booleans()), min_size=1, max_size=12))
def test_never_misled_for_longer_than_a_kernel_believes(changes: list[tuple[float, bool]]) -> None:
    """Whatever came and went, once it stays away the entry leads elsewhere within the draw and 8 s."""
    segment = Segment("two")
    now = 0.0
    for gap, works in changes:
        now += gap
        segment.run(now)
        segment.entry.feed(now, Looked(works=works and segment.entry.host == "one", answered=True))
    segment.run(now)
    if segment.entry.host == "one":
        segment.entry.feed(now, Looked(works=False, answered=True))
        said = segment.run(1000.0)
        assert [each.host for each in said] == ["two"]
        assert said[0].at <= now + REACHABLE_S + 8.0 + 1e-9
