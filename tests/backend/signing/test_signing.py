"""The local signer: what it shows, what it refuses, and that its signature is the signer's."""

import copy
import json
from pathlib import Path

import pytest
import typer
from eth_account import Account
from typer.testing import CliRunner

from backend.kit.messages import LOCALES, text
from backend.signing import cli
from backend.signing.keystore import Keystore, KeystoreError
from backend.signing.ledger import Ledger, LedgerError, Token, parse, read
from backend.signing.statements import STATEMENTS, TOKEN, UNDERTAKINGS, Statement
from backend.signing.typed import Refused, build, check
from backend.signing.words import lines

CHAIN = 31_337
NOW = 1_800_000_000


def address(number: int) -> str:
    return Account.from_key(number.to_bytes(32, "big")).address


EURO, YEN = address(50), address(51)
CONTRACTS = {"Receivables": address(40), "Participants": address(41), "Financing": address(42)}
CONTRACTS["ProvenanceLog"] = address(43)
LEDGER = Ledger(
    CHAIN,
    CONTRACTS,
    {EURO: Token("tEUR", 6, "EUR", 4, "Test euro"), YEN: Token("tJPY", 18, "JPY", 18, "Test yen")},
)
TERMS = {
    "supplier": address(1),
    "debtor": address(2),
    "token": EURO,
    "currency": b"EUR",
    "amount": 5_950_000,
    "dueEnd": 1_801_436_399,
    "graceDays": 30,
    "lateRate": 80_000,
    "undertaking": 1,
    "paymentOrder": 0,
    "keySet": 1,
    "fingerprint": b"\x01" * 32,
    "otherFingerprints": b"\x00" * 32,
    "documentRoot": b"\x02" * 32,
    "rules": b"\x03" * 32,
}
PARCEL = {"id": b"\x04" * 32, "units": 5_950_000, "minUnpaid": 5_950_000}
OFFER = {
    "buyer": address(3),
    "seller": address(1),
    "parcels": [PARCEL],
    "token": EURO,
    "price": 5_800_000,
    "reserve": 100_000,
    "recourse": 1,
    "repurchasePrice": 5_700_000,
    "acceptDispute": True,
    "agreement": b"\x05" * 32,
    "law": b"\x06" * 32,
    "lockTime": 86_400,
    "expiry": NOW + 100,
    "signer": address(9),
    "salt": 77,
}
_STRUCTS = {"Terms": TERMS, "Offer": OFFER, "Parcel": PARCEL, "Parcel[]": [PARCEL]}
_SAMPLE = {
    "address": address(7),
    "uint256": NOW + 100,
    "uint64": 12_345,
    "uint8": 1,
    "bytes32": b"\x09" * 32,
    "bool": True,
    "string": UNDERTAKINGS[1],
}


def sample(statement: Statement) -> dict:
    plain = {**TERMS, **OFFER, "spender": CONTRACTS["Receivables"]}
    return {
        name: copy.deepcopy(plain.get(name) or _STRUCTS.get(kind) or _SAMPLE[kind])
        for name, kind in statement.members
    }


def document(statement: Statement, message: dict, **domain) -> dict:
    contract = EURO if statement.contract is TOKEN else CONTRACTS[statement.contract]
    return build(
        statement,
        **({"chain_id": CHAIN, "contract": contract, "name": "Tallystick", "message": message} | domain),
    )


def said(statement: Statement, message: dict, locale="en") -> str:
    return "\n".join(lines(check(document(statement, message), LEDGER, now=NOW), locale))


def alterations(structs: dict, struct: str, message: dict):
    """The message with one atomic member changed, for each member at whatever depth."""
    for member, kind in structs[struct]:
        if kind in structs:
            for changed, name in alterations(structs, kind, message[member]):
                yield {**message, member: changed}, name
        elif kind.endswith("[]"):
            for changed, name in alterations(structs, kind[:-2], message[member][0]):
                yield {**message, member: [changed]}, name
            yield {**message, member: message[member] * 2}, member
        else:
            yield {**message, member: altered(kind, message[member])}, member


def altered(kind: str, value):
    match value:
        case bool():
            return not value
        case int():
            return value - 1 if value else 1
        case bytes():
            return value[:-1] + bytes([value[-1] ^ 1])
        case _:
            return address(8) if kind == "address" else value + "."


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_member_is_shown_so_changing_any_changes_the_words(name):
    statement = STATEMENTS[name]
    message = sample(statement)
    plain = {locale: said(statement, message, locale) for locale in LOCALES}
    assert plain["en"] != plain["zh"]
    for changed, member in alterations(statement.structs, name, message):
        for locale in LOCALES:
            try:
                assert said(statement, changed, locale) != plain[locale], f"{member} is not shown"
            except Refused:
                assert member in {"token", "currency", "statement", "spender", "undertaking"}


def test_amounts_are_written_with_the_decimals_of_their_currency():
    assert "EUR 59,500.00, paid in tEUR" in said(
        STATEMENTS["Confirmation"], sample(STATEMENTS["Confirmation"])
    )
    yen = sample(STATEMENTS["Issue"]) | {"token": YEN, "currency": b"JPY"}
    assert "JPY 5,950,000, paid in tJPY" in said(STATEMENTS["Issue"], yen)


ISSUE = STATEMENTS["Issue"]


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        ("sign-other-chain", lambda d: d["domain"].update(chainId=1)),
        ("sign-other-contract", lambda d: d["domain"].update(verifyingContract=address(99))),
        ("sign-other-contract", lambda d: d["domain"].update(verifyingContract=CONTRACTS["Participants"])),
        ("sign-not-typed-data", lambda d: d["domain"].update(salt="0x00")),
        ("sign-not-typed-data", lambda d: d.pop("message")),
        ("sign-not-typed-data", lambda d: d.update(types=[])),
        ("sign-unknown-statement", lambda d: d.update(primaryType="DrainWallet")),
        ("sign-unknown-statement", lambda d: d["types"]["Issue"].pop()),
        ("sign-unknown-statement", lambda d: d["types"]["Issue"].reverse()),
        ("sign-unknown-statement", lambda d: d["types"].update(Extra=[])),
        ("sign-unknown-statement", lambda d: d["types"].update(EIP712Domain=[])),
        ("sign-bad-value", lambda d: d["message"].update(extra="1")),
        ("sign-bad-value", lambda d: d["message"].update(amount=1.5)),
        ("sign-bad-value", lambda d: d["message"].update(amount="0x10")),
        ("sign-bad-value", lambda d: d["message"].update(amount=str(2**64))),
        ("sign-bad-value", lambda d: d["message"].update(amount="-1")),
        ("sign-bad-value", lambda d: d["message"].update(fingerprint="0x01")),
        ("sign-bad-value", lambda d: d["message"].update(supplier=address(1).swapcase())),
        ("sign-bad-value", lambda d: d["message"].update(undertaking="2")),
        ("sign-too-late", lambda d: d["message"].update(deadline=str(NOW - 1))),
        ("sign-unknown-token", lambda d: d["message"].update(token=address(60))),
        ("sign-other-currency", lambda d: d["message"].update(currency="0x555344")),
    ],
)
def test_what_it_was_not_set_up_for_is_refused_with_a_sentence(code, spoil):
    raw = document(ISSUE, sample(ISSUE))
    spoil(raw)
    with pytest.raises(Refused) as refused:
        lines(check(raw, LEDGER, now=NOW), "en")
    assert refused.value.code == code
    assert all(text(code, locale, **refused.value.params) for locale in LOCALES)


@pytest.mark.parametrize(
    "raw", [None, [], "text", {}, {"types": {}, "domain": {}, "message": {}, "primaryType": 3}]
)
def test_anything_else_is_no_typed_data(raw):
    with pytest.raises(Refused, match="sign-not-typed-data"):
        check(raw, LEDGER)


def test_a_permit_for_a_stranger_or_without_limit_is_refused():
    permit = STATEMENTS["Permit"]
    with pytest.raises(Refused, match="sign-unknown-spender"):
        said(permit, sample(permit) | {"spender": address(66)})
    with pytest.raises(Refused, match="sign-unlimited-permit"):
        said(permit, sample(permit) | {"value": 2**256 - 1})


def test_a_confirmation_that_says_another_sentence_than_its_terms_is_refused():
    confirmation = STATEMENTS["Confirmation"]
    with pytest.raises(Refused, match="sign-other-undertaking"):
        said(confirmation, sample(confirmation) | {"statement": UNDERTAKINGS[0]})


def test_a_message_with_other_members_is_not_built():
    with pytest.raises(ValueError, match="has the members"):
        document(ISSUE, {"amount": 1})


@pytest.fixture
def keystore(tmp_path) -> Path:
    folder = tmp_path / "keys"
    store = Keystore(folder)
    store.create("clerk", "correct horse", work_factor=2)
    LEDGER.save(folder)
    return folder


def test_a_key_is_made_once_kept_encrypted_and_opened_by_its_password_only(keystore):
    store = Keystore(keystore)
    path = keystore / "clerk.key.json"
    assert path.stat().st_mode & 0o077 == 0
    account = store.unlock("clerk", "correct horse")
    assert store.addresses() == {"clerk": account.address}
    assert account.key.hex() not in path.read_text()
    with pytest.raises(KeystoreError, match="already"):
        store.create("clerk", "other")
    with pytest.raises(KeystoreError, match="wrong password"):
        store.unlock("clerk", "wrong")
    with pytest.raises(KeystoreError, match="no key called"):
        store.unlock("boss", "correct horse")
    with pytest.raises(KeystoreError, match="cannot name a key"):
        store.create("../boss", "secret")
    with pytest.raises(KeystoreError, match="empty password"):
        store.create("boss", "")


def test_one_folder_signs_for_one_ledger(keystore, tmp_path):
    assert read(keystore) == LEDGER
    LEDGER.save(keystore)
    with pytest.raises(LedgerError, match="pins another ledger"):
        Ledger(1, CONTRACTS, {}).save(keystore)
    with pytest.raises(LedgerError, match="keys trust"):
        read(tmp_path)
    (tmp_path / "broken.json").write_text('{"chain_id": "1"}')
    with pytest.raises(LedgerError, match=r"broken\.json is not a deployment record"):
        parse(tmp_path / "broken.json")


@pytest.fixture
def run(keystore, monkeypatch):
    app = typer.Typer()
    app.add_typer(cli.keys, name="keys")
    app.command()(cli.sign)
    monkeypatch.setenv("TALLYSIGN_KEYSTORE", str(keystore))
    monkeypatch.setenv("TALLYSIGN_PASSWORD", "correct horse")
    monkeypatch.delenv("TALLYSIGN_API_KEY", raising=False)
    return lambda *arguments, **named: CliRunner().invoke(app, arguments, **named)


def future(message: dict) -> dict:
    return message | {"deadline": 2**40}


def test_sign_shows_the_words_asks_and_signs(run, keystore, tmp_path):
    file = tmp_path / "action.json"
    raw = document(ISSUE, future(sample(ISSUE)))
    file.write_text(json.dumps({"typed_data": raw, "words": {"en": "Nothing of importance."}}))
    named = run("keys", "name", TERMS["debtor"], "The buyer")
    assert named.exit_code == 0

    asked = run("sign", str(file), input="y\n")
    assert asked.exit_code == 0
    assert f"Owed by The buyer ({TERMS['debtor']})" in asked.stderr
    assert "Nothing of importance" not in asked.output
    answer = json.loads(asked.stdout.splitlines()[-1])
    recovered = Account.recover_message(check(raw, LEDGER).signable(), signature=answer["signature"])
    assert recovered == answer["signer"] == Keystore(keystore).addresses()["clerk"]

    declined = run("sign", str(file), input="n\n")
    assert declined.exit_code == 3
    assert "signature" not in declined.stdout
    assert json.loads(run("sign", str(file), "--yes", "--lang", "zh").stdout) == answer


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sign", "missing.json"], "could not be read"),
        (["sign", "http://127.0.0.1:9/v1/actions/1"], "set TALLYSIGN_API_KEY"),
        (["sign", "-", "--lang", "fr"], "must be one of en, zh"),
        (["sign", "-", "--key", "boss"], "no key called 'boss'"),
        (["keys", "name", "0x12", "Somebody"], "is not an address"),
        (["keys", "trust", "missing.json"], "is not a deployment record"),
        (["keys", "create", "clerk"], "already"),
    ],
)
def test_one_sentence_for_each_mistake(run, arguments, sentence):
    unattended = ["--yes"] if arguments[0] == "sign" else []
    result = run(*arguments, *unattended, input=json.dumps(document(ISSUE, future(sample(ISSUE)))))
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) <= 20
    assert result.stdout == ""


def test_an_api_key_never_leaves_in_clear(run, monkeypatch):
    monkeypatch.setenv("TALLYSIGN_API_KEY", "tsk_test")
    result = run("sign", "http://bank.example/v1/actions/1")
    assert "only sent over https" in result.stderr
