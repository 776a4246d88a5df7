"""What every part of a design shares: its configuration, how it may be shortened, and how a value is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

__all__ = ["ByName", "Part", "kind_of", "refuse"]

_KINDS: dict[type, str] = {
    dict: "a mapping",
    list: "a list",
    tuple: "a list",
    str: "text",
    int: "a number",
    float: "a number",
    type(None): "nothing",
}


def kind_of(value: object) -> str:
    """Name the kind of a value in plain words, and nothing of its content."""
    if isinstance(value, bool):
        return str(value).lower()
    return _KINDS.get(type(value)) or f"a value of type {type(value).__name__}"


def refuse(found: str, allowed: str = "", hint: str = "", *, at: str = "") -> PydanticCustomError:
    """Make the error a validator raises: what was found, what is allowed, what to do next.

    *at* is the key of a mapping that the error is about; left out, it is about the whole of what is validated.
    """
    return PydanticCustomError("rmqha", "{found}", {"found": found, "allowed": allowed, "hint": hint, "at": at})


class Part(BaseModel):
    """A frozen piece of a design that refuses keys it does not know."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    short: ClassVar[str] = ""
    """The field that a text or number in place of the whole mapping stands for."""
    document_kind: ClassVar[str] = ""
    """Of what is a document of its own: its kind, as ``document/kinds.py`` tells them apart."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        whole = handler(source)
        if not cls.short:
            return whole
        return core_schema.no_info_before_validator_function(cls._lengthened, whole, metadata={"short": cls.short})

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        reference = handler(schema)
        definition = handler.resolve_ref_schema(reference)
        # Pydantic calls this for the model and for what is around it: the second time there is nothing to do.
        if "properties" in definition and (short := cls.short_schema(definition["properties"])):
            whole = definition.copy()
            definition.clear()
            definition |= {"anyOf": [short, whole], "description": whole["description"]}
        return reference

    @classmethod
    def short_schema(cls, properties: dict[str, Any]) -> dict[str, Any]:
        """Give the JSON Schema of what may stand in place of the whole mapping; empty where nothing may."""
        schema: dict[str, Any] = properties[cls.short] if cls.short else {}
        return schema

    @classmethod
    def _lengthened(cls, value: Any) -> Any:
        return {cls.short: value} if isinstance(value, str | int | float) and not isinstance(value, bool) else value


@dataclass(frozen=True, slots=True)
class ByName:
    """Metadata of a mapping from *names* to settings that may be written as a list of names alone."""

    names: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        words = f"a list of {self.names}, or a mapping from each to its settings"
        return core_schema.no_info_before_validator_function(
            self._from_list, handler(source), metadata={"allowed": words}
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        mapping = handler(schema)
        names = {"type": "string", **mapping.get("propertyNames", {})}
        for pattern in mapping.get("patternProperties", ()):
            names["pattern"] = pattern
        return {"anyOf": [mapping, {"type": "array", "items": names, "uniqueItems": True}]}

    def _from_list(self, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        seen: set[str] = set()
        for name in value:
            if not isinstance(name, str):
                hint = "settings of one need a mapping of all: {name: {}, name: {...}}"
                raise refuse(f"found {kind_of(name)} in a list of {self.names}", self.names, hint)
            if name in seen:
                raise refuse(f"found {name!r} a second time", f"{self.names}, each once")
            seen.add(name)
        return {name: {} for name in value}
