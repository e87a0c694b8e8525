"""Reading and writing by a schema: errors name the field, its value and what it may be."""

import json
import reprlib
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from run_files.dotted import flatten
from run_files.kinds import Text

Schema = TypeVar("Schema", bound=msgspec.Struct)
WORDS = {str: "text", bool: "true or false", list: "a list", dict: "an object"}
SHORT = reprlib.Repr()  # of values in messages: of long ones beginning and end
SHORT.maxstring = SHORT.maxother = 200


def read(text: str, schema: type[Schema]) -> Schema:
    """The content of a file, checked.

    Raises:
        ValueError: it is not JSON, or not of the schema.
    """
    try:
        return msgspec.json.decode(text, type=schema)
    except (msgspec.DecodeError, RecursionError):  # says little: where it is, not what
        pass
    try:
        return _read_closely(text, schema)
    except RecursionError as error:
        raise ValueError("not a JSON file of ours: it is nested too deeply") from error


def _read_closely(text: str, schema: type[Schema]) -> Schema:
    """As `read`, slowly; a config may hold what Python's JSON has besides the standard's: NaN."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ValueError(f"not a JSON file ({error})") from error
    if not isinstance(content, dict):
        raise ValueError(f"must hold a JSON object; got {type(content).__name__}")
    return _converted(content, schema)


def checked(content: dict[str, Any], schema: type[Schema]) -> dict[str, Any]:
    """`content` itself, which is about to be written, if it is of the schema.

    Raises:
        ValueError: it is not, or has keys that the schema has not.
    """
    written = json.loads(json.dumps(content, default=repr))
    try:
        known = flatten(msgspec.to_builtins(_converted(written, schema)))
    except ValueError as error:
        raise ValueError(f"{schema.FILE}: {error}") from error
    unknown = [key for key in flatten(written) if key not in known]
    if unknown:
        raise ValueError(f"{schema.FILE}: its schema has no {', '.join(unknown)}")
    return content


def _converted(content: dict[str, Any], schema: type[Schema]) -> Schema:
    fault = _fault(content, schema)
    if fault:
        raise ValueError(fault)
    try:
        return msgspec.convert(content, schema)
    except msgspec.ValidationError as error:  # of several fields together, in the schema's words
        raise ValueError(str(error)) from error


def _fault(value: object, kind: Any, name: str = "") -> str:
    """The first fault of a value: its name, what it must be and what it is; "" for none."""
    if get_origin(kind) in (Union, UnionType):
        if value is None:
            return ""
        (kind,) = (option for option in get_args(kind) if option is not NoneType)
    if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        faults = _faults_of_fields(value, kind, f"{name}." if name else "")
    elif isinstance(value, list) and get_origin(kind) is list:
        (entry,) = get_args(kind)
        faults = (_fault(item, entry, f"{name}[{i}]") for i, item in enumerate(value))
    elif _is(value, kind):
        return ""
    else:
        return f"{name} must be {_words(kind)}; got {SHORT.repr(value)}"
    return next(filter(None, faults), "")


def _faults_of_fields(value: dict, schema: type[msgspec.Struct], prefix: str) -> Iterator[str]:
    kinds = get_type_hints(schema, include_extras=True)
    # The version goes first: in a file of another one anything may differ.
    for field in sorted(msgspec.structs.fields(schema), key=lambda field: field.name != "schema"):
        if field.name in value:
            yield _fault(value[field.name], kinds[field.name], prefix + field.name)
        elif field.required:
            yield f"{prefix}{field.name} is missing"


def _is(value: object, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
        if kind == Text:
            value.encode()
    except (msgspec.ValidationError, UnicodeEncodeError):
        return False
    return True


def _words(kind: Any) -> str:
    """What a value of a kind is."""
    if get_origin(kind) is Annotated:
        return next(x.description for x in get_args(kind) if isinstance(x, msgspec.Meta))
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        needed = [field.name for field in msgspec.structs.fields(kind) if field.required]
        return "an object" + (f" with {', '.join(needed)}" if needed else "")
    return WORDS[get_origin(kind) or kind]
