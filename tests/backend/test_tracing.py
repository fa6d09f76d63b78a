"""Spans are of what happened, under its ids, and none are made unless it is said where they go.

OpenTelemetry's SDK is an extra and not among the tools of development. Where it is installed its own exporter
keeps the spans; elsewhere a tracer that writes them down stands in for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import pytest

from backend.chain import outbox
from backend.chain.contracts import Call
from backend.kit import tracing


class Tracer:
    """Writes down what it is asked for."""

    def __init__(self) -> None:
        self.made: list[tuple[str, dict[str, Any]]] = []

    def get_tracer(self, _: str) -> "Tracer":
        return self

    @contextmanager
    def start_as_current_span(self, name: str, attributes: dict[str, Any]) -> Iterator[None]:
        yield
        self.made.append((name, attributes))

    def start_span(self, name: str, attributes: dict[str, Any], start_time: int) -> "Tracer":
        self.made.append((name, attributes | {"begun": start_time}))
        return self

    def end(self, moment: int) -> None:
        self.made[-1][1]["ended"] = moment


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Asks for the spans that were made."""
    try:
        sdk = import_module("opentelemetry.sdk.trace")
        export = import_module("opentelemetry.sdk.trace.export")
        memory = import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    except ImportError:
        tracer = Tracer()
        monkeypatch.setattr(tracing, "trace", tracer)
        return lambda: tracer.made
    exporter, provider = memory.InMemorySpanExporter(), sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "trace", provider)
    return lambda: [
        (each.name, dict(each.attributes) | {"begun": each.start_time, "ended": each.end_time})
        for each in exporter.get_finished_spans()
    ]


async def test_requests_and_operations_have_spans_under_their_ids(spans, world, database, contracts):
    user = await world.user()
    await user.client.get("/v1/me", headers={"X-Request-Id": "request-1"})
    async with database.transaction() as session:
        operation = await outbox.enqueue(
            session,
            Call("Participants", "0x" + "11" * 20, b""),
            ledger_id=contracts.ledger_id,
            party_id=user.party_id,
            kind="test",
            subject="test:1",
        )
        outbox.finish(operation, outbox.FAILED, "reverted", "confirm")

    made = dict(spans())

    assert made["request"]["tallystick.request"] == "request-1"
    ended = made["operation"]
    assert (ended["tallystick.operation"], ended["tallystick.status"]) == (str(operation.id), "failed")
    assert ended["tallystick.party"] == str(user.party_id)
    assert ended["begun"] <= ended["ended"]


async def test_a_range_and_a_send_have_spans(spans):
    with tracing.span("index", first=1, last=9, events=4), tracing.span("send", transactions=2):
        pass

    (send, sent), (index, indexed) = spans()

    assert (send, sent["tallystick.transactions"]) == ("send", 2)
    assert (index, indexed["tallystick.last"], indexed["tallystick.events"]) == ("index", 9, 4)


def test_it_is_off_by_default_and_says_what_is_missing(monkeypatch: pytest.MonkeyPatch):
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(tracing, "import_module", missing)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    tracing.configure()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318")
    with pytest.raises(tracing.TracingUnavailable, match=r"tallystick\[otel\]"):
        tracing.configure()
