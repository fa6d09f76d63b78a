"""Errors a caller can act on, as problem details for HTTP APIs (RFC 9457).

A room subclasses `Problem`, names a status and a code, and writes the sentence for that code in its
`messages.toml`:

    class AmountTooSmall(Problem):
        status, code = 422, "amount-too-small"

    raise AmountTooSmall(amount="3.00 EUR", minimum="10.00 EUR")
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from backend.kit import messages
from backend.kit.messages import Locale

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One mistake inside the request: where (a JSON pointer, RFC 6901), which, and the text's parameters."""

    pointer: str
    code: str
    params: Mapping[str, object] = field(default_factory=dict)
    detail: str | None = None
    """Text to use as it is, where the code is not one of the catalogue's (a validator's own message)."""

    def render(self, locale: Locale) -> dict[str, str]:
        detail = self.detail if self.detail is not None else messages.text(self.code, locale, **self.params)
        return {"pointer": self.pointer, "code": self.code, "detail": detail}


class Problem(Exception):
    """An answer that is not success. Nothing was changed when one is raised: the transaction rolls back.

    `status` is the HTTP status, `code` a kebab-case slug that never changes once published. Keyword
    parameters fill the placeholders of the code's text. `errors` lists single mistakes; `extra` adds members
    a program can read (RFC 9457 section 3.2); `headers` adds HTTP headers such as Retry-After.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        *,
        errors: Sequence[FieldError] = (),
        extra: Mapping[str, Any] | None = None,
        **params: object,
    ) -> None:
        self.errors = tuple(errors)
        self.extra = dict(extra or {})
        self.params = params
        super().__init__(self.code)

    def __str__(self) -> str:
        return self.detail("en")

    def detail(self, locale: Locale) -> str:
        """The sentence for this occurrence in the reader's language."""
        return messages.text(self.code, locale, **self.params)

    def body(self, locale: Locale = "en") -> dict[str, Any]:
        """The problem document. `title` is the code in words: the same for every occurrence."""
        body: dict[str, Any] = {
            "type": f"urn:tallystick:problem:{self.code}",
            "title": self.code.replace("-", " ").capitalize(),
            "status": self.status,
            "detail": self.detail(locale),
        }
        if self.errors:
            body["errors"] = [error.render(locale) for error in self.errors]
        return body | self.extra


class NotFound(Problem):
    """The thing does not exist, or the caller may not know that it does."""

    status, code = 404, "not-found"


class InvalidRequest(Problem):
    """The request has the wrong shape; `errors` says where."""

    status, code = 422, "invalid-request"


class InvalidCursor(Problem):
    """A pagination cursor that was not handed out by the same address."""

    status, code = 400, "invalid-cursor"


class DatabaseAway(Problem):
    """The database cannot be reached, or went away in the middle of the request."""

    status, code = 503, "database-away"
    headers: ClassVar = {"Retry-After": "2"}


class Busy(Problem):
    """A lock was not granted in time."""

    status, code = 503, "busy"
    headers: ClassVar = {"Retry-After": "2"}
