"""What is logged says whose it is: request, party, operation."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from backend.chain import outbox
from backend.chain.contracts import Call
from backend.kit import logs


class Lines:
    """What was logged, as the processes write it for machines."""

    def __init__(self) -> None:
        self.written = io.StringIO()

    def read(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.written.getvalue().splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Everything logged from now on."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    logs.configure("json")
    found = Lines()
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(found.written)
    yield found
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    logs.clear()


async def test_the_line_of_a_request_names_it_and_its_party(lines, world):
    first, second = await world.user(), await world.user()
    await first.client.get("/v1/me", headers={"X-Request-Id": "request-1"})
    await second.client.get("/v1/me", headers={"X-Request-Id": "request-2"})
    await world.client().get("/v1/me", headers={"X-Request-Id": "request-3"})

    told = {each["request"]: each for each in lines.read() if each["logger"] == "tallystick.http"}

    assert told["request-1"]["party"] == str(first.party_id)
    assert told["request-2"]["party"] == str(second.party_id)
    assert "party" not in told["request-3"], "nobody was recognised"
    secret = first.key.removeprefix("tsk_")
    assert secret not in lines.written.getvalue()


async def test_the_lines_of_an_operation_name_it_and_its_party(lines, world, database, contracts):
    user = await world.user()
    async with database.transaction() as session:
        operation = await outbox.enqueue(
            session,
            Call("Participants", "0x" + "11" * 20, b""),
            ledger_id=contracts.ledger_id,
            party_id=user.party_id,
            kind="test",
            subject="test:1",
        )
        logging.getLogger("tallystick.test").info("in the request that made it")
        logs.clear()
        outbox.finish(operation, outbox.SUCCEEDED, "confirmed", "confirm")
        logging.getLogger("tallystick.test").info("somewhere else")

    told = {each["event"]: each for each in lines.read()}

    assert told["in the request that made it"]["operation"] == str(operation.id)
    end = told["test succeeded: confirmed"]
    assert (end["operation"], end["party"]) == (str(operation.id), str(user.party_id))
    assert "operation" not in told["somewhere else"]
