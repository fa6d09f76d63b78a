"""The recorder's queue: nothing lost at a power cut, nothing sent otherwise, nothing taken without room."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.provenance.config import log_id_of
from backend.provenance.epcis.validation import read, validate
from backend.provenance.recorder import MachineSigner, machine_jwk
from backend.provenance.recording import BATCH, Queue, send_one
from backend.verifier import capture as signing
from tests.backend.provenance.epcis.samples import RECEIPT

ACCOUNT = "0x" + "ab" * 20
CONTRACT = b"\x22" * 20


def line(number: int) -> str:
    return json.dumps({**RECEIPT, "epcList": [f"urn:uuid:item-{number}"]})


class Repository:
    """The other side: answers as told, and remembers what it got."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        status = self.statuses.pop(0) if self.statuses else 202
        if status == 0:
            raise httpx.ConnectError("gone")
        if status != 202:
            return httpx.Response(status, text="no")
        events = json.loads(request.content)["epcisBody"]["eventList"]
        job = {"captureID": "1", "success": True, "captured": len(events), "duplicates": 0, "errors": []}
        return httpx.Response(202, json=job)

    @property
    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self), base_url="http://repository")


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path / "queue.sqlite")


@pytest.fixture
def sign(tmp_path: Path) -> MachineSigner:
    return MachineSigner(tmp_path / "key", 31337, CONTRACT, ACCOUNT)


def drain(queue: Queue, repository: Repository, sign: MachineSigner) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = []
    with repository.client as client:
        while send_one(queue, client, sign, jobs.append):
            pass
    return jobs


def test_events_go_out_signed_in_order_and_in_documents(
    queue: Queue, sign: MachineSigner, tmp_path: Path
) -> None:
    queue.take([line(number) for number in range(BATCH + 5)])
    repository = Repository()

    jobs = drain(queue, repository, sign)

    assert [job["captured"] for job in jobs] == [BATCH, 5]
    items = [
        event["epcList"][0]
        for request in repository.requests
        for event in json.loads(request.content)["epcisBody"]["eventList"]
    ]
    assert items == [f"urn:uuid:item-{number}" for number in range(BATCH + 5)]
    request = repository.requests[0]
    assert validate(read(request.content)) == []
    digest = signing.digest(
        31337, CONTRACT, log_id_of(31337, CONTRACT), bytes.fromhex(ACCOUNT[2:]), request.content
    )
    signature = bytes.fromhex(request.headers["Tallystick-Signature"][2:])
    jwk = machine_jwk(tmp_path / "key")
    assert signing.signer_key(digest, signature, jwk) == signing.thumbprint(jwk)
    assert queue.counts() == type(queue.counts())(0, 0, 0)


def test_a_document_that_may_have_arrived_is_sent_again_byte_for_byte(
    queue: Queue, sign: MachineSigner, tmp_path: Path
) -> None:
    queue.take([line(1)])
    repository = Repository(0, 503, 202)
    for _ in range(2):
        with pytest.raises(httpx.HTTPError), repository.client as client:
            send_one(queue, client, sign, lambda _: None)
        queue.take([line(2)])

    again = Queue(tmp_path / "queue.sqlite")  # the machine was switched off and on
    drain(again, repository, sign)

    first, second, third, *_ = repository.requests
    assert first.content == second.content == third.content
    assert first.headers["Idempotency-Key"] == third.headers["Idempotency-Key"]
    assert first.headers["Tallystick-Signature"] == third.headers["Tallystick-Signature"]
    assert len(repository.requests) == 4


@pytest.mark.parametrize(("status", "kept", "refused"), [(403, 1, 0), (429, 1, 0), (400, 0, 1), (413, 0, 1)])
def test_what_is_refused_for_good_is_set_aside_and_the_rest_kept(
    queue: Queue, sign: MachineSigner, status: int, kept: int, refused: int
) -> None:
    queue.take([line(1)])
    repository = Repository(status)
    with repository.client as client:
        try:
            send_one(queue, client, sign, lambda _: None)
        except httpx.HTTPError:
            assert kept

    assert (queue.counts().signed, queue.counts().refused) == (kept, refused)


@pytest.mark.parametrize("text", ["{", "[]", '{"type": "ObjectEvent"}', '{"a": NaN}'])
def test_a_line_that_is_no_event_is_set_aside_and_stops_nothing(queue: Queue, text: str) -> None:
    queue.take([text, line(1)])

    assert queue.counts() == type(queue.counts())(1, 0, 1)


def test_a_full_queue_makes_the_reader_wait(tmp_path: Path, sign: MachineSigner) -> None:
    queue = Queue(tmp_path / "queue.sqlite", most=2)
    queue.take([line(1), line(2)])
    reader = threading.Thread(target=queue.take, args=([line(3)],))
    reader.start()
    reader.join(timeout=0.5)
    assert reader.is_alive()

    jobs = drain(queue, Repository(), sign)
    reader.join(timeout=10)

    assert not reader.is_alive()
    # The reader may have taken its line before the sender had finished, and then it was sent too.
    assert sum(job["captured"] for job in jobs) + queue.counts().waiting == 3


def test_what_was_taken_survives_sigkill(tmp_path: Path, sign: MachineSigner) -> None:
    """A process takes events and says so for each; killed at any moment, all it said are there."""
    program = f"""
import sys
from pathlib import Path
from backend.provenance.recording import Queue
queue = Queue(Path({str(tmp_path / "queue.sqlite")!r}))
for number, line in enumerate(sys.stdin):
    queue.take([line.strip()])
    print(number, flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n".join(line(number) for number in range(400)) + "\n")
    process.stdin.flush()
    said = [process.stdout.readline() for _ in range(20)]
    time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    said += process.stdout.readlines()
    process.wait()
    process.stdin.close()
    process.stdout.close()

    repository = Repository()
    drain(Queue(tmp_path / "queue.sqlite"), repository, sign)

    count = sum(len(json.loads(r.content)["epcisBody"]["eventList"]) for r in repository.requests)
    assert count >= len([each for each in said if each.endswith("\n")]) >= 20
