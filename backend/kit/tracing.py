"""Spans for OpenTelemetry: the requests, operations, sends and ranges of a process, under their ids.

An extra (`tallystick[otel]`), and off unless `OTEL_EXPORTER_OTLP_ENDPOINT` says where spans go; all else is
set by OpenTelemetry's own variables. Without it a span costs a microsecond and nothing is kept.
"""

import os
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from importlib import import_module
from typing import Any

try:
    trace: Any = import_module("opentelemetry.trace")
except ImportError:  # the extra is not installed
    trace = None

_NAME = "tallystick"
_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


class TracingUnavailable(SystemExit):
    """Spans are asked for and cannot be made: the process ends with a text that says what to do."""


def span(name: str, **attributes: str | int) -> AbstractContextManager[Any]:
    """A span around what runs inside the `with`; spans begun inside are its children."""
    if trace is None:
        return nullcontext()
    begun: AbstractContextManager[Any] = trace.get_tracer(_NAME).start_as_current_span(
        name, attributes=_named(attributes)
    )
    return begun


def past(name: str, begun: datetime, ended: datetime, **attributes: str | int) -> None:
    """A span for what ran between two moments, perhaps in several processes."""
    if trace is not None:
        tracer = trace.get_tracer(_NAME)
        made = tracer.start_span(name, attributes=_named(attributes), start_time=_nanoseconds(begun))
        made.end(_nanoseconds(ended))


def configure() -> None:
    """Begins to send spans, if it is said where. Raises TracingUnavailable without the extra."""
    if not os.environ.get(_ENDPOINT):
        return
    try:
        sdk = import_module("opentelemetry.sdk.trace")
        export = import_module("opentelemetry.sdk.trace.export")
        otlp = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ImportError as error:
        raise TracingUnavailable(
            f"{_ENDPOINT} is set, and OpenTelemetry is not installed: install tallystick[otel], or unset it."
        ) from error
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def _named(attributes: dict[str, str | int]) -> dict[str, str | int]:
    return {f"{_NAME}.{name}": value for name, value in attributes.items()}


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1_000
