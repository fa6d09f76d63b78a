"""What the EPCIS interface says of itself: versions, limits, forms it offers (EPCIS 2.0, section 12.2)."""

import re
from typing import Annotated, Final, Literal, get_args

from fastapi import Depends, Header, Request

from backend.provenance.config import LogConfig
from backend.provenance.epcis.document import MAX_BYTES, MAX_EVENTS
from backend.provenance.epcis.translation import EPC_FORMATS, EpcFormat
from backend.provenance.epcis.writer import CbvFormat
from backend.provenance.problems import (
    AddressTooLong,
    BodyNotJson,
    LogMissing,
    NotAcceptable,
    VersionNotSpoken,
)
from backend.provenance.rendering import JSON, JSON_LD, XML, MediaType
from backend.verifier.names import Namespaces
from backend.verifier.vocabulary import PREFIXES

VERSION: Final = "2.0.0"
_SPOKEN: Final = (2, 0, 0)
_SEMANTIC: Final = re.compile(r"\d{1,3}\.\d{1,3}(\.\d{1,3})?")
VERSIONS: Final = {
    "GS1-EPCIS-Version": "2.0.0",
    "GS1-EPCIS-Min": "2.0.0",
    "GS1-EPCIS-Max": "2.0.0",
    "GS1-CBV-Version": "2.0.0",
    "GS1-CBV-Min": "2.0.0",
    "GS1-CBV-Max": "2.0.0",
}
CAPABILITIES: Final = VERSIONS | {
    "GS1-EPC-Format": ", ".join(EPC_FORMATS),
    "GS1-CBV-XML-Format": ", ".join(get_args(CbvFormat)),
    "GS1-Vendor-Version": VERSION,
}
CAPTURE_LIMITS: Final = {
    "GS1-EPCIS-Capture-Limit": str(MAX_EVENTS),
    "GS1-EPCIS-Capture-File-Size-Limit": str(MAX_BYTES),
    "GS1-Capture-Error-Behaviour": "all",
}
TOKENS: Final = {"GS1-Next-Page-Token-Expires": "9999-12-31T23:59:59Z"}
"""Beside a link to the next page: a token says itself where its page starts, and so holds for ever."""
DEFAULT_FORMAT: Final[EpcFormat] = "No_Preference"
"""Of a request without `GS1-EPC-Format`. The standard says Digital Links; here what came in comes back."""
MAX_ADDRESS: Final = 16_384
"""Octets of an address and its query, about what proxies on the way let through."""
_OFFERED: Final[dict[str, MediaType]] = {
    "application/json": JSON,
    "application/ld+json": JSON_LD,
    "application/xml": XML,
    "text/xml": XML,
    "application/*": JSON,
    "*/*": JSON,
}


async def wanted_media_type(accept: Annotated[str | None, Header()] = None) -> MediaType:
    """The binding to answer in, by weight. Raises NotAcceptable when none offered is accepted."""
    best: tuple[float, int, MediaType] | None = None
    for place, part in enumerate((accept or "*/*").split(",")):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        media_type = _OFFERED.get(kind.lower())
        weight = _weight(parameters)
        if media_type is not None and weight > 0 and (best is None or (weight, -place) > best[:2]):
            best = (weight, -place, media_type)
    if best is None:
        raise NotAcceptable(offered=", ".join((JSON, JSON_LD, XML)))
    return best[2]


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return min(float(value), 1.0)
            except ValueError:
                return 0.0
    return 1.0


async def extension_namespaces(
    gs1_extensions: Annotated[str | None, Header(alias="GS1-Extensions")] = None,
) -> Namespaces:
    """The prefixes of query parameters, from `GS1-Extensions: ex=https://…, …`, over the standard's own."""
    known = dict(PREFIXES)
    for part in (gs1_extensions or "").split(","):
        prefix, equals, name = part.strip().partition("=")
        if equals and prefix.strip() and name.strip():
            known[prefix.strip()] = name.strip()
    return known


def _number(given: str) -> tuple[int, ...] | None:
    return tuple(map(int, given.split("."))) if _SEMANTIC.fullmatch(given) else None


async def agreed_versions(request: Request) -> None:
    """Raises VersionNotSpoken when `GS1-…-Version`, `-Min` or `-Max` leave out the version spoken, and
    AddressTooLong."""
    if len(request.scope["raw_path"]) + len(request.scope["query_string"]) > MAX_ADDRESS:
        raise AddressTooLong(limit=MAX_ADDRESS)
    for standard in ("EPCIS", "CBV"):
        for kind, fits in (("Version", (0,)), ("Min", (0, -1)), ("Max", (0, 1))):
            name = f"GS1-{standard}-{kind}"
            given = request.headers.get(name)
            if given is None:
                continue
            wanted = _number(given)
            # The version asked for may name no patch: 2.0 is spoken as 2.0.0.
            if wanted is None or _order((*wanted, 0)[:3], _SPOKEN) not in fits:
                raise VersionNotSpoken(header=name, given=given[:20], spoken=VERSION)


def _order(left: tuple[int, ...], right: tuple[int, ...]) -> int:
    return (left > right) - (left < right)


async def json_answer(accept: Annotated[str | None, Header()] = None) -> None:
    """For answers that have one form. Raises NotAcceptable when the client does not take JSON."""
    offered = {"application/json", "application/ld+json", "application/*", "*/*"}
    for part in (accept or "*/*").split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        if kind.lower() in offered and _weight(parameters) > 0:
            return
    raise NotAcceptable(offered=", ".join((JSON, JSON_LD)))


async def json_body(content_type: Annotated[str | None, Header()] = None) -> None:
    """Raises BodyNotJson for a body that says it is something else than JSON."""
    given = (content_type or JSON).partition(";")[0].strip().lower()
    if given not in {JSON, JSON_LD}:
        raise BodyNotJson(given=given[:80])


async def current_log(request: Request) -> LogConfig:
    """The ledger's log. Raises LogMissing when its deployment has none."""
    config: LogConfig | None = request.app.state.log
    if config is None:
        raise LogMissing()
    return config


CurrentLog = Annotated[LogConfig, Depends(current_log)]
WantedMediaType = Annotated[MediaType, Depends(wanted_media_type)]
Extensions = Annotated[Namespaces, Depends(extension_namespaces)]
WantedFormat = Annotated[
    EpcFormat,
    Header(alias="GS1-EPC-Format", description="How identifiers are written in the answer."),
]
WantedCbvFormat = Annotated[
    CbvFormat,
    Header(alias="GS1-CBV-XML-Format", description="How terms of the vocabulary are written in XML."),
]
ErrorBehaviour = Annotated[
    Literal["rollback", "proceed"],
    Header(
        alias="GS1-Capture-Error-Behaviour",
        description="Whether one invalid event refuses the whole document, or the others are recorded.",
    ),
]
