"""The journey to its end, and to the same end after everything that can break has broken at every step."""

import threading
import time

import pytest

from tests.e2e.conftest import Running

STEPS = ("upload", "capture", "draft", "confirm", "offers", "accept", "pass_on", "pay", "redeem")
"""The steps that change something; each is taken by a process of its own."""


def finished(journey, seconds: float = 240) -> str:
    output, _ = journey.communicate(timeout=seconds)
    assert journey.returncode == 0, output
    return output


def test_the_journey_ends_settled_and_goes_on_from_where_it_was(running: Running, number: str) -> None:
    first = finished(running.journey(number))
    assert "The journey is done; the chain showed every step." in first
    assert "% a year; without recourse" in first
    assert "EUR 59,500.00 paid, EUR 59,500.00 collected" in first
    refusals = [line for line in first.splitlines() if "RE-2026-0417" in line and "invoice" in line.lower()]
    assert len(refusals) >= 1

    blocks = running.chain.events("Receivables", "Issued")
    second = finished(running.journey(number))
    assert "EUR 59,500.00 paid, EUR 59,500.00 collected" in second
    assert running.chain.events("Receivables", "Issued") == blocks, "going again did nothing again"


@pytest.mark.parametrize("victim", ["api", "worker", "chain"])
def test_killed_at_every_step_it_ends_settled_with_each_step_once(
    running: Running, number: str, victim: str
) -> None:
    for place, step in enumerate(STEPS):
        journey = running.journey(number, until=step)
        hurt = threading.Thread(target=_hurt, args=(running, victim, 0.5 + 0.4 * (place % 4)))
        hurt.start()
        output = finished(journey)
        hurt.join()
        assert "✓" in output
    # The last steps count every event on the chain: once each, or the journey fails.
    assert "EUR 59,500.00 paid, EUR 59,500.00 collected" in finished(running.journey(number))


def _hurt(running: Running, victim: str, after: float) -> None:
    time.sleep(after)
    if victim == "chain":
        running.supervisor.stop("chain")  # SIGTERM: it saves its state
    else:
        running.kill(victim)
    running.start(victim)
