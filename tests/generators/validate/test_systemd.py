"""systemd-analyze judges units and drop-ins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from generators.bundle import Artefact
from generators.validate import Status, Verdict

Check = Callable[..., tuple[Verdict, ...]]
pytestmark = [pytest.mark.needs("systemd-analyze", "systemd-tmpfiles"), pytest.mark.usefixtures("private")]

SYSTEM = "/etc/systemd/system"
GOOD = "[Service]\nLimitNOFILE=65536\nRestart=on-failure\nTimeoutStartSec=600\n"


def drop_in(text: str, unit: str = "nowhere-installed.service", name: str = "rmqha") -> Artefact:
    """A drop-in of one host."""
    return Artefact("a", f"{SYSTEM}/{unit}.d/{name}.conf", text)


def test_good(check: Check) -> None:
    """A good drop-in passes; that its unit is not installed here is told, and no reason to fail."""
    (verdict,) = check("systemd-analyze", drop_in(GOOD))
    assert verdict.status is Status.OK
    assert verdict.detail == ("nowhere-installed.service is not installed here: an empty unit stood in for it",)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("LimitNOFILE", "LimitNOFIEL", 2, "Unknown key"),
        ("65536", "lots", 2, "Failed to parse"),
        ("[Service]", "[Servic]", 1, "Unknown section"),
        ("on-failure", "sometimes", 3, "Failed to parse"),
    ],
)
def test_bad(check: Check, old: str, new: str, line: int, words: str) -> None:
    """What systemd would silently leave out is a failure, at its line; the drop-in beside it is fine."""
    good, bad = drop_in(GOOD, name="good"), drop_in(GOOD.replace(old, new), name="mistaken")
    found = {one.paths[0]: one for one in check("systemd-analyze", good, bad)}
    assert found[good.tree_path].status is Status.OK
    assert found[bad.tree_path].status is Status.FAILED
    assert found[bad.tree_path].detail[0].startswith(f"{bad.tree_path}:{line}: ")
    assert words in found[bad.tree_path].detail[0]


def test_contradiction(check: Check) -> None:
    """What makes systemd refuse the unit is a failure, though it names no line."""
    (verdict,) = check("systemd-analyze", drop_in("[Service]\nType=oneshot\nRestart=always\n"))
    assert verdict.status is Status.FAILED
    assert "Type=oneshot" in verdict.detail[0]


def test_whole_unit(check: Check) -> None:
    """A unit of our own is judged, templates too, even when it starts what is not installed here."""
    unit = Artefact("a", f"{SYSTEM}/ours@.service", "[Service]\nExecStart=/opt/ours/run --name %i\n")
    timer = Artefact("a", f"{SYSTEM}/ours.timer", "[Timer]\nOnBootSec=soon\nUnit=ours@x.service\n")
    found = {one.paths[0]: one for one in check("systemd-analyze", unit, timer)}
    assert found[unit.tree_path].status is Status.OK, found
    assert found[timer.tree_path].status is Status.FAILED
    assert found[timer.tree_path].detail[0].startswith(f"{timer.tree_path}:2: ")


def test_tmpfiles(check: Check) -> None:
    """A folder to be made passes, with a user this machine lacks; a line of an unknown type fails."""
    path = "/etc/tmpfiles.d/rmqha.conf"
    text = "# folders\nd /run/rmqha 0750 hapless hapless -\nd /usr/rmqha/dev 0755 root root\nd /rmqha-top 0755\n"
    (good,) = check("systemd-tmpfiles", Artefact("a", path, text))
    assert (good.status, good.detail) == (Status.OK, ())
    for old, new, line in (("d /run", "dd /run", 2), ("0755", "755x", 3)):
        (bad,) = check("systemd-tmpfiles", Artefact("a", path, text.replace(old, new)))
        assert bad.status is Status.FAILED
        assert bad.detail[0].startswith(f"a{path}:{line}: ")
    assert not Path("/usr/rmqha").exists()
