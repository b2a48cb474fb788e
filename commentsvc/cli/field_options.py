"""Derive the options of a command from the fields of a query, and read their values."""

import argparse
from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import msgspec

from commentsvc.storage.comment_filter import Sql

# Other options show their own name.
METAVARS: Final = {"q": "TEXT", "site": "NAME", "same_text": "ID", "same_name": "ID", "note": "TEXT", "as_of": "TIME"}


def add_field_options(command: argparse.ArgumentParser, shape: type[msgspec.Struct], but: Collection[str] = ()) -> None:
    """Add an option for each field of a query but these: its type gives the choices, its description the help."""
    for field in msgspec.structs.fields(shape):
        if field.name in but:
            continue
        kind, notes = _split_type(field.type)
        option: dict[str, Any] = {"help": _help_text(notes, field.default), "default": None}
        if kind is bool:
            option["action"] = "store_true"
        elif kind is int:
            option |= {"type": int, "metavar": "NUMBER"}
        elif isinstance(kind, type) and issubclass(kind, StrEnum):
            option["choices"] = [member.value for member in kind]
        elif get_origin(kind) is Literal:
            option["choices"] = get_args(kind)
        elif any(isinstance(note, Sql) and note.time for note in notes):
            option["metavar"] = "TIME"
        else:
            option["metavar"] = METAVARS.get(field.name, field.name.upper())
        command.add_argument(f"--{field.name.replace('_', '-')}", **option)


def read_field_options(arguments: argparse.Namespace, shape: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the values that were given for the fields of a query."""
    values = {name: getattr(arguments, name, None) for name in shape.__struct_fields__}
    return {name: value for name, value in values.items() if value is not None}


def _split_type(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the plain type of a field and its annotations, which may be inside an optional type."""
    for part in (kind, *get_args(kind)):
        if get_origin(part) is Annotated:
            return part.__origin__, part.__metadata__
    return kind, ()


def _help_text(notes: Sequence[Any], default: Any) -> str:
    """Return the last description in the style of other options: no capital, no full stop, the default at the end."""
    found = [note.description for note in notes if isinstance(note, msgspec.Meta) and note.description]
    text = found[-1].removesuffix(".") if found else ""
    text = text[:1].lower() + text[1:]
    is_left_out = default is None or default is False or default is msgspec.NODEFAULT
    return text if is_left_out else f"{text} (default: {default})"
