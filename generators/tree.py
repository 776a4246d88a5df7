"""The output tree on disk: the one place of the generators that reads and writes files.

Each directory is opened relative to the one above it and never through a symbolic link, so that nothing that
lies in the tree, or is put there meanwhile, can lead an operation out of it.

A file appears under its name by a rename, complete and with its final mode; until then it lies in the private
directory, which only its owner can enter. That is atomic against a kill of the process at any moment. It is not
made durable against a loss of power: that would take an fsync a file, for content that can be generated again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, NoReturn, TypeAlias

from generators.manifest import PRIVATE
from rmqha_model.errors import WriteError

__all__ = ["STAGED", "Blocked", "Found", "Identity", "Tree", "locked", "opened"]

Identity: TypeAlias = tuple[int, ...]
"""What changes when a file is replaced, written to, or given another mode."""

STAGED = "new"
"""In the private directory, the one file that can be half-written; after a run, only where that was killed."""

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_LOCK = "lock"


class Blocked(WriteError):
    """Something stands where a directory of the tree has to be."""


class Found(NamedTuple):
    """What lies under a name: its status, and its content when it is a regular file that was read."""

    status: os.stat_result
    content: bytes | None = None

    @property
    def identity(self) -> Identity:
        """What to recognise it by later."""
        status = self.status
        return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    @property
    def mode(self) -> int:
        """Its permission bits."""
        return stat.S_IMODE(self.status.st_mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file: no symbolic link, pipe or device."""
        return stat.S_ISREG(self.status.st_mode)

    @property
    def is_directory(self) -> bool:
        """Whether no file can be put in its place."""
        return stat.S_ISDIR(self.status.st_mode)


class Tree:
    """An open output tree; all paths are relative to its top.

    The directories down to the last one used stay open, so that paths are best visited in sorted order.
    """

    def __init__(self, top: int, shown: str) -> None:
        self.shown = shown
        # Open directories from the top down: path with a final slash, descriptor, made by this run.
        self._open = [("", top, False)]
        self._private = -1
        self._lock = -1
        # Modes that the kernel gives to a new file as asked for, whatever the umask.
        self._delivered: set[int] = set()

    def close(self) -> None:
        """Give back all descriptors, and the lock with them."""
        with ExitStack() as closing:
            for descriptor in (self._private, self._lock, *(item[1] for item in self._open)):
                if descriptor >= 0:
                    closing.callback(os.close, descriptor)

    def find(self, path: str, *, size: int | None = None) -> Found | None:
        """Look at what lies at *path*; given a *size*, content of another size is not read.

        Raises:
            Blocked: something that is no directory stands in the way.
        """
        directory, _, name = path.rpartition("/")
        try:
            parent, _ = self._enter(directory)
            try:
                file = os.open(name, _READ, dir_fd=parent)
            except OSError as error:
                # What O_NOFOLLOW says of a symbolic link, and open of a socket or a device without driver.
                if error.errno not in {errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.ENODEV}:
                    raise
                return Found(os.lstat(name, dir_fd=parent))
            try:
                status = os.fstat(file)
                if stat.S_ISREG(status.st_mode) and (size is None or size == status.st_size):
                    return Found(status, _read(file, status.st_size))
                return Found(status)
            finally:
                os.close(file)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._fail("read", path, error)

    def put(self, path: str, content: bytes, mode: int, *, over: Identity | None) -> bool:
        """Put a file at *path* in one step, unless what lies there is not (or no longer) *over*; tell whether."""
        directory, _, name = path.rpartition("/")
        try:
            parent, made = self._enter(directory, create=True)
            self._stage(content, mode)
            try:
                # Nobody had the time to put anything into a directory of this run.
                if not made and _identity(name, parent) != over:
                    self._unstage()
                    return False
                os.rename(STAGED, name, src_dir_fd=self._private, dst_dir_fd=parent)
            except BaseException:
                self._unstage()
                raise
        except OSError as error:
            self._fail("write", path, error)
        return True

    def remove(self, path: str, *, only: Identity) -> bool:
        """Remove the file at *path* unless it is not (or no longer) *only*; tell whether it is gone."""
        directory, _, name = path.rpartition("/")
        try:
            parent, _ = self._enter(directory)
            if _identity(name, parent) not in {only, None}:
                return False
            os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            return True
        except OSError as error:
            self._fail("remove", path, error)
        return True

    def remove_empty(self, directory: str) -> None:
        """Remove *directory*, and what is above it, as far as they are empty."""
        while directory:
            above, _, name = directory.rpartition("/")
            try:
                parent, _ = self._enter(above)
                os.rmdir(name, dir_fd=parent)
            except (OSError, Blocked):
                return
            directory = above

    def names(self, directory: str) -> list[str]:
        """List what lies in *directory*, sorted; nothing when it is not there."""
        try:
            return sorted(os.listdir(self._enter(directory)[0]))  # noqa: PTH208  pathlib has no descriptors
        except FileNotFoundError:
            return []
        except OSError as error:
            self._fail("read", directory, error)

    def lock(self, wait_s: float) -> None:
        """Become the only writer, which ``put`` asks for, and sweep what a killed one left half-written."""
        top = self._open[0][1]
        try:
            with suppress(FileExistsError):
                os.mkdir(PRIVATE, 0o700, dir_fd=top)
            self._private = os.open(PRIVATE, _DIRECTORY, dir_fd=top)
            os.fchmod(self._private, 0o700)
            self._lock = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600, dir_fd=self._private)
            end = time.monotonic() + wait_s
            while not _locked(self._lock):
                if time.monotonic() > end:
                    raise WriteError(f"{self.shown}: another run is writing here; wait for it to end, then run again")
                time.sleep(0.05)
            self._unstage()
        except OSError as error:
            self._fail("write", f"{PRIVATE}/{_LOCK}", error)

    def _enter(self, directory: str, *, create: bool = False) -> tuple[int, bool]:
        """Open *directory*; give its descriptor, and whether this run made it."""
        prefix = directory and directory + "/"
        stack = self._open
        while not prefix.startswith(stack[-1][0]):
            os.close(stack.pop()[1])
        here, descriptor, made = stack[-1]
        for name in prefix[len(here) :].split("/")[:-1]:
            here += name + "/"
            try:
                if create:
                    made = _made(name, descriptor)
                descriptor = os.open(name, _DIRECTORY, dir_fd=descriptor)
            except OSError as error:
                if error.errno not in {errno.ENOTDIR, errno.ELOOP, errno.EMLINK}:
                    raise
                raise Blocked(f"{self.shown}/{here[:-1]}: not a directory, or a symbolic link to one") from error
            stack.append((here, descriptor, made))
        return descriptor, made

    def _stage(self, content: bytes, mode: int) -> None:
        """Write the only half-written file there ever is, in the private directory."""
        file = os.open(STAGED, _CREATE, mode, dir_fd=self._private)
        try:
            try:
                # The umask can only have taken permissions away: at no moment are there more than asked for.
                if mode not in self._delivered:
                    if stat.S_IMODE(os.fstat(file).st_mode) == mode:
                        self._delivered.add(mode)
                    else:
                        os.fchmod(file, mode)
                written = os.write(file, content)
                while written < len(content):
                    written += os.write(file, content[written:])
            finally:
                os.close(file)
        except BaseException:
            self._unstage()
            raise

    def _unstage(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(STAGED, dir_fd=self._private)

    def _fail(self, doing: str, path: str, error: OSError) -> NoReturn:
        why = error.strerror or type(error).__name__
        if error.errno == errno.EXDEV:
            why = "it is on another file system than the top of the tree"
        raise WriteError(f"cannot {doing} {self.shown}/{path}: {why}") from error


@contextmanager
def opened(out: Path) -> Iterator[Tree | None]:
    """Open the tree at *out* to look at it; ``None`` when nothing is there."""
    try:
        top = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        yield None
        return
    except NotADirectoryError as error:
        raise WriteError(f"{out}: not a directory, and the files need one to go into") from error
    except OSError as error:
        raise WriteError(f"cannot open {out}: {error.strerror}") from error
    tree = Tree(top, str(out))
    try:
        yield tree
    finally:
        tree.close()


@contextmanager
def locked(out: Path, wait_s: float) -> Iterator[Tree]:
    """Open the tree at *out* to write to it, alone; it is made when nothing is there."""
    try:
        out.mkdir(0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"cannot make {out}: {error.strerror}") from error
    with opened(out) as tree:
        if tree is None:
            raise WriteError(f"{out}: removed by somebody else just now")
        tree.lock(wait_s)
        yield tree


def _read(file: int, size: int) -> bytes:
    content = os.read(file, size + 1)
    # As a rule that was all: only a file that is being written to has another length than its status says.
    while len(content) != size and (more := os.read(file, 1 << 20)):
        content += more
    return content


def _made(name: str, parent: int) -> bool:
    try:
        os.mkdir(name, 0o755, dir_fd=parent)
    except FileExistsError:
        return False
    return True


def _identity(name: str, parent: int) -> Identity | None:
    try:
        return Found(os.lstat(name, dir_fd=parent)).identity
    except FileNotFoundError:
        return None


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
