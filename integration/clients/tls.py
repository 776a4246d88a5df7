"""TLS of a client program."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from integration.clients.spec import Target

__all__ = ["context"]


def context(target: Target) -> ssl.SSLContext | None:
    """Give what a connection to *target* needs; ``None`` without TLS."""
    if not target.tls:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Certificates of a lab name what they like: who is reached is decided by the network it stands in.
    made.check_hostname = False
    if target.ca:
        made.load_verify_locations(cadata=target.ca)
    else:
        made.verify_mode = ssl.CERT_NONE
    return made
