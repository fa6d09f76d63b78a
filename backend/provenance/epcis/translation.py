"""Identifiers of an event in the form a client asks for: `GS1-EPC-Format` (EPCIS 2.0, section 12.2)."""

from typing import Any, Final, Literal, TypeAlias, get_args

from backend.provenance.epcis.grammar import EVENTS, KINDS, SENSOR_METADATA, SENSOR_REPORT, TYPED, Kind
from backend.provenance.epcis.values import Object
from backend.verifier.identifiers import DOMAIN, canonical, matchable

EpcFormat: TypeAlias = Literal[
    "No_Preference", "Always_GS1_Digital_Link", "Always_EPC_URN", "Never_Translates"
]
EPC_FORMATS: Final = get_args(EpcFormat)

_URN: Final = {
    # Key → (scheme, digits before company prefix and reference part, qualifier, scheme without the qualifier)
    "00": ("sscc", True, None, None),
    "01": ("sgtin", True, "21", "idpat:sgtin"),
    "414": ("sgln", False, "254", None),
    "417": ("pgln", False, None, None),
    "8018": ("gsrn", False, None, None),
    "8017": ("gsrnp", False, None, None),
}


def translated(body: Object, form: EpcFormat) -> Object:
    """The event with its identifiers in this form; those that have none in it stay as they are."""
    if form in {"No_Preference", "Never_Translates"}:
        return body
    change = canonical if form == "Always_GS1_Digital_Link" else to_urn
    known = EVENTS.get(str(body.get("type")), tuple(KINDS))
    return {name: _field(name, value, change) if name in known else value for name, value in body.items()}


def _field(name: str, value: Any, change: Any) -> Any:
    match KINDS[name]:
        case Kind.EPCS:
            return [change(item) for item in value]
        case Kind.QUANTITIES:
            return [element | {"epcClass": change(element["epcClass"])} for element in value]
        case Kind.TYPED:
            item = TYPED[name][0]
            return [element | {item: change(element[item])} for element in value]
        case Kind.PLACE:
            return value | {"id": change(value["id"])}
        case Kind.URI if name in {"parentID", "transformationID"}:
            return change(value)
        case Kind.SENSORS:
            return [_sensor(element, change) for element in value]
        case _:
            return value


def _sensor(element: Object, change: Any) -> Object:
    def part(value: Object, kinds: dict[str, Kind]) -> Object:
        return {
            name: change(item) if kinds.get(name) is Kind.URI and isinstance(item, str) else item
            for name, item in value.items()
        }

    changed = dict(element)
    if "sensorMetadata" in element:
        changed["sensorMetadata"] = part(element["sensorMetadata"], SENSOR_METADATA)
    changed["sensorReport"] = [part(report, SENSOR_REPORT) for report in element["sensorReport"]]
    return changed


def to_urn(uri: str) -> str:
    """The EPC URN of a Digital Link whose company prefix can be told; any other text as it is.

    A link does not say where the company prefix ends. GS1's published prefix lengths do, for most.
    """
    link = matchable(uri) if uri.startswith("http") else None
    if link is None:
        return uri
    key, value, *qualifier = link.removeprefix(f"{DOMAIN}/").split("/")
    form = _URN.get(key)
    if form is None:
        return uri
    scheme, indicator, wanted, _ = form
    digits = value[1:-1] if indicator else value[:-1]
    from biip.gs1_prefixes import GS1CompanyPrefix  # reads its tables, for an eighth of a second

    company = GS1CompanyPrefix.extract(digits)
    if company is None:
        return uri
    prefix = company.value
    reference = (value[0] if indicator else "") + digits[len(prefix) :]
    if not qualifier:
        if key == "01":
            return f"urn:epc:idpat:sgtin:{prefix}.{reference}.*"
        tail = ".0" if key == "414" else ""
        return f"urn:epc:id:{scheme}:{prefix}.{reference}{tail}"
    name, serial = qualifier
    if key == "01" and name == "10":
        return f"urn:epc:class:lgtin:{prefix}.{reference}.{serial}"
    if name != wanted:
        return uri
    return f"urn:epc:id:{scheme}:{prefix}.{reference}.{serial}"
