"""Routes of traces: back, forward, balances, cold chain, recall."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from backend.kit.problems import FieldError, InvalidRequest
from backend.kit.web import CurrentCaller, Route, Session
from backend.provenance.trace import model, service

router = APIRouter(prefix="/v1/trace", route_class=Route, tags=["Trace"])

_ITEM = "https://id.gs1.org/01/04012345000016/10/LOT-007"
Item = Annotated[
    str, Query(max_length=2000, examples=[_ITEM], description="An EPC, or a class with its lot.")
]
Most = Annotated[int, Query(ge=1, le=5000, description="Items to go through at most.")]


class View(BaseModel):
    """What an answer looks like."""

    model_config = ConfigDict(frozen=True)


class EdgeView(View):
    """One event's link. Amounts are decimal text; null where the event states none."""

    source: str = Field(examples=[_ITEM])
    target: str
    kind: Literal["transformed", "packed", "unpacked", "associated", "separated"]
    sequence: int = Field(description="The event's place in the log.")
    time: str
    amount: str | None = Field(examples=["40"])
    unit: str | None = Field(examples=["KGM"])


class BalanceView(View):
    """Inputs against outputs of one transformation. `excess` is null where they cannot be compared."""

    transformation: str
    sequences: list[int]
    put_in: str | None
    came_out: str | None
    unit: str | None
    excess: bool | None


class TraceView(View):
    """What is known, to this reader, of where goods came from or went."""

    start: str
    items: dict[str, int] = Field(description="Each item with how many links away it is.")
    edges: list[EdgeView]
    ends: list[str] = Field(description="Items that nothing known leads further from.")
    cycles: list[list[str]] = Field(description="Items that became their own origin: impossible.")
    balances: list[BalanceView]
    complete: bool = Field(description="False when the search stopped at its limit.")


class BreachView(View):
    """A reading outside the limits."""

    sequence: int
    time: str
    value: str
    unit: str


class ColdChainView(View):
    """The temperature readings of an item and of what carried it, against limits."""

    readings: int = Field(description="None at all proves nothing.")
    breaches: list[BreachView]


class RecallView(View):
    """What a lot went into, and the documents whose claims rest on it."""

    trace: TraceView
    transactions: list[tuple[str, str]] = Field(
        examples=[[("inv", "urn:epcglobal:cbv:bt:4012345000009:INV-1")]]
    )


def trace_view(found: service.Trace, *, back: bool) -> dict[str, Any]:
    """A trace in the form of `TraceView`. Thousands of links pass here: they are checked by a test, not one
    by one on their way out."""
    graph = found.graph
    sequences = {edge.sequence for edge in graph.edges}
    used = {model.transformation(placed) for placed in found.events if placed.sequence in sequences}
    events = [placed for placed in found.events if model.transformation(placed) in used]
    return {
        "start": graph.start,
        "items": graph.items,
        "edges": [_edge_view(edge) for edge in graph.edges],
        "ends": graph.ends(back=back),
        "cycles": graph.cycles(),
        "balances": [_balance_view(each) for each in model.balances(events)],
        "complete": graph.complete,
    }


def _edge_view(edge: model.Edge) -> dict[str, Any]:
    return {
        "source": edge.source,
        "target": edge.target,
        "kind": edge.kind.value,
        "sequence": edge.sequence,
        "time": edge.time,
        "amount": _written(edge.taken.amount),
        "unit": edge.taken.unit,
    }


def _balance_view(balance: model.Balance) -> dict[str, Any]:
    return {
        "transformation": balance.transformation,
        "sequences": balance.sequences,
        "put_in": _written(balance.put_in),
        "came_out": _written(balance.came_out),
        "unit": balance.unit,
        "excess": balance.excess,
    }


def _written(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")


def _json(content: dict[str, Any]) -> Response:
    return Response(to_json(content), media_type="application/json")


@router.get("", response_model=TraceView)
async def trace(
    session: Session,
    caller: CurrentCaller,
    item: Item,
    direction: Annotated[service.Direction, Query()] = "back",
    most: Most = 1000,
) -> Response:
    """Follow an item through transformation, packing and association."""
    found = await service.trace(session, caller, item, direction, most=most)
    return _json(trace_view(found, back=direction == "back"))


@router.get("/recall", response_model=RecallView)
async def recall(session: Session, caller: CurrentCaller, item: Item, most: Most = 1000) -> Response:
    """Everything a lot went into, and the orders, despatches and invoices that name any of it."""
    found = await service.recall(session, caller, item, most=most)
    return _json({"trace": trace_view(found.trace, back=False), "transactions": found.transactions})


@router.get("/cold-chain")
async def cold_chain(
    session: Session,
    caller: CurrentCaller,
    item: Item,
    lowest: Annotated[str, Query(max_length=20, description="Degrees Celsius.", examples=["2"])],
    highest: Annotated[str, Query(max_length=20, examples=["8"])],
) -> ColdChainView:
    """The temperature readings of an item and of the containers it was in, against its limits."""
    limits = [_degrees("/lowest", lowest), _degrees("/highest", highest)]
    found = await service.trace(session, caller, item, "forward")
    events = await service.naming(session, caller, list(found.graph.items))
    readings, breaches = model.cold_chain(model.effective(events), limits[0], limits[1])
    return ColdChainView(
        readings=readings,
        breaches=[
            BreachView(sequence=each.sequence, time=each.time, value=format(each.value, "f"), unit=each.unit)
            for each in breaches
        ],
    )


def _degrees(pointer: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise InvalidRequest(errors=[FieldError(pointer, "malformed", detail="degrees Celsius belong there")])
    return value
