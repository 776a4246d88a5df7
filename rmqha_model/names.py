"""The kinds of names and addresses a design consists of, each with what it may contain.

Names that end up bare in a configuration file (hosts, interfaces, proxies, VRRP instances, paths) are held
to the characters their daemon takes, so they need no quoting anywhere. Free text (queue names, user names,
descriptions) may hold anything but control characters, and is quoted for each dialect where it is written.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from rmqha_model.part import kind_of, refuse

__all__ = [
    "AbsolutePath",
    "DomainName",
    "EnvironmentName",
    "FreeText",
    "HostName",
    "IPAddress",
    "InterfaceAddress",
    "InterfaceName",
    "Label",
    "Line",
    "Named",
    "Network",
    "Parsed",
    "Pattern",
    "Port",
    "ProxyName",
    "ResourceName",
    "SecretName",
    "Text",
    "UnixName",
    "VrrpName",
    "is_free_text",
]


@dataclass(frozen=True, slots=True)
class Named:
    """Metadata of a string type whose values match *pattern* as a whole; *allowed* says it in words."""

    pattern: str
    allowed: str
    longest: int = 255

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        matches = re.compile(self.pattern).fullmatch

        def check(value: str) -> str:
            if len(value) > self.longest or not matches(value):
                raise refuse(f"found {value[:60]!r}", self.allowed)
            return value

        metadata = {"allowed": self.allowed}
        return core_schema.no_info_after_validator_function(check, handler(source), metadata=metadata)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            "type": "string",
            "pattern": f"^(?:{self.pattern})$",
            "maxLength": self.longest,
            "description": self.allowed,
        }


@dataclass(frozen=True, slots=True)
class Parsed:
    """Metadata of a type that *make* reads from a string and ``str`` writes back."""

    make: Callable[[str], Any]
    allowed: str
    example: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._parse,
            serialization=core_schema.plain_serializer_function_ser_schema(str, return_schema=core_schema.str_schema()),
            metadata={"allowed": self.allowed},
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "description": self.allowed, "examples": [self.example]}

    def _parse(self, value: object) -> Any:
        if not isinstance(value, str):
            if type(value).__module__ == "ipaddress":
                return value
            raise refuse(f"found {kind_of(value)}", self.allowed)
        try:
            return self.make(value)
        except ValueError:
            raise refuse(f"found {value[:60]!r}", self.allowed) from None


_NOT_FREE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff"
    # Directional overrides make a line read as what it is not (CVE-2021-42574).
    "\u202a-\u202e\u2066-\u2069]"
)


def is_free_text(value: str) -> bool:
    """Tell whether *value* is one line without control characters or lone surrogates."""
    return not _NOT_FREE.search(value)


@dataclass(frozen=True, slots=True)
class FreeText:
    """Metadata of a string type that holds one line of anything printable."""

    longest_bytes: int
    empty: bool = True

    @property
    def allowed(self) -> str:
        """What may stand there, in words."""
        return f"a line of {'at most' if self.empty else '1 to'} {self.longest_bytes} bytes of printable text"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        metadata = {"allowed": self.allowed}
        return core_schema.no_info_after_validator_function(self._check, handler(source), metadata=metadata)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "minLength": 0 if self.empty else 1, "description": self.allowed}

    def _check(self, value: str) -> str:
        if not value and not self.empty:
            raise refuse("found an empty text", self.allowed)
        if wrong := _NOT_FREE.search(value):
            # A name, since a sign of this kind cannot be seen and may turn around what follows it.
            name = {"\n": "a line break", "\r": "a carriage return", "\t": "a tab"}.get(wrong[0])
            name = name or f"the character U+{ord(wrong[0]):04X}"
            raise refuse(f"found {name} as character {wrong.start() + 1}", self.allowed)
        if len(value.encode()) > self.longest_bytes:
            raise refuse(f"found {len(value.encode())} bytes", self.allowed)
        return value


_HOST_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"

HostName = Annotated[
    str,
    Named(
        rf"{_HOST_LABEL}(?:\.{_HOST_LABEL})*",
        "a lower-case host name: letters, digits and hyphens, labels of at most 63 separated by dots (RFC 1123)",
        253,
    ),
]
DomainName = Annotated[
    str, Named(rf"{_HOST_LABEL}(?:\.{_HOST_LABEL})*", "a lower-case DNS domain, such as mq.example.net", 190)
]
InterfaceName = Annotated[
    str,
    Named(
        r"(?!\.{1,2}$)[A-Za-z0-9_.-]+",
        "a Linux interface name: at most 15 letters, digits, dots, hyphens and underscores",
        15,
    ),
]
Label = Annotated[
    str,
    Named(
        r"[A-Za-z0-9][A-Za-z0-9_.-]*",
        "a name of at most 63 letters, digits, dots, hyphens and underscores, a letter or digit first",
        63,
    ),
]
ProxyName = Annotated[
    str,
    Named(
        r"[A-Za-z0-9_-][A-Za-z0-9_.:-]*",
        "an HAProxy proxy name: at most 63 letters, digits and - _ . : (configuration.txt 4, 'Proxies')",
        63,
    ),
]
VrrpName = Annotated[
    str,
    Named(
        r"[A-Za-z0-9_][A-Za-z0-9_.-]*",
        "a keepalived name: at most 63 letters, digits, dots, hyphens and underscores",
        63,
    ),
]
UnixName = Annotated[
    str,
    Named(
        r"[a-z_][a-z0-9_-]*",
        "a Unix user or group name: at most 32 lower-case letters, digits, hyphens and underscores, no digit first",
        32,
    ),
]
AbsolutePath = Annotated[
    str,
    Named(
        r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._+@-]+)+",
        "an absolute path of letters, digits and . _ + @ - without . or .. parts",
        250,
    ),
]
EnvironmentName = Annotated[
    str,
    Named(
        r"[A-Za-z_][A-Za-z0-9_]*",
        "an environment variable's name: letters, digits and underscores, no digit first",
        128,
    ),
]
SecretName = Annotated[
    str,
    Named(
        r"[a-z][a-z0-9_]*",
        "a name in secrets.yaml: at most 64 lower-case letters, digits and underscores, a letter first",
        64,
    ),
]

Text = Annotated[str, FreeText(1000)]
Line = Annotated[str, FreeText(2000)]
# Mistakes that Perl's and Python's regular expressions share. What only one of them knows is left to the broker.
_BROKEN = (
    "bad escape (end of pattern)",
    "missing ), ",
    "unbalanced parenthesis",
    "unterminated character set",
    "nothing to",
)


def _pattern(value: str) -> str:
    if r"\Q" in value:
        # Perl's quoting, which Python does not have.
        return value
    try:
        re.compile(value)
    except re.error as error:
        if error.msg.startswith(_BROKEN):
            raise refuse(f"found {value[:60]!r}: {error.msg}", "a regular expression") from None
    return value


Pattern = Annotated[Line, AfterValidator(_pattern)]
ResourceName = Annotated[str, FreeText(255, empty=False)]
# AMQP 0-9-1 short strings (queue, exchange, vhost, user names, routing keys) hold at most 255 bytes.

Port = Annotated[int, Field(ge=1, le=65535, strict=True)]


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text)
    if getattr(address, "scope_id", None) or address.is_multicast or address.is_unspecified:
        raise ValueError(text)
    return address


def _interface(text: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    if "/" not in text:
        raise ValueError(text)
    interface = ipaddress.ip_interface(text)
    _address(str(interface.ip))
    return interface


IPAddress = Annotated[
    ipaddress.IPv4Address | ipaddress.IPv6Address,
    Parsed(_address, "an IPv4 or IPv6 address that a host can have, such as 172.16.2.84", "172.16.2.84"),
]
InterfaceAddress = Annotated[
    ipaddress.IPv4Interface | ipaddress.IPv6Interface,
    Parsed(
        _interface, "an address with its prefix length, such as 172.16.2.84/24 or 2001:db8::84/64", "172.16.2.84/24"
    ),
]
Network = Annotated[
    ipaddress.IPv4Network | ipaddress.IPv6Network,
    Parsed(
        ipaddress.ip_network, "a network, such as 172.16.2.0/24: the bits after the prefix are zero", "172.16.2.0/24"
    ),
]
