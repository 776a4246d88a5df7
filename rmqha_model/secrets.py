"""Secrets by reference: where a password, a cookie or a key comes from, and how its value is fetched.

A design never holds a secret in clear, with one exception: ``{literal: ..., insecure: true}``, which exists so
that a design that somebody already runs can be told as it is, and be reported as insecure.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets as entropy
import stat
import string
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, model_validator

from rmqha_model import errors
from rmqha_model.errors import SecretError
from rmqha_model.names import AbsolutePath, EnvironmentName, Line, SecretName, is_free_text
from rmqha_model.part import Part, kind_of, refuse

__all__ = ["Need", "Secret", "SecretStore", "Secrets", "named", "resolve"]

_KINDS = ("secret", "env", "file", "command", "literal")


class Secret(Part):
    """Where one secret comes from; exactly one of the first five is given."""

    secret: SecretName | None = Field(
        None, description="Name in secrets.yaml beside the design; made with a strong value on first use."
    )
    env: EnvironmentName | None = Field(None, description="Environment variable that holds it while files are made.")
    file: AbsolutePath | None = Field(None, description="File whose content, less the last line break, it is.")
    command: Annotated[tuple[Line, ...], Field(min_length=1)] | None = Field(
        None, description="Program and arguments, run without a shell, that print it: a password manager's client."
    )
    literal: SecretStr | None = Field(
        None, description="The value itself; refused unless `insecure: true` is said too."
    )
    insecure: bool = Field(False, description="Says aloud that a literal secret is known to be insecure.")

    @model_validator(mode="before")
    @classmethod
    def _one_source(cls, value: Any) -> Any:
        if isinstance(value, cls):
            return value
        example = "{secret: NAME}, {env: VARIABLE}, {file: /path} or {command: [program, argument]}"
        if not isinstance(value, dict):
            # The value may be a password somebody wrote bare: it must not be echoed.
            hint = "say where the value comes from, and keep the value itself out of this file"
            raise refuse(f"found {kind_of(value)} in place of a reference to a secret", example, hint)
        if not value.keys() <= cls.model_fields.keys():
            return value  # An unknown key is told as one.
        given = [kind for kind in _KINDS if value.get(kind) is not None]
        if len(given) != 1:
            found = f"found {' and '.join(given) or 'no source'} for one secret"
            raise refuse(found, f"exactly one of {example}", at=given[-1] if given else "")
        if given == ["literal"] and value.get("insecure") is not True:
            hint = "if it must stand here, say so with `insecure: true`"
            raise refuse("found a secret in clear", example, hint, at="literal")
        if given != ["literal"] and value.get("insecure"):
            raise refuse("found `insecure` without `literal`", "`insecure` beside `literal` only", at="insecure")
        return value

    @model_validator(mode="after")
    def _literal_is_one_line(self) -> Secret:
        if self.literal is not None:
            problem = unusable(self.literal.get_secret_value())
            if problem:
                raise refuse(f"found {problem}", "one line of 1 to 255 printable characters", at="literal")
        return self

    def __str__(self) -> str:
        for kind in _KINDS[:3]:
            if getattr(self, kind) is not None:
                return f"{kind} {getattr(self, kind)}"
        return f"command {self.command[0]}" if self.command else "an insecure literal"


def named(name: str) -> Secret:
    """Give the reference to *name* in secrets.yaml; a name with other characters gets a mark of its own."""
    plain = re.sub(r"[^a-z0-9_]", "_", name.lower())[:48]
    if plain != name:
        plain += "_" + hashlib.sha256(name.encode()).hexdigest()[:8]
    return Secret(secret=plain)


def unusable(value: str) -> str:
    """Say why *value* cannot be a secret, without saying what it is; empty when it can."""
    if not value:
        return "nothing"
    if not is_free_text(value):
        return "a line break or a control character"
    if len(value.encode()) > 255:
        return f"{len(value.encode())} bytes"
    return ""


@dataclass(frozen=True, slots=True)
class Need:
    """One secret a design needs: what for, and how long a value made for it shall be.

    Values are letters and digits only: they mean the same in every dialect. 32 of them are 190 bits.
    VRRP's password field holds 8 bytes (RFC 2338 5.3.6), so 8 there.
    """

    source: Secret
    path: errors.Path
    length: int = 32
    longest: int = 255


class Secrets(Mapping[Secret, str]):
    """The values of a design's secrets; prints as nothing but their number."""

    def __init__(self, values: Mapping[Secret, str]) -> None:
        self._values = dict(values)

    def __getitem__(self, source: Secret) -> str:
        return self._values[source]

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<Secrets: {len(self)} not shown>"

    @property
    def digest_key(self) -> bytes:
        """A key made of all values: digests under it tell files apart and give no weak secret away to guessing."""
        joined = b"".join(len(value.encode()).to_bytes(4, "big") + value.encode() for value in self._values.values())
        return hmac.digest(b"rmqha manifest", joined, "sha256")


class SecretStore:
    """``secrets.yaml``: one ``name: value`` a line, readable by its owner only.

    Comments and the order of lines are kept; new names are added at the end. The file is replaced as a whole,
    so a killed run leaves the old one.
    """

    _LINE = re.compile(
        r"""(?P<name>[a-z][a-z0-9_]*):\s+(?P<value>"[^"\\]*"|'[^']*'|[A-Za-z0-9_./+=@%^~-]+)\s*(?:\s#.*)?"""
    )
    # What stands without quotes means the same to every YAML reader, but for its type: here all are text.

    def __init__(self, path: Path) -> None:
        """Read *path* if it exists.

        Raises:
            SecretError: others may read it, it is no plain file of this user, or a line is not ``name: value``.
        """
        self.path = path
        self._text = ""
        self._values: dict[str, str] = {}
        self._added: dict[str, str] = {}
        try:
            self._text = _read_private(path)
        except FileNotFoundError:
            return
        for number, line in enumerate(self._text.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            match = self._LINE.fullmatch(line)
            if not match:
                raise SecretError(
                    f"{path}:{number}:1: found a line that is not `name: value`; allowed: one secret a line"
                )
            name, value = match["name"], match["value"]
            if value[0] in "\"'":
                value = value[1:-1]
            if name in self._values:
                raise SecretError(f"{path}:{number}:1: {name}: found it a second time; delete one of the two")
            if unusable(value):
                raise SecretError(
                    f"{path}:{number}:1: {name}: found {unusable(value)}; allowed: 1 to 255 printable characters"
                )
            self._values[name] = value

    def get(self, name: str, length: int) -> str:
        """Give the value of *name*; make a strong one of *length* letters and digits if there is none."""
        if name not in self._values:
            alphabet = string.ascii_letters + string.digits
            self._values[name] = self._added[name] = "".join(entropy.choice(alphabet) for _ in range(length))
        return self._values[name]

    @property
    def added(self) -> tuple[str, ...]:
        """Names made since the file was read, not yet saved."""
        return tuple(self._added)

    def save(self) -> None:
        """Write the names that were added; nothing when there are none.

        Raises:
            SecretError: the file cannot be written.
        """
        if not self._added:
            return
        text = (
            self._text
            or "# Secrets of the design beside this file. Keep it out of version control and readable by you only.\n"
        )
        if not text.endswith("\n"):
            text += "\n"
        text += "".join(f"{name}: {value}\n" for name, value in self._added.items())
        try:
            # mkstemp makes the file with mode 0600, whatever the umask.
            handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=".secrets-", suffix=".tmp")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as stream:
                    stream.write(text)
                    stream.flush()
                    os.fsync(stream.fileno())
                Path(temporary).replace(self.path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise SecretError(f"{self.path}: cannot be written: {error.strerror}") from error
        self._text, self._added = text, {}


def _read_private(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SecretError(f"{path}: cannot be read: {error.strerror} (a symbolic link is refused)") from error
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise SecretError(f"{path}: found something that is not a plain file")
        if status.st_mode & 0o077:
            raise SecretError(
                f"{path}: found mode {stat.S_IMODE(status.st_mode):04o}, readable by others; "
                f"allowed: 0600 or 0400; run: chmod 600 {path}"
            )
        if status.st_uid not in (os.geteuid(), 0):
            raise SecretError(f"{path}: found owner {status.st_uid}; allowed: the user who runs this")
        try:
            return stream.read(1 << 20).decode("utf-8")
        except UnicodeDecodeError:
            raise SecretError(f"{path}: found bytes that are not UTF-8") from None


def resolve(needs: Iterable[Need], store: SecretStore, environment: Mapping[str, str]) -> Secrets:
    """Fetch the value of every need; names missing in *store* are made there, and not yet saved.

    Raises:
        SecretError: a variable, file or command gives no usable value. All needs that fail are named at once.
    """
    needs = tuple(needs)
    values: dict[Secret, str] = {}
    failures: list[errors.Problem] = []
    for need in needs:
        if need.source in values:
            continue
        try:
            values[need.source] = _fetch(need, store, environment)
        except SecretError as error:
            failures.append(errors.Problem(need.path, str(error)))
    failures += [
        errors.Problem(need.path, f"{need.source} is longer than the {need.longest} bytes it may have there")
        for need in needs
        if len(values.get(need.source, "").encode()) > need.longest
    ]
    if failures:
        raise SecretError(problems=failures)
    return Secrets(values)


def _fetch(need: Need, store: SecretStore, environment: Mapping[str, str]) -> str:
    source = need.source
    if source.secret is not None:
        return store.get(source.secret, need.length)
    if source.literal is not None:
        return source.literal.get_secret_value()
    if source.env is not None:
        if source.env not in environment:
            raise SecretError(f"environment variable {source.env} is not set")
        value = environment[source.env]
    elif source.file is not None:
        try:
            value = _read_private(Path(source.file)).removesuffix("\n")
        except FileNotFoundError:
            raise SecretError(f"file {source.file} does not exist") from None
    else:
        value = _run(source.command or ())
    if unusable(value):
        raise SecretError(f"{source} gives {unusable(value)}; allowed: 1 to 255 printable characters")
    return value


def _run(command: tuple[str, ...]) -> str:
    try:
        # A minute: long enough for a person to unlock a password manager.
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise SecretError(f"command {command[0]!r} cannot be run: {type(error).__name__}") from None
    if done.returncode:
        # Neither its output nor its arguments are shown: both may hold secrets.
        raise SecretError(f"command {command[0]!r} ended with exit status {done.returncode}")
    try:
        return done.stdout.decode("utf-8").removesuffix("\n")
    except UnicodeDecodeError:
        raise SecretError(f"command {command[0]!r} printed bytes that are not UTF-8") from None
