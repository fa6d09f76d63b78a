"""An invoice as it was read, beside its original: who checks one against the other needs both in view."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from backend.console.web import HEADERS, PREFIX, PageLocale, PageRoute, render
from backend.invoices import facsimile, repository, service, vault
from backend.invoices.api import secrets_of
from backend.invoices.reading import sniff
from backend.invoices.tables import InvoiceRecord
from backend.invoices.validation.result import term
from backend.kit.problems import NotFound
from backend.kit.web import CurrentCaller, Paging, Session, page

_WITH_PICTURE = HEADERS["Content-Security-Policy"] + "; object-src 'self'; frame-src 'self'"
_PICTURE = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'self'"


class BesideRoute(PageRoute):
    """A page that shows a picture of its own, and the picture, which only such a page may show."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            response = await handle(request)
            if response.status_code == 200:
                is_picture = response.media_type == "application/pdf"
                response.headers["Content-Security-Policy"] = _PICTURE if is_picture else _WITH_PICTURE
            return response

        return answer


router = APIRouter(prefix=PREFIX, route_class=BesideRoute, include_in_schema=False)


@router.get("/invoices")
async def invoices(
    request: Request, session: Session, caller: CurrentCaller, paging: Paging, locale: PageLocale
) -> Response:
    """The invoices the caller may see, newest first."""
    rows, following = await page(session, repository.visible(caller), InvoiceRecord.id, paging)
    return render(request, "invoices.html", locale, items=rows, following=following)


@router.get("/invoices/{invoice_id}")
async def beside(
    request: Request, invoice_id: UUID, session: Session, caller: CurrentCaller, locale: PageLocale
) -> Response:
    """Each value with a link to its place in the original."""
    record = await service.get(session, caller, invoice_id)
    standing = await service.standing(session, caller, record)
    original, _ = await vault.original(session, secrets_of(request), record)
    both = await asyncio.to_thread(facsimile.make, original, standing.invoice)
    return render(
        request,
        "invoice.html",
        locale,
        record=record,
        both=both,
        placed={field.place: field.term for field in both.fields if field.place is not None},
        validation=standing.validation,
        judgement=standing.judgement,
        name=lambda place: term(place, locale),
    )


@router.get("/invoices/{invoice_id}/picture")
async def picture(request: Request, invoice_id: UUID, session: Session, caller: CurrentCaller) -> Response:
    """The PDF itself, for the page beside it and for nobody else's."""
    record = await service.get(session, caller, invoice_id)
    original, _ = await vault.original(session, secrets_of(request), record)
    if sniff(original) != "pdf":
        raise NotFound()
    return Response(original, media_type="application/pdf", headers={"Content-Disposition": "inline"})
