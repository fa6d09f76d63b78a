"""One text for one JSON value, so that its hash means the value and nothing else.

RFC 8785 (JCS) with two differences, both because money and serial numbers must not pass through floats:
a number read from somebody's document keeps its decimal text (`Number`) and is written exactly so, and a
Python integer beyond 2^53 - 1 is written as a string. Floats are refused.
"""

import json
import re
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring as _quoted
from typing import TypeAlias

SAFE_INTEGER = 2**53 - 1
MAX_DEPTH = 64

_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")

_OBJECTS = (dict, Mapping)
_ARRAYS = (list, Sequence)
"""What is nearly always there first: asking whether something is a Mapping takes longer."""

Json: TypeAlias = "bool | int | str | Number | Sequence[Json] | Mapping[str, Json] | None"


class CanonicalError(ValueError):
    """The value has no single canonical text. The message says what and where."""


class Number:
    """A JSON number as its decimal text: `1.0`, `1.00` and `1` are three different texts."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        if not _NUMBER.fullmatch(text):
            raise CanonicalError(f"not a JSON number: {text[:40]!r}")
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Number) and self.text == other.text

    def __hash__(self) -> int:
        return hash((Number, self.text))

    def __repr__(self) -> str:
        return f"Number({self.text!r})"

    def __str__(self) -> str:
        return self.text


def parse(raw: bytes | str) -> Json:
    """Read JSON from a stranger (RFC 8259, UTF-8): numbers stay text, nothing is silently merged.

    Raises `CanonicalError` for a name given twice, NaN or Infinity, a lone surrogate, nesting deeper
    than `MAX_DEPTH`, or text that is not JSON.
    """
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        value = reread(text)
    except UnicodeDecodeError as error:
        raise CanonicalError(f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise CanonicalError(f"not JSON at line {error.lineno}, column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise CanonicalError(f"nested deeper than {MAX_DEPTH} levels") from error
    _check_depth(value)
    if _ESCAPED_SURROGATE.search(text) or not (text.isascii() or isinstance(raw, bytes)):
        encode(value)  # finds a lone surrogate, which the reader above lets through
    return value


def reread(text: str) -> Json:
    """Read JSON that `parse` found sound before it was kept: numbers stay text, nothing is checked again."""
    return _READER.decode(text)  # type: ignore[no-any-return]


def encode(value: Json) -> bytes:
    """The canonical UTF-8 text of `value`: names sorted by UTF-16 code units, no spaces."""
    if isinstance(value, str):  # most are asked for one by one, as fields of something
        pieces = [_quoted(value)]
    else:
        pieces = []
        _write(value, pieces, 0)
    try:
        return "".join(pieces).encode("utf-8")
    except UnicodeEncodeError as error:
        raise CanonicalError("text holds a lone surrogate, which UTF-8 cannot carry") from error


def _check_depth(value: Json) -> None:
    """Raises `CanonicalError` as `encode` would, at a fraction of its cost."""
    level: list[Json] = [value]
    for _ in range(MAX_DEPTH + 1):
        inner = [each for each in level if isinstance(each, dict | list)]
        if not inner:
            return
        level = [item for each in inner for item in (each.values() if isinstance(each, dict) else each)]
    if level:
        raise CanonicalError(f"nested deeper than {MAX_DEPTH} levels")


def _write(value: Json, out: list[str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise CanonicalError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        out.append(_quoted(value))
    elif isinstance(value, Number):
        out.append(value.text)
    elif value is None or isinstance(value, bool):
        out.append({None: "null", True: "true", False: "false"}[value])
    elif isinstance(value, int):
        out.append(str(value) if abs(value) <= SAFE_INTEGER else f'"{value}"')
    elif isinstance(value, _OBJECTS):
        _write_object(value, out, depth)
    elif isinstance(value, _ARRAYS):
        _write_array(value, out, depth)
    else:
        raise CanonicalError(f"a {type(value).__name__} has no canonical form; write it as text")


def _write_object(value: Mapping[str, Json], out: list[str], depth: int) -> None:
    if not all(isinstance(name, str) for name in value):
        raise CanonicalError("a name in an object is not text")
    out.append("{")
    # Among ASCII names the order of code units is the order of characters.
    ordered = sorted(value, key=None if all(map(str.isascii, value)) else _utf16)
    for position, name in enumerate(ordered):
        out.append(("," if position else "") + _quoted(name) + ":")
        _write(value[name], out, depth + 1)
    out.append("}")


def _write_array(value: Sequence[Json], out: list[str], depth: int) -> None:
    out.append("[")
    for position, item in enumerate(value):
        if position:
            out.append(",")
        _write(item, out, depth + 1)
    out.append("]")


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")


def _refuse_constant(text: str) -> Json:
    raise CanonicalError(f"{text} is not JSON")


def _unique_names(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise CanonicalError(f"the name {twice[:80]!r} is given twice in one object")
    return value


_READER = json.JSONDecoder(
    parse_int=Number,
    parse_float=Number,
    parse_constant=_refuse_constant,
    object_pairs_hook=_unique_names,
)
