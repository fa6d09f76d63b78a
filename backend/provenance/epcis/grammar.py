"""The fields of EPCIS 2.0 events: what each holds and the order XML writes them in (EPCIS 2.0, section 7.4).

One table from which the JSON schema, the XML reader and writer and the event hash all work.
"""

from enum import StrEnum
from typing import Final

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


class Kind(StrEnum):
    """What a field holds."""

    TIME = "time"
    OFFSET = "offset"
    URI = "uri"
    URIS = "uris"
    """One URI or a list of them; repeated elements in XML."""
    EPCS = "epcs"
    QUANTITIES = "quantities"
    ACTION = "action"
    TERM = "term"
    PLACE = "place"
    TYPED = "typed"
    """Pairs of a type and an identifier: business transactions, sources, destinations."""
    SENSORS = "sensors"
    DISPOSITIONS = "dispositions"
    ERROR = "error"
    ILMD = "ilmd"
    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"
    HEX = "hex"


COMMON: Final = (
    "eventTime",
    "recordTime",
    "eventTimeZoneOffset",
    "eventID",
    "errorDeclaration",
    "certificationInfo",
)

_CONTEXT_BEFORE = ("action", "bizStep", "disposition", "readPoint", "bizLocation", "bizTransactionList")
_CONTEXT_AFTER = ("sourceList", "destinationList", "sensorElementList", "persistentDisposition")

EVENTS: Final[dict[str, tuple[str, ...]]] = {
    "ObjectEvent": (*COMMON, "epcList", *_CONTEXT_BEFORE, "quantityList", *_CONTEXT_AFTER, "ilmd"),
    "AggregationEvent": (
        *COMMON, "parentID", "childEPCs", *_CONTEXT_BEFORE, "childQuantityList", *_CONTEXT_AFTER,
    ),
    "TransactionEvent": (
        *COMMON, "bizTransactionList", "parentID", "epcList", "action", "bizStep", "disposition", "readPoint",
        "bizLocation", "quantityList", *_CONTEXT_AFTER,
    ),
    "TransformationEvent": (
        *COMMON, "inputEPCList", "inputQuantityList", "outputEPCList", "outputQuantityList",
        "transformationID", *_CONTEXT_BEFORE[1:], *_CONTEXT_AFTER, "ilmd",
    ),
    "AssociationEvent": (
        *COMMON, "parentID", "childEPCs", "childQuantityList", *_CONTEXT_BEFORE, *_CONTEXT_AFTER,
    ),
}  # fmt: skip
"""Each event type's own fields, in the order of the XML binding."""

KINDS: Final[dict[str, Kind]] = {
    "eventTime": Kind.TIME,
    "recordTime": Kind.TIME,
    "eventTimeZoneOffset": Kind.OFFSET,
    "eventID": Kind.URI,
    "errorDeclaration": Kind.ERROR,
    "certificationInfo": Kind.URIS,
    "epcList": Kind.EPCS,
    "childEPCs": Kind.EPCS,
    "inputEPCList": Kind.EPCS,
    "outputEPCList": Kind.EPCS,
    "quantityList": Kind.QUANTITIES,
    "childQuantityList": Kind.QUANTITIES,
    "inputQuantityList": Kind.QUANTITIES,
    "outputQuantityList": Kind.QUANTITIES,
    "action": Kind.ACTION,
    "bizStep": Kind.TERM,
    "disposition": Kind.TERM,
    "persistentDisposition": Kind.DISPOSITIONS,
    "readPoint": Kind.PLACE,
    "bizLocation": Kind.PLACE,
    "bizTransactionList": Kind.TYPED,
    "sourceList": Kind.TYPED,
    "destinationList": Kind.TYPED,
    "sensorElementList": Kind.SENSORS,
    "parentID": Kind.URI,
    "transformationID": Kind.URI,
    "ilmd": Kind.ILMD,
}

TERMS: Final[dict[str, Vocabulary]] = {"bizStep": BIZ_STEP, "disposition": DISPOSITION}

TYPED: Final[dict[str, tuple[str, Vocabulary]]] = {
    "bizTransactionList": ("bizTransaction", BIZ_TRANSACTION_TYPE),
    "sourceList": ("source", SOURCE_DEST_TYPE),
    "destinationList": ("destination", SOURCE_DEST_TYPE),
}

ERROR_DECLARATION: Final = {
    "declarationTime": Kind.TIME,
    "reason": Kind.TERM,
    "correctiveEventIDs": Kind.URIS,
}
ERROR_TERMS: Final[dict[str, Vocabulary]] = {"reason": ERROR_REASON}

QUANTITY: Final = {"epcClass": Kind.URI, "quantity": Kind.NUMBER, "uom": Kind.TEXT}

SENSOR_METADATA: Final = {
    "time": Kind.TIME,
    "startTime": Kind.TIME,
    "endTime": Kind.TIME,
    "deviceID": Kind.URI,
    "deviceMetadata": Kind.URI,
    "rawData": Kind.URI,
    "dataProcessingMethod": Kind.URI,
    "bizRules": Kind.URI,
}

SENSOR_REPORT: Final = {
    "type": Kind.TERM,
    "exception": Kind.TERM,
    "deviceID": Kind.URI,
    "deviceMetadata": Kind.URI,
    "rawData": Kind.URI,
    "dataProcessingMethod": Kind.URI,
    "bizRules": Kind.URI,
    "time": Kind.TIME,
    "microorganism": Kind.URI,
    "chemicalSubstance": Kind.URI,
    "value": Kind.NUMBER,
    "component": Kind.TERM,
    "stringValue": Kind.TEXT,
    "booleanValue": Kind.BOOLEAN,
    "hexBinaryValue": Kind.HEX,
    "uriValue": Kind.URI,
    "minValue": Kind.NUMBER,
    "maxValue": Kind.NUMBER,
    "meanValue": Kind.NUMBER,
    "sDev": Kind.NUMBER,
    "percRank": Kind.NUMBER,
    "percValue": Kind.NUMBER,
    "uom": Kind.TEXT,
    "coordinateReferenceSystem": Kind.URI,
}

SENSOR_TERMS: Final[dict[str, Vocabulary]] = {
    "type": MEASUREMENT,
    "exception": SENSOR_ALERT,
    "component": COMPONENT,
}
