"""Parts: short forms, lists in place of mappings, and what a refusal carries."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError

from rmqha_model.part import ByName, Part, kind_of, refuse


class Server(Part):
    """A server that may be written as its port alone."""

    short = "port"

    port: int = Field(description="Where it listens.")
    weight: int = Field(1, description="Its share.")


class Pool(Part):
    """Servers and backups by name."""

    servers: dict[str, Server] = Field({}, description="Servers by name.")


@pytest.mark.parametrize("value", [5672, "5672", {"port": 5672}, Server(port=5672)])
def test_a_value_stands_for_its_part(value: object) -> None:
    """A number or text in place of a mapping is the value of the part's main key."""
    assert Pool.model_validate({"servers": {"a": value}}).servers["a"] == Server(port=5672)


@pytest.mark.parametrize("value", [True, None, [5672], {"weight": 2}, {"port": 1, "wieght": 2}])
def test_what_is_no_short_form(value: object) -> None:
    """Nothing else is taken for one."""
    with pytest.raises(ValidationError):
        Pool.model_validate({"servers": {"a": value}})


class Named(Part):
    """Mappings without settings of their own."""

    tags: Annotated[dict[str, dict[str, int]], ByName("tag names")] = Field({}, description="Tags by name.")


def test_a_list_of_names_stands_for_a_mapping() -> None:
    """Names alone are names with empty settings, in their order."""
    assert Named.model_validate({"tags": ["b", "a"]}).tags == {"b": {}, "a": {}}
    assert list(Named.model_validate({"tags": ["b", "a"]}).tags) == ["b", "a"]


@pytest.mark.parametrize(
    ("names", "found"),
    [(["a", "a"], "found 'a' a second time"), (["a", {"b": {}}], "found a mapping in a list of tag names")],
)
def test_a_list_that_is_no_list_of_names(names: list[Any], found: str) -> None:
    """A name twice, or something else than a name, is refused in words."""
    with pytest.raises(ValidationError) as caught:
        Named.model_validate({"tags": names})
    (error,) = caught.value.errors()
    assert (error["loc"], error["msg"]) == (("tags",), found)


def test_the_schema_says_all_forms() -> None:
    """The JSON Schema has the short form and the long one, and a list beside a mapping."""
    schema = Pool.model_json_schema()
    server = schema["properties"]["servers"]["additionalProperties"]
    short, whole = schema["$defs"][server["$ref"].rpartition("/")[2]]["anyOf"] if "$ref" in server else server["anyOf"]
    assert (short["type"], whole["type"], whole["required"]) == ("integer", "object", ["port"])
    mapping, names = Named.model_json_schema()["properties"]["tags"]["anyOf"]
    assert (mapping["type"], names["type"], names["uniqueItems"]) == ("object", "array", True)


def test_a_refusal_carries_its_parts() -> None:
    """What was found is the text; what is allowed, what to do and the key it is about go with it."""
    error = refuse("found 5", "6", "add one", at="number")
    assert error.message() == "found 5"
    assert error.context == {"found": "found 5", "allowed": "6", "hint": "add one", "at": "number"}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, "a mapping"),
        ([], "a list"),
        ("x", "text"),
        (1, "a number"),
        (1.5, "a number"),
        (True, "true"),
        (None, "nothing"),
    ],
)
def test_kinds_in_words(value: object, words: str) -> None:
    """A kind of value has a plain name that shows nothing of a text or number."""
    assert kind_of(value) == words
    assert kind_of(object()) == "a value of type object"
