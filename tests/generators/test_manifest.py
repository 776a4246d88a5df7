"""The manifest: its text, what of it is refused, and what its digests tell."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generators.bundle import Artefact
from generators.digests import Digests
from generators.manifest import Manifest, Record, check_paths, dump, load
from rmqha_model.errors import WriteError

KEY = bytes(range(32))
OTHER_KEY = bytes(32)
HOSTS = Artefact("rabbit1", "/etc/hosts", "127.0.0.1 localhost\n")
COOKIE = Artefact("rabbit1", "/var/lib/rabbitmq/.erlang.cookie", "SECRET", 0o400, "rabbitmq", "rabbitmq", secret=True)
RUNBOOK = Artefact(None, "runbook.md", "# Runbook\n")


def manifest(*artefacts: Artefact, stale: tuple[Artefact, ...] = (), key: bytes = KEY) -> Manifest:
    """A manifest of *artefacts*, and of *stale* ones."""
    digests = Digests((key,))
    old, new = (tuple(digests.record(a, a.tree_path) for a in group) for group in (stale, artefacts))
    return Manifest("1.2.3", "article", "ab" * 32, new, old)


def test_text() -> None:
    """It is JSON with sorted keys, one file a line, so that a change of one file is a change of one line."""
    assert dump(manifest(RUNBOOK, COOKIE, stale=(HOSTS,))).decode() == (
        "{\n"
        '  "artefacts": [\n'
        '    {"group": "root", "host": null, "mode": "0644", "owner": "root", "path": "_design/runbook.md", '
        f'"secret": false, "sha256": "{hashlib.sha256(b"# Runbook" + bytes([10])).hexdigest()}", "target": null}},\n'
        f'    {{"group": "rabbitmq", "hmac_sha256": "{hmac.digest(KEY, b"SECRET", "sha256").hex()}", '
        '"host": "rabbit1", "mode": "0400", "owner": "rabbitmq", "path": "rabbit1/var/lib/rabbitmq/.erlang.cookie", '
        '"secret": true, "target": "/var/lib/rabbitmq/.erlang.cookie"}\n'
        "  ],\n"
        '  "design": "article",\n'
        '  "format": 1,\n'
        f'  "model_digest": "{"ab" * 32}",\n'
        '  "stale": [\n'
        '    {"group": "root", "host": "rabbit1", "mode": "0644", "owner": "root", "path": "rabbit1/etc/hosts", '
        f'"secret": false, "sha256": "{hashlib.sha256(HOSTS.content.encode()).hexdigest()}", "target": "/etc/hosts"}}\n'
        "  ],\n"
        '  "tool": {"name": "rmqha", "version": "1.2.3"}\n'
        "}\n"
    )


def test_nothing_secret() -> None:
    """Neither the content of a secret file nor its plain digest is in it, and the digest depends on the key."""
    text = dump(manifest(COOKIE)).decode()
    assert "SECRET" not in text
    assert hashlib.sha256(b"SECRET").hexdigest() not in text
    assert text != dump(manifest(COOKIE, key=OTHER_KEY)).decode()


@pytest.mark.parametrize("artefacts", [(), (HOSTS,), (HOSTS, COOKIE, RUNBOOK)])
def test_read_back(artefacts: tuple[Artefact, ...]) -> None:
    """What is read is what was written."""
    written = manifest(*artefacts)
    assert load(dump(written), "manifest.json") == written


texts = st.text(max_size=20)
parts = st.text("abc.-_é ", min_size=1, max_size=5).filter(lambda part: part not in {".", ".."})
records = st.builds(
    Record,
    path=st.lists(parts, min_size=2, max_size=4).map("/".join),
    host=st.none() | texts,
    target=st.none() | texts,
    owner=texts,
    group=texts,
    mode=st.integers(0, 0o7777).map("{:04o}".format),
    secret=st.booleans(),
    digest=st.binary(min_size=32, max_size=32).map(bytes.hex),
)


@given(st.lists(records, unique_by=lambda item: item.path, max_size=6), texts, st.integers(0, 6))
def test_any_manifest_is_read_back(items: list[Record], text: str, cut: int) -> None:
    """Whatever names and owners are called, nothing is lost and the order of keys is JSON's own sorted one."""
    written = Manifest(text, text, text, tuple(items[:cut]), tuple(items[cut:]))
    content = dump(written)
    assert load(content, "manifest.json") == written
    plain = json.loads(content)
    assert json.dumps(plain) == json.dumps(plain, sort_keys=True)


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    """A sound manifest after *change*."""
    data = json.loads(dump(manifest(HOSTS, COOKIE)))
    change(data)
    return json.dumps(data).encode()


BAD = {
    "empty": (b"", "Expecting value"),
    "half": (dump(manifest(HOSTS))[:200], "manifest.json: not a manifest of rmqha"),
    "not text": (b"\xff\xfe\x00", "can't decode"),
    "deep": (b"[" * 100_000, "recursion"),
    "a list": (b"[]", "is not of type dict"),
    "somebody else's": (b'{"name": "My web app", "icons": []}', "no 'format'"),
    "format is no number": (changed(lambda d: d.update(format=True)), "True is not of type int"),
    "of another tool": (changed(lambda d: d["tool"].update(name="npm")), "of another tool"),
    "no design": (changed(lambda d: d.pop("design")), "no 'design'"),
    "artefacts are no list": (changed(lambda d: d.update(artefacts=7)), "not a manifest"),
    "an artefact is no object": (changed(lambda d: d["artefacts"].append("x")), "not a manifest"),
    "no digest": (changed(lambda d: d["artefacts"][0].pop("sha256")), "no 'sha256'"),
    "plain digest of a secret": (changed(lambda d: d["artefacts"][0].update(secret=True)), "no 'hmac_sha256'"),
    "short digest": (changed(lambda d: d["artefacts"][0].update(sha256="00")), "no proper mode and digest"),
    "odd mode": (changed(lambda d: d["artefacts"][0].update(mode="rw-")), "no proper mode and digest"),
    "host is a number": (changed(lambda d: d["artefacts"][0].update(host=1)), "1 is not of type str"),
    "twice the same": (changed(lambda d: d["stale"].append(d["artefacts"][0])), "listed twice"),
    "leads out": (changed(lambda d: d["stale"].append(d["artefacts"][0] | {"path": "a/../../b"})), "no path of a file"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name: str) -> None:
    """Anything but a sound manifest is refused with the reason; nothing it names is ever touched."""
    content, reason = BAD[name]
    with pytest.raises(WriteError) as caught:
        load(content, "out/manifest.json")
    assert str(caught.value).startswith("out/manifest.json: not a manifest of rmqha (")
    assert reason in str(caught.value)


def test_newer_format() -> None:
    """A manifest of a newer version is not guessed at."""
    with pytest.raises(WriteError, match=r"out: written by a newer version \(format 2, known here: 1\)"):
        load(changed(lambda d: d.update(format=2, artefacts="laid out otherwise")), "out")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(json.loads(dump(manifest(HOSTS))))), json_values, st.data())
def test_no_other_exception(key: str, value: object, data: st.DataObject) -> None:
    """Any value in any place is read or refused; there is no third way."""

    def change(head: dict[str, Any]) -> None:
        if data.draw(st.booleans()):
            head[key] = value
        else:
            item = head["artefacts"][0]
            item[data.draw(st.sampled_from(sorted(item)))] = value

    with suppress(WriteError):
        load(changed(change), "manifest.json")


@pytest.mark.parametrize(
    "path",
    [
        *("", "a", "/a", "/etc/passwd", "a/", "a//b", "../a", "a/..", "a/../b", "./a", "a/.", "a/./b"),
        *("a/b\n", "a\x1b[2J/b", "a/\x00", "a/\u202eb", "a/\ud800", "manifest.json/b", ".rmqha/keys"),
    ],
)
def test_bad_path(path: str) -> None:
    """A path that leads elsewhere, that a terminal would obey, or that is the tool's own is refused."""
    with pytest.raises(ValueError, match=r"no path of a file|the tool's own name") as caught:
        check_paths(["good/path", path])
    assert str(caught.value).isprintable()


def test_good_paths() -> None:
    """Names that only look odd are fine."""
    check_paths(["a/b", "a/...", "a/.hidden", "a/..b/c..", "a/manifest.json", "a b/é", "_design/x"])


def test_match() -> None:
    """A digest recognises what it was made from, and a secret's also by the key of an earlier run."""
    old, both, new = Digests((OTHER_KEY,)), Digests((KEY, OTHER_KEY)), Digests((KEY,))
    item = old.record(COOKIE, "x/y")
    assert [keys.match(item, b"SECRET") for keys in (old, both, new)] == [True, True, False]
    assert not both.match(item, b"SECRET2")
    plain = old.record(HOSTS, "x/y")
    assert new.match(plain, HOSTS.content.encode())
    assert not new.match(plain, b"")


def test_same_content_secret_or_not() -> None:
    """The same content has a plain digest where it is no secret and a keyed one where it is, whichever comes first."""
    digests = Digests((KEY,))
    plain = Artefact(None, "x", "same")
    secret = Artefact(None, "y", "same", secret=True)
    found = [digests.of(artefact) for artefact in (plain, secret, plain, secret)]
    expected = [hashlib.sha256(b"same").hexdigest(), hmac.digest(KEY, b"same", "sha256").hex()]
    assert found == expected * 2
