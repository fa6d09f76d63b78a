"""The journey to its end, and to the same end after everything that can break has broken at every step."""

import json
import os
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest

from scripts.journey.party import wait_for
from tasks import ledger
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


def test_a_monitor_recomputes_the_log_and_signs_as_a_witness(
    running: Running, number: str, tmp_path: Path
) -> None:
    finished(running.journey(number, until="capture"))
    auditor = json.loads((running.parties / "auditor" / "party.json").read_text())
    (user,) = auditor["users"].values()
    watch = [*ledger.tallystick("monitor"), "--url", running.instance.api_url]
    watch += ["--rpc", running.instance.rpc_url, "--folder", str(tmp_path), "--witness", "witness.example"]
    watch += ["--contract", running.chain.contracts["ProvenanceLog"].address]
    environment = os.environ | {"TALLYSTICK_MONITOR_KEY": user["api_key"]}

    def look() -> str:
        done = subprocess.run(watch, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    wait_for("a head of the log on the chain", lambda: "leaves agree with the chain, log" in look())
    wait_for("the last head of the journey", lambda: "nothing new" in look())
    headers = {"Authorization": f"Bearer {user['api_key']}"}
    note = httpx.get(f"{running.instance.api_url}/v1/log/checkpoint", headers=headers).text
    assert "\n— witness.example " in note


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
