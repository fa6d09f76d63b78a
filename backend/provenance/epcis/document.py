"""An EPCIS document as this repository reads it, whichever binding it came in."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from backend.provenance.epcis.hashing import event_hash, whole_event_hash
from backend.provenance.epcis.values import Object
from backend.verifier.names import Namespaces, expand_name

MAX_BYTES: Final = 8 * 1024 * 1024
"""Largest document accepted, in bytes; announced as `GS1-EPCIS-Capture-File-Size-Limit`."""

MAX_EVENTS: Final = 1000
"""Most events accepted in one document; announced as `GS1-EPCIS-Capture-Limit`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and where: a JSON pointer, or an element path with its line in XML."""

    pointer: str
    code: str
    detail: str

    def __str__(self) -> str:
        return f"{self.pointer or '/'}: {self.detail}"


class Unreadable(ValueError):
    """The bytes are no EPCIS document at all, so there is nothing to validate."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Event:
    """One event in the JSON binding, with the namespaces its names are read in."""

    body: Object
    namespaces: Namespaces
    pointer: str

    @property
    def kind(self) -> str:
        return str(self.body.get("type", ""))

    def cbv_hash(self) -> str:
        """The CBV 2.0 event hash, an RFC 6920 URI."""
        return event_hash(self.body, self.namespaces)

    def identity(self) -> bytes:
        """SHA-256 of the whole event; equal for two deliveries of the same one."""
        return whole_event_hash(self.body, self.namespaces)


@dataclass(frozen=True, slots=True)
class Document:
    """The events of a document in their order, and what reading it already found wrong."""

    kind: str
    events: tuple[Event, ...]
    envelope: Object = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    binding: Literal["json", "xml"] = "json"
    ignored: frozenset[str] = frozenset()
    """Fields that the sending repository added and asks to leave out of the hash, as `{namespace}local`."""

    def for_hashing(self) -> tuple[Event, ...]:
        """The events without what the document says to ignore."""
        if not self.ignored:
            return self.events
        return tuple(
            Event(
                {k: v for k, v in event.body.items() if expand_name(k, event.namespaces) not in self.ignored},
                event.namespaces,
                event.pointer,
            )
            for event in self.events
        )


def require_size(data: bytes, limit: int = MAX_BYTES) -> None:
    """Raises `Unreadable` for documents that are empty or larger than `limit` bytes."""
    if not data.strip():
        raise Unreadable(Fault("", "empty", "the document is empty"))
    if len(data) > limit:
        raise Unreadable(
            Fault("", "too-large", f"the document has {len(data)} bytes; at most {limit} are read")
        )


def require_count(count: int, limit: int = MAX_EVENTS) -> None:
    """Raises `Unreadable` for documents of more than `limit` events."""
    if count > limit:
        raise Unreadable(
            Fault("", "too-many-events", f"the document has {count} events; at most {limit} are read")
        )


def ignored_fields(envelope: Any, namespaces: Namespaces) -> frozenset[str]:
    """The names listed by a document's `ignoreFields` extension, in full."""
    if not isinstance(envelope, dict):
        return frozenset()
    return frozenset(
        expand_name(item, namespaces)
        for name, value in envelope.items()
        if name.endswith(":ignoreFields") and isinstance(value, list)
        for item in value
        if isinstance(item, str)
    )
