"""How a page is made: the caller known by its session, the language chosen, what goes wrong a page too."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from backend.kit import messages
from backend.kit.access import Unauthenticated
from backend.kit.messages import Locale, negotiate
from backend.kit.problems import Problem
from backend.kit.web import Route

PREFIX = "/console"
COOKIE = "tallystick-session"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""No script runs, nothing is framed, nothing of a claim stays in a shared computer's cache."""

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class PageRoute(Route):
    """A page to read. Who signed in is known by its cookie, who sends an API key by that."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def page(request: Request) -> Response:
            try:
                response = await handle(_with_session(request))
            except Unauthenticated:
                wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                asked = {"next": wanted, "language": chosen(request)}
                response = RedirectResponse(f"{PREFIX}/sign-in?{urlencode(asked)}", 303)
            except Problem as problem:
                locale = chosen(request)
                body = problem.body(locale)
                response = render(request, "problem.html", locale, status=problem.status, problem=body)
            response.headers.update(HEADERS)
            return response

        return page


def chosen(request: Request) -> Locale:
    """The language of the page: what the switch chose, else what the browser prefers."""
    asked = request.query_params.get("language")
    return (
        "en"
        if asked == "en"
        else "zh"
        if asked == "zh"
        else negotiate(request.headers.get("accept-language"))
    )


PageLocale = Annotated[Locale, Depends(chosen)]


def render(
    request: Request, template: str, locale: Locale, *, status: int = 200, **values: object
) -> HTMLResponse:
    """A page from its template; `t` in it is the catalogue in the page's language."""

    def t(code: str, **params: object) -> str:
        return messages.text(code, locale, **params)

    def other_language(language: Locale) -> str:
        return f"{quote(request.url.path)}?{urlencode({**request.query_params, 'language': language})}"

    html = _templates.get_template(template).render(
        t=t, locale=locale, prefix=PREFIX, in_language=other_language, **values
    )
    return HTMLResponse(html, status_code=status, headers={**HEADERS, "Content-Language": locale})


def _with_session(request: Request) -> Request:
    """The request whose cookie stands for its Authorization header, where it has none."""
    key = request.cookies.get(COOKIE)
    if not key or "authorization" in request.headers:
        return request
    given = (b"authorization", f"Bearer {key}".encode("latin-1", "replace"))
    return Request({**request.scope, "headers": [*request.scope["headers"], given]}, request.receive)
