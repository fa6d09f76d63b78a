"""Tracing: transformation, packing, re-used crates, cycles, balances, cold chain, recall."""

from decimal import Decimal
from typing import Any

import pytest

from backend.kit.access import Role
from backend.provenance.trace.api import RecallView, TraceView
from backend.provenance.units import convert
from backend.verifier.identifiers import comparable
from tests.backend.provenance.conftest import Recorder
from tests.backend.provenance.epcis.samples import BOARD, PALLET, RECEIPT, document

LOGS = "https://id.gs1.org/01/04012345000023/10/T9"
TABLE = "https://id.gs1.org/01/04012345000030/21/1"
CHAIR = "https://id.gs1.org/01/04012345000047/21/1"
CRATE = "https://id.gs1.org/8003/040123450000161"
LINK = "https://id.gs1.org/00/140123452345678902"


def quantity(item: str, amount: Any, unit: str | None = "KGM") -> dict[str, Any]:
    return {"epcClass": item, "quantity": amount} | ({"uom": unit} if unit else {})


def transformed(day: int, inputs: list[Any], outputs: list[Any], **more: Any) -> dict[str, Any]:
    lists = {
        "inputQuantityList": [each for each in inputs if isinstance(each, dict)],
        "inputEPCList": [each for each in inputs if isinstance(each, str)],
        "outputQuantityList": [each for each in outputs if isinstance(each, dict)],
        "outputEPCList": [each for each in outputs if isinstance(each, str)],
    }
    return {
        "type": "TransformationEvent",
        "eventTime": f"2026-03-{day:02}T08:00:00Z",
        "eventTimeZoneOffset": "+01:00",
        **{name: value for name, value in lists.items() if value},
        **more,
    }


def packed(day: int, parent: str, *children: str, action: str = "ADD", **more: Any) -> dict[str, Any]:
    return {
        "type": "AggregationEvent",
        "eventTime": f"2026-03-{day:02}T08:00:00Z",
        "eventTimeZoneOffset": "+01:00",
        "parentID": parent,
        "action": action,
        **({"childEPCs": list(children)} if children else {}),
        **more,
    }


async def ask(recorder: Recorder, item: str, direction: str = "back", **more: Any) -> dict[str, Any]:
    answer = await recorder.user.get("/v1/trace", params={"item": item, "direction": direction} | more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
async def mill(seller: Recorder) -> Recorder:
    """Logs sawn to boards, boards made into furniture, furniture packed on a pallet."""
    answer = await seller.capture(
        document(
            transformed(1, [quantity(LOGS, 100)], [quantity(BOARD, 80)]),
            transformed(2, [quantity(BOARD, 30)], [TABLE, CHAIR]),
            packed(3, PALLET, TABLE, CHAIR),
        )
    )
    assert answer.json()["captured"] == 3, answer.text
    return seller


async def test_back_from_the_pallet_to_the_logs(mill: Recorder) -> None:
    found = await ask(mill, PALLET)

    assert found["items"] == {LINK: 0, TABLE: 1, CHAIR: 1, BOARD: 2, LOGS: 3}
    assert found["ends"] == [LOGS]
    assert found["cycles"] == []
    assert found["complete"]
    sawn = next(edge for edge in found["edges"] if edge["source"] == LOGS)
    assert (sawn["target"], sawn["amount"], sawn["unit"], sawn["kind"]) == (
        BOARD,
        "100",
        "KGM",
        "transformed",
    )


async def test_forward_from_the_logs_to_the_pallet(mill: Recorder) -> None:
    found = await ask(mill, LOGS, "forward")

    assert set(found["items"]) == {LOGS, BOARD, TABLE, CHAIR, LINK}
    assert found["ends"] == [LINK]


async def test_what_was_beside_it_on_the_pallet_is_no_origin(mill: Recorder) -> None:
    await mill.capture(document(packed(4, PALLET, TABLE, action="DELETE")))

    assert set((await ask(mill, TABLE))["items"]) == {TABLE, BOARD, LOGS}
    assert set((await ask(mill, TABLE, "forward"))["items"]) == {TABLE, LINK}


async def test_a_crate_is_followed_only_while_the_goods_are_inside(seller: Recorder) -> None:
    first, second = "https://id.gs1.org/00/140123450000000018", "https://id.gs1.org/00/140123450000000025"
    await seller.capture(
        document(
            packed(1, CRATE, TABLE),
            packed(2, first, CRATE),
            packed(3, CRATE, action="DELETE"),
            packed(4, CRATE, CHAIR),
            packed(5, second, CRATE),
        )
    )

    assert set((await ask(seller, TABLE, "forward"))["items"]) == {TABLE, CRATE, first}
    assert set((await ask(seller, CHAIR, "forward"))["items"]) == {CHAIR, CRATE, second}
    assert set((await ask(seller, first))["items"]) == {first, CRATE, TABLE}
    assert set((await ask(seller, second))["items"]) == {second, CRATE, CHAIR}


async def test_splits_and_merges(seller: Recorder) -> None:
    parts = [f"{LOGS}-{number}" for number in range(3)]
    await seller.capture(
        document(
            transformed(1, [quantity(LOGS, 9)], [quantity(part, 3) for part in parts]),
            transformed(2, [quantity(part, 3) for part in parts], [TABLE]),
        )
    )

    found = await ask(seller, TABLE)

    assert found["items"] == {TABLE: 0, LOGS: 2} | dict.fromkeys(parts, 1)
    assert len(found["edges"]) == 6


async def test_goods_that_became_their_own_origin_are_found_out(seller: Recorder) -> None:
    await seller.capture(
        document(
            transformed(1, [quantity(LOGS, 9)], [quantity(BOARD, 9)]),
            transformed(2, [quantity(BOARD, 9)], [quantity(LOGS, 9)]),
        )
    )

    assert (await ask(seller, LOGS))["cycles"] == [sorted([LOGS, BOARD])]


async def test_a_transformation_that_makes_something_of_nothing(seller: Recorder) -> None:
    joined = {"transformationID": "urn:uuid:joined"}
    await seller.capture(
        document(
            transformed(1, [quantity(LOGS, 1, "TNE")], [quantity(BOARD, 1100)]),
            transformed(2, [quantity(BOARD, 5)], [], **joined),
            transformed(3, [], [quantity(f"{BOARD}x", 4)], **joined),
            transformed(4, [quantity(f"{BOARD}x", 4)], [TABLE]),
        )
    )

    balances = {each["transformation"]: each for each in (await ask(seller, TABLE))["balances"]}

    assert balances["event 0"]["excess"] is True
    assert (balances["event 0"]["put_in"], balances["event 0"]["came_out"]) == ("1", "1.1")
    assert balances["urn:uuid:joined"]["excess"] is False
    assert balances["event 3"]["excess"] is None


async def test_a_stranger_adds_nothing_to_a_transformation_by_its_name(
    seller: Recorder, buyer: Recorder, world: Any
) -> None:
    joined = {"transformationID": "urn:uuid:joined"}
    auditor = await world.user(Role.AUDITOR)
    await seller.capture(
        document(
            transformed(1, [quantity(LOGS, 10)], [], **joined),
            transformed(2, [], [quantity(BOARD, 9)], **joined),
        )
    )
    await buyer.capture(document(transformed(1, [CHAIR], [TABLE], **joined)))

    answer = await auditor.get("/v1/trace", params={"item": BOARD})

    found = TraceView.model_validate_json(answer.content)
    assert found.items == {comparable(BOARD): 0, LOGS: 1}
    (balance,) = found.balances
    assert (balance.transformation, balance.sequences) == ("urn:uuid:joined", [0, 1])
    assert (balance.put_in, balance.came_out, balance.excess) == ("10", "9", False)


async def test_what_is_answered_has_the_form_it_is_said_to_have(mill: Recorder) -> None:
    for path, view in (("", TraceView), ("/recall", RecallView)):
        answer = await mill.user.get(f"/v1/trace{path}", params={"item": LOGS, "direction": "forward"})
        found = view.model_validate_json(answer.content, strict=True)
        assert found.model_dump(mode="json") == answer.json()


async def test_an_event_declared_wrong_leads_nowhere(mill: Recorder) -> None:
    declaration = {"declarationTime": "2026-03-09T00:00:00Z", "reason": "did_not_occur"}
    event = transformed(2, [quantity(BOARD, 30)], [TABLE, CHAIR], errorDeclaration=declaration)
    await mill.capture(document(event))

    assert set((await ask(mill, TABLE))["items"]) == {TABLE}


async def test_a_trace_shows_no_more_than_its_reader_may_read(mill: Recorder, stranger: Recorder) -> None:
    assert set((await ask(stranger, PALLET))["items"]) == {LINK}


async def test_a_trace_stops_at_its_limit_and_says_so(mill: Recorder) -> None:
    found = await ask(mill, PALLET, most=3)

    assert len(found["items"]) == 3
    assert not found["complete"]


async def test_a_recall_finds_the_documents_that_rest_on_a_lot(mill: Recorder) -> None:
    invoice = {
        "type": "TransactionEvent",
        "eventTime": "2026-03-05T08:00:00Z",
        "eventTimeZoneOffset": "+01:00",
        "bizTransactionList": [{"type": "inv", "bizTransaction": "urn:epcglobal:cbv:bt:4012345000009:INV-1"}],
        "epcList": [PALLET],
        "action": "ADD",
    }
    await mill.capture(document(invoice))

    answer = (await mill.user.get("/v1/trace/recall", params={"item": LOGS})).json()

    assert answer["transactions"] == [["inv", "urn:epcglobal:cbv:bt:4012345000009:INV-1"]]


@pytest.mark.parametrize(
    ("lowest", "highest", "breaches"), [("2", "8", ["9.5"]), ("2", "10", []), ("9", "10", ["4.5"])]
)
async def test_the_cold_chain_of_what_lies_on_a_pallet(
    mill: Recorder, lowest: str, highest: str, breaches: list[str]
) -> None:
    reading = {
        **{key: RECEIPT[key] for key in ("type", "eventTime", "eventTimeZoneOffset", "action")},
        "epcList": [PALLET],
        "sensorElementList": [
            {"sensorReport": [
                {"type": "Temperature", "value": 4.5, "uom": "CEL", "time": "2026-03-03T09:00:00Z"},
                {"type": "Temperature", "value": 282.65, "uom": "KEL", "time": "2026-03-03T10:00:00Z"},
                {"type": "Speed", "value": 80, "uom": "KMH"},
            ]}
        ],
    }  # fmt: skip
    await mill.capture(document(reading))

    params = {"item": TABLE, "lowest": lowest, "highest": highest}
    answer = (await mill.user.get("/v1/trace/cold-chain", params=params)).json()

    assert answer["readings"] == 2
    assert [Decimal(each["value"]) for each in answer["breaches"]] == [Decimal(each) for each in breaches]


@pytest.mark.parametrize(
    ("amount", "unit", "wanted", "result"),
    [
        ("1", "TNE", "KGM", "1000"),
        ("0", "CEL", "KEL", "273.15"),
        ("212", "FAH", "CEL", "100"),
        ("2", "DZN", None, "24"),
        ("3", None, "EA", "3"),
        ("1", "KGM", "LTR", None),
        ("1", "XYZ", "KGM", None),
        ("1", "XYZ", "XYZ", "1"),
    ],
)
def test_units(amount: str, unit: str | None, wanted: str | None, result: str | None) -> None:
    converted = convert(Decimal(amount), unit, wanted)
    assert converted == (None if result is None else Decimal(result))
