"""JSON values whose numbers stay the text they were written as.

A float merges serial numbers beyond 2^53 and turns 1.50 into 1.5; what was received must come back as it was.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from json.encoder import encode_basestring as _quoted
from typing import Any, Final, NoReturn, TypeAlias

MAX_NUMBER_LENGTH: Final = 64
"""Longest numeral accepted, in characters. No quantity or reading needs more; a parser bomb does."""

MAX_DEPTH: Final = 40
"""Deepest nesting accepted. The deepest standard field lies at 8; the rest is room for extensions."""

_EXPONENT = re.compile(r"[eE][+-]?(\d+)$")
_MAX_EXPONENT: Final = 400


class MalformedJson(ValueError):
    """The bytes are not one JSON value as this repository reads it. The text says where."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number exactly as it was written."""

    text: str

    def decimal(self) -> Decimal:
        return Decimal(self.text)


Object: TypeAlias = dict[str, Any]
"""A JSON object as read by `loads`."""


def _number(text: str) -> Number:
    if len(text) > MAX_NUMBER_LENGTH:
        raise MalformedJson(f"a number of {len(text)} characters; at most {MAX_NUMBER_LENGTH} are read")
    exponent = _EXPONENT.search(text)
    if exponent is not None and int(exponent[1]) > _MAX_EXPONENT:
        raise MalformedJson(f"the exponent of {text} is out of range")
    return Number(text)


def _constant(text: str) -> NoReturn:
    raise MalformedJson(f"{text} is not a JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> Object:
    """Refuses a repeated key: parsers differ in which one they keep, so a signature over it proves nothing."""
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise MalformedJson(f"the key {key[:80]!r} appears twice in one object")
            seen.add(key)
    return value


def loads(data: bytes | str) -> Any:
    """Reads one JSON value.

    Raises:
        MalformedJson: not JSON (RFC 8259), not UTF-8, a repeated key, nested beyond `MAX_DEPTH`, a lone
            surrogate, or a number no reader should have to keep.
    """
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        value = json.loads(
            text, parse_int=_number, parse_float=_number, parse_constant=_constant, object_pairs_hook=_unique
        )
    except json.JSONDecodeError as error:
        raise MalformedJson(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise MalformedJson(f"byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise MalformedJson(f"nested deeper than {MAX_DEPTH} levels") from error
    _require_sound(value, MAX_DEPTH)
    return value


def _require_sound(value: Any, levels: int) -> None:
    if levels < 0:
        raise MalformedJson(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        for key, member in value.items():
            _require_scalar_values(key)
            _require_sound(member, levels - 1)
    elif isinstance(value, list):
        for member in value:
            _require_sound(member, levels - 1)
    elif isinstance(value, str):
        _require_scalar_values(value)


def _require_scalar_values(text: str) -> None:
    """A lone surrogate has no UTF-8 form, so it could be neither stored nor hashed; PostgreSQL keeps no NUL."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise MalformedJson("a lone surrogate in a string") from error
    if "\x00" in text:
        raise MalformedJson("a NUL character in a string")


def dumps(value: Any) -> str:
    """Compact JSON in the order received, numbers as they were written."""
    parts: list[str] = []
    _write(value, parts, canonical=False)
    return "".join(parts)


def canonical(value: Any) -> bytes:
    """One byte string for one value: members sorted by UTF-16 code units as in RFC 8785, numbers as text.

    Unlike RFC 8785 it does not pass numbers through IEEE 754, so 1.0 and 1 differ and no digit is lost.
    """
    parts: list[str] = []
    _write(value, parts, canonical=True)
    return "".join(parts).encode()


def _write(value: Any, parts: list[str], *, canonical: bool) -> None:
    if isinstance(value, str):
        parts.append(_quoted(value))
    elif isinstance(value, Number):
        parts.append(value.text)
    elif isinstance(value, bool):
        parts.append("true" if value else "false")
    elif value is None:
        parts.append("null")
    elif isinstance(value, int):
        parts.append(str(value))
    elif isinstance(value, Mapping):
        items: Any = value.items()
        if canonical:
            items = sorted(items, key=lambda item: item[0].encode("utf-16-be"))
        separator = "{"
        for key, member in items:
            parts.append(f"{separator}{_quoted(key)}:")
            _write(member, parts, canonical=canonical)
            separator = ","
        parts.append("}" if value else "{}")
    elif isinstance(value, Sequence):
        separator = "["
        for member in value:
            parts.append(separator)
            _write(member, parts, canonical=canonical)
            separator = ","
        parts.append("]" if value else "[]")
    else:
        raise TypeError(f"{type(value).__name__} is no JSON value")


def plain(value: Any) -> Any:
    """The same structure with a stand-in for each number, for a schema that asks for types and not for sizes."""
    if isinstance(value, Number):
        return 1
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    return value
