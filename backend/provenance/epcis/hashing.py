"""The CBV 2.0 event hash, and the hash of a whole event (CBV 2.0, section 8.9).

The CBV hash names what an event says; it is an identifier and no commitment. It joins fields without
separators and leaves out `eventID`, `recordTime` and `errorDeclaration`, so different events can share it.
The log's leaf therefore commits to more, and duplicates are told by `whole_event_hash`.

Where the published vectors and the standard's prose differ, the vectors are followed: `parentID` comes before
the EPC lists; business transactions, destinations, ILMD, sources and extensions are sorted together at the
end; a type stands before its identifier; a numeral in `stringValue` is written as its nearest double.
"""

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from backend.provenance.epcis.grammar import SENSOR_TERMS, TERMS, TYPED
from backend.provenance.epcis.values import Number, Object, encode
from backend.verifier.identifiers import canonical
from backend.verifier.names import Namespaces, expand_name, expand_uri
from backend.verifier.vocabulary import DISPOSITION, EPCIS, PREFIXES, URN_VOCABULARIES

_LEFT_OUT: Final = frozenset(
    {"@context", "type", "eventID", "recordTime", "errorDeclaration", "rdfs:comment", "comment"}
)

_ORDER: Final = (
    "eventTime", "eventTimeZoneOffset", "certificationInfo", "parentID", "epcList", "inputEPCList",
    "childEPCs", "quantityList", "childQuantityList", "inputQuantityList", "outputEPCList",
    "outputQuantityList", "action", "transformationID", "bizStep", "disposition",
    "persistentDisposition", "readPoint", "bizLocation", "sensorElementList",
)  # fmt: skip

_METADATA_ORDER: Final = (
    "time", "startTime", "endTime", "deviceID", "deviceMetadata", "rawData", "dataProcessingMethod",
    "bizRules",
)  # fmt: skip

_REPORT_ORDER: Final = (
    "type", "exception", "deviceID", "deviceMetadata", "rawData", "dataProcessingMethod", "time",
    "microorganism", "chemicalSubstance", "value", "component", "stringValue", "booleanValue",
    "hexBinaryValue", "uriValue", "minValue", "maxValue", "meanValue", "sDev", "percRank", "percValue",
    "uom", "coordinateReferenceSystem",
)  # fmt: skip

_TIMES: Final = frozenset({"eventTime", "time", "startTime", "endTime"})
_NUMERAL: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_TIMESTAMP: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))"
)


def event_hash(event: Object, namespaces: Namespaces) -> str:
    """The event hash as an RFC 6920 URI, `ni:///sha-256;…?ver=CBV2.0`."""
    digest = hashlib.sha256(prehash(event, namespaces).encode()).hexdigest()
    return f"ni:///sha-256;{digest}?ver=CBV2.0"


def whole_event_hash(event: Object, namespaces: Namespaces) -> bytes:
    """SHA-256 over everything the event says, names and terms in full, order of members left out.

    Two deliveries of one event have the same; an error declaration and the event it declares do not. Numbers
    count as they were written.
    """
    return hashlib.sha256(encode(_expanded(event, namespaces))).digest()


def prehash(event: Object, namespaces: Namespaces) -> str:
    """The string that the event hash is taken of."""
    return _Prehash(namespaces).event(event)


_OFTEN: Final = 200
"""Characters of a value that may come again; longer ones are not remembered."""


def utc_milliseconds(text: str) -> str | None:
    """A timestamp in UTC with three decimals, the third rounded half up; None when it is no timestamp."""
    return _milliseconds(text) if len(text) <= _OFTEN else _milliseconds.__wrapped__(text)


@lru_cache(maxsize=1024)  # the events of a document share their times
def _milliseconds(text: str) -> str | None:
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction = (match[7] or "").ljust(4, "0")
    millis = int(fraction[:3]) + (fraction[3] >= "5")
    minutes = hour * 60 + minute
    if match[8]:
        offset = int(match[9]) * 60 + int(match[10])
        minutes -= offset if match[8] == "+" else -offset
    return _clock(year, month, day, minutes, second * 1000 + millis)


def _clock(year: int, month: int, day: int, minutes: int, millis: int) -> str | None:
    try:
        moment = datetime(year, month, day, tzinfo=UTC) + timedelta(minutes=minutes, milliseconds=millis)
    except (ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def plain_number(text: str) -> str:
    """A numeral without sign, exponent or zeros it does not need, exact: `+012.50` gives `12.5`."""
    if not _NUMERAL.fullmatch(text):
        return text
    plain = format(Decimal(text).normalize(), "f")
    return "0" if plain == "-0" else plain


def _as_double(text: str) -> str:
    """How the published vectors write a numeral found in a text value."""
    if not _NUMERAL.fullmatch(text) or len(text) > 300:
        return text
    number = float(text)
    return str(int(number)) if number == int(number) else str(number)


class _Prehash:
    """Writes one event; the namespaces of its document are the only state."""

    def __init__(self, namespaces: Namespaces) -> None:
        self._namespaces = namespaces
        self._left_over: list[str] = []

    def event(self, event: Object) -> str:
        ordered = [self._field(name, event[name]) for name in _ORDER if name in event]
        rest = [
            self._rest(name, value)
            for name, value in event.items()
            if name not in _ORDER and name not in _LEFT_OUT
        ]
        rest = sorted(part for part in (*rest, *self._left_over) if part)
        kind = expand_uri(event["type"], self._namespaces).removeprefix(EPCIS)
        return f"eventType={kind}{''.join(ordered)}{''.join(rest)}"

    def _field(self, name: str, value: Any) -> str:
        if name == "persistentDisposition":
            parts = [
                f"{key}={_value(DISPOSITION.expand(word))}"
                for key in ("set", "unset")
                for word in sorted(value.get(key, []), key=DISPOSITION.expand)
            ]
            return name + "".join(parts) if parts else ""
        if name in {"readPoint", "bizLocation"}:
            return self._element(name, value, ("id",))
        if name == "sensorElementList":
            return _listed(name, (self._sensor_element(element) for element in value))
        if name.endswith("uantityList"):
            return _listed(name, (self._quantity(element) for element in value))
        if name == "certificationInfo":
            values = value if isinstance(value, list) else [value]
            return "".join(sorted(f"{name}={_value(item)}" for item in values))
        if isinstance(value, list):
            return _listed(name, (f"epc={_value(item)}" for item in value))
        if name in TERMS:
            value = TERMS[name].expand(value)
        return self._leaf(name, value)

    def _leaf(self, name: str, value: Any) -> str:
        if name in _TIMES:
            text = value.strip()
            return f"{name}={utc_milliseconds(text) or text}" if text else ""
        text = _value(value)
        return f"{name}={text}" if text else ""

    def _element(self, name: str, value: Object, order: Iterable[str]) -> str:
        """One element of known fields, its extensions sorted after them."""
        known = [self._leaf(key, value[key]) for key in order if key in value]
        extensions = sorted(
            filter(None, (self._rest(key, item) for key, item in value.items() if ":" in key or "}" in key))
        )
        body = "".join((*known, *extensions))
        return name + body if body else ""

    def _quantity(self, value: Object) -> str:
        known = {key: item for key, item in value.items() if item is not None}
        if isinstance(known.get("quantity"), Number | str):
            known["quantity"] = plain_number(_text(known["quantity"]))
        return self._element("quantityElement", known, ("epcClass", "quantity", "uom"))

    def _sensor_element(self, element: Object) -> str:
        metadata = element.get("sensorMetadata")
        first = self._element("sensorMetadata", metadata, _METADATA_ORDER) if metadata else ""
        reports = sorted(self._report(report) for report in element.get("sensorReport", []))
        extensions = sorted(
            self._rest(key, item)
            for key, item in element.items()
            if key not in {"sensorMetadata", "sensorReport"}
        )
        body = "".join((first, *reports, *extensions))
        return "sensorElement" + body if body else ""

    def _report(self, report: Object) -> str:
        known = dict(report)
        for key, item in report.items():
            if key in SENSOR_TERMS and isinstance(item, str):
                known[key] = SENSOR_TERMS[key].expand(item)
            elif isinstance(item, Number):
                known[key] = plain_number(item.text)
            elif key == "stringValue":
                known[key] = _as_double(item)
        if "bizRules" in known:
            # Not in the standard's order of a report's fields: the vectors have it among what is left over.
            rules = _value(known["bizRules"])
            self._left_over.append(f"sensorElementListsensorElementsensorReportbizRules={rules}")
        return self._element("sensorReport", known, _REPORT_ORDER)

    def _rest(self, name: str, value: Any) -> str:
        """Business transactions, sources and destinations, ILMD and extension fields, at any depth."""
        if name in TYPED:
            item_name, vocabulary = TYPED[name]
            pairs = (
                (f"type={_value(vocabulary.expand(item['type']))}" if "type" in item else "")
                + f"{item_name}={_value(item[item_name])}"
                for item in value
            )
            return _listed(name, pairs)
        name = expand_name(name, self._namespaces)
        if isinstance(value, list):
            return "".join(sorted(self._rest_value(name, item) for item in value))
        return self._rest_value(name, value)

    def _rest_value(self, name: str, value: Any) -> str:
        if isinstance(value, dict):
            text = _value(value.get("#text", ""))
            inner = sorted(self._rest(key, item) for key, item in value.items() if key != "#text")
            return name + (f"={text}" if text else "") + "".join(inner)
        if isinstance(value, list):
            return "".join(sorted(self._rest_value(name, item) for item in value))
        text = _value(value)
        return f"{name}={text}" if text else name


def _value(value: Any) -> str:
    text = _text(value)
    return _uri(text) if len(text) <= _OFTEN else _uri.__wrapped__(text)


@lru_cache(maxsize=8192)  # places, steps and parties come again and again, and an item in all of its lists
def _uri(text: str) -> str:
    text = text.strip()
    if text.startswith("urn:"):
        for vocabulary in URN_VOCABULARIES:
            if text.startswith(vocabulary.urn):
                return vocabulary.web + text[len(vocabulary.urn) :]
    return canonical(expand_uri(text, PREFIXES))


def _listed(name: str, items: Iterable[str]) -> str:
    body = "".join(sorted(filter(None, items)))
    return name + body if body else ""


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Number):
        return value.text
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def names_collide(value: Any, namespaces: Namespaces) -> bool:
    """Whether somewhere in the value two fields of one object have the same name in full."""
    if isinstance(value, dict):
        extensions = [name for name in value if ":" in name]
        if len(extensions) > 1 and len({expand_name(name, namespaces) for name in extensions}) < len(
            extensions
        ):
            return True
        inner: Iterable[Any] = value.values()
    else:
        inner = value if isinstance(value, list) else ()
    return any(names_collide(each, namespaces) for each in inner if isinstance(each, dict | list))


def _expanded(value: Any, namespaces: Namespaces) -> Any:
    """Names and compact values with their namespace in braces: no prefix changes what a hash is of."""
    if isinstance(value, str):
        prefix, colon, local = value.partition(":")
        return f"{{{namespaces[prefix]}}}{local}" if colon and prefix in namespaces else value
    if isinstance(value, dict):
        full = {
            expand_name(k, namespaces): _expanded(v, namespaces) for k, v in value.items() if k != "@context"
        }
        if len(full) < len(value) - ("@context" in value):
            raise ValueError("two fields of one object have the same name in full")
        return full
    if isinstance(value, list):
        return [_expanded(item, namespaces) for item in value]
    return value
