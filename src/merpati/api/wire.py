"""What a typed decoder's complaint means in the caller's words."""

from __future__ import annotations

import re

import msgspec

_COMPLAINT = re.compile(r"Expected `([^`]*)`, got `([^`]*)`")
_PLACE = re.compile(r" - at `\$?\.?([^`]*)`$")
_TYPES = {
    "str": "string",
    "int": "number",
    "float": "number",
    "bool": "boolean",
    "object": "object",
    "array": "array",
    "null": "null",
}
_WANTED = _TYPES | {"int": "integer"}  # 1.5 is a number too


def wrong_field(error: msgspec.ValidationError) -> tuple[str, str]:
    """Return (field's path, "" for the body itself; sentence that names it) of a wrong type."""
    text = str(error)
    place = _PLACE.search(text)
    field = place[1].replace("[...]", "[]") if place else ""
    complaint = _COMPLAINT.search(text)
    if complaint is None:
        return field, f"{field or 'the body'}: {_PLACE.sub('', text)}"
    wanted = [_WANTED.get(name, name) for name in complaint[1].split(" | ") if name != "null"]
    got = _TYPES.get(complaint[2], complaint[2])
    return field, f"{field or 'the body'} must be {_listed(wanted)}, not {got}"


def _listed(names: list[str]) -> str:
    return " or ".join(dict.fromkeys(names))
