"""Requests that arrive together are recognised together, each with its own answer."""

import asyncio
from contextlib import suppress
from uuid import UUID

from backend.kit.access import Caller, Role, Unauthenticated
from backend.kit.gate import Gate


def caller(number: int) -> Caller:
    return Caller(UUID(int=number), UUID(int=number), UUID(int=0), frozenset({Role.MAKER}))


class Keys:
    """Stands for the parties: header "7" is the caller 7, others are no good."""

    def __init__(self) -> None:
        self.questions: list[list[str | None]] = []
        self.failing = False

    async def recognise(self, _session, headers):
        self.questions.append(list(headers))
        await asyncio.sleep(0.01)
        if self.failing:
            raise OSError("away")
        return [caller(int(header)) if header and header.isdigit() else None for header in headers]


async def test_who_arrives_meanwhile_joins_the_next_question(database):
    keys = Keys()
    gate = Gate(database, keys.recognise)

    async def later(number: int) -> Caller:
        await asyncio.sleep(0.001 * number)
        return await gate.caller(str(number))

    found = await asyncio.gather(*(later(number) for number in range(20)))

    assert found == [caller(number) for number in range(20)]
    assert sorted(header for each in keys.questions for header in each) == sorted(map(str, range(20)))
    assert len(keys.questions) < 10


async def test_a_stranger_is_refused_and_nobody_with_him(database):
    gate = Gate(database, Keys().recognise)

    found = await asyncio.gather(
        *(gate.caller(each) for each in ("1", None, "x", "2")), return_exceptions=True
    )

    assert found[0] == caller(1)
    assert found[3] == caller(2)
    assert all(isinstance(each, Unauthenticated) for each in found[1:3])


async def test_nothing_is_remembered(database):
    keys = Keys()
    gate = Gate(database, keys.recognise)

    await gate.caller("1")
    await gate.caller("1")

    assert keys.questions == [["1"], ["1"]]


async def test_one_who_leaves_takes_nobody_along(database):
    gate = Gate(database, Keys().recognise)
    leaving, staying = asyncio.create_task(gate.caller("1")), asyncio.create_task(gate.caller("2"))
    await asyncio.sleep(0.005)
    leaving.cancel()
    with suppress(asyncio.CancelledError):
        await leaving

    assert await staying == caller(2)


async def test_a_question_that_fails_fails_for_those_who_asked_it(database):
    keys = Keys()
    gate = Gate(database, keys.recognise)
    keys.failing = True
    failed = await asyncio.gather(gate.caller("1"), gate.caller("2"), return_exceptions=True)
    keys.failing = False

    assert all(isinstance(each, OSError) for each in failed)
    assert await gate.caller("1") == caller(1)
