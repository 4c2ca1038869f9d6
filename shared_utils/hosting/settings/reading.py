"""Read a TOML file into its schema, and say every mistake in it at once."""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shared_utils.hosting.settings import schema
from shared_utils.hosting.settings.mistakes import Mistake

Schema = TypeVar("Schema", bound=BaseModel)

_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_WANTED = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "a text in quotes",
    "dict_type": "a table",
    "model_type": "a table",
    "finite_number": "a finite number",
}
_KINDS: dict[type, str] = {
    dict: "a table",
    list: "a list",
    str: "a text",
    bool: "a boolean",
    int: "a whole number",
    float: "a number",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Read(Generic[Schema]):
    """A file as far as it is sound: ``held`` leaves out the keys that ``mistakes`` are about."""

    held: Schema
    mistakes: tuple[Mistake, ...]


def read(path: Path, shown: str, model: type[Schema]) -> Read[Schema]:
    """Read the TOML file at ``path`` as ``model``; messages call the file ``shown``.

    Never raises for what stands in the file: a file that is not UTF-8 or not TOML gives an empty
    ``held`` and one mistake, every other mistake leaves out only the key that it is about.
    """
    try:
        data = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        return _unusable(model, shown, "there is no such file", "write one or name another")
    except OSError as error:
        fault = error.strerror or type(error).__name__
        return _unusable(model, shown, f"cannot be read ({fault})", "make it a readable file")
    except UnicodeDecodeError as error:
        found = f"byte {error.start} is not UTF-8"
        return _unusable(model, shown, found, "save the file as UTF-8")
    except tomllib.TOMLDecodeError as error:
        line, column, message = _placed(error, path)
        where = f"{shown}:{line}:{column}"
        return _unusable(model, where, f"not TOML: {message}", "mend the syntax (https://toml.io)")
    except RecursionError:
        return _unusable(model, shown, "nests too deeply", "write it with fewer levels")
    except ValueError:  # Python refuses numbers of more than 4,300 digits
        return _unusable(model, shown, "has a number that is too long", "write a shorter one")
    return check(data, shown, model)


def check(data: dict[str, Any], shown: str, model: type[Schema]) -> Read[Schema]:
    """Hold ``data`` against ``model``, as :func:`read` does with what it read."""
    mistakes: list[Mistake] = []
    while True:
        try:
            return Read(held=model.model_validate(data), mistakes=tuple(mistakes))
        except ValidationError as invalid:
            errors = invalid.errors(include_url=False)
        mistakes += [_mistake(error, shown, model) for error in errors]
        data = _without(data, [_path(error) for error in errors])


def _unusable(model: type[Schema], shown: str, found: str, write: str) -> Read[Schema]:
    return Read(held=model(), mistakes=(Mistake(file=shown, found=found, write=write),))


def _placed(error: tomllib.TOMLDecodeError, path: Path) -> tuple[int, int, str]:
    """Return line, column (both from 1) and message of a syntax error."""
    message = str(error)
    position = _POSITION.search(message)
    bare = _POSITION.sub("", message)
    if position and position[1]:
        return int(position[1]), int(position[2]), bare
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return len(lines), len(lines[-1]) + 1, f"{bare} at the end of the file"


def _without(data: dict[str, Any], paths: list[tuple[int | str, ...]]) -> dict[str, Any]:
    """Return ``data`` without the keys at ``paths``."""
    dropped = {path[0] for path in paths if len(path) == 1}
    kept = {}
    for key, value in data.items():
        if key in dropped:
            continue
        inner = [path[1:] for path in paths if path[0] == key]
        kept[key] = _without(value, inner) if inner and isinstance(value, dict) else value
    return kept


def _path(error: ErrorDetails) -> tuple[int | str, ...]:
    """Return where a mistake is, without the ``[key]`` that pydantic puts after one in a key."""
    path = error["loc"]
    in_key = error["type"] == "mistaken" and len(path) > 2 and path[-1] == "[key]"
    return path[:-1] if in_key else path


def _mistake(error: ErrorDetails, shown: str, model: type[BaseModel]) -> Mistake:
    location = [str(part) for part in _path(error)]
    key = _one_line(".".join(location))
    if error["type"] == "extra_forbidden":
        return Mistake(file=shown, key=key, found="unknown key", write=_nearest(location, model))
    if error["type"] == "mistaken":
        context = error["ctx"]
        return Mistake(file=shown, key=key, found=context["found"], write=context["write"])
    return Mistake(file=shown, key=key, found=_found(key, error["input"]), write=_wanted(error))


def _one_line(text: str) -> str:
    return text if text.isprintable() else repr(text)[1:-1]


def _found(key: str, value: Any) -> str:
    kind = _KINDS.get(type(value), "a date or time")
    plain = isinstance(value, str | bool | float) or (
        isinstance(value, int) and value.bit_length() <= 64
    )
    if not plain or not schema.shows(key):
        return f"found {kind}"
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return f"found {text if len(text) <= 60 else text[:57] + '...'}"


def _wanted(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if error["type"] == "literal_error":
        return f"write {context['expected']}".replace("'", '"')
    for bound, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most")):
        if bound in context:
            return f"write a number that is {words} {schema.spelt(context[bound])}"
    return f"write {_WANTED.get(error['type'], error['msg'])}"


def _nearest(location: list[str], model: type[BaseModel]) -> str:
    """Return where a misspelt or misplaced key belongs, or the keys that there are."""
    *table, key = location
    here = _fields_at(table, model)
    if near := difflib.get_close_matches(key, here, n=1):
        return f'write "{near[0]}"'
    if model is schema.Manifest and not table and key in schema.OPERATOR_ONLY:
        return "only the operator may set it, in rowhouse.toml"
    elsewhere = [path for path in _paths(_model_at(table, model)) if path.endswith(f".{key}")]
    if elsewhere:
        return f'write it as "{".".join([*table, elsewhere[0]])}"'
    return f"write one of: {', '.join(here)}"


def _fields_at(table: list[str], model: type[BaseModel]) -> list[str]:
    return sorted(_model_at(table, model).model_fields)


def _model_at(table: list[str], model: type[BaseModel]) -> type[BaseModel]:
    """Follow ``table`` down into ``model``; a table of tables takes any name."""
    steps = iter(table)
    for step in steps:
        inner = model.model_fields[step].annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
        else:
            next(steps, None)
            model = get_args(inner)[1]
    return model


def _paths(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield name
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from (f"{name}.{path}" for path in _paths(inner))
