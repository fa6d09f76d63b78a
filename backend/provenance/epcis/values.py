"""JSON values of EPCIS documents. Numbers stay the text they were written as (`kit.canonical.Number`):
a float merges serial numbers beyond 2^53 and turns 1.50 into 1.5.
"""

import json
import re
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring as _quoted
from typing import Any, Final, TypeAlias

from backend.kit.canonical import CanonicalError, Number, encode, parse

MAX_NUMBER_LENGTH: Final = 64
"""Longest numeral accepted, in characters. No quantity or reading needs more."""

MAX_DEPTH: Final = 40
"""Deepest nesting accepted. The deepest standard field lies at 8; the rest is room for extensions."""

_EXPONENT: Final = re.compile(r"[eE][+-]?(\d+)$")
_MAX_EXPONENT: Final = 400

Object: TypeAlias = dict[str, Any]
"""A JSON object as read by `loads`."""


class MalformedJson(ValueError):
    """The bytes are not one JSON value as this repository reads it. The text says where."""


def loads(data: bytes | str) -> Any:
    """Reads one JSON value.

    Raises:
        MalformedJson: not JSON (RFC 8259), not UTF-8, a repeated key, nested beyond `MAX_DEPTH`, a NUL or a
            lone surrogate in a text, or a number no reader should have to keep.
    """
    try:
        value = parse(data.removeprefix(b"\xef\xbb\xbf") if isinstance(data, bytes) else data)
    except CanonicalError as error:
        raise MalformedJson(str(error)) from error
    _require_sound(value, MAX_DEPTH)
    return value


def _require_sound(value: Any, levels: int) -> None:
    if levels < 0:
        raise MalformedJson(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        if "\x00" in value:
            raise MalformedJson("a NUL character in a text, which PostgreSQL cannot keep")
    elif isinstance(value, dict):
        for key, member in value.items():
            if "\x00" in key:
                _require_sound(key, levels)
            _require_sound(member, levels - 1)
    elif isinstance(value, list):
        for member in value:
            _require_sound(member, levels - 1)
    elif isinstance(value, Number):
        _require_modest(value.text)


def _require_modest(numeral: str) -> None:
    if len(numeral) > MAX_NUMBER_LENGTH:
        raise MalformedJson(f"a number of {len(numeral)} characters; at most {MAX_NUMBER_LENGTH} are read")
    exponent = _EXPONENT.search(numeral)
    if exponent is not None and int(exponent[1]) > _MAX_EXPONENT:
        raise MalformedJson(f"the exponent of {numeral} is out of range")


def dumps(value: Any) -> str:
    """Compact JSON in the order received, numbers as they were written."""
    parts: list[str] = []
    _write(value, parts)
    return "".join(parts)


def _write(value: Any, parts: list[str]) -> None:
    if isinstance(value, str):
        parts.append(_quoted(value))
    elif isinstance(value, Number):
        parts.append(value.text)
    elif isinstance(value, dict | Mapping):
        separator = "{"
        for key, member in value.items():
            parts.append(f"{separator}{_quoted(key)}:")
            _write(member, parts)
            separator = ","
        parts.append("}" if value else "{}")
    elif isinstance(value, Sequence):
        separator = "["
        for member in value:
            parts.append(separator)
            _write(member, parts)
            separator = ","
        parts.append("]" if value else "[]")
    else:
        parts.append(json.dumps(value))


def plain(value: Any) -> Any:
    """The same structure with a stand-in for each number, for a schema that asks for types only."""
    if isinstance(value, Number):
        return 1
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    return value


__all__ = ["MAX_DEPTH", "MalformedJson", "Number", "Object", "dumps", "encode", "loads", "plain"]
