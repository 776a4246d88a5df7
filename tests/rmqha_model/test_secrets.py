"""Secrets: where they come from, what is refused, and that nothing shows them."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from rmqha_model.errors import SecretError
from rmqha_model.secrets import Need, Secret, SecretStore, named, resolve

HUSH = "hunter2hunter2"


@pytest.fixture
def store(tmp_path: Path) -> SecretStore:
    """An empty store."""
    return SecretStore(tmp_path / "secrets.yaml")


def test_a_missing_secret_is_made_strong_and_kept(store: SecretStore) -> None:
    """A name that is new gets 32 letters and digits, in a file that only its owner reads; the next run finds it."""
    old = os.umask(0)
    try:
        value = resolve([Need(named("cookie"), ("cookie",))], store, {})[named("cookie")]
        store.save()
    finally:
        os.umask(old)
    assert re.fullmatch(r"[A-Za-z0-9]{32}", value)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert resolve([Need(named("cookie"), ("cookie",))], SecretStore(store.path), {})[named("cookie")] == value


def test_what_stands_in_the_file_is_kept(store: SecretStore) -> None:
    """Comments, order and quoted values survive a name that is added."""
    store.path.write_text("# mine\nold: 'a b # c'\n\n# end")
    store.path.chmod(0o600)
    again = SecretStore(store.path)
    assert again.get("old", 32) == "a b # c"
    again.get("new", 8)
    again.save()
    text = store.path.read_text()
    assert text.startswith("# mine\nold: 'a b # c'\n\n# end\nnew: ")
    assert SecretStore(store.path).get("old", 32) == "a b # c"


def test_nothing_is_written_when_nothing_is_new(store: SecretStore) -> None:
    """Saving without new names makes no file."""
    store.save()
    assert not store.path.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_file_others_may_touch_is_refused(store: SecretStore, mode: int) -> None:
    """A secrets file with any right for group or others is refused with the command that mends it."""
    store.path.write_text(f"a: {HUSH}\n")
    store.path.chmod(mode)
    with pytest.raises(SecretError, match="chmod 600") as caught:
        SecretStore(store.path)
    assert HUSH not in str(caught.value)


@pytest.mark.parametrize("line", ["a", "a:b", ": x", "A: x", "a: 'x", "a: x: [", f"a: {HUSH}\na: {HUSH}", "- a"])
def test_a_line_that_is_no_secret_is_refused(store: SecretStore, line: str) -> None:
    """A malformed or repeated line is named by number and not shown."""
    store.path.write_text(f"{line}\n")
    store.path.chmod(0o600)
    with pytest.raises(SecretError, match=r"secrets\.yaml:\d:1: ") as caught:
        SecretStore(store.path)
    assert HUSH not in str(caught.value)


def test_a_symbolic_link_is_refused(store: SecretStore, tmp_path: Path) -> None:
    """A link in place of the file is refused: it could lead anywhere."""
    (tmp_path / "real").write_text("a: b\n")
    store.path.symlink_to(tmp_path / "real")
    with pytest.raises(SecretError, match="symbolic link"):
        SecretStore(store.path)


def test_sources(store: SecretStore, tmp_path: Path) -> None:
    """Environment, file, command and literal each give their value."""
    held = tmp_path / "held"
    held.write_text("from-file\n")
    held.chmod(0o600)
    sources = {
        Secret(env="HELD"): "from-env",
        Secret(file=str(held)): "from-file",
        Secret(command=(sys.executable, "-c", "print('from-command')")): "from-command",
        Secret.model_validate({"literal": "123456", "insecure": True}): "123456",
    }
    values = resolve([Need(source, ("x",)) for source in sources], store, {"HELD": "from-env"})
    assert {source: values[source] for source in sources} == sources
    assert HUSH not in repr(values)
    assert "123456" not in repr(values) + repr(list(sources))


def test_all_failures_are_named_at_once(store: SecretStore, tmp_path: Path) -> None:
    """Every source that gives nothing is told, by what it is for, without output of the command."""
    loud = Secret(command=(sys.executable, "-c", f"print('{HUSH}'); raise SystemExit(3)"))
    needs = [
        Need(Secret(env="NOT_SET"), ("first",)),
        Need(Secret(file=str(tmp_path / "none")), ("second",)),
        Need(loud, ("third",)),
        Need(Secret(command=("/nonexistent/program",)), ("fourth",)),
        Need(Secret(env="LINES"), ("fifth",)),
    ]
    with pytest.raises(SecretError) as caught:
        resolve(needs, store, {"LINES": "a\nb"})
    text = str(caught.value)
    assert [line.partition(":")[0] for line in text.splitlines()] == ["first", "second", "third", "fourth", "fifth"]
    assert HUSH not in text


def test_a_secret_too_long_for_its_use_is_refused(store: SecretStore) -> None:
    """A VRRP password of more than 8 bytes would be cut by keepalived: it is refused, unshown."""
    with pytest.raises(SecretError, match="longer than the 8 bytes") as caught:
        resolve([Need(Secret(env="P"), ("vrrp",), 8, 8)], store, {"P": HUSH})
    assert HUSH not in str(caught.value)


@pytest.mark.parametrize(
    "bad",
    [
        HUSH,
        123456,
        {"literal": HUSH},
        {"literal": HUSH, "insecure": False},
        {"literal": f"{HUSH}\nx", "insecure": True},
        {"secret": "a", "env": "B"},
        {},
        {"env": "A", "insecure": True},
    ],
)
def test_a_secret_written_wrongly_is_refused_unshown(bad: object) -> None:
    """A bare value, a literal without the mark, two sources or none are refused, and the value is not in the text."""
    with pytest.raises(ValidationError) as caught:
        Secret.model_validate(bad)
    assert HUSH not in str(caught.value)
    assert HUSH not in str(caught.value.errors(include_input=False))


def test_users_with_alike_names_do_not_share_a_secret() -> None:
    """Names that differ only in characters secrets.yaml cannot hold stay apart."""
    assert named("user_a-b") != named("user_a_b") != named("user_a.b")
    assert named("user_a_b") == Secret(secret="user_a_b")
