"""Block headers: from the bytes whose hash is the block's hash to the state root.

A verifier needs only the bytes (`parse`); which form they have, it need not know. Whoever gathers
evidence makes the bytes from a node's JSON (`from_json`): the fields that are there, in the order in
which forks added them, and for Besu's QBFT with the round and the commit seals left out of `extraData`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backend.verifier import evm

# Yellow Paper section 4.4.1, then EIP-1559, 4895, 4844 (two), 4788, 7685, 7928, 7843.
FIELDS = (
    "parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom",
    "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData", "mixHash", "nonce",
    "baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot",
    "requestsHash", "blockAccessListHash", "slotNumber",
)  # fmt: skip
QUANTITIES = frozenset({
    "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed",
    "excessBlobGas", "slotNumber",
})  # fmt: skip
FIRST_OPTIONAL = FIELDS.index("baseFeePerGas")
EXTRA_DATA = FIELDS.index("extraData")

_STATE_ROOT = FIELDS.index("stateRoot")
_NUMBER = FIELDS.index("number")
_TIMESTAMP = FIELDS.index("timestamp")


class HeaderError(ValueError):
    """Bytes that are no block header, or JSON from which no form gives the block's hash."""


@dataclass(frozen=True)
class Header:
    """What a block says of itself, once its hash is believed. `time` is Unix time in seconds."""

    hash: bytes
    number: int
    time: int
    state_root: bytes
    parent: bytes
    encoded: bytes


def parse(encoded: bytes) -> Header:
    """The header whose hashing form these bytes are."""
    try:
        fields = evm.decode(encoded)
    except evm.RlpError as error:
        raise HeaderError(f"the block header is not RLP: {error}") from error
    if not isinstance(fields, list) or len(fields) < FIRST_OPTIONAL:
        raise HeaderError(f"a block header is a list of at least {FIRST_OPTIONAL} fields")
    parent, state_root = fields[0], fields[_STATE_ROOT]
    number, time = fields[_NUMBER], fields[_TIMESTAMP]
    if not isinstance(parent, bytes) or not isinstance(state_root, bytes) or len(parent + state_root) != 64:
        raise HeaderError("parent hash and state root of a block header have 32 bytes each")
    if not (isinstance(number, bytes) and isinstance(time, bytes) and len(number) <= 8 and len(time) <= 8):
        raise HeaderError("number and time of a block header fit 64 bits")
    return Header(
        hash=evm.keccak(encoded),
        number=int.from_bytes(number, "big"),
        time=int.from_bytes(time, "big"),
        state_root=state_root,
        parent=parent,
        encoded=encoded,
    )


def from_json(block: Mapping[str, object]) -> Header:
    """The header of a block as `eth_getBlockByHash` gives it; `HeaderError` if no form has its hash."""
    expected = _bytes(block, "hash")
    for fields in _forms(block):
        encoded = evm.encode(fields)
        if evm.keccak(encoded) == expected:
            return parse(encoded)
    raise HeaderError(
        f"no known form of header gives the hash 0x{expected.hex()}: the node left something out"
    )


def _forms(block: Mapping[str, object]) -> Iterator[list[evm.Rlp]]:
    present = [name for name in FIELDS[FIRST_OPTIONAL:] if block.get(name) is not None]
    fields: list[evm.Rlp] = [_field(block, name) for name in (*FIELDS[:FIRST_OPTIONAL], *present)]
    yield fields
    sealed = _without_seals(_bytes(block, "extraData"))
    if sealed is not None:
        yield [*fields[:EXTRA_DATA], sealed, *fields[EXTRA_DATA + 1 :]]


def _without_seals(extra: bytes) -> bytes | None:
    """QBFT and IBFT 2.0 `extraData` as hashed on chain: vanity, validators, vote, and no round nor seals.

    Besu, `BftBlockHashing.calculateHashOfBftBlockOnChain`: QBFT writes round 0 and an empty list.
    """
    try:
        parts = evm.decode(extra)
    except evm.RlpError:
        return None
    if not isinstance(parts, list) or len(parts) != 5:
        return None
    vanity, validators, vote, _round, _seals = parts
    return evm.encode([vanity, validators, vote, b"", []])


def _field(block: Mapping[str, object], name: str) -> bytes:
    if name in QUANTITIES:
        value = block.get(name)
        if not isinstance(value, str) or not value.startswith("0x"):
            raise HeaderError(f"the block's {name} is not a hexadecimal quantity")
        return evm.integer(int(value, 16))
    return _bytes(block, name)


def _bytes(block: Mapping[str, object], name: str) -> bytes:
    value = block.get(name)
    if not isinstance(value, str) or not value.startswith("0x"):
        raise HeaderError(f"the block's {name} is missing or not hexadecimal")
    return bytes.fromhex(value[2:])
