"""Routes of the book: ageing and exposure by debtor, every receivable or one as of a moment."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from backend.invoices.exports import safe_cell
from backend.kit import money
from backend.kit.clock import now
from backend.kit.problems import NotFound
from backend.kit.web import CurrentCaller, Page, Paging, Route, Session
from backend.parties.service import accounts_of, names_of_accounts
from backend.receivables import asof, reading
from backend.receivables.asof import BUCKETS, Exposure, Standing

router = APIRouter(prefix="/v1", route_class=Route, tags=["receivables"])

_ACCOUNT = "0x" + "5a" * 20


class View(BaseModel):
    """What an answer looks like."""

    model_config = ConfigDict(frozen=True)


class ExposureView(View):
    """What one debtor owes in one currency, by days past due; amounts as decimal text."""

    debtor: str = Field(examples=[_ACCOUNT])
    debtor_name: str | None
    currency: str = Field(examples=["EUR"])
    receivables: int
    total: str = Field(examples=["59500.00"])
    not_due: str = Field(examples=["59500.00"])
    days_1_to_30: str = Field(examples=["0.00"])
    days_31_to_60: str = Field(examples=["0.00"])
    days_61_to_90: str = Field(examples=["0.00"])
    over_90: str = Field(examples=["0.00"])


class AgeingView(View):
    """The book by debtor, as of the end of a day."""

    as_of: datetime
    exposures: list[ExposureView]


class HeldView(View):
    """What one account held."""

    account: str = Field(examples=[_ACCOUNT])
    units: str = Field(examples=["59500.00"])
    unpaid: str = Field(examples=["59500.00"])
    redeemable: str = Field(examples=["0.00"])


class AsOfView(View):
    """A receivable as it was at a moment, from its events on the chain up to then."""

    as_of: datetime
    chain_id: str = Field(examples=["0x" + "5a" * 32])
    status: str = Field(examples=["confirmed"])
    phase: str = Field(examples=["not_yet_due"])
    currency: str = Field(examples=["EUR"])
    face: str = Field(examples=["59500.00"])
    unpaid: str = Field(examples=["59500.00"])
    paid: str = Field(examples=["0.00"])
    closed_outside: str = Field(examples=["0.00"])
    reduced: str = Field(examples=["0.00"])
    holders: list[HeldView]


class OwedView(View):
    """What one account is owed of a receivable."""

    account: str = Field(examples=[_ACCOUNT])
    name: str | None
    unpaid: str = Field(examples=["59500.00"])


class StandingView(View):
    """One receivable at a moment. `unpaid` is the whole of it; of the holders you see your own accounts,
    auditors all."""

    id: UUID
    chain_id: str = Field(examples=["0x" + "5a" * 32])
    supplier: str = Field(examples=[_ACCOUNT])
    supplier_name: str | None
    debtor: str = Field(examples=[_ACCOUNT])
    debtor_name: str | None
    currency: str = Field(examples=["EUR"])
    due: datetime
    phase: str = Field(examples=["not_yet_due"])
    unpaid: str = Field(examples=["59500.00"])
    holders: list[OwedView]


_AS_CSV: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}, "example": "as_of,debtor,currency,total"}}}
}


@router.get("/ageing", summary="See what is owed, by debtor and days past due", responses=_AS_CSV)
async def ageing(
    caller: CurrentCaller,
    session: Session,
    as_of: Annotated[date | None, Query(description="End of this day, UTC; now without.")] = None,
    format: Annotated[Literal["json", "csv"], Query()] = "json",  # noqa: A002
) -> AgeingView:
    """What your accounts are owed (all accounts, for auditors), from the events of the chain up to then."""
    moment = now() if as_of is None else datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC)
    if as_of is not None:
        moment = min(now(), moment + timedelta(days=1, seconds=-1))
    found = await asof.exposures(session, caller, moment)
    names = await names_of_accounts(session, caller.ledger_id, [each.debtor for each in found])
    view = AgeingView(as_of=moment, exposures=[_exposure(each, names.get(each.debtor)) for each in found])
    return view if format == "json" else _csv(view)  # type: ignore[return-value]


@router.get("/book", summary="See every receivable as it was", responses=_AS_CSV)
async def book(
    caller: CurrentCaller,
    session: Session,
    paging: Paging,
    as_of: Annotated[AwareDatetime | None, Query(description="This moment; now without.")] = None,
    format: Annotated[Literal["json", "csv"], Query()] = "json",  # noqa: A002
) -> Page[StandingView]:
    """The receivables you may see, all of them for auditors, as the chain had them then, a page at a time.

    A page may be shorter than asked, or empty, where receivables were not on the chain yet: `next` (in a file
    the header `Tallystick-Next`) says whether more follow.
    """
    moment = min(now(), as_of or now())
    found, following = await asof.page_of_standings(session, caller, moment, paging)
    shown = None if caller.sees_everything else set(await accounts_of(session, caller.party_id))
    accounts = {account for each in found for account in (each.debtor, each.record.supplier_account)}
    held = {account for each in found for account in each.unpaid}
    names = await names_of_accounts(session, caller.ledger_id, sorted(accounts | held))
    view: Page[StandingView] = Page(items=[_standing(each, names, shown) for each in found], next=following)
    return view if format == "json" else _book_file(view, moment)  # type: ignore[return-value]


@router.get("/receivables/{receivable_id}/as-of", summary="See a receivable as it was")
async def as_of_time(
    receivable_id: UUID, caller: CurrentCaller, session: Session, time: AwareDatetime
) -> AsOfView:
    """What the chain said of a receivable at a moment; who held it is shown to auditors and operators."""
    record = await reading.get(session, caller, receivable_id)
    state = await asof.state_at(session, record, time)
    if state is None:
        raise NotFound()
    ledger, currency = state.ledger, state.terms.currency
    own = set(await accounts_of(session, caller.party_id))

    def text(minor: int) -> str:
        return money.text(minor, currency)

    return AsOfView(
        as_of=time,
        chain_id=record.chain_id,
        status=state.status.value,
        phase=state.phase(int(time.timestamp())).value,
        currency=currency,
        face=text(ledger.face),
        unpaid=text(ledger.unpaid),
        paid=text(ledger.paid),
        closed_outside=text(ledger.closed),
        reduced=text(ledger.reduced),
        holders=[
            HeldView(
                account=account,
                units=text(ledger.units_of(account)),
                unpaid=text(ledger.unpaid_share(account)),
                redeemable=text(ledger.redeemable(account)),
            )
            for account in state.holders
            if caller.sees_everything or account in own
        ],
    )


def _exposure(found: Exposure, debtor_name: str | None) -> ExposureView:
    return ExposureView(
        debtor=found.debtor,
        debtor_name=debtor_name,
        currency=found.currency,
        receivables=found.receivables,
        total=money.text(found.total, found.currency),
        **{name: money.text(found.buckets[name], found.currency) for name, _ in BUCKETS},
    )


def _standing(found: Standing, names: Mapping[str, str], shown: set[str] | None) -> StandingView:
    supplier = found.record.supplier_account
    return StandingView(
        id=found.record.id,
        chain_id=found.record.chain_id,
        supplier=supplier,
        supplier_name=names.get(supplier),
        debtor=found.debtor,
        debtor_name=names.get(found.debtor),
        currency=found.currency,
        due=datetime.fromtimestamp(found.due_end, UTC),
        phase=found.phase.value,
        unpaid=money.text(sum(found.unpaid.values()), found.currency),
        holders=[
            OwedView(account=account, name=names.get(account), unpaid=money.text(unpaid, found.currency))
            for account, unpaid in sorted(found.unpaid.items())
            if shown is None or account in shown
        ],
    )


def _csv(view: AgeingView) -> Response:
    rows = [list(each.model_dump().values()) for each in view.exposures]
    return _file("ageing", view.as_of, list(ExposureView.model_fields), rows)


def _book_file(view: Page[StandingView], moment: datetime) -> Response:
    """A line for each holder that is shown, and for each receivable of which none is."""
    columns = [name for name in StandingView.model_fields if name != "holders"]
    rows = []
    for each in view.items:
        own = [getattr(each, name) for name in columns]
        rows += [[*own, held.account, held.name, held.unpaid] for held in each.holders] or [
            [*own, "", "", ""]
        ]
    answer = _file("book", moment, [*columns, "holder", "holder_name", "holder_unpaid"], rows)
    if view.next is not None:
        answer.headers["Tallystick-Next"] = view.next
    return answer


def _file(name: str, moment: datetime, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """A file for a spreadsheet, which runs nothing of it."""
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(["as_of", *columns])
    for row in rows:
        writer.writerow([moment.isoformat(), *(safe_cell("" if cell is None else str(cell)) for cell in row)])
    return Response(
        target.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-{moment:%Y-%m-%d}.csv"'},
    )
