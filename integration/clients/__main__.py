"""``python -m integration.clients probe|publish|consume|declare``: a client program."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys

from integration.clients.consume import Consumer
from integration.clients.declare import declare
from integration.clients.emit import Emitter
from integration.clients.probe import Prober
from integration.clients.publish import Publisher
from integration.clients.spec import ConsumeSpec, DeclareSpec, ProbeSpec, PublishSpec
from integration.clients.told import Told


async def main(what: str) -> None:
    """Do what the specification on standard input says."""
    told = await Told.begin()
    line = await told.line()
    emitter = Emitter()
    if what == "probe":
        works = [Prober(ProbeSpec.read(line), emitter).run(told.end)]
    elif what == "publish":
        publish = PublishSpec.read(line)
        works = [Publisher(name, publish, emitter).run(told.end) for name in publish.names()]
    elif what == "declare":
        works = [asyncio.to_thread(declare, DeclareSpec.read(line))]
    else:
        consume = ConsumeSpec.read(line)
        works = [Consumer(name, consume, emitter).run(told.end) for name in consume.names()]
    beside = [asyncio.create_task(told.follow(emitter.flush)), asyncio.create_task(told.flushing(emitter.flush))]
    try:
        await asyncio.gather(*works)
    finally:
        emitter.flush()
        for task in beside:
            task.cancel()


if __name__ == "__main__":
    if sys.argv[1:] not in (["probe"], ["publish"], ["consume"], ["declare"]):
        sys.exit("usage: python -m integration.clients probe|publish|consume|declare")
    # What pika has to say is in the events.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    with contextlib.suppress(BrokenPipeError):
        asyncio.run(main(sys.argv[1]))
