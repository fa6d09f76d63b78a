"""Fields of request bodies that take what they say and nothing that could be turned into it.

Pydantic reads JSON true as 1 and a number as seconds since 1970, in bodies as in query parameters. A client
that sends these in a body is mistaken, and money or a deadline is at stake.
"""

from datetime import date, datetime
from typing import Annotated, Any, TypeAlias

from pydantic import AwareDatetime, BeforeValidator
from pydantic_core import PydanticCustomError


def _text(value: Any) -> Any:
    if isinstance(value, str) and not value.strip().lstrip("+-").replace(".", "", 1).isdigit():
        return value
    if isinstance(value, datetime | date):
        return value
    raise PydanticCustomError("moment_type", "Input should be a text in ISO 8601, such as 2026-03-31")


Moment: TypeAlias = Annotated[AwareDatetime, BeforeValidator(_text)]
"""A date and time with its zone, as ISO 8601 text."""

Day: TypeAlias = Annotated[date, BeforeValidator(_text)]
"""A date, as ISO 8601 text."""
