"""Durations and sizes that carry their unit: ``5s``, ``500ms``, ``1m30s``, ``2GiB``.

A bare number is refused: HAProxy reads it as milliseconds, keepalived as seconds, RabbitMQ as either,
so a number without a unit is where designs go wrong first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic_core import CoreSchema, core_schema

from rmqha_model.part import kind_of, refuse

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

__all__ = ["Duration", "Size"]

_LONGEST = 60
"""Characters: longer than any duration or size that somebody means."""

_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_BYTES |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


@dataclass(frozen=True, slots=True, order=True)
class _Quantity:
    """A whole number of the smallest unit, read from and written as number-with-unit."""

    amount: int

    units: ClassVar[dict[str, int]]
    pattern: ClassVar[re.Pattern[str]]
    allowed: ClassVar[str]
    bare: ClassVar[str]
    """The unit a number without one most likely has."""
    most: ClassVar[int]
    most_words: ClassVar[str]

    @classmethod
    def parse(cls, text: str) -> Any:
        """Read ``1m30s`` or ``1.5GiB``; ``ValueError`` says what is allowed."""
        compact = text.strip()
        if len(compact) > _LONGEST or not cls.pattern.fullmatch(compact):
            raise ValueError(f"found {text[:_LONGEST]!r}; allowed: {cls.allowed}")
        total = Fraction()
        for number, unit in re.findall(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]+)", compact):
            total += Fraction(number) * cls.units[unit]
        if total > cls.most:
            raise ValueError(f"found {text!r}; allowed: at most {cls.most_words}")
        if total != int(total):
            raise ValueError(f"found {text!r}; allowed: nothing finer than 1{next(iter(cls.units))}")
        return cls(int(total))

    def __str__(self) -> str:
        for unit, size in sorted(self.units.items(), key=lambda item: -item[1]):
            if self.amount and self.amount % size == 0:
                return f"{self.amount // size}{unit}"
        return f"0{next(iter(self.units))}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    @classmethod
    def _validate(cls, value: object) -> _Quantity:
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            try:
                parsed: _Quantity = cls.parse(value)
            except ValueError as error:
                found, _, allowed = str(error).partition("; allowed: ")
                raise refuse(found, allowed) from None
            return parsed
        if isinstance(value, int | float) and not isinstance(value, bool):
            hint = f"write the unit, for example {value}{cls.bare}"
            raise refuse(f"found {value!r} without a unit", cls.allowed, hint)
        raise refuse(f"found {kind_of(value)}", cls.allowed)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(str, return_schema=core_schema.str_schema()),
            metadata={"allowed": cls.allowed},
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{cls.pattern.pattern}$", "description": cls.allowed}


class Duration(_Quantity):
    """A length of time, kept as whole milliseconds (the finest that any of the daemons takes)."""

    __slots__ = ()
    units = _MS
    pattern = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d))+")
    allowed = "a duration with its unit (ms, s, m, h, d), such as 500ms, 5s or 1m30s"
    bare = "s"
    most = 2**31 - 1
    # HAProxy keeps times as signed 32-bit milliseconds, about 24.8 days (configuration.txt 2.5, "Time format").
    most_words = "24d (HAProxy counts milliseconds in 31 bits)"

    @property
    def ms(self) -> int:
        """In milliseconds."""
        return self.amount

    @property
    def s(self) -> float:
        """In seconds."""
        return self.amount / 1000

    @property
    def whole_s(self) -> int:
        """In seconds, rounded up: no daemon may be given less than the design asks for."""
        return -(-self.amount // 1000)


class Size(_Quantity):
    """An amount of memory or disk, kept as whole bytes; kB/MB/GB are powers of ten, KiB/MiB/GiB of two."""

    __slots__ = ()
    units = _BYTES
    pattern = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)")
    allowed = "a size with its unit (B, kB, MB, GB, TB, KiB, MiB, GiB, TiB), such as 512MiB or 2GB"
    bare = "B"  # rabbitmq.conf's own reading of a number.
    most = 2**60
    most_words = "1048576TiB"

    @property
    def bytes(self) -> int:
        """In bytes."""
        return self.amount
