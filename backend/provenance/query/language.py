"""Query parameters read into tests. What the index can answer becomes a `KeyTest`, the rest a `BodyTest`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from backend.provenance.epcis.hashing import utc_milliseconds
from backend.provenance.epcis.values import Number
from backend.provenance.keys import CLASS_NAMES, EPC_NAMES
from backend.provenance.problems import MasterDataNotKept, QueryInvalid, QueryTooComplex
from backend.verifier.identifiers import comparable
from backend.verifier.names import Namespaces, expand_name, expand_uri
from backend.verifier.vocabulary import (
    BIZ_STEP,
    BIZ_TRANSACTION_TYPE,
    COMPONENT,
    DISPOSITION,
    ERROR_REASON,
    MEASUREMENT,
    SENSOR_ALERT,
    SOURCE_DEST_TYPE,
    Vocabulary,
)

MOST_VALUES: Final = 1000
"""Most values in one query, over all its parameters."""

MOST_TESTS: Final = 50

_MATCHES: Final[dict[str, tuple[str, ...]]] = {
    "epc": ("epc",),
    "parentID": ("parentID",),
    "inputEPC": ("inputEPC",),
    "outputEPC": ("outputEPC",),
    "anyEPC": EPC_NAMES,
    "epcClass": ("epcClass",),
    "inputEPCClass": ("inputEPCClass",),
    "outputEPCClass": ("outputEPCClass",),
    "anyEPCClass": CLASS_NAMES,
}
_EQUALS: Final[dict[str, tuple[str, Vocabulary | None]]] = {
    "bizStep": ("bizStep", BIZ_STEP),
    "disposition": ("disposition", DISPOSITION),
    "persistentDisposition_set": ("persistentDisposition_set", DISPOSITION),
    "persistentDisposition_unset": ("persistentDisposition_unset", DISPOSITION),
    "readPoint": ("readPoint", None),
    "bizLocation": ("bizLocation", None),
    "transformationID": ("transformationID", None),
    "errorReason": ("errorReason", ERROR_REASON),
    "correctiveEventID": ("correctiveEventID", None),
    "deviceID": ("deviceID", None),
    "bizRules": ("bizRules", None),
    "rawData": ("rawData", None),
    "dataProcessingMethod": ("dataProcessingMethod", None),
    "type": ("sensor:type", MEASUREMENT),
    "exception": ("sensor:exception", SENSOR_ALERT),
    "component": ("sensor:component", COMPONENT),
}
_TYPED: Final[dict[str, Vocabulary]] = {
    "bizTransaction": BIZ_TRANSACTION_TYPE,
    "source": SOURCE_DEST_TYPE,
    "destination": SOURCE_DEST_TYPE,
}
_SCOPES: Final = (
    "ERROR_DECLARATION",
    "SENSORELEMENT",
    "SENSORMETADATA",
    "SENSORREPORT",
    "ILMD",
    "readPoint",
    "bizLocation",
)
_MEASURES: Final = frozenset({"value", "minValue", "maxValue", "meanValue", "sDev", "percValue", "percRank"})
_MOMENTS: Final = frozenset({"time", "startTime", "endTime", "errorDeclarationTime", "errorDeclaration_Time"})
_REPORTED: Final = frozenset(
    {"microorganism", "chemicalSubstance", "stringValue", "hexBinaryValue", "uriValue"}
)
_COMPARISONS: Final = frozenset({"EQ", "GT", "GE", "LT", "LE"})
_NAME: Final = re.compile(r"(EQ|GT|GE|LT|LE|MATCH|WD|EXISTS|HASATTR|EQATTR)_(.+)")


@dataclass(frozen=True, slots=True)
class KeyTest:
    """The event is indexed under one of the names with one of the values, or one of a pattern."""

    names: tuple[str, ...]
    values: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    """SQL LIKE patterns, escaped with a backslash."""


@dataclass(frozen=True, slots=True)
class BodyTest:
    """A test of an event's body: of the field `name` in `scope`, compared by `operator` with `values`."""

    operator: str
    scope: str
    name: str
    values: tuple[str | Decimal | bool, ...] = ()
    unit: str | None = None
    inner: bool = False


@dataclass(slots=True)
class Query:
    """A query: an event answers it when it passes every test."""

    kinds: tuple[str, ...] = ()
    since: dict[str, datetime] = field(default_factory=dict)
    before: dict[str, datetime] = field(default_factory=dict)
    event_ids: tuple[str, ...] = ()
    key_tests: list[KeyTest] = field(default_factory=list)
    body_tests: list[BodyTest] = field(default_factory=list)
    order_by: str = "eventTime"
    """`eventTime`, `recordTime`, or the full name of an extension field of the event."""
    descending: bool = True
    event_count_limit: int | None = None
    max_event_count: int | None = None


def read_query(parameters: Mapping[str, Sequence[Any]], namespaces: Namespaces) -> Query:
    """The query of these parameters, each a list of values as text, `Number` or bool.

    Raises QueryInvalid for a parameter or value the standard does not know, QueryTooComplex for too many.
    """
    total = sum(len(values) for values in parameters.values())
    if total > MOST_VALUES or len(parameters) > MOST_TESTS:
        raise QueryTooComplex(limit=MOST_VALUES)
    reader = _Reader(namespaces)
    for name, values in parameters.items():
        reader.parameter(name, list(values))
    query = reader.query
    if query.event_count_limit is not None and query.max_event_count is not None:
        raise QueryInvalid(
            name="maxEventCount", reason="eventCountLimit stands there too; one of them is enough"
        )
    return query


class _Reader:
    """Reads parameters one by one into a query."""

    def __init__(self, namespaces: Namespaces) -> None:
        self.query = Query()
        self._namespaces = namespaces

    def parameter(self, name: str, values: list[Any]) -> None:
        if not values:
            raise QueryInvalid(name=name, reason="it has no value")
        if name == "eventType":
            self.query.kinds = tuple(_text(name, value) for value in values)
        elif name == "orderBy":
            self.query.order_by = self._order(name, _text(name, _one(name, values)))
        elif name == "orderDirection":
            self.query.descending = _choice(name, _one(name, values), ("ASC", "DESC")) == "DESC"
        elif name == "eventCountLimit":
            self.query.event_count_limit = _count(name, _one(name, values))
        elif name == "maxEventCount":
            self.query.max_event_count = _count(name, _one(name, values))
        else:
            match = _NAME.fullmatch(name)
            if match is None:
                raise QueryInvalid(name=name, reason="EPCIS 2.0 has no such parameter")
            self._test(name, match[1], match[2], values)

    def _order(self, name: str, subject: str) -> str:
        if subject in {"eventTime", "recordTime"}:
            return subject
        full = expand_name(subject, self._namespaces)
        if not full.startswith("{"):
            raise QueryInvalid(
                name=name, reason="events are ordered by eventTime, recordTime or an extension field in full"
            )
        return full

    def _test(self, name: str, operator: str, subject: str, values: list[Any]) -> None:
        if operator in {"HASATTR", "EQATTR"} or subject.startswith("ATTR_"):
            self._master_data(name, operator, subject, values)
        elif subject in {"eventTime", "recordTime"}:
            self._time_range(name, operator, subject, values)
        elif operator == "MATCH":
            self._match(name, subject, values)
        elif operator == "WD":
            self._within(name, subject, values)
        elif operator == "EXISTS":
            if values != ["false"] and values != [False]:
                self._exists(name, subject)
        elif operator == "EQ" and subject == "eventID":
            self.query.event_ids = tuple(_text(name, value) for value in values)
        elif operator == "EQ" and subject in _EQUALS:
            key, vocabulary = _EQUALS[subject]
            self._key((key,), [self._uri(name, value, vocabulary) for value in values])
        elif operator == "EQ" and subject.partition("_")[0] in _TYPED and "_" in subject:
            self._typed(name, subject, values)
        else:
            self._body(name, operator, subject, values)

    def _uri(self, name: str, value: Any, vocabulary: Vocabulary | None) -> str:
        text = expand_uri(_text(name, value), self._namespaces)
        return comparable(vocabulary.expand(text) if vocabulary else text)

    def _key(self, names: tuple[str, ...], values: list[str], patterns: Sequence[str] = ()) -> None:
        self.query.key_tests.append(KeyTest(names, tuple(values), tuple(patterns)))

    def _time_range(self, name: str, operator: str, subject: str, values: list[Any]) -> None:
        moment = _moment(name, _one(name, values))
        if operator == "GE":
            self.query.since[subject] = moment
        elif operator == "LT":
            self.query.before[subject] = moment
        else:
            raise QueryInvalid(name=name, reason="times are compared with GE_ and LT_")

    def _match(self, name: str, subject: str, values: list[Any]) -> None:
        if subject not in _MATCHES:
            raise QueryInvalid(name=name, reason="EPCIS 2.0 has no such parameter")
        texts = [_text(name, value) for value in values]
        patterns = [like for text in texts if (like := pattern_like(text)) is not None]
        exact = [self._uri(name, text, None) for text in texts if not text.endswith("*")]
        if not exact and not patterns:
            raise QueryInvalid(name=name, reason="a pattern is urn:epc:idpat:… with * at the end")
        self._key(_MATCHES[subject], exact, patterns)

    def _within(self, name: str, subject: str, values: list[Any]) -> None:
        if subject not in {"readPoint", "bizLocation"}:
            raise QueryInvalid(name=name, reason="WD_ is for readPoint and bizLocation")
        places = [self._uri(name, value, None) for value in values]
        below = [f"{_escape(place)}/254/%" for place in places if "/414/" in place and "/254/" not in place]
        self._key((subject,), places, below)

    def _exists(self, name: str, subject: str) -> None:
        if subject == "errorDeclaration":
            self._key(("errorDeclaration",), [""])
        elif subject in {"sensorElementList", "ilmd", "persistentDisposition"}:
            self.query.body_tests.append(BodyTest("EXISTS", "field", subject))
        else:
            self._body(name, "EXISTS", subject, [])

    def _master_data(self, name: str, operator: str, subject: str, values: list[Any]) -> None:
        """Refused: to find nothing would say that nothing has the attribute, and none is known here."""
        _ = [_text(name, value) for value in values]
        subject = subject.removeprefix("ATTR_")
        if not subject or (operator != "HASATTR" and "_" not in subject):
            raise QueryInvalid(name=name, reason="it is HASATTR_field, or EQATTR_field_attribute")
        raise MasterDataNotKept(name=name)

    def _typed(self, name: str, subject: str, values: list[Any]) -> None:
        item, _, kind = subject.partition("_")
        kind = _TYPED[item].expand(expand_uri(kind, self._namespaces))
        self._key((f"{item}:{kind}"[:120],), [self._uri(name, value, None) for value in values])

    def _body(self, name: str, operator: str, subject: str, values: list[Any]) -> None:
        if operator != "EXISTS" and operator not in _COMPARISONS:
            raise QueryInvalid(name=name, reason="EPCIS 2.0 has no such parameter")
        test = self._plain(name, operator, subject, values) or self._extension(
            name, operator, subject, values
        )
        self.query.body_tests.append(test)

    def _plain(self, name: str, operator: str, subject: str, values: list[Any]) -> BodyTest | None:
        measure, _, unit = subject.partition("_")
        if measure in _MEASURES or measure == "quantity":
            scope = "quantity" if measure == "quantity" else "report"
            numbers = tuple(_decimal(name, value) for value in values)
            return BodyTest(operator, scope, measure, numbers, unit or None)
        if subject in _MOMENTS:
            moments = tuple(_utc(name, value) for value in values)
            scope = "declaration" if subject.startswith("errorDeclaration") else "sensor"
            return BodyTest(
                operator, scope, "declarationTime" if scope == "declaration" else subject, moments
            )
        if operator == "EQ" and subject == "action":
            actions = tuple(_choice(name, value, ("ADD", "OBSERVE", "DELETE")) for value in values)
            return BodyTest(operator, "field", subject, actions)
        if operator == "EQ" and subject == "booleanValue":
            return BodyTest(operator, "report", subject, (_boolean(name, _one(name, values)),))
        if operator == "EQ" and subject in _REPORTED:
            return BodyTest(operator, "report", subject, tuple(_text(name, value) for value in values))
        return None

    def _extension(self, name: str, operator: str, subject: str, values: list[Any]) -> BodyTest:
        inner = subject.startswith("INNER_")
        subject = subject.removeprefix("INNER_")
        scope = next((scope for scope in _SCOPES if subject.startswith(f"{scope}_")), "")
        field_name = subject.removeprefix(f"{scope}_") if scope else subject
        full = expand_name(field_name, self._namespaces)
        if not full.startswith("{"):
            reason = "it is no parameter of EPCIS 2.0, and as an extension its prefix stands for nothing"
            raise QueryInvalid(name=name, reason=f"{reason}; give it in GS1-Extensions or in @context")
        given = tuple(_value(name, value) for value in values)
        return BodyTest(operator, scope or "event", full, given, None, inner)


def pattern_like(text: str) -> str | None:
    """The LIKE pattern that finds what an EPC pattern URI matches, or None when it is no pattern.

    A pattern with a GTIN, GRAI or the like and `*` for the serial matches every serial of it; one with the
    company prefix alone matches every key of the company (EPC Tag Data Standard 2.0, section 8).
    """
    if not text.startswith("urn:epc:idpat:") or not text.endswith("*"):
        return None
    link = comparable(text)
    if not link.startswith("urn:"):
        return f"{_escape(link)}%"
    scheme, _, body = text.removeprefix("urn:epc:idpat:").partition(":")
    company = body.partition(".")[0]
    starts = {"sgtin": "/01/_", "sscc": "/00/_", "sgln": "/414/", "grai": "/8003/0", "giai": "/8004/",
              "gdti": "/253/", "gsrn": "/8018/", "lgtin": "/01/_", "pgln": "/417/"}  # fmt: skip
    if scheme not in starts or not company.isdigit() or not set(body[len(company) :]) <= {".", "*"}:
        return None
    return f"https://id.gs1.org{starts[scheme]}{company}%"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _one(name: str, values: list[Any]) -> Any:
    if len(values) != 1:
        raise QueryInvalid(name=name, reason="it takes one value")
    return values[0]


def _text(name: str, value: Any) -> str:
    if isinstance(value, Number):
        return value.text
    if not isinstance(value, str) or not value:
        raise QueryInvalid(name=name, reason="a text belongs there")
    return value


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise QueryInvalid(name=name, reason=f"it is one of {', '.join(choices)}")
    return str(value)


def _count(name: str, value: Any) -> int:
    text = value.text if isinstance(value, Number) else str(value)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:10]) <= 1_000_000:
        raise QueryInvalid(name=name, reason="a whole number from 1 to 1000000 belongs there")
    return int(text)


def _decimal(name: str, value: Any) -> Decimal:
    text = value.text if isinstance(value, Number) else str(value)
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise QueryInvalid(name=name, reason="a number belongs there") from error
    if not number.is_finite() or len(text) > 64 or abs(number.adjusted()) > 400:
        raise QueryInvalid(name=name, reason="a number of sensible size belongs there")
    return number


def _boolean(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    return _choice(name, value, ("true", "false")) == "true"


def _utc(name: str, value: Any) -> str:
    moment = utc_milliseconds(value) if isinstance(value, str) else None
    if moment is None:
        raise QueryInvalid(name=name, reason="a date and time with its zone belongs there")
    return moment


def _moment(name: str, value: Any) -> datetime:
    _utc(name, value)
    return datetime.fromisoformat(value)


def _value(name: str, value: Any) -> str | Decimal | bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, Number):
        return _decimal(name, value)
    return _text(name, value)
