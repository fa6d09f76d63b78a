"""The verification report as a page that prints, and the list of receivables that leads to it."""

from collections.abc import Sequence
from uuid import UUID

from fastapi import APIRouter, Request, Response

from backend.console.web import PREFIX, PageLocale, PageRoute, render
from backend.kit import messages
from backend.kit.messages import Locale
from backend.kit.web import CurrentCaller, Paging, Session
from backend.receivables import reading
from backend.verification.api import Evidence, bundle_file
from backend.verification.service import Gathered
from backend.verifier import checks, report

router = APIRouter(prefix=PREFIX, route_class=PageRoute, include_in_schema=False)


@router.get("/receivables")
async def receivables(
    request: Request, session: Session, caller: CurrentCaller, paging: Paging, locale: PageLocale
) -> Response:
    """The receivables the caller may see, newest first."""
    shown, following = await reading.listing(session, caller, paging)
    return render(request, "receivables.html", locale, items=shown, following=following)


@router.get("/receivables/{receivable_id}/verification")
async def verification(
    request: Request, receivable_id: UUID, evidence: Evidence, locale: PageLocale
) -> Response:
    """Every check with its answer, on paper or on a screen."""
    return render(
        request,
        "report.html",
        locale,
        receivable_id=receivable_id,
        report=report.to_json(evidence.report, locale),
        counts=report.counts_text(evidence.report, locale),
        facts=_facts(evidence),
        groups=checks.GROUPS,
        unknown=[each.check for each in evidence.report.unknown],
        words=lambda codes: _joined(codes, locale),
    )


@router.get("/receivables/{receivable_id}/bundle")
async def bundle(receivable_id: UUID, evidence: Evidence) -> Response:
    """The bundle, for whoever signed in here."""
    return bundle_file(receivable_id, evidence)


def _joined(words: Sequence[str], locale: Locale) -> str:
    texts = [messages.text(f"verify.word.{word}", locale) for word in words]
    return ("、" if locale == "zh" else ", ").join(texts)


def _facts(gathered: Gathered) -> dict[str, str]:
    """What names the claim on paper; the document's fields where they are shown, names by the operator."""
    evidence = gathered.evidence
    fields = {shown.name: str(shown.value) for shown in evidence.fields}
    said = evidence.statements
    names = {
        "number": fields.get("BT-1"),
        "supplier": said.supplier.name if said.supplier else fields.get("BT-27"),
        "debtor": said.debtor.name if said.debtor else fields.get("BT-44"),
        "made": report.when(evidence.made_at),
    }
    return {name: value for name, value in names.items() if value}
