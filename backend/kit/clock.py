"""The one place that reads the time. Everything is UTC; a naive datetime never leaves this module."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """ISO 8601 / RFC 3339 text with `Z`, to the microsecond only when there is a fraction.

    Raises ValueError for a naive datetime: an unknown zone must not be guessed.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone cannot be written as UTC")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def from_unix(seconds: int) -> datetime:
    """A block's or a contract's timestamp (whole seconds since 1970-01-01 UTC) as an aware datetime."""
    return datetime.fromtimestamp(seconds, UTC)
