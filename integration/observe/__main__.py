"""``python -m integration.observe``: the observer of one host, for as long as standard input is open."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

from integration.clients.emit import Emitter
from integration.clients.told import Told
from integration.observe.host import HostObserver
from integration.observe.pace import GAPS, latest
from integration.observe.spec import ObserveSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from rmqha_model.events import Event


async def main(made: Callable[[ObserveSpec, Callable[[Event], None]], HostObserver] = HostObserver) -> None:
    """Watch what the specification on standard input says, by an observer that is *made* for it."""
    told = await Told.begin()
    spec = ObserveSpec.read(await told.line())
    emitter = Emitter()

    def emit(event: Event) -> None:
        # Changes are few, and whoever decides where a fault happens wants to know them at once.
        emitter(event)
        emitter.flush()

    observer = made(spec, emit)

    def tell_gaps() -> None:
        sys.stderr.write(f"{GAPS}{json.dumps({what: latest(gaps) for what, gaps in observer.gaps.items() if gaps})}\n")
        sys.stderr.flush()

    watching = asyncio.create_task(observer.run())
    following = asyncio.create_task(told.follow(tell_gaps))
    ended = asyncio.create_task(told.end.wait())
    await asyncio.wait({watching, ended}, return_when=asyncio.FIRST_COMPLETED)
    if watching.done():
        watching.result()
    tell_gaps()
    for task in (watching, following, ended):
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
