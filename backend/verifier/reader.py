"""Reading a stranger's JSON member by member: everything is checked, nothing unknown is passed over."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from backend.kit.canonical import Json, Number

T = TypeVar("T")

_HEX = re.compile(r"0x(?:[0-9a-f]{2})*")
_DIGITS = re.compile(r"0|[1-9][0-9]{0,77}")


class BundleError(ValueError):
    """The bundle is not what its format says. The message names the place as a JSON pointer (RFC 6901)."""

    def __init__(self, pointer: str, problem: str) -> None:
        super().__init__(f"{pointer or '/'}: {problem}")
        self.pointer = pointer
        self.problem = problem


class Reader:
    """One JSON object being read. Used with `with`, it refuses members that nobody asked for."""

    def __init__(self, value: Json, pointer: str = "") -> None:
        if not isinstance(value, Mapping):
            raise BundleError(pointer, "an object belongs here")
        self._members = value
        self._left = set(value)
        self.pointer = pointer

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None and self._left:
            raise BundleError(f"{self.pointer}/{min(self._left)}", "this format has no such member")

    def has(self, name: str) -> bool:
        """Whether the member is there and not null; a null counts as read."""
        if self._members.get(name) is None:
            self._left.discard(name)
            return False
        return True

    def value(self, name: str) -> Json:
        """Any JSON value; it must be there."""
        if name not in self._members:
            raise self.error(name, "missing")
        self._left.discard(name)
        return self._members[name]

    def text(self, name: str) -> str:
        """A string."""
        value = self.value(name)
        if not isinstance(value, str):
            raise self.error(name, "a string belongs here")
        return value

    def hash(self, name: str) -> bytes:
        """32 bytes."""
        return self.raw(name, 32)

    def raw(self, name: str, length: int | None = None) -> bytes:
        """Bytes as `0x` and lower-case hexadecimal."""
        return hexadecimal(self.value(name), length, f"{self.pointer}/{name}")

    def base64(self, name: str) -> bytes:
        """Bytes as standard Base64."""
        return _base64(self.value(name), None, f"{self.pointer}/{name}")

    def integer(self, name: str, bits: int = 64) -> int:
        """A number that is not negative, as decimal text or as a JSON integer."""
        value = self.value(name)
        text = value.text if isinstance(value, Number) else value
        if not isinstance(text, str) or not _DIGITS.fullmatch(text):
            raise self.error(name, "an integer in decimal digits belongs here")
        if int(text) >> bits:
            raise self.error(name, f"must fit {bits} bits")
        return int(text)

    def flag(self, name: str) -> bool:
        """true or false."""
        value = self.value(name)
        if not isinstance(value, bool):
            raise self.error(name, "true or false belongs here")
        return value

    def object(self, name: str) -> "Reader":
        """An object."""
        return Reader(self.value(name), f"{self.pointer}/{name}")

    def maybe(self, name: str, read: Callable[["Reader"], T]) -> T | None:
        """An object that may be missing or null."""
        if not self.has(name):
            return None
        with self.object(name) as inner:
            return read(inner)

    def objects(self, name: str, read: Callable[["Reader"], T]) -> tuple[T, ...]:
        """A list of objects; missing is empty."""
        found = []
        for pointer, item in self.items(name):
            with Reader(item, pointer) as inner:
                found.append(read(inner))
        return tuple(found)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings; missing is empty."""
        found = []
        for pointer, item in self.items(name):
            if not isinstance(item, str):
                raise BundleError(pointer, "a string belongs here")
            found.append(item)
        return tuple(found)

    def hexes(self, name: str, length: int | None = None) -> tuple[bytes, ...]:
        """A list of bytes; missing is empty."""
        return tuple(hexadecimal(item, length, pointer) for pointer, item in self.items(name))

    def base64s(self, name: str, length: int | None = None) -> tuple[bytes, ...]:
        """A list of bytes in Base64; missing is empty."""
        return tuple(_base64(item, length, pointer) for pointer, item in self.items(name))

    def items(self, name: str) -> Iterator[tuple[str, Json]]:
        """The items of a list with their pointers; missing is empty."""
        if not self.has(name):
            return
        value = self.value(name)
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise self.error(name, "a list belongs here")
        for position, item in enumerate(value):
            yield f"{self.pointer}/{name}/{position}", item

    def names(self) -> list[str]:
        """Names of the members nobody read yet, for objects used as dictionaries."""
        return sorted(self._left)

    def error(self, name: str, problem: str) -> BundleError:
        """What is wrong with a member."""
        return BundleError(f"{self.pointer}/{name}", problem)


def _base64(value: Json, length: int | None, pointer: str) -> bytes:
    if not isinstance(value, str):
        raise BundleError(pointer, "bytes in Base64 belong here")
    try:
        found = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BundleError(pointer, f"not Base64: {error}") from error
    if length is not None and len(found) != length:
        raise BundleError(pointer, f"{length} bytes belong here, not {len(found)}")
    return found


def hexadecimal(value: Json, length: int | None, pointer: str) -> bytes:
    """Bytes behind `0x…`, of the given length if one is given."""
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise BundleError(pointer, "bytes as 0x and lower-case hexadecimal belong here")
    found = bytes.fromhex(value[2:])
    if length is not None and len(found) != length:
        raise BundleError(pointer, f"{length} bytes belong here, not {len(found)}")
    return found
