"""Encoding and decoding by a contract's ABI (Solidity ABI specification): calls, answers, events, errors.

Values in and out have one plain form: bytes are 0x-hex text, addresses checksummed text, integers int,
structs dicts by member name, arrays lists. That form goes through JSON and back unchanged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from eth_abi.codec import ABICodec
from eth_abi.exceptions import DecodingError
from eth_abi.registry import registry
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from backend.chain import layout

_codec = ABICodec(registry)


class AbiError(ValueError):
    """A value does not fit the ABI, or bytes are not what the ABI says. The text says which."""


@dataclass(frozen=True)
class Item:
    """A function, event or error of a contract."""

    name: str
    inputs: tuple[Mapping[str, Any], ...]
    outputs: tuple[Mapping[str, Any], ...] = ()
    anonymous: bool = False

    @cached_property
    def signature(self) -> str:
        """Such as `transfer(address,uint256)`."""
        return f"{self.name}({','.join(_type(given) for given in self.inputs)})"

    @cached_property
    def hash(self) -> bytes:
        """Keccak-256 of the signature: an event's first topic; its first bytes select a function or error."""
        return bytes(keccak(text=self.signature))

    @property
    def selector(self) -> bytes:
        return self.hash[:4]

    def encode(self, arguments: Sequence[Any] | Mapping[str, Any]) -> bytes:
        """Calldata: selector and arguments, given in order or by name. Raises AbiError."""
        return self.selector + encode_values(self.inputs, arguments)

    def decode_input(self, data: bytes) -> dict[str, Any]:
        """The arguments of calldata or of an error's data. Raises AbiError."""
        if data[:4] != self.selector:
            raise AbiError(f"the data is not of {self.signature}")
        return decode_values(self.inputs, data[4:])

    def decode_output(self, data: bytes) -> dict[str, Any]:
        """What a function answered; unnamed values are called by their place. Raises AbiError."""
        return decode_values(self.outputs, data)

    def decode_log(self, topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
        """The arguments of an event, indexed and not. Raises AbiError.

        An indexed argument of a dynamic type is its hash: more is not on the chain.
        """
        if len(topics) != self._indexed + 1:
            raise AbiError(f"{self.name} has {self._indexed} indexed arguments, the log {len(topics) - 1}")
        if self._layout is None:
            return self._decode_dynamic(topics, data)
        places, size = self._layout
        if len(data) < size or any(len(topic) != layout.WORD for topic in topics):
            raise AbiError(f"{self.name}: the log is too short")
        sources = (data, *topics[1:])
        try:
            return {name: read(sources[source], at) for name, read, source, at in places}
        except layout.LayoutError as error:
            raise AbiError(f"{self.name}: {error}") from error

    def _decode_dynamic(self, topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
        indexed = [given for given in self.inputs if given.get("indexed")]
        found: dict[str, Any] = {}
        for given, topic in zip(indexed, topics[1:], strict=True):
            found |= decode_values([_in_topic(given)], topic)
        rest = decode_values([given for given in self.inputs if not given.get("indexed")], data)
        by_name = found | rest
        return {given["name"]: by_name[given["name"]] for given in self.inputs}

    @cached_property
    def _indexed(self) -> int:
        return sum(1 for given in self.inputs if given.get("indexed"))

    @cached_property
    def _layout(self) -> tuple[list[tuple[str, layout.Reader, int, int]], int] | None:
        """Where each argument of an event stands: its name and reader, in which topic (0: in the data) and
        at which byte; and the data's size. None if one has no fixed place."""
        places: list[tuple[str, layout.Reader, int, int]] = []
        topic = at = 0
        for given in self.inputs:
            found = layout.reader(_in_topic(given) if given.get("indexed") else given)
            if found is None:
                return None
            if given.get("indexed"):
                topic += 1
                places.append((given["name"], found[0], topic, 0))
            else:
                places.append((given["name"], found[0], 0, at))
                at += found[1]
        return places, at


class Abi:
    """The ABI of one contract."""

    def __init__(self, entries: Sequence[Mapping[str, Any]]) -> None:
        self.functions: dict[str, Item] = {}
        self._overloaded: set[str] = set()
        self.by_selector: dict[bytes, Item] = {}
        self.events: dict[bytes, Item] = {}
        self.errors: dict[bytes, Item] = {}
        for entry in entries:
            kind = entry.get("type")
            if kind not in ("function", "event", "error"):
                continue
            item = Item(
                entry["name"],
                tuple(entry.get("inputs", ())),
                tuple(entry.get("outputs", ())),
                bool(entry.get("anonymous")),
            )
            if kind == "function":
                if item.name in self.functions:
                    self._overloaded.add(item.name)
                self.functions[item.name] = self.functions[item.signature] = item
                self.by_selector[item.selector] = item
            elif kind == "event" and not item.anonymous:
                self.events[item.hash] = item
            else:
                self.errors[item.selector] = item

    def function(self, name: str) -> Item:
        """By name, or by signature where the name is overloaded. Raises AbiError."""
        if name in self._overloaded or name not in self.functions:
            raise AbiError(f"there is no single function {name!r}")
        return self.functions[name]


def encode_values(shapes: Sequence[Mapping[str, Any]], values: Sequence[Any] | Mapping[str, Any]) -> bytes:
    """ABI encoding of a list of values, given in order or by name. Raises AbiError."""
    if isinstance(values, Mapping):
        names = [shape["name"] for shape in shapes]
        if set(values) != set(names):
            raise AbiError(f"expected the arguments {', '.join(names)}; got {', '.join(map(str, values))}")
        values = [values[name] for name in names]
    if len(values) != len(shapes):
        raise AbiError(f"expected {len(shapes)} arguments, got {len(values)}")
    plain = [_to_codec(shape, value) for shape, value in zip(shapes, values, strict=True)]
    try:
        return bytes(_codec.encode([_type(shape) for shape in shapes], plain))
    except Exception as error:
        raise AbiError(str(error)) from error


def decode_values(shapes: Sequence[Mapping[str, Any]], data: bytes) -> dict[str, Any]:
    """Values by name (by place where unnamed) out of their ABI encoding. Raises AbiError."""
    try:
        values = _codec.decode([_type(shape) for shape in shapes], data)
    except (DecodingError, OverflowError, ValueError) as error:
        raise AbiError(str(error)) from error
    return {
        shape.get("name") or str(place): _from_codec(shape, value)
        for place, (shape, value) in enumerate(zip(shapes, values, strict=True))
    }


def _in_topic(shape: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a topic holds of an indexed argument: the hash of a dynamic one, of an array or of a struct."""
    kind = shape["type"]
    dynamic = kind in ("string", "bytes", "tuple") or kind.endswith("]")
    return {"name": shape["name"], "type": "bytes32"} if dynamic else shape


def _type(shape: Mapping[str, Any]) -> str:
    """The canonical type: a struct is the tuple of its members."""
    kind = cast("str", shape["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_type(member) for member in shape['components'])}){kind.removeprefix('tuple')}"


def _element(shape: Mapping[str, Any]) -> Mapping[str, Any]:
    """The shape of an array's elements."""
    return {**shape, "type": shape["type"][: shape["type"].rindex("[")]}


def _to_codec(shape: Mapping[str, Any], value: Any) -> Any:
    kind = shape["type"]
    if kind.endswith("]"):
        if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
            raise AbiError(f"{shape.get('name')} is a list")
        return [_to_codec(_element(shape), each) for each in value]
    if kind == "tuple":
        members = shape["components"]
        if isinstance(value, Mapping):
            if missing := {member["name"] for member in members} ^ set(value):
                raise AbiError(f"{shape.get('name')} differs in {', '.join(sorted(missing))}")
            value = [value[member["name"]] for member in members]
        return tuple(_to_codec(member, each) for member, each in zip(members, value, strict=True))
    if kind.startswith("bytes") and isinstance(value, str):
        if not value.startswith("0x"):
            raise AbiError(f"{shape.get('name')} is not 0x-hex text")
        try:
            return bytes.fromhex(value[2:])
        except ValueError as error:
            raise AbiError(f"{shape.get('name')}: {error}") from error
    if kind == "address" and isinstance(value, bytes) and len(value) == 20:
        return to_checksum_address(value)
    return value


def _from_codec(shape: Mapping[str, Any], value: Any) -> Any:
    kind = shape["type"]
    if kind.endswith("]"):
        return [_from_codec(_element(shape), each) for each in value]
    if kind == "tuple":
        members = shape["components"]
        return {
            member["name"]: _from_codec(member, each) for member, each in zip(members, value, strict=True)
        }
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if kind == "address":
        return str(to_checksum_address(value))
    return value
