"""Types as JSON Schema (2020-12): the types of answers, and the models of requests."""

import types
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from followups.api.answers import Shape

PLACE = "#/components/schemas/"
_NAMES = {str: "string", bool: "boolean", int: "integer", types.NoneType: "null"}


def of_models(models: Iterable[type[BaseModel]]) -> dict[str, Any]:
    """Gives the schemas of request bodies by name."""
    _, made = models_json_schema([(it, "validation") for it in models], ref_template=PLACE + "{model}")
    return {name: _tidy(schema) for name, schema in made["$defs"].items()}


def of(kind: Any, named: dict[str, Any]) -> dict[str, Any]:
    """Gives the schema of a type. What has a name of its own goes into `named`, and is referred to.

    Raises TypeError for a type that answers do not use.
    """
    origin, parts = get_origin(kind), get_args(kind)
    if kind in _NAMES:
        return {"type": _NAMES[kind]}
    if origin is Annotated:
        return _annotated(of(parts[0], named), parts[1:])
    if origin in (Union, types.UnionType):
        return _one_of([of(it, named) for it in parts])
    if origin is Literal:
        return {"const": parts[0]} if len(parts) == 1 else {"enum": list(parts)}
    if origin is dict:
        return {"type": "object"}
    if origin is list:
        return {"type": "array", "items": of(parts[0], named)}
    if is_typeddict(kind) or (isinstance(kind, type) and issubclass(kind, StrEnum)):
        if kind.__name__ not in named:
            named[kind.__name__] = {}  # Before its parts, which may need it.
            named[kind.__name__] = _named(kind, named)
        return {"$ref": PLACE + kind.__name__}
    raise TypeError(f"no schema for {kind!r}")


def _named(kind: Any, named: dict[str, Any]) -> dict[str, Any]:
    about = {"description": kind.__doc__} if kind.__doc__ else {}
    if not is_typeddict(kind):
        return about | {"type": "string", "enum": [it.value for it in kind]}
    hints = get_type_hints(kind, include_extras=True)
    fields = {name: of(hint, named) for name, hint in hints.items()}
    return about | {"type": "object", "properties": fields, "required": list(fields)}


def _annotated(schema: dict[str, Any], notes: Iterable[Any]) -> dict[str, Any]:
    for note in notes:
        if isinstance(note, Shape):
            schema = schema | {name: value for name, value in note._asdict().items() if value is not None}
        else:
            schema = schema | {"description": note}
    return schema


def _one_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    """Gives what fits any of them; a simple type or null in the short way of writing it."""
    first, *others = schemas
    if others == [{"type": "null"}] and isinstance(first.get("type"), str) and not first.keys() & {"enum", "const"}:
        return first | {"type": [first["type"], "null"]}
    return {"anyOf": schemas}


def _tidy(schema: Any) -> Any:
    """Leaves out the titles that pydantic makes of the fields' names."""
    if isinstance(schema, list):
        return [_tidy(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    tidied = {name: _tidy(value) for name, value in schema.items() if not (name == "title" and isinstance(value, str))}
    return _one_of(tidied.pop("anyOf")) | tidied if "anyOf" in tidied else tidied
