"""Signing in to the pages with an API key, and out. The key stays in a cookie that no script can read."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from backend.console.web import COOKIE, HEADERS, PREFIX, PageLocale, render
from backend.kit.access import Forbidden, Unauthenticated

router = APIRouter(prefix=PREFIX, include_in_schema=False)

_STAYS = 8 * 3600
_STYLE = Path(__file__).parent / "static" / "console.css"
_SAME_SITE = frozenset({"same-origin", "none"})


@router.get("/console.css")
async def style() -> Response:
    """The pages' style."""
    return FileResponse(_STYLE, media_type="text/css", headers={"Cache-Control": "max-age=3600"})


@router.get("/sign-in")
async def sign_in_page(
    request: Request, locale: PageLocale, wanted: Annotated[str, Query(max_length=2000, alias="next")] = ""
) -> Response:
    """The form."""
    return render(request, "sign_in.html", locale, next=_own(wanted), refused=False)


@router.post("/sign-in")
async def sign_in(
    request: Request,
    locale: PageLocale,
    key: Annotated[str, Form(max_length=200)] = "",
    wanted: Annotated[str, Form(max_length=2000, alias="next")] = "",
) -> Response:
    """Takes a good key into the cookie and goes on; refuses a bad one without saying why."""
    if request.headers.get("sec-fetch-site", "none") not in _SAME_SITE:
        raise Forbidden(needed="same-origin")
    try:
        async with request.app.state.database.reading() as session:
            await request.app.state.authenticate(session, f"Bearer {key.strip()}")
    except Unauthenticated:
        return render(request, "sign_in.html", locale, status=401, next=_own(wanted), refused=True)
    response = RedirectResponse(_own(wanted) or f"{PREFIX}/receivables", 303, headers=HEADERS)
    response.set_cookie(
        COOKIE,
        key.strip(),
        max_age=_STAYS,
        path=PREFIX,
        httponly=True,
        samesite="lax",
        secure=not request.app.state.settings.local_chain,
    )
    return response


@router.post("/sign-out")
async def sign_out() -> Response:
    """Forgets the key."""
    response = RedirectResponse(f"{PREFIX}/sign-in", 303, headers=HEADERS)
    response.delete_cookie(COOKIE, path=PREFIX)
    return response


def _own(address: str) -> str:
    """An address of these pages, else nothing: nobody is sent elsewhere."""
    return address if address.startswith(f"{PREFIX}/") and "\\" not in address and "//" not in address else ""
