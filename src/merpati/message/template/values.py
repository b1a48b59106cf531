"""The values of the template language: truth, numbers, comparison and text, as Lua has them.

Data comes from JSON: None, bool, int, float, str, list, dict. What Lua would refuse at run time
raises TemplateRenderError.

Source: sparkpost-api 6.2; Lua 5.1 reference manual, section 2.5.
"""

from __future__ import annotations

import re
from typing import Any

from merpati.adapters import codec
from merpati.message.errors import TemplateRenderError

# Python's own float() would also take "nan", "infinity" and "1_000".
_NUMERIC = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*")
_EXACT_INTEGERS = 2**53  # above, a float no longer tells neighbouring integers apart


def is_true(value: Any) -> bool:
    """Return Lua's truth: only false and missing are false; 0 and "" are true."""
    return value is not None and value is not False


def number(value: Any) -> float | None:
    """Return a number or numeric string as a float, None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return None
    if isinstance(value, str) and _NUMERIC.fullmatch(value):
        return float(value)
    return None


def operand(value: Any) -> float:
    """Return an arithmetic operand as a float; raises TemplateRenderError when it is no number."""
    found = number(value)
    if found is None:
        raise TemplateRenderError(f"cannot calculate with {describe(value)}")
    return found


def equal(left: Any, right: Any) -> bool:
    """Return Lua's equality: no conversion, and lists and objects are equal to themselves only."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list | dict):
        return left is right
    return bool(left == right)


def less(left: Any, right: Any) -> bool:
    """Return whether left < right; two texts compare as texts, all else as numbers."""
    if isinstance(left, str) and isinstance(right, str):
        return left < right
    first, second = number(left), number(right)
    if first is None or second is None:
        raise TemplateRenderError(f"cannot compare {describe(left)} with {describe(right)}")
    return first < second


def length(value: Any) -> int:
    """Return what `#` gives; a missing array has no items, as in `each`."""
    if value is None:
        return 0
    if isinstance(value, list | str):
        return len(value)
    raise TemplateRenderError(f"cannot take the length of {describe(value)}")


def is_empty(value: Any) -> bool:
    """Return what the macro `empty` gives: missing, or without items."""
    return value is None or (isinstance(value, list | dict | str) and not value)


def item(container: Any, key: Any) -> Any:
    """Return `container[key]`; arrays count from 1; None when there is no such item."""
    if isinstance(container, dict):
        return container.get(key) if isinstance(key, str) else None
    if not isinstance(container, list) or isinstance(key, bool):
        return None
    if isinstance(key, int | float) and 1 <= key <= len(container) and key == int(key):
        return container[int(key) - 1]
    return None


def text(value: Any) -> str:
    """Return a value as it prints; missing is empty, arrays and objects print as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return _float_text(value) if isinstance(value, float) else _json_text(value)


def _float_text(value: float) -> str:
    if value.is_integer() and abs(value) < _EXACT_INTEGERS:
        return str(int(value))
    return format(value, ".14g")  # Lua's own: 0.1 + 0.2 prints 0.3


def _json_text(value: Any) -> str:
    try:
        return codec.json_text(value)
    except (RecursionError, ValueError, TypeError) as error:
        raise TemplateRenderError("cannot print this value as JSON") from error


def describe(value: Any) -> str:
    """Return a short name of a value's type for error texts; never the recipient's data."""
    if value is None:
        return "a missing value"
    if isinstance(value, bool):
        return "a boolean"
    names = {str: "a text", int: "a number", float: "a number", list: "an array"}
    return names.get(type(value), "an object")
