"""Validation as a whole: what is checked, skipped, said; and what is kept secret."""

from __future__ import annotations

import re

import pytest

from generators import validate as package
from generators.bundle import Artefact, Bundle
from generators.validate import Status, Verdict, validate
from generators.validate import task as task_module
from generators.validate.certificates import missing, stand_ins
from generators.validate.files import Tree, addresses_of, mentioned, names_of
from generators.validate.program import Program, caveat, installed
from generators.validate.redact import hider
from generators.validate.room import NoRoom, Outcome, Room
from generators.validate.task import DETAIL_LINES_MAX, Finding, Subject, Task, perform

SCRIPT = Artefact("a", "/usr/local/sbin/x", "#!/bin/sh\necho $1\n", 0o755)


def bundle(*artefacts: Artefact) -> Bundle:
    """Make a bundle."""
    return Bundle("design", "digest", artefacts)


def echo(subjects: tuple[Subject, ...], *findings: Finding, **more: object) -> Task:
    """A task that runs ``true`` and has it say things."""
    return Task("true", subjects, (), Room(), lambda _: findings, private=False, **more)  # type: ignore[arg-type]


def test_nothing_to_judge() -> None:
    """Files that no program judges bring no verdict."""
    assert validate(bundle(Artefact(None, "runbook.md", "# Runbook\n")), versions={}) == ()


def test_program_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check whose program is absent is skipped, file by file, and says so."""
    monkeypatch.setattr("generators.validate.program.find_program", lambda _: None)
    verdicts = validate(bundle(SCRIPT), versions={})
    assert [(one.program, one.status, one.reason) for one in verdicts] == [
        ("shellcheck", Status.SKIPPED, "shellcheck is not installed"),
        ("sh", Status.SKIPPED, "sh is not installed"),
    ]
    assert str(verdicts[0]) == "skipped: a/usr/local/sbin/x: shellcheck; shellcheck is not installed"


@pytest.mark.needs("haproxy", "sh")
def test_no_private_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no private room can be had, what needs one is skipped with the reason, the rest is done."""
    none = NoRoom("needs root or user namespaces")
    monkeypatch.setattr("generators.validate.run.private_room", lambda: none)
    monkeypatch.setattr(task_module, "private_room", lambda: none)
    files = bundle(Artefact("a", "/etc/haproxy/haproxy.cfg", "global\n"), SCRIPT)
    found = {one.program: one for one in validate(files, versions={})}
    assert (found["haproxy"].status, found["haproxy"].reason) == (Status.SKIPPED, str(none))
    assert found["sh"].status is Status.OK


def test_steps_are_told_and_boot_is_a_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run is announced; RabbitMQ is booted only when asked."""
    monkeypatch.setattr("generators.validate.program.find_program", lambda _: None)
    files = bundle(Artefact("a", "/etc/rabbitmq/rabbitmq.conf", "heartbeat = 60\n"), SCRIPT)
    steps: list[str] = []
    assert {one.program for one in validate(files, versions={}, boot=False, on_step=steps.append)} == {
        "shellcheck",
        "sh",
    }
    assert steps == ["shellcheck: a/usr/local/sbin/x", "sh: a/usr/local/sbin/x"]
    assert "rabbitmq-server" in {one.program for one in validate(files, versions={}, on_step=steps.append)}
    assert steps[-1] == "rabbitmq-server: a/etc/rabbitmq/rabbitmq.conf"


def test_only_some_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the programs that are named are asked."""
    monkeypatch.setattr("generators.validate.program.find_program", lambda _: None)
    files = bundle(Artefact("a", "/etc/haproxy/haproxy.cfg", "global\n"), SCRIPT)
    assert [one.program for one in validate(files, versions={}, programs={"haproxy"})] == ["haproxy"]


def test_every_check_names_its_program_once() -> None:
    """No two checks are for the same program."""
    assert len({check.__module__ for check in package.CHECKS}) == len(package.CHECKS)


@pytest.mark.needs("true")
def test_findings_go_to_their_files() -> None:
    """A finding about a file is told with that file, one about none with all; paths become those of the tree."""
    one = Subject("/etc/one", (Artefact("a", "/etc/one", ""), Artefact("b", "/etc/one", "")))
    two = Subject("/etc/one.d/two", (Artefact("a", "/etc/one.d/two", ""),))
    task = echo(
        (one, two),
        Finding("/etc/one:3: bad", "/etc/one"),
        Finding("see (/etc/one.d/two:1), not /etc/one.d or /x/etc/one", bad=False),
    )
    first, second = perform(task, {}, lambda text: text)
    assert (first.status, first.paths) == (Status.FAILED, ("a/etc/one", "b/etc/one"))
    assert first.detail == ("a/etc/one:3: bad", "see (a/etc/one.d/two:1), not /etc/one.d or /x/etc/one")
    assert (second.status, second.detail) == (Status.OK, first.detail[1:])


@pytest.mark.needs("true")
def test_detail_is_bounded_and_has_no_secret() -> None:
    """Only so many lines are told; each goes through the one who hides secrets."""
    subject = Subject("/x", (Artefact("a", "/x", ""),))
    task = echo((subject,), *(Finding(f"secret {number}") for number in range(100)))
    (verdict,) = perform(task, {}, lambda text: text.replace("secret", "***"))
    assert len(verdict.detail) == DETAIL_LINES_MAX
    assert verdict.detail[0] == "*** 0"
    assert verdict.detail[-1] == f"and {100 - DETAIL_LINES_MAX + 1} lines more"


@pytest.mark.parametrize(
    ("wanted", "has", "told"),
    [
        ("3.0", "2.6.12", "checked by 2.6.12, the design is for 3.0"),
        ("2.6", "2.6.12", ""),
        ("2.6.1", "2.6.12", "checked by 2.6.12, the design is for 2.6.1"),
        ("2.6.12", "2.6.12", ""),
        ("", "2.6.12", ""),
        ("2.6", "", ""),
    ],
)
def test_caveat(wanted: str, has: str, told: str) -> None:
    """A version is the design's when it begins with all the parts that the design gives."""
    assert caveat(Program("haproxy", "/x", has), {"haproxy": wanted}) == told


def test_caveat_is_for_designed_programs_only() -> None:
    """The version of a program no design speaks of is nobody's business."""
    assert caveat(Program("nft", "/x", "1.0"), {"nft": "2.0"}) == ""
    assert caveat(Program("rabbitmq-server", "/x", "3.10.8"), {"rabbitmq": "4.0"}) != ""


@pytest.mark.needs("bash")
def test_version() -> None:
    """A program's version is its numbers alone."""
    bash = installed("bash")
    assert bash is not None
    assert re.fullmatch(r"\d+\.\d+(\.\d+)*", bash.version)


def test_verdict_as_text() -> None:
    """A verdict reads as one line and what was said below it."""
    verdict = Verdict(
        ("a/x", "b/x"), "haproxy", "2.6.12", Status.FAILED, caveat="checked by 2.6.12", detail=("a/x:1: y",)
    )
    assert str(verdict) == "failed: a/x (+1 more): haproxy 2.6.12; checked by 2.6.12\n    a/x:1: y"


def test_secrets_are_hidden() -> None:
    """Values given as secrets are hidden, and those that secret files hold under the names secrets have."""
    files = [
        Artefact("a", "/etc/keepalived/keepalived.conf", "auth_type PASS\n    auth_pass s3cr3t-a\n", secret=True),
        Artefact("a", "/etc/haproxy/haproxy.cfg", "stats auth admin:s3cr3t-b\n", secret=True),
        Artefact("a", "/etc/rabbitmq/rabbitmq.conf", "default_pass = s3cr3t-c\n# the password that is\n", secret=True),
        Artefact("a", "/etc/rabbitmq/definitions.json", '{"password_hash": "s3cr3t-d"}', secret=True),
        Artefact("a", "/usr/local/sbin/users", "PASSWORD='s3cr3t e'\n", secret=True),
        Artefact("a", "/var/lib/rabbitmq/.erlang.cookie", "S3CR3TF", secret=True),
        Artefact("a", "/etc/open.conf", "password s3cr3t-open\n"),
    ]
    hide = hider(["s3cr3t-given", "x"], files)
    text = "s3cr3t-a s3cr3t-b s3cr3t-c s3cr3t-d s3cr3t e S3CR3TF s3cr3t-given"
    assert hide(text) == "*** *** *** *** *** *** ***"
    assert hide("auth_type PASS that x") == "auth_type PASS that x"
    assert hide("s3cr3t-open") == "s3cr3t-open"
    assert hider((), ())("password x") == "password x"


def test_certificates_that_are_missing() -> None:
    """Files with the suffixes of certificates, and folders HAProxy takes them from, unless they are generated."""
    text = (
        "bind *:1 ssl crt /c/a.pem crt /c/folder/ ca-file /c/ca.crt\n"
        'bind *:2 ssl crt /c/other\n"keyfile" = "/c/k.key".\n'
        "server a a:1 ssl crt /c/have.pem\n# see https://x/y.pem and /c/a.pem.md\n"
    )
    assert set(missing([text], ["/c/have.pem"])) == {
        *("/c/a.pem", "/c/folder/stand-in.pem", "/c/ca.crt", "/c/other/stand-in.pem", "/c/k.key"),
    }


@pytest.mark.needs("openssl")
def test_stand_ins() -> None:
    """One file has a key, a certificate and its authority; none is made where none is wanted."""
    assert stand_ins((), ()) == ()
    (file,) = stand_ins(["/c/a.pem"], ["rabbit1"])
    found = re.findall(r"-----BEGIN ([A-Z ]+)-----", file.content or "")
    assert found == ["PRIVATE KEY", "CERTIFICATE", "CERTIFICATE"]


def test_stand_ins_without_openssl(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without openssl the check that needs a certificate is skipped, not failed."""
    monkeypatch.setattr("generators.validate.certificates.find_program", lambda _: None)
    with pytest.raises(NoRoom, match="openssl"):
        stand_ins(["/c/a.pem"], ["not made before"])


def test_files_of_a_host() -> None:
    """Addresses and names come from a host's own /etc/hosts, mentioned files from whole paths."""
    hosts = Artefact(
        "a", "/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 a\n10.0.0.1 a.example a # a\nfd00::1 a\n10.0.0.2 ab\n"
    )
    script, other = Artefact("a", "/opt/x/check", ""), Artefact("a", "/opt/x", "")
    tree = Tree(bundle(hosts, script, other, Artefact("a", "install.sh", ""), Artefact(None, "y", "")))
    files = tree.hosts["a"]
    assert set(files) == {"/etc/hosts", "/opt/x/check", "/opt/x"}
    assert set(tree.design) == {"y"}
    assert addresses_of("a", files) == ["10.0.0.1/32", "fd00::1/128"]
    assert names_of("a", files) == ["a", "a.example"]
    assert set(mentioned(files, [Artefact("a", "/c", "script '/opt/x/check'.\n")])) == {"/opt/x/check"}


def test_outcome_in_words() -> None:
    """How a run ended can be said."""
    assert [Outcome(status, "", 30.0).ended for status in (0, 3, -9, None)] == [
        *("exit status 0", "exit status 3", "killed by SIGKILL", "no answer within 30 s"),
    ]
