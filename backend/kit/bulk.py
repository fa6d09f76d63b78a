"""Many rows at once: COPY where the database has it, one statement for all rows where it has not.

Ten thousand rows through the ORM cost seconds, most of them for objects nobody looks at. Values are checked
by their columns' types all the same.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

import psycopg
from pydantic_core import to_json
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    Integer,
    LargeBinary,
    String,
    Table,
    Uuid,
    any_,
    cast,
    func,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.columns import Address, Amount, Hash32, UtcTime, address, hash32
from backend.kit.database import Base
from backend.kit.sealing import SealedBytes, SealedText

_FEW = 10
"""So many rows are not worth the two round trips of COPY."""
_ROWS = 2_000
"""Rows written at once, so that the database works on some while the next are put into words."""
_SPECIAL = re.compile(r"[\\\t\n\r]")
_ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_NULL = r"\N"
_SEPARATOR = "\x1f"
"""Stands in no key, hash or address."""


async def insert(session: AsyncSession, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Adds rows of `table`, each with a value for every column.

    Raises ValueError for a value its column's type refuses, DBAPIError for a broken constraint.
    """
    if not rows:
        return
    into = table.__table__
    assert isinstance(into, Table)  # noqa: S101 - a declared class has one
    await session.flush()
    connection = await session.connection()
    if connection.dialect.name != "postgresql" or len(rows) < _FEW:
        await connection.execute(into.insert(), list(rows))
        return
    names = ", ".join(f'"{column.name}"' for column in into.columns)
    raw: Any = (await connection.get_raw_connection()).driver_connection
    try:
        await _copy(raw, f'COPY "{into.name}" ({names}) FROM STDIN', into, rows, connection.dialect)
    except psycopg.Error as error:
        raise DBAPIError(f"COPY {into.name}", None, error) from error


async def _copy(
    raw: Any,
    statement: str,
    into: Table,
    rows: Sequence[Mapping[str, Any]],
    dialect: Dialect,
) -> None:
    async with raw.cursor() as cursor, cursor.copy(statement) as copy:
        for start in range(0, len(rows), _ROWS):
            some = rows[start : start + _ROWS]
            written = [
                _written(column, list(map(itemgetter(column.name), some)), dialect) for column in into.columns
            ]
            await copy.write("\n".join(map("\t".join, zip(*written, strict=True))) + "\n")


def among(session: AsyncSession, column: Any, values: Collection[str]) -> ColumnElement[bool]:
    """`column IN values` for any number of texts: one parameter, not one for each."""
    if session.get_bind().dialect.name == "postgresql":
        if list(values) == [""]:  # which would be split into no text at all
            return column == ""  # type: ignore[no-any-return]
        # One text is handed over faster than a list of them.
        split = func.string_to_array(_SEPARATOR.join(values), _SEPARATOR, type_=ARRAY(String()))
        found: ColumnElement[bool] = column == any_(split)
        return found
    listed = func.json_each(to_json(list(values)).decode()).table_valued("value")
    within: ColumnElement[bool] = column.in_(select(listed.c.value))
    return within


def among_numbers(session: AsyncSession, column: Any, values: Collection[int]) -> ColumnElement[bool]:
    """`column IN values` for any number of integers, as `among`."""
    if session.get_bind().dialect.name == "postgresql":
        split = func.string_to_array(",".join(map(str, values)), ",", type_=ARRAY(String()))
        found: ColumnElement[bool] = column == any_(cast(split, ARRAY(BigInteger())))
        return found
    listed = func.json_each(to_json(list(values)).decode()).table_valued("value")
    within: ColumnElement[bool] = column.in_(select(listed.c.value))
    return within


async def prefer_indexes(session: AsyncSession) -> None:
    """For this transaction: find rows by index. While tables grow PostgreSQL has no figures of them and may
    take it for cheaper to read a whole one."""
    if session.get_bind().dialect.name == "postgresql":
        kinds = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")
        changed = ", ".join(f"set_config('{kind}', 'off', true)" for kind in kinds)
        await session.execute(text(f"SELECT {changed}"))


def _written(column: Column[Any], values: Sequence[Any], dialect: Dialect) -> Sequence[str]:
    """The values of one column as COPY's text form has them; equal values are put into words once, and each
    that is kept sealed is sealed for itself."""
    if isinstance(column.type, SealedBytes | SealedText):
        seal = column.type.process_bind_param
        return [_NULL if value is None else _bytes(seal(value, dialect)) for value in values]
    write = _by_type(column)
    if isinstance(column.type, JSON):
        return [_NULL if value is None else write(value) for value in values]
    words = {value: _NULL if value is None else write(value) for value in set(values)}
    return [words[value] for value in values]


def _by_type(column: Column[Any]) -> Callable[[Any], str]:
    kinds: list[tuple[type[Any], Callable[[Any], str]]] = [
        (Hash32, hash32),
        (Address, address),
        (Amount, _amount),
        (UtcTime, _moment),
        (Uuid, str),
        (JSON, _document),
        (Boolean, lambda value: "t" if value else "f"),
        (Integer, lambda value: str(int(value))),
        (LargeBinary, _bytes),
        (String, _text),
    ]
    for kind, write in kinds:
        if isinstance(column.type, kind):
            return write
    raise TypeError(f"{column} cannot be copied: {column.type!r}")


def _bytes(value: bytes) -> str:
    return r"\\x" + value.hex()


def _amount(value: Any) -> str:
    if type(value) is not int or not 0 <= value < 1 << 256:
        raise ValueError(f"not an unsigned integer of at most 256 bits: {value!r}")
    return str(value)


def _moment(value: Any) -> str:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError(f"a moment needs a time zone: {value!r}")
    return value.astimezone(UTC).isoformat()


def _document(value: Any) -> str:
    return to_json(value).decode().replace("\\", "\\\\")


def _text(value: Any) -> str:
    return str(value).translate(_ESCAPED) if _SPECIAL.search(value) else str(value)
