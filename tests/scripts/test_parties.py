"""Descriptions of parties: all problems at once, and what is kept stays private."""

from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest

from scripts.parties import DescriptionError, Kept, PartyFolder, read_description
from tasks.environment import ROOT

ENTRY = """
[[parties]]
id = "pumps"
name = "Example Pumps Limited"
country = "de"
tax_number = "DE 000 000 001"
roles = ["supplier", "recorder"]
valid_until = 2030-12-31
evidence = "evidence.txt"
users = { sales = ["maker"] }
"""


def described(folder: Path, text: str) -> Path:
    (folder / "evidence.txt").write_text("register extract")
    file = folder / "parties.toml"
    file.write_text(text)
    return file


def test_a_description_is_read_in_canonical_form(tmp_path: Path) -> None:
    (party,) = read_description(described(tmp_path, ENTRY))
    assert (party.country, party.tax_number) == ("DE", "000000001")
    assert party.role_bits == 0b1001
    assert party.valid_until == date(2030, 12, 31)
    assert party.valid_until_second == 1924991999  # 2030-12-31 23:59:59 UTC
    assert party.evidence_hash == sha256(b"register extract").digest()


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    text = ENTRY.replace('["supplier", "recorder"]', '["suplier"]').replace("2030-12-31", '"soon"')
    text = text.replace('"evidence.txt"', '"lost.pdf"').replace('["maker"]', '["boss"]')
    with pytest.raises(DescriptionError) as problems:
        read_description(described(tmp_path, text + ENTRY.replace("name =", "nome =")))
    report = str(problems.value)
    for words in (
        "party 1: role 'suplier' is not known",
        "role 'boss' is not known",
        "valid_until must be a date",
        f"there is no evidence at {tmp_path / 'lost.pdf'}",
        "party 2: name is missing",
        "'nome' is not known",
    ):
        assert words in report


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no [[parties]]"),
        ("[[parties", "cannot be read"),
        (ENTRY.replace("DE 000 000 001", "none"), "is no tax number"),
        (ENTRY.replace('"pumps"', '"../pumps"'), "id '../pumps'"),
    ],
)
def test_one_problem(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DescriptionError) as problems:
        read_description(described(tmp_path, text))
    assert words in str(problems.value)


def test_the_sample_parties_are_well_described() -> None:
    parties = read_description(ROOT / "samples" / "parties.toml")
    assert [party.id for party in parties] == [
        "supplier",
        "buyer",
        "bank-one",
        "bank-two",
        "rival",
        "auditor",
    ]


def test_what_is_kept_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    folder = PartyFolder(tmp_path, "pumps")
    assert folder.load() is None
    kept = Kept("pumps", "0xledger", "0x00", users={"sales": {"id": "1", "api_key": "tsk_secret"}})
    folder.save(kept)
    assert folder.load() == kept
    assert folder.file.stat().st_mode & 0o077 == 0
    assert folder.folder.stat().st_mode & 0o077 == 0
