"""What goes wrong at the standard's interface, in the standard's words (GS1's OpenAPI of EPCIS 2.0).

A client written for the standard looks at `type`; our own code stands beside it, as the member `code`.
"""

from collections.abc import Mapping
from typing import Any, Final

from backend.kit.messages import Locale
from backend.kit.problems import InvalidRequest, Problem
from backend.provenance.discovery import CAPTURE_LIMITS

PREFIX: Final = "epcisException:"
OURS: Final = "urn:tallystick:problem:"
_BY_STATUS: Final[Mapping[int, str]] = {
    400: "ValidationException",
    401: "SecurityException",
    403: "SecurityException",
    404: "NoSuchResourceException",
    406: "NotAcceptableException",
    413: "CaptureLimitExceededException",
    414: "URITooLongException",
    415: "UnsupportedMediaTypeException",
    500: "ImplementationException",
    501: "ImplementationException",
    503: "ImplementationException",
}


def in_the_standards_words(problem: Problem, locale: Locale) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Status, body and headers of a problem met under `/epcis`.

    What the standard does not know, such as a method not allowed or an idempotency key used again, keeps its
    own type.
    """
    # The standard knows no 422: a request of the wrong shape is a 400 to it.
    status = 400 if isinstance(problem, InvalidRequest) else problem.status
    body = standardised(problem.body(locale) | {"status": status}, getattr(problem, "standard", None))
    limits = CAPTURE_LIMITS if body["type"] == PREFIX + _BY_STATUS[413] else {}
    return status, body, dict(problem.headers) | limits


def standardised(body: Mapping[str, Any], standard: str | None = None) -> dict[str, Any]:
    """A problem document with the standard's type, by `standard` or its status, and our code beside it."""
    given = str(body["type"])
    if not given.startswith(OURS):
        return dict(body)
    name = standard or _BY_STATUS.get(body["status"])
    return dict(body) | {"type": PREFIX + name if name else given, "code": given.removeprefix(OURS)}
