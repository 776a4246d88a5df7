"""TLS: which certificate stands where, and how strictly the other side is checked."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rmqha_model.names import AbsolutePath
from rmqha_model.part import Part

__all__ = ["Tls", "TlsVersion"]

TlsVersion = Literal["tlsv1.2", "tlsv1.3"]


class Tls(Part):
    """A server's certificate and its demands. The files are the user's: only their paths are known here."""

    certificate: AbsolutePath = Field(description="PEM file with the certificate and its chain.")
    key: AbsolutePath = Field(description="PEM file with the private key.")
    ca: AbsolutePath = Field(description="PEM file with the authorities that are trusted.")
    verify_peer: bool = Field(False, description="Whether a peer's certificate is checked.")
    require_peer: bool = Field(False, description="Whether a peer without a certificate is refused (mutual TLS).")
    versions: Annotated[tuple[TlsVersion, ...], Field(min_length=1)] = Field(
        ("tlsv1.3", "tlsv1.2"), description="Protocol versions that are offered; older ones are broken (RFC 8996)."
    )
