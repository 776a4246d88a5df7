"""A program that does what a client does, once, with pika: reads requests as JSON, writes what came of them.

It stands alone, with nothing of this project, and is started in the network of the clients. Secrets come by its input.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pika.exceptions

__all__ = ["answer"]

_ERRORS = (pika.exceptions.AMQPError, OSError, TimeoutError)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Do what one request asks; what went wrong is an answer too, under ``error``."""
    words = dict(request)
    try:
        with _connected(words) as connection:
            return _KINDS[words.pop("do")](connection, **words)
    except _ERRORS as error:
        return {"error": reason(error)}


def reason(error: BaseException) -> str:
    """Give why something failed, in the broker's own words where it said some."""
    inner: Any = error
    for _ in range(5):
        # Each step of connecting wraps what went wrong in the one below it.
        deeper = getattr(inner, "exception", None) or next((each for each in inner.args if _is_error(each)), None)
        if deeper is None:
            break
        inner = deeper
    code, words = getattr(inner, "reply_code", None), getattr(inner, "reply_text", "") or str(inner)
    text = f"{code} {words}" if code else f"{type(inner).__name__}: {words}" if words else type(inner).__name__
    return text[:300]


def _is_error(thing: Any) -> bool:
    return isinstance(thing, BaseException)


@contextlib.contextmanager
def _connected(words: dict[str, Any]) -> Iterator[pika.BlockingConnection]:
    """Open a connection to the first endpoint that takes one, within the time there is."""
    endpoints, limit_s = words.pop("endpoints"), words.pop("timeout_s", 20.0)
    user, password, vhost = words.pop("user"), words.pop("password"), words.pop("vhost")
    tls, ca = words.pop("tls", False), words.pop("ca", "")
    deadline = time.monotonic() + limit_s
    failed: Exception | None = None
    connection = None
    while connection is None:
        for host, port in endpoints:
            parameters = pika.ConnectionParameters(
                host,
                port,
                vhost,
                pika.PlainCredentials(user, password),
                heartbeat=10,
                socket_timeout=3,
                stack_timeout=6,
                blocked_connection_timeout=limit_s,
                ssl_options=_tls(ca, host) if tls else None,
            )
            try:
                connection = pika.BlockingConnection(parameters)
                break
            except _ERRORS as error:
                failed = error
        # A refused login will be refused again.
        last = isinstance(
            failed, pika.exceptions.ProbableAuthenticationError | pika.exceptions.ConnectionClosedByBroker
        )
        if connection is None and (last or time.monotonic() > deadline - 1):
            raise failed or TimeoutError("no endpoint")
        if connection is None:
            time.sleep(0.5)
    try:
        # Whatever blocks, ends.
        connection.call_later(max(deadline - time.monotonic(), 1.0), lambda: _give_up(connection))
        words["deadline"] = deadline
        yield connection
    finally:
        with contextlib.suppress(*_ERRORS):
            if connection.is_open:
                connection.close()


def _give_up(connection: pika.BlockingConnection) -> None:
    connection._impl._terminate_stream(TimeoutError("no answer in time"))  # noqa: SLF001 - no orderly end to wait for


def _tls(ca: str, host: str) -> pika.SSLOptions:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Certificates of a lab name what they like: who is reached is decided by the network it stands in.
    context.check_hostname = False
    if ca:
        context.load_verify_locations(cadata=ca)
    else:
        context.verify_mode = ssl.CERT_NONE
    return pika.SSLOptions(context, host)


# -- what can be done -----------------------------------------------------------------------------------


def _login(connection: pika.BlockingConnection, *, deadline: float) -> dict[str, Any]:
    del deadline
    properties: dict[str, Any] = connection._impl.server_properties  # noqa: SLF001 - the only place they are kept
    return {"product": str(properties.get("product", "")), "version": str(properties.get("version", ""))}


def _declare(
    connection: pika.BlockingConnection, *, queue: str, arguments: dict[str, Any], deadline: float
) -> dict[str, Any]:
    del deadline
    declared = connection.channel().queue_declare(queue, durable=True, arguments=arguments)
    return {"messages": declared.method.message_count}


def _look(connection: pika.BlockingConnection, *, queue: str, deadline: float) -> dict[str, Any]:
    """Ask for a queue without making it: one whose home is down is refused."""
    del deadline
    declared = connection.channel().queue_declare(queue, passive=True)
    return {"messages": declared.method.message_count}


def _delete(connection: pika.BlockingConnection, *, queue: str, deadline: float) -> dict[str, Any]:
    del deadline
    connection.channel().queue_delete(queue)
    return {}


def _publish(  # noqa: PLR0913 - the words of a request
    connection: pika.BlockingConnection,
    *,
    queue: str,
    count: int,
    first: int = 1,
    exchange: str = "",
    deadline: float,
) -> dict[str, Any]:
    """Publish persistent, mandatory messages, each confirmed before the next."""
    del deadline
    channel = connection.channel()
    channel.confirm_delivery()
    confirmed: list[int] = []
    returned: list[int] = []
    properties = pika.BasicProperties(delivery_mode=2, content_type="text/plain")
    try:
        for number in range(first, first + count):
            try:
                channel.basic_publish(exchange, queue, str(number).encode(), properties, mandatory=True)
                confirmed.append(number)
            except pika.exceptions.UnroutableError:
                returned.append(number)
    except _ERRORS as error:
        return {"confirmed": confirmed, "returned": returned, "error": reason(error)}
    return {"confirmed": confirmed, "returned": returned}


def _consume(connection: pika.BlockingConnection, *, queue: str, count: int, deadline: float) -> dict[str, Any]:
    """Consume and acknowledge until *count* different messages have come, or until they no longer come in time."""
    channel = connection.channel()
    channel.basic_qos(prefetch_count=min(count, 50))
    got: list[int] = []
    for method, _, body in channel.consume(queue, inactivity_timeout=1.0):
        if method is not None:
            channel.basic_ack(method.delivery_tag)
            got.append(int(body))
        if len(set(got)) >= count or time.monotonic() > deadline - 2:
            break
    channel.cancel()
    return {"delivered": got}


def _path(  # noqa: PLR0913 - the words of a request
    connection: pika.BlockingConnection,
    *,
    queue: str,
    arguments: dict[str, Any],
    exchange: str,
    count: int,
    deadline: float,
) -> dict[str, Any]:
    """Do all that a client does: declare, publish with confirms, have the unroutable returned, consume, acknowledge."""
    channel = connection.channel()
    channel.queue_declare(queue, durable=True, arguments=arguments)
    if exchange:
        channel.exchange_declare(exchange, "direct", durable=False, auto_delete=True)
        channel.queue_bind(queue, exchange, queue)
    try:
        said = _publish(connection, queue=queue, count=count, exchange=exchange, deadline=deadline)
        nowhere = _publish(connection, queue=f"{queue}.nowhere", count=1, exchange=exchange, deadline=deadline)
        took = _consume(connection, queue=queue, count=len(said["confirmed"]), deadline=deadline)
        return {**said, **took, "unroutable_returned": nowhere["returned"] == [1]}
    finally:
        with contextlib.suppress(*_ERRORS):
            connection.channel().queue_delete(queue)


_KINDS: dict[str, Callable[..., dict[str, Any]]] = {
    "consume": _consume,
    "declare": _declare,
    "delete": _delete,
    "login": _login,
    "look": _look,
    "path": _path,
    "publish": _publish,
}

if __name__ == "__main__":
    json.dump([answer(request) for request in json.load(sys.stdin)], sys.stdout)
