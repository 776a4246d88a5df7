"""Specifications travel as JSON, and passwords nowhere else."""

from __future__ import annotations

import pytest

from integration.clients import ConsumeSpec, DeclareSpec, Login, ProbeSpec, PublishSpec, QueueSpec, Spec, Target

TARGET = Target((("10.0.0.1", 5672), ("fd00::1", 5671)), 2.5, tls=True, ca="PEM")
LOGIN = Login("app", "hush", "v", 10, 1.0, 0.5)


@pytest.mark.parametrize(
    "spec",
    [
        ProbeSpec("fresh", TARGET, "1/fresh", every_s=0.05, patience_s=1),
        PublishSpec("orders", TARGET, login=LOGIN, queue="q", run="r", count=3, retry=False),
        ConsumeSpec("workers", TARGET, login=LOGIN, queue="q", run="r", until_empty=True),
        DeclareSpec("d", TARGET, login=LOGIN, queues=(QueueSpec("q", arguments={"x-max-length": 3}),), declare=False),
    ],
)
def test_a_specification_reads_back_equal(spec: Spec) -> None:
    """What is written on a line is what is read from it."""
    line = spec.line()
    assert line.count("\n") == 1
    assert type(spec).read(line) == spec


def test_a_password_is_not_shown() -> None:
    """Whoever prints a specification does not print its password."""
    assert "hush" not in repr(PublishSpec("orders", TARGET, login=LOGIN, queue="q", run="r"))


def test_connections_of_one_label_are_numbered() -> None:
    """One connection has the label's name, several have numbers."""
    spec = PublishSpec("orders", TARGET, login=LOGIN, queue="q", run="r")
    assert spec.names() == ("orders",)
    assert PublishSpec("orders", TARGET, login=LOGIN, queue="q", run="r", count=2).names() == ("orders-1", "orders-2")
