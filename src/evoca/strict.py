"""The bases of all data that are read from files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

__all__ = ["Lenient", "Partial", "Strict", "place_and_reason", "plain_reason"]


class Strict(BaseModel):
    """Data that never change, in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Lenient(BaseModel):
    """Data of another version, perhaps: known keys have their types, unknown ones hold anything."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)


class Partial(BaseModel):
    """A part of data, of which more may be recorded than is read: unknown keys are skipped."""

    model_config = ConfigDict(extra="ignore", frozen=True)


_REASONS = {
    "missing": "is missing",
    "extra_forbidden": "is an unknown key",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be a text",
    "none_required": "must be empty",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a group of keys",
    "model_type": "must be a group of keys",
    "model_attributes_type": "must be a group of keys",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must look like {pattern}",
    "union_tag_invalid": "must be one of {expected_tags}",
    "union_tag_not_found": "says no kind: {discriminator} is missing",
}


def plain_reason(error: Mapping[str, Any]) -> str:
    """Return what is wrong with a value, in words of our own and not of the library.

    Args:
        error: one of ``ValidationError.errors()``.

    >>> plain_reason({"type": "greater_than_equal", "ctx": {"ge": 2}, "msg": ""})
    'must be at least 2'
    """
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind in _REASONS:
        return _REASONS[kind].format(**context)
    message = str(error["msg"])
    for begin in ("Value error, ", "Assertion failed, "):
        message = message.removeprefix(begin)
    return message.replace("Input should", "must").replace("Input ", "it ")


def place_and_reason(error: ValidationError, whole: str = "") -> str:
    """Return where the first thing is wrong, and why.

    Args:
        error: of validating some content.
        whole: names the content itself, where it is wrong as a whole.
    """
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"])) or whole
    reason = plain_reason(first)
    return f"{place}: {reason}" if place else reason
