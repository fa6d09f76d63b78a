"""The JSON Schema of EPCIS 2.0 events and documents, built from `grammar` (EPCIS 2.0, sections 7 and 10).

Vocabulary values are tested with if/then rather than anyOf, so that a refusal names the one thing wrong.
"""

from typing import Any, Final

from backend.provenance.epcis.grammar import (
    ERROR_DECLARATION,
    ERROR_TERMS,
    EVENTS,
    KINDS,
    QUANTITY,
    SENSOR_METADATA,
    SENSOR_REPORT,
    SENSOR_TERMS,
    TERMS,
    TYPED,
    Kind,
)
from backend.provenance.epcis.values import Object
from backend.verifier.vocabulary import DISPOSITION, Vocabulary

_URI: Final[Object] = {"type": "string", "format": "uri"}
_TIME: Final[Object] = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]((0\d|1[0-3]):[0-5]\d|14:00))$",
}
_SIMPLE: Final[dict[Kind, Object]] = {
    Kind.TIME: _TIME,
    Kind.OFFSET: {"type": "string", "pattern": r"^[+-]((0\d|1[0-3]):[0-5]\d|14:00)$"},
    Kind.URI: _URI,
    Kind.NUMBER: {"type": "number"},
    Kind.TEXT: {"type": "string"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.HEX: {"type": "string", "pattern": "^[0-9A-Fa-f]+$"},
    Kind.ACTION: {"enum": ["ADD", "OBSERVE", "DELETE"]},
}


def _term(vocabulary: Vocabulary) -> Object:
    """A bare word of the vocabulary, or a URI of somebody else's."""
    return {
        "type": "string",
        "if": {"pattern": ":"},
        "then": {"format": "uri"},
        "else": {"enum": sorted(vocabulary.words)},
    }


def _names(known: Any, *, extensible: bool = True) -> Object:
    """Names of the standard and, where it may be extended, anything with a prefix or a full URI."""
    plain = {"enum": sorted(known)}
    if not extensible:
        return plain
    return {"if": {"pattern": ":"}, "then": {"format": "uri"}, "else": plain}


def _fields(kinds: dict[str, Kind], terms: dict[str, Vocabulary], *, extensible: bool = True) -> Object:
    return {
        "type": "object",
        "properties": {
            name: _term(terms[name]) if kind is Kind.TERM else _URIS if kind is Kind.URIS else _SIMPLE[kind]
            for name, kind in kinds.items()
        },
        "propertyNames": _names(kinds, extensible=extensible),
    }


_URIS: Final[Object] = {"type": "array", "items": _URI}
_PLACE: Final[Object] = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": _URI},
    "propertyNames": _names({"id"}),
}


def _typed(name: str) -> Object:
    item_name, vocabulary = TYPED[name]
    required = [item_name] if name == "bizTransactionList" else ["type", item_name]
    item = {
        "type": "object",
        "required": required,
        "properties": {"type": _term(vocabulary), item_name: _URI},
        "propertyNames": _names({"type", item_name}, extensible=False),
    }
    return {"type": "array", "items": item}


_DISPOSITION_LIST: Final[Object] = {
    "type": "array",
    "minItems": 1,
    "uniqueItems": True,
    "items": _term(DISPOSITION),
}

_SENSOR_ELEMENT: Final[Object] = {
    "type": "object",
    "required": ["sensorReport"],
    "properties": {
        "sensorMetadata": _fields(SENSOR_METADATA, {}),
        "sensorReport": {
            "type": "array",
            "minItems": 1,
            "items": _fields(SENSOR_REPORT, SENSOR_TERMS)
            | {"anyOf": [{"required": ["type"]}, {"required": ["exception"]}]},
        },
    },
    "propertyNames": _names({"sensorMetadata", "sensorReport"}),
}


def _field(name: str) -> Object:
    match KINDS[name]:
        case Kind.EPCS:
            return _URIS
        case Kind.QUANTITIES:
            element = _fields(QUANTITY, {}, extensible=False)
            rules = {"required": ["epcClass"], "dependentRequired": {"uom": ["quantity"]}}
            return {"type": "array", "items": element | rules}
        case Kind.TYPED:
            return _typed(name)
        case Kind.TERM:
            return _term(TERMS[name])
        case Kind.PLACE:
            return _PLACE
        case Kind.DISPOSITIONS:
            return {
                "type": "object",
                "minProperties": 1,
                "properties": {"set": _DISPOSITION_LIST, "unset": _DISPOSITION_LIST},
                "propertyNames": _names({"set", "unset"}, extensible=False),
            }
        case Kind.SENSORS:
            return {"type": "array", "items": _SENSOR_ELEMENT}
        case Kind.ERROR:
            return {**_fields(ERROR_DECLARATION, ERROR_TERMS), "required": ["declarationTime"]}
        case Kind.ILMD:
            return {"type": "object", "propertyNames": _names(())}
        case Kind.URIS:
            return {"type": ["string", "array"], "format": "uri", "items": _URI}
        case kind:
            return _SIMPLE[kind]


def _filled(*names: str) -> list[Object]:
    return [{"required": [name], "properties": {name: {"minItems": 1}}} for name in names]


_DELETES: Final[Object] = {"required": ["action"], "properties": {"action": {"const": "DELETE"}}}
_INPUTS: Final = _filled("inputEPCList", "inputQuantityList")
_OUTPUTS: Final = _filled("outputEPCList", "outputQuantityList")

_RULES: Final[dict[str, Object]] = {
    # Something must be named, if only the place that sensors report of.
    "ObjectEvent": {
        "required": ["action"],
        "anyOf": [
            {"required": ["epcList"]},
            *_filled("quantityList"),
            {"required": ["sensorElementList", "readPoint"]},
        ],
        "if": {"required": ["ilmd"]},
        "then": {"properties": {"action": {"const": "ADD"}}},
    },
    "AggregationEvent": {
        "required": ["action"],
        "anyOf": [*_filled("childEPCs", "childQuantityList"), _DELETES],
    },
    "TransactionEvent": {
        "required": ["action", "bizTransactionList"],
        "properties": {"bizTransactionList": {"minItems": 1}},
        "anyOf": [{"required": ["epcList"]}, *_filled("quantityList"), _DELETES],
    },
    # Inputs and outputs may come in separate events only when a transformationID joins them.
    "TransformationEvent": {
        "if": {"required": ["transformationID"]},
        "then": {"anyOf": [*_INPUTS, *_OUTPUTS]},
        "else": {"allOf": [{"anyOf": _INPUTS}, {"anyOf": _OUTPUTS}]},
    },
    "AssociationEvent": {
        "required": ["action", "parentID"],
        "anyOf": [*_filled("childEPCs", "childQuantityList"), _DELETES],
    },
}

_CONTEXT: Final[Object] = {
    "type": ["string", "object", "array"],
    "items": {"type": ["string", "object"]},
    "minItems": 1,
    "uniqueItems": True,
}


def event_schema(kind: str) -> Object:
    """The schema of one event type of the standard, or of an extension's own event type."""
    if kind not in EVENTS:
        return {
            "type": "object",
            "required": ["type", "eventTime", "eventTimeZoneOffset"],
            "properties": {"type": _URI, **{name: _field(name) for name in KINDS}},
            "propertyNames": _names({"type", "@context", *KINDS}),
        }
    fields = EVENTS[kind]
    return {
        "type": "object",
        "required": ["type", "eventTime", "eventTimeZoneOffset"],
        "properties": {"@context": _CONTEXT, **{name: _field(name) for name in fields}},
        "propertyNames": _names({"type", "@context", *fields}),
        "allOf": [_RULES[kind]],
    }


_DOCUMENT: Final[Object] = {
    "@context": _CONTEXT,
    "id": _URI,
    "schemaVersion": {"type": "string", "pattern": r"^2(\.\d+)*$"},
    "creationDate": {"type": "string", "format": "date-time"},
    "instanceIdentifier": {"type": "string"},
    "sender": {"type": "string"},
    "receiver": {"type": "string"},
    "epcisHeader": {"type": "object", "propertyNames": _names({"epcisMasterData"})},
}


def envelope_schema(kind: str) -> Object:
    """The schema of a document with its events left out."""
    if kind == "EPCISQueryDocument":
        results = {
            "type": "object",
            "required": ["queryName", "resultsBody"],
            "properties": {
                "queryName": {"type": "string"},
                "subscriptionID": {"type": "string"},
                "resultsBody": {
                    "type": "object",
                    "required": ["eventList"],
                    "properties": {"eventList": {"type": "array"}},
                    "propertyNames": _names({"eventList", "vocabularyList"}),
                },
            },
            "propertyNames": _names({"queryName", "subscriptionID", "resultsBody"}),
        }
        body: Object = {
            "type": "object",
            "required": ["queryResults"],
            "properties": {"queryResults": results},
        }
        required = ["@context", "type", "epcisBody"]
    else:
        body = {"type": "object", "required": ["eventList"], "properties": {"eventList": {"type": "array"}}}
        required = ["@context", "type", "schemaVersion", "creationDate", "epcisBody"]
    return {
        "type": "object",
        "required": required,
        "properties": {**_DOCUMENT, "epcisBody": body},
        "propertyNames": _names({"type", "epcisBody", *_DOCUMENT}),
    }
