"""Many rows at once are the rows a statement would have written, and refused for the same reasons."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import literal, select
from sqlalchemy.exc import DBAPIError

from backend.kit import bulk
from backend.kit.access import Role
from backend.kit.audit import AuditEntry
from backend.kit.database import Database
from backend.kit.ids import uuid7


def row(number: int) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "ledger_id": uuid7(),
        "party_id": uuid7(),
        "created_at": datetime(2026, 3, 2, 9, 30, 0, number, tzinfo=UTC),
        "user_id": None if number % 2 else uuid7(),
        "action": f"tab\t, line\n, back\\slash, quote', {number} \\N",
        "subject": None,
        "request_id": "",
        "detail": {"roles": [Role.MAKER.value], "\t": None, "n": number},
    }


@pytest.mark.parametrize("count", [0, 1, 9, 10, 700])
async def test_what_goes_in_comes_out(database: Database, count: int) -> None:
    rows = [row(number) for number in range(count)]

    async with database.transaction() as session:
        await bulk.insert(session, AuditEntry, rows)

    async with database.reading() as session:
        found = (await session.scalars(select(AuditEntry).order_by(AuditEntry.created_at))).all()
    assert [{name: getattr(each, name) for name in row(0)} for each in found] == rows


@pytest.mark.parametrize("count", [1, 60])
async def test_a_row_that_is_there_already_undoes_all(database: Database, count: int) -> None:
    first = row(0)
    async with database.transaction() as session:
        await bulk.insert(session, AuditEntry, [first])

    with pytest.raises(DBAPIError):
        async with database.transaction() as session:
            await bulk.insert(session, AuditEntry, [*(row(number) for number in range(1, count)), first])

    async with database.reading() as session:
        assert len((await session.scalars(select(AuditEntry))).all()) == 1


@pytest.mark.parametrize("given", [[], [""], ["a"], ["", "a"], ["a", "b", "c"], ["", ""], ["x,y"]])
async def test_one_of_several_texts_is_asked_for_as_one_parameter(
    database: Database, given: list[str]
) -> None:
    async with database.reading() as session:
        for text in ("", "a", "b", "x,y"):
            found = await session.scalar(select(bulk.among(session, literal(text), given)))
            assert bool(found) == (text in given)


@pytest.mark.parametrize("given", [[], [7], [0, 2**62, 7]])
async def test_one_of_several_numbers_is_asked_for_as_one_parameter(
    database: Database, given: list[int]
) -> None:
    async with database.reading() as session:
        for number in (0, 7, 2**62):
            found = await session.scalar(select(bulk.among_numbers(session, literal(number), given)))
            assert bool(found) == (number in given)
