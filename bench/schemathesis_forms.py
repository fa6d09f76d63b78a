"""What schemathesis must be told to send bodies that are no text: `SCHEMATHESIS_HOOKS` of `deep-api`.

It runs in schemathesis's own environment, so it imports nothing of ours.
"""

from typing import Any

import schemathesis


@schemathesis.serializer(
    "application/pdf",
    "application/zip",
    "application/octet-stream",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
)
def as_it_is(_context: Any, value: Any) -> bytes:
    """Bytes as they were made; any other value as its text."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
