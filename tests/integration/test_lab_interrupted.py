"""Labs that are taken down because somebody wants an end, who then wants it again: nothing is left, or it is said."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from integration.errors import LabError
from integration.lab import bring_up
from integration.lab.record import Record
from integration.lab.shell import run
from integration.lab.sweep import whole
from integration.suite.options import Options
from rmqha_model.cli.lab import test as command
from rmqha_model.cli.lab.left import tells_what_is_left
from rmqha_model.cli.lab.up import up as up_command
from rmqha_model.document import load
from rmqha_model.topology import Topology

LEFT = "`rmqha lab down one` takes away what is left"
BOTH = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def no_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Labs are in a folder of the test and have nothing but files; SIGTERM ends the program politely."""
    monkeypatch.setenv("RMQHA_LAB_STATE", str(tmp_path / "labs"))
    monkeypatch.setattr(Record, "of_this_boot", False)
    before = signal.signal(signal.SIGTERM, lambda *_: pytest.fail("SIGTERM did not wait"))
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def up(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], None]], object]:
    """Give what makes a lab, as far as the moment in which Ctrl-C is pressed."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt("the first")

    monkeypatch.setattr(bring_up.doctor, "require", lambda: None)
    monkeypatch.setattr(bring_up, "adapted", lambda design, *_: (design, ()))
    monkeypatch.setattr(bring_up.roots, "root", lambda *_: SimpleNamespace(path=root))
    monkeypatch.setattr(bring_up.roots, "releases_in", lambda _: {})
    monkeypatch.setattr(bring_up, "_made", interrupted)
    design = load(root / "examples/no-vip.yaml", Topology)
    return lambda on_step: bring_up.up(design, name="one", on_step=on_step)


def test_second_signal_does_not_cut_short_what_the_first_began(up: Callable[..., object]) -> None:
    """What was made is gone when the interrupt goes on; signals mean afterwards what they meant before."""
    heard = [signal.getsignal(number) for number in BOTH]

    def on_step(_: str) -> None:
        for number in BOTH:
            signal.raise_signal(number)

    with pytest.raises(KeyboardInterrupt, match="the first"):
        up(on_step)
    assert not Record("one").exists
    assert [signal.getsignal(number) for number in BOTH] == heard


def test_maker_says_what_takes_away_what_would_not_go(
    up: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that cannot be removed is no traceback."""

    def busy(path: Path) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy", str(path))

    monkeypatch.setattr("shutil.rmtree", busy)
    with pytest.raises(LabError, match=f"lab one: not all of it went away: .*resource busy.*\n{LEFT}"):
        up(lambda _: None)


def test_signals_wait_and_are_told() -> None:
    """Whoever takes a lab down learns which came."""
    with whole("one") as came:
        signal.raise_signal(signal.SIGTERM)
        assert came == [signal.SIGTERM]
        signal.raise_signal(signal.SIGINT)
    assert came == [signal.SIGTERM, signal.SIGINT]
    with pytest.raises(LabError, match=f"lab one: not all of it went away: a namespace\n{LEFT}"), whole("one"):
        raise LabError("a namespace")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_an_interrupt_leaves_is_told(error: type[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    """Not where nothing is left, nor where a finished lab is to stay."""

    def told(*, stays: bool) -> str:
        with pytest.raises(error), tells_what_is_left("one", stays=stays):
            raise error
        return capsys.readouterr().err

    record = Record("one")
    assert told(stays=False) == ""
    record.begin()
    for stays in (True, False):
        assert told(stays=stays) == f"lab one: not all of it went away; {LEFT}\n"
    record.note(bring_up.READY)
    assert told(stays=True) == ""
    assert LEFT in told(stays=False)


@pytest.mark.parametrize("make", [up_command, command.validate], ids=["up", "test"])
def test_commands_tell_what_an_interrupt_leaves(
    make: Callable[..., None], root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the second signal came too early to wait."""

    def cut_short(*_: object, name: str, **__: object) -> None:
        Record(name).begin()
        raise KeyboardInterrupt

    monkeypatch.setattr("integration.lab.up", cut_short)
    with pytest.raises(KeyboardInterrupt):
        make(root / "examples/no-vip.yaml", name="one")
    assert LEFT in capsys.readouterr().err


# -- lab test ---------------------------------------------------------------------------------------


@pytest.fixture
def tested(monkeypatch: pytest.MonkeyPatch) -> Callable[..., bool]:
    """``tested(run, stays=False)`` runs *run* instead of the suite, on a lab that is up."""
    monkeypatch.setattr("integration.faults.sweep", lambda _: [])

    def test(run: Callable[..., bool], *, stays: bool = False) -> bool:
        record = Record("one")
        record.begin()
        monkeypatch.setattr("integration.suite.run", run)
        lab: Any = SimpleNamespace(name="one", record=record)
        return command._tested(lab, Options(), stays=stays)

    return test


def _raise_while_taken_down(monkeypatch: pytest.MonkeyPatch) -> None:
    from integration.lab import down

    def interrupted(name: str) -> bool:
        for number in BOTH:
            signal.raise_signal(number)
        return down(name)

    monkeypatch.setattr("integration.lab.down", interrupted)


def test_lab_is_taken_down_after_its_test(tested: Callable[..., bool]) -> None:
    """Unless it is to stay."""
    assert tested(lambda *_: True) is True
    assert not Record("one").exists
    assert tested(lambda *_: False, stays=True) is False
    assert Record("one").exists


def test_tested_lab_is_taken_down_whole(tested: Callable[..., bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals wait, whether the test was interrupted before or not; then the command ends as interrupted."""

    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    _raise_while_taken_down(monkeypatch)
    for suite in (lambda *_: True, interrupted):
        with pytest.raises(KeyboardInterrupt):
            tested(suite)
        assert not Record("one").exists


def test_error_of_the_suite_is_told_though_a_signal_came(
    tested: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says more than that somebody pressed Ctrl-C later."""

    def wrong(*_: object) -> bool:
        raise LabError("no test matches")

    _raise_while_taken_down(monkeypatch)
    with pytest.raises(LabError, match="no test matches"):
        tested(wrong)
    assert not Record("one").exists


# -- what cannot work -------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [("pika",), ("pytest",), ("pika", "pytest")], ids="+".join)
def test_packages_that_are_not_there_are_named(missing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """With what installs them, from where there is a package and from a checkout; the doctor says the same."""
    from integration.lab import doctor

    there = doctor._importable
    monkeypatch.setattr(doctor, "_importable", lambda name: name not in missing and there(name))
    with pytest.raises(LabError) as caught:
        command._can_work(None, None, "")
    remedy = "run: pip install 'rmqha-model[lab]'; from a checkout: pip install '.[lab]'"
    assert str(caught.value) == f"found no Python package {' and no '.join(missing)}; {remedy}"
    found = {finding.what: finding for finding in doctor._python()}
    assert list(found) == ["Python package pika", "Python package pytest"]
    assert [finding.remedy for finding in found.values() if not finding.fine] == [remedy] * len(missing)


def test_what_can_be_written_is_not_refused(tmp_path: Path) -> None:
    """Folders are made, as without the question; a file that is there is written anew."""
    file = tmp_path / "build/junit.xml"
    for _ in range(2):
        command._can_work(tmp_path / "a/evidence", file, " (files or not path) and cluster")
        assert (tmp_path / "a/evidence").is_dir()
        file.write_text("x")


def test_read_only_places_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name of the option."""
    monkeypatch.setattr("os.access", lambda *_: False)
    for option, places in (("--evidence", (tmp_path, None)), ("--junit", (None, tmp_path / "x.xml"))):
        with pytest.raises(LabError, match=f"^{option} {tmp_path}.* cannot be written to$"):
            command._can_work(*places, "")


def test_what_takes_a_lab_down_hears_no_terminal() -> None:
    """A terminal sends Ctrl-C to a whole group of processes: `ip netns delete` is in one of its own."""
    group = ["cut", "-d", " ", "-f", "5", "/proc/self/stat"]
    assert int(run(group)) == os.getpgrp()
    assert int(run(group, apart=True)) != os.getpgrp()
