"""Commands as they travel by ssh: arguments arrive as they were given, and what comes back is read aright."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration.errors import LabError
from integration.ssh.command import ENVIRONMENT, Said, invocation, program, said

MARK = "0123456789abcdef"
SHELLS = ["/bin/sh", "/bin/bash"]
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30) | st.sampled_from(
    ["", " ", "-n", "--", "$(id)", "`id`", "'", '"', "\\", "\n", "a\n'b", "!", "*", "~", "{}", "\udcff", "%s", MARK]
)


def played(command: tuple[str, ...], stdin: bytes = b"", shell: str = "/bin/sh", timeout_s: float = 20) -> Said | None:
    """Do here what sshd does there: hand one text to a login shell, and the input."""
    told = program(command, MARK, sudo=False, timeout_s=timeout_s)
    done = subprocess.run([shell, "-c", invocation(len(told))], input=told + stdin, capture_output=True, check=False)
    return said(done.stdout, done.stderr, MARK)


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=40)
@given(words=st.lists(WORDS, max_size=6))
def test_any_arguments_arrive_as_given(shell: str, words: list[str]) -> None:
    """Whatever the user's login shell is: blanks, quotes, line breaks, bytes that are no text are what they were."""
    told = program(("printf", "%s\\0", *words), MARK, sudo=False, timeout_s=20)
    done = subprocess.run([shell, "-c", invocation(len(told))], input=told, capture_output=True, check=False)
    # printf without arguments prints its format once.
    assert done.stdout == b"".join(word.encode("utf-8", "surrogateescape") + b"\0" for word in words or [""])


def test_input_is_the_commands_from_its_first_byte() -> None:
    """What follows the program is left for the command, to the byte."""
    ended = played(("cat",), b"in\nput 'x' $y\n" * 1000)
    assert ended == Said(0, "in\nput 'x' $y\n" * 1000, "")


def test_status_and_words_are_the_commands_own() -> None:
    """The status is the command's, 255 as well, and what it said is neither more nor less."""
    assert played(("sh", "-c", "echo out; echo err >&2; exit 255")) == Said(255, "out\n", "err\n")
    assert played(("sh", "-c", "printf err >&2; exit 3")) == Said(3, "", "err")


def test_environment_is_as_in_the_lab() -> None:
    """Nothing of the login is left in it."""
    ended = played(("env",))
    assert ended is not None
    assert dict(line.split("=", 1) for line in ended.out.splitlines()) == ENVIRONMENT


@pytest.mark.slow
def test_a_command_that_takes_too_long_is_ended_there() -> None:
    """The host ends it; 124 says so."""
    ended = played(("sleep", "60"), timeout_s=0.2)
    assert ended is not None
    assert ended.status == 124


@pytest.mark.parametrize(
    ("err", "read"),
    [
        (f"{MARK}\n\n{MARK} 0\n", Said(0, "", "")),
        (f"mux_client_request_session: refused\n{MARK}\noops\n\n{MARK} 1\n", Said(1, "", "oops\n")),
        (f"{MARK}\n\n{MARK} 137\n", Said(124, "", "")),
        (f"{MARK}\nsaid\n\n{MARK} 124\nsaid late\n", Said(124, "", "said\nsaid late\n")),
        (f"{MARK}\nConnection closed\n", None),
        ("ssh: connect to host a port 22: Connection refused\n", None),
        ("", None),
    ],
)
def test_only_what_was_seen_to_end_has_a_status(err: str, read: Said | None) -> None:
    """The words of ssh are left out, a process that outlives its command may add some; a lost connection is none."""
    assert said(b"", err.encode(), MARK) == read


def test_nothing_of_a_command_is_in_what_the_login_shell_is_told() -> None:
    """Arguments are seen in no list of processes of this machine, and by no login shell."""
    told = program(("echo", "a-secret"), MARK, sudo=True, timeout_s=1)
    assert invocation(len(told)) == f"exec /bin/sh -c 'eval \"$(head -c {len(told)})\"'"
    assert b"\nsudo -n -- env -i " in told


@pytest.mark.parametrize("command", [(), ("echo", "a\0b")])
def test_what_no_command_can_be_is_refused(command: tuple[str, ...]) -> None:
    """A NUL ends an argument everywhere, so it cannot be in one."""
    with pytest.raises(LabError, match="allowed: a program and its arguments"):
        program(command, MARK, sudo=False, timeout_s=1)
