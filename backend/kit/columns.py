"""Column types that mean the same on PostgreSQL and SQLite, and refuse values that would not survive.

Amounts and times are stored so that they sort and compare in SQL on both.
"""

from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from eth_utils.address import is_checksum_address, to_checksum_address
from sqlalchemy import JSON, DateTime, Dialect, Numeric, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

_DIGITS = 78  # 2**256 - 1 has 78 decimal digits
_MAX = 2**256 - 1


class Amount(TypeDecorator[int]):
    """An unsigned integer up to 2**256 - 1: minor units of a currency, or a contract's counter.

    NUMERIC(78,0) on PostgreSQL; zero-padded text on SQLite, whose integers stop at 2**63. Comparison and
    order agree on both; sums do not exist in SQL on SQLite and are made in Python, where they are exact.
    Raises ValueError for anything that is not such an integer (a float, a bool, a negative number).
    """

    impl = Numeric(_DIGITS, 0)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(_DIGITS))
        return dialect.type_descriptor(Numeric(_DIGITS, 0))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        if type(value) is not int or not 0 <= value <= _MAX:
            raise ValueError(f"not an unsigned integer of at most 256 bits: {value!r}")
        return f"{value:0{_DIGITS}d}" if dialect.name == "sqlite" else Decimal(value)

    def process_result_value(self, value: Any, _dialect: Dialect) -> int | None:
        return None if value is None else int(value)


class _Text(TypeDecorator[str]):
    """Text with a canonical form, checked on the way in."""

    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Dialect) -> Any:
        return None if value is None else self.canonical(value)

    def canonical(self, value: Any) -> str:
        raise NotImplementedError


class Hash32(_Text):
    """A bytes32 as 0x and 64 lower-case hex digits. Raises ValueError for anything else."""

    impl = String(66)
    cache_ok = True

    def canonical(self, value: Any) -> str:
        return hash32(value)


class Address(_Text):
    """An EVM address with its EIP-55 checksum; all lower case is taken, a wrong checksum is a ValueError."""

    impl = String(42)
    cache_ok = True

    def canonical(self, value: Any) -> str:
        return address(value)


class UtcTime(TypeDecorator[datetime]):
    """An aware moment, kept and given back in UTC to the microsecond.

    timestamptz on PostgreSQL; text of fixed width on SQLite, so that order is order in time.
    Raises ValueError for a naive datetime.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(27))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise ValueError(f"a moment needs a time zone: {value!r}")
        utc = value.astimezone(UTC)
        return utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.astimezone(UTC)


Json = JSON().with_variant(JSONB(), "postgresql")
"""A JSON document: jsonb on PostgreSQL, text on SQLite. Integers keep every digit; key order is lost."""


def hash32(value: object) -> str:
    """`value` (hex text in any case, or 32 bytes) as 0x and 64 lower-case digits; otherwise ValueError."""
    if isinstance(value, (bytes, bytearray)) and len(value) == 32:
        return "0x" + bytes(value).hex()
    if isinstance(value, str) and len(value) == 66 and value[:2] == "0x":
        with suppress(ValueError):
            return "0x" + bytes.fromhex(value[2:]).hex()
    raise ValueError(f"not a 32-byte hash in hex: {value!r}")


def address(value: object) -> str:
    """`value` as a checksummed address (EIP-55); ValueError if it is no address or its checksum is wrong."""
    if isinstance(value, (str, bytes)):
        return _address(value)
    return _address(bytes(value) if isinstance(value, bytearray) else repr(value))


@lru_cache(maxsize=100_000)  # a checksum is a hash, and the same few addresses come again and again
def _address(value: str | bytes) -> str:
    if isinstance(value, bytes) and len(value) == 20:
        return str(to_checksum_address(value))
    if isinstance(value, str) and len(value) == 42 and value[:2] == "0x":
        body = value[2:]
        if body in (body.lower(), body.upper()) or is_checksum_address(value):
            with suppress(ValueError):
                return str(to_checksum_address(bytes.fromhex(body)))
    raise ValueError(f"not an address, or its checksum is wrong: {value!r}")
