"""What the log and its witnesses sign: a monitor compares it with what it saw, and signs what agrees."""

import base64
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.provenance.log import tlog, watching
from backend.provenance.log.memory import Memory
from backend.provenance.log.monitor import (
    Disagreement,
    check_checkpoint,
    cosign,
    follow,
    has_signed,
    is_agreed,
)
from backend.provenance.log.notes import (
    Checkpoint,
    NoteError,
    Signer,
    cosigned_at,
    load_key,
    open_note,
    read_checkpoint,
)
from tests.backend.provenance.conftest import Chain, Recorder, receipts
from tests.backend.provenance.shown import look


async def test_two_readers_shown_two_histories_hold_the_evidence(
    buyer: Recorder, auditor: Any, chain: Chain, log: Any, tmp_path: Path
) -> None:
    await buyer.capture(receipts(2))
    shown, node = await look(auditor, chain)
    honest = (await auditor.get("/v1/log/checkpoint")).text
    memory = Memory(tmp_path)
    follow(shown, node, memory)
    check_checkpoint(honest, log.origin, log.signer.public, memory, node.value)
    forged = log.signer.sign(Checkpoint(log.origin, 2, bytes(32)).text())

    with pytest.raises(Disagreement, match="signed another root") as found:
        check_checkpoint(forged, log.origin, log.signer.public, memory, node.value)
    assert found.value.evidence["note"] == forged
    with pytest.raises(Disagreement, match="not the log's"):
        check_checkpoint(forged, log.origin, Ed25519PrivateKey.generate().public_key().public_bytes_raw(),
                         memory, node.value)  # fmt: skip


@pytest.mark.parametrize("line", ["map", "map-key"])
async def test_a_checkpoint_of_another_map_or_key_of_it_is_evidence_and_is_not_signed(
    buyer: Recorder, auditor: Any, chain: Chain, log: Any, tmp_path: Path, line: str
) -> None:
    await buyer.capture(receipts(2))
    shown, node = await look(auditor, chain)
    honest = (await auditor.get("/v1/log/checkpoint")).text
    text = open_note(honest, log.origin, log.signer.public)
    told = next(each for each in text.splitlines() if each.startswith(f"{line} "))
    forged = log.signer.sign(text.replace(told, f"{line} 0x{'12' * 32}"))
    memory = Memory(tmp_path)
    follow(shown, node, memory)

    assert is_agreed(honest, log.origin, log.signer.public, memory)
    for check in (
        lambda: check_checkpoint(forged, log.origin, log.signer.public, memory, node.value),
        lambda: is_agreed(forged, log.origin, log.signer.public, memory),
    ):
        with pytest.raises(Disagreement, match="another map") as found:
            check()
        assert found.value.evidence["note"] == forged


async def test_another_promise_than_before_is_reported(
    buyer: Recorder, auditor: Any, chain: Chain, tmp_path: Path
) -> None:
    await buyer.capture(receipts(2))
    shown, node = await look(auditor, chain)
    with closing(Memory(tmp_path)) as memory:
        follow(shown, node, memory)
    shown.page["longest_delay"] *= 2

    with closing(Memory(tmp_path)) as memory, pytest.raises(Disagreement, match="another longest delay"):
        follow(shown, node, memory)


async def test_another_key_of_the_log_than_before_or_than_known_is_reported(
    buyer: Recorder, auditor: Any, chain: Chain, log: Any, tmp_path: Path
) -> None:
    await buyer.capture(receipts(2))
    shown, node = await look(auditor, chain)
    shown.page["verifier_key"] = log.signer.verifier_key
    shown.page["checkpoint"] = (await auditor.get("/v1/log/checkpoint")).text
    watching._look(shown, node, tmp_path / "first", None, log.signer.verifier_key)
    other = Signer(log.origin, Ed25519PrivateKey.generate())
    shown.page["verifier_key"] = other.verifier_key
    shown.page["checkpoint"] = other.sign(open_note(shown.page["checkpoint"], log.origin, log.signer.public))

    with pytest.raises(Disagreement, match="another log key than before"):
        watching._look(shown, node, tmp_path / "first", None, None)
    with pytest.raises(Disagreement, match="than the one known"):
        watching._look(shown, node, tmp_path / "second", None, log.signer.verifier_key)


async def test_nobody_signs_in_place_of_a_witness_of_the_same_name(
    buyer: Recorder, auditor: Any, chain: Chain, log: Any
) -> None:
    await buyer.capture(receipts(2))
    await chain.anchor()
    note = (await auditor.get("/v1/log/checkpoint")).text
    honest, other = (Signer("witness.example", Ed25519PrivateKey.generate()) for _ in range(2))
    for each, signed in ((honest, honest.cosign(note, 5)), (other, other.cosign(honest.cosign(note, 5), 6))):
        body = {"note": signed, "witness": each.name, "public_key": "0x" + each.public.hex()}
        assert (await auditor.post("/v1/log/cosignatures", json=body)).status_code == 204

    served = (await auditor.get("/v1/log/checkpoint")).text

    assert cosigned_at(served, honest.name, honest.public) == 5
    assert cosigned_at(served, other.name, other.public) == 6


async def test_a_witness_signs_and_its_signature_stands_under_the_checkpoint(
    buyer: Recorder, auditor: Any, chain: Chain, log: Any
) -> None:
    await buyer.capture(receipts(2))
    shown, _ = await look(auditor, chain)
    note = (await auditor.get("/v1/log/checkpoint")).text
    witness = Signer("witness.example", Ed25519PrivateKey.generate())

    signed = cosign(shown, witness, note, 1_800_000_000)
    (path, body), *_ = shown.posted
    refused = await buyer.user.post(path, json=body)
    taken = await auditor.post(path, json=body)

    assert refused.status_code == 403

    assert taken.status_code == 204, taken.text
    served = (await auditor.get("/v1/log/checkpoint")).text
    assert served == signed
    assert cosigned_at(served, witness.name, witness.public) == 1_800_000_000
    assert read_checkpoint(open_note(served, log.origin, log.signer.public)).size == 2


async def test_a_witness_signs_only_heads_it_recomputed_and_each_once(
    buyer: Recorder, auditor: Any, chain: Chain, log: Any, tmp_path: Path
) -> None:
    await buyer.capture(receipts(2))
    shown, node = await look(auditor, chain)
    note = (await auditor.get("/v1/log/checkpoint")).text
    witness = Signer("witness.example", Ed25519PrivateKey.generate())
    forged = log.signer.sign(Checkpoint(log.origin, 2, bytes(32)).text())
    ahead = log.signer.sign(Checkpoint(log.origin, 3, node.value.log_root).text())
    stranger = Signer(log.origin, Ed25519PrivateKey.generate()).sign(note.partition("\n\n")[0] + "\n")

    with closing(Memory(tmp_path)) as memory:
        assert not is_agreed(note, log.origin, log.signer.public, memory)
        follow(shown, node, memory)
        agreed = [
            is_agreed(each, log.origin, log.signer.public, memory)
            for each in (note, ahead, stranger, "nothing")
        ]
        with pytest.raises(Disagreement, match="another root for 2 leaves"):
            is_agreed(forged, log.origin, log.signer.public, memory)

    assert agreed == [True, False, False, False]
    assert not has_signed(note, witness)
    assert has_signed(witness.cosign(note, 5), witness)
    assert not has_signed(Signer("witness.example", Ed25519PrivateKey.generate()).cosign(note, 5), witness)


async def test_a_checkpoint_does_not_grow_without_end(
    buyer: Recorder, auditor: Any, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tlog, "MOST_WITNESSES", 2)
    await buyer.capture(receipts(2))
    await chain.anchor()
    note = (await auditor.get("/v1/log/checkpoint")).text
    answers = []
    one, two, three = (Signer(f"{name}.example", Ed25519PrivateKey.generate()) for name in ("a", "b", "c"))
    for witness in (one, two, three, one):
        key = "0x" + witness.public.hex()
        body = {"note": witness.cosign(note, 5), "witness": witness.name, "public_key": key}
        answers.append((await auditor.post("/v1/log/cosignatures", json=body)).status_code)

    assert answers == [204, 204, 422, 204]


@pytest.mark.parametrize("fault", ["another key", "unsigned", "another log"])
async def test_a_cosignature_that_is_none_is_refused(
    buyer: Recorder, auditor: Any, chain: Chain, log: Any, fault: str
) -> None:
    await buyer.capture(receipts(2))
    await chain.anchor()
    witness = Signer("witness.example", Ed25519PrivateKey.generate())
    note = (await auditor.get("/v1/log/checkpoint")).text
    if fault == "another log":
        note = Signer(log.origin, Ed25519PrivateKey.generate()).sign("x\n1\n" + "A" * 43 + "=\n")
    signed = note if fault == "unsigned" else witness.cosign(note, 5)
    public = bytes(32) if fault == "another key" else witness.public

    body = {"note": signed, "witness": witness.name, "public_key": "0x" + public.hex()}
    answer = await auditor.post("/v1/log/cosignatures", json=body)

    assert answer.status_code == 422
    assert answer.json()["type"].endswith("log-cosignature-invalid")


async def test_only_auditors_read_the_whole_log(buyer: Recorder) -> None:
    await buyer.capture(receipts(2))

    assert (await buyer.user.get("/v1/log/entries")).status_code == 403


@pytest.mark.parametrize(
    "text",
    ["", "x\n", "x\n01\n" + "A" * 43 + "=\n", "x\n-1\n" + "A" * 43 + "=\n", "x\n1\nAAAA\n", "x\n1\n!\n",
     "\n1\n" + "A" * 43 + "=\n"],
)  # fmt: skip
def test_a_checkpoint_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        read_checkpoint(text)


@pytest.mark.parametrize(
    "note", ["", "a\nb\n", "a\n\nx y\n", "a\n\n— x AAAA\n", "a\n\n— x !\n", "a\n\n— x A"]
)
def test_a_note_that_is_none_is_refused(note: str) -> None:
    with pytest.raises(NoteError):
        open_note(note, "x", bytes(32))


def test_a_note_of_the_format_others_verify() -> None:
    """The layout of C2SP signed-note: key id = SHA-256(name ‖ newline ‖ 0x01 ‖ key), first four bytes."""
    from hashlib import sha256

    signer = Signer("log.example", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    note = signer.sign("log.example\n1\n" + "A" * 43 + "=\n")

    text, _, line = note.rpartition("\n\n")
    payload = base64.b64decode(line.removeprefix("— log.example ").rstrip("\n"))
    assert payload[:4] == sha256(b"log.example\n\x01" + signer.public).digest()[:4]
    signer.key.public_key().verify(payload[4:], f"{text}\n".encode())


def test_the_logs_key_is_made_once_and_readable_by_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "log-key"

    first, second = load_key(path), load_key(path)

    assert first.private_bytes_raw() == second.private_bytes_raw()
    assert path.stat().st_mode & 0o077 == 0
    path.write_text("nonsense")
    with pytest.raises(ValueError, match="non-hexadecimal"):
        load_key(path)
