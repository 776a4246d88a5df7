"""What a publisher knows of its messages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from integration.clients.outbox import Outbox


def test_numbers_go_up_and_wait_for_their_confirm() -> None:
    """Each message gets the next number and waits until its tag is answered."""
    outbox = Outbox()
    assert [outbox.send(0.0), outbox.send(0.1)] == [1, 2]
    assert (outbox.waiting, outbox.oldest) == (2, 0.0)
    assert outbox.answered(1, multiple=False, ack=True) == [1]
    assert (outbox.waiting, outbox.oldest, outbox.settled) == (1, 0.1, False)
    assert outbox.answered(2, multiple=False, ack=True) == [2]
    assert outbox.settled


def test_one_answer_may_be_about_many() -> None:
    """An answer with `multiple` is about all up to its tag; tag 0 is about all there are."""
    outbox = Outbox()
    for _ in range(5):
        outbox.send(0.0)
    assert outbox.answered(3, multiple=True, ack=True) == [1, 2, 3]
    assert outbox.answered(0, multiple=True, ack=True) == [4, 5]


def test_an_answer_to_nothing_is_about_nothing() -> None:
    """A tag that does not wait any more changes nothing."""
    outbox = Outbox()
    outbox.send(0.0)
    assert outbox.answered(7, multiple=False, ack=True) == []
    assert outbox.waiting == 1


def test_what_is_lost_is_sent_again_in_its_order_before_new_messages() -> None:
    """A lost channel leaves unknown messages, which go out first, under their numbers and with new tags."""
    outbox = Outbox()
    for _ in range(3):
        outbox.send(0.0)
    outbox.answered(2, multiple=False, ack=True)
    assert outbox.lost() == [1, 3]
    assert [outbox.send(1.0) for _ in range(3)] == [1, 3, 4]
    assert outbox.answered(1, multiple=False, ack=True) == [1]


def test_a_nack_is_sent_again_at_the_end() -> None:
    """A refused message comes after those that wait to be sent again already."""
    outbox = Outbox()
    for _ in range(3):
        outbox.send(0.0)
    outbox.answered(1, multiple=False, ack=False)
    outbox.lost()
    assert [outbox.send(1.0) for _ in range(3)] == [2, 3, 1]


def test_without_retry_nothing_is_sent_again() -> None:
    """A publisher that does not retry goes on with new messages."""
    outbox = Outbox(retry=False)
    outbox.send(0.0)
    assert outbox.lost() == [1]
    assert outbox.settled
    assert outbox.send(1.0) == 2


def test_without_confirms_nothing_waits() -> None:
    """Who asks for no confirms knows of nothing that is open."""
    outbox = Outbox(confirms=False)
    assert outbox.send(0.0) == 1
    assert outbox.settled
    assert outbox.lost() == []


def test_at_the_end_only_what_is_due_again_goes_out() -> None:
    """When no new message is wanted, what must be sent again still is."""
    outbox = Outbox()
    outbox.send(0.0)
    outbox.lost()
    assert outbox.send(1.0, new=False) == 1
    assert outbox.send(1.0, new=False) is None


@given(st.lists(st.sampled_from(["send", "ack", "nack", "all", "lost"]), max_size=60))
def test_no_number_is_forgotten(steps: list[str]) -> None:
    """Whatever happens, each number is confirmed, waits, or will be sent again; never two of these."""
    outbox, sent, confirmed, last_tag, tags = Outbox(), set[int](), set[int](), 0, list[int]()
    for step in steps:
        if step == "send":
            number = outbox.send(0.0)
            assert number is not None
            assert number not in confirmed
            sent.add(number)
            last_tag += 1
            tags.append(last_tag)
        elif step == "lost":
            outbox.lost()
            last_tag, tags = 0, []
        elif tags:
            tag = tags.pop(0) if step != "all" else tags[-1]
            answered = outbox.answered(tag, multiple=step == "all", ack=step != "nack")
            tags = [] if step == "all" else tags
            confirmed |= set(answered) if step != "nack" else set()
    outbox.lost()
    left = set()
    while (number := outbox.send(0.0, new=False)) is not None:
        left.add(number)
    assert left | confirmed == sent
    assert not left & confirmed
