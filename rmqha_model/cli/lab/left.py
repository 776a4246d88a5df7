"""What is left of a lab when a command that made it is interrupted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rmqha_model.cli.output import tell

__all__ = ["tells_what_is_left"]


@contextlib.contextmanager
def tells_what_is_left(name: str, *, stays: bool) -> Iterator[None]:
    """Say what takes the lab *name* away if an interrupt leaves something of it; a finished one may be to *stay*."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        from integration.lab.bring_up import READY
        from integration.lab.record import Record

        record = Record(name)
        if record.exists and not (stays and record.noted(READY)):
            tell(f"lab {name}: not all of it went away; `rmqha lab down {name}` takes away what is left", fg="red")
        raise
