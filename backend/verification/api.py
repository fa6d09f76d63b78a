"""Routes of verification: the report, and the bundle from which anybody can make it again offline."""

import io
import json
import zipfile
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from backend.kit import messages
from backend.kit.messages import LOCALES
from backend.kit.web import CurrentCaller, CurrentLocale, Route, Session
from backend.receivables import reading
from backend.receivables.views import timeline_view
from backend.verification import service
from backend.verification.service import Gathered
from backend.verifier import page, report

router = APIRouter(prefix="/v1/receivables", route_class=Route, tags=["verification"])

_HASH = "0x" + "5a" * 32


class View(BaseModel):
    """What an answer looks like."""

    model_config = ConfigDict(frozen=True)


class CheckView(View):
    """One check: its answer, whether that is proved, by whose word, and what it cannot say."""

    check: str = Field(examples=["received"])
    group: str = Field(examples=["goods"])
    outcome: str = Field(description="pass, fail, cannot-tell or not-applicable.", examples=["pass"])
    basis: str = Field(description="proved or claimed.", examples=["proved"])
    by_word_of: list[str] = Field(examples=[["debtor", "chain"]])
    severity: str = Field(examples=["required"])
    code: str = Field(examples=["verify.received.by-debtor"])
    title: str
    text: str
    limits: str
    evidence: list[str] = Field(description="JSON pointers into the bundle.", examples=[["/log/events/3"]])
    block: int | None
    time: str | None


class BlockView(View):
    """The block the state is of."""

    number: int = Field(examples=[1204])
    hash: str = Field(examples=[_HASH])
    time: str = Field(examples=["2026-11-24T18:00:00Z"])


class SumView(View):
    """The conclusion."""

    supports_at_most: str = Field(examples=["11900.00"])
    currency: str = Field(examples=["EUR"])
    text: str
    outcomes: dict[str, int]


class ReportView(View):
    """The verification report of a claim."""

    format: str = Field(examples=[report.FORMAT])
    receivable: str = Field(examples=[_HASH])
    chain_id: str = Field(examples=["31337"])
    block: BlockView
    checks: list[CheckView]
    sum: SumView
    ask_for: list[str] = Field(description="Required checks that could not tell.")
    misreported: list[str]


async def gathered(
    request: Request,
    receivable_id: UUID,
    session: Session,
    caller: CurrentCaller,
) -> Gathered:
    """The evidence about the claim in the path."""
    return await service.gather(session, caller, request.app.state.evidence, receivable_id)


Evidence = Annotated[Gathered, Depends(gathered)]


@router.get("/{receivable_id}/verification")
async def verification(evidence: Evidence, locale: CurrentLocale) -> ReportView:
    """Every check on the claim, by the same functions as `tallystick verify`.

    The server vouches for no block: check the bundle against a block hash of your own.
    """
    answer: dict[str, Any] = report.to_json(evidence.report, locale)
    return ReportView.model_validate(answer)


@router.get("/{receivable_id}/bundle", response_class=Response)
async def bundle(evidence: Evidence, receivable_id: UUID) -> Response:
    """One file with all the report rests on (docs/bundle.md), for `tallystick verify`."""
    return bundle_file(receivable_id, evidence)


@router.get("/{receivable_id}/dossier", response_class=Response)
async def dossier(
    evidence: Evidence, receivable_id: UUID, caller: CurrentCaller, session: Session
) -> Response:
    """Everything behind one claim as a zip: bundle, reports to read in English and Chinese, terms, events."""
    record = await reading.get(session, caller, receivable_id)
    entries = await reading.timeline(session, caller, record)
    files = {
        "bundle.json": evidence.bundle(),
        "report.json": _json(report.to_json(evidence.report)),
        **{f"report.{each}.txt": page.render(evidence.report, each).encode() for each in LOCALES},
        "terms.json": _json(record.terms),
        "timeline.json": _json([timeline_view(each).model_dump(mode="json") for each in entries]),
        "README.txt": messages.text("verification-dossier", "en", id=record.chain_id).encode(),
        "README.zh.txt": messages.text("verification-dossier", "zh", id=record.chain_id).encode(),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    disposition = f'attachment; filename="{receivable_id}.zip"'
    return Response(
        packed.getvalue(), media_type="application/zip", headers={"Content-Disposition": disposition}
    )


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode()


def bundle_file(receivable_id: UUID, evidence: Gathered) -> Response:
    """The bundle as a file to keep."""
    return Response(
        evidence.bundle(),
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{receivable_id}.bundle.json"'},
    )
