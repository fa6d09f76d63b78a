"""What a bank demands, as data: which checks are required, thresholds, and what it knows by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backend.kit.canonical import Json
from backend.verifier import evm, layout
from backend.verifier.reader import BundleError, Reader, hexadecimal

SEVERITIES = ("required", "advisory")


@dataclass(frozen=True, eq=False)
class Policy:
    """Defaults are deliberate: nothing is pinned, so nothing is believed of identities."""

    severities: Mapping[str, str] = field(default_factory=dict)
    """Check name → `required` or `advisory`; what is not named is required."""
    contracts: Mapping[str, bytes] = field(default_factory=dict)
    """Addresses of the ledger's contracts that the bank got by another way than this bundle."""
    chain_id: int | None = None
    debtor_keys: frozenset[bytes] = frozenset()
    """Keys (32 bytes) of debtors that the bank knows to be theirs."""
    witnesses: Mapping[str, bytes] = field(default_factory=dict)
    """Name → Ed25519 public key of witnesses the bank believes."""
    quantity_tolerance: int = 0
    """How much less than invoiced may have been received, in millionths."""
    anchor_delay: int = 24 * 3600
    """Longest time from receipt of an event to the head that covers it, in seconds."""
    state_age: int = 24 * 3600
    """Oldest block the state may be of, in seconds before `now`."""
    least_paid: int = 0
    """Conduct: fewest settled claims of this debtor."""
    most_days_late: int = 30
    most_diluted: int = 50_000
    """Conduct: most of face reduced by credit notes, in millionths."""
    temperature: tuple[int, int] | None = None
    """Cold chain: lowest and highest temperature of the goods, in thousandths of a degree Celsius."""
    title_at_shipment: bool = False
    """Title passes when the goods are handed to the carrier: what a carrier's key signed for counts, and no
    receipt is asked for."""
    services: bool = False
    """The claim is for services: checks of goods do not apply."""

    def severity(self, check: str) -> str:
        """How much an answer other than pass weighs."""
        return self.severities.get(check, "required")


DEFAULT = Policy()

_MILLION = 1_000_000
_NUMBERS = ("quantity_tolerance", "anchor_delay", "state_age", "least_paid", "most_days_late", "most_diluted")


def read(reader: Reader) -> Policy:
    """A policy from JSON; what it leaves out is as by default."""
    values: dict[str, Any] = {name: reader.integer(name, 40) for name in _NUMBERS if reader.has(name)}
    if reader.has("chain_id"):
        values["chain_id"] = reader.integer("chain_id")
    for name in ("services", "title_at_shipment"):
        if reader.has(name):
            values[name] = reader.flag(name)
    if values.get("quantity_tolerance", 0) > _MILLION:
        raise reader.error("quantity_tolerance", f"at most {_MILLION} millionths can be missing")
    for name, length in (("contracts", 20), ("witnesses", 32)):
        if reader.has(name):
            inner = reader.object(name)
            values[name] = {each: _bytes(inner, each, length) for each in inner.names()}
    for name in values.get("contracts", ()):
        if name not in layout.contracts():
            raise reader.error(f"contracts/{name}", f"one of {', '.join(layout.contracts())} belongs here")
    if reader.has("debtor_keys"):
        values["debtor_keys"] = frozenset(_key(*each) for each in reader.items("debtor_keys"))
    if reader.has("severities"):
        values["severities"] = _severities(reader.object("severities"))
    if reader.has("temperature"):
        values["temperature"] = _temperature(reader.object("temperature"))
    return Policy(**values)


def _bytes(reader: Reader, name: str, length: int) -> bytes:
    value = reader.value(name)
    text = value.lower() if isinstance(value, str) else value  # a wallet shows an address with capitals
    return hexadecimal(text, length, f"{reader.pointer}/{name}")


def _key(pointer: str, value: Json) -> bytes:
    """A key's 32 bytes: those of a machine's, or an address, which a wallet shows with capitals."""
    text = value.lower() if isinstance(value, str) else value
    found = hexadecimal(text, None, pointer)
    if len(found) not in (evm.ADDRESS_BYTES, evm.WORD_BYTES):
        raise BundleError(pointer, f"an address of 20 bytes or 32 bytes belong here, not {len(found)}")
    return evm.word(found)


def _severities(reader: Reader) -> dict[str, str]:
    found = {name: reader.text(name) for name in reader.names()}
    for name, severity in found.items():
        if severity not in SEVERITIES:
            raise BundleError(f"{reader.pointer}/{name}", f"one of {', '.join(SEVERITIES)} belongs here")
    return found


def _temperature(reader: Reader) -> tuple[int, int]:
    with reader:
        lowest, highest = _signed(reader, "lowest"), _signed(reader, "highest")
    if lowest > highest:
        raise reader.error("lowest", "nothing lies above the highest and below the lowest")
    return lowest, highest


def _signed(reader: Reader, name: str) -> int:
    text = reader.text(name)
    if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit() or len(text) > 8:
        raise reader.error(name, "thousandths of a degree Celsius as decimal text belong here")
    return int(text)
