"""What a hostile operator, party, node or file may try: the verifier neither breaks nor says what is not."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from backend.kit import vrf
from backend.kit.canonical import encode, parse
from backend.verifier import bundle, checkpoint, cli, epcis, evidence, evm, layout, page, policy, report, rpc
from backend.verifier.reader import Reader
from tests.backend.verifier import world as w
from tests.backend.verifier.test_cli import app


@pytest.fixture(scope="module")
def healthy():
    return w.build(w.world())


def changed(raw, *path, value):
    """The bundle with another value at a place."""
    document = json.loads(raw)
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return json.dumps(document).encode()


def test_a_place_of_too_many_digits_is_refused(healthy):
    raw = changed(healthy.raw, "log", "events", 0, "path", 0, value="1" * 5000)
    with pytest.raises(bundle.BundleError, match="/log/events/0/path/0"):
        bundle.read(raw, block_hash=None, now=w.NOW)


@pytest.mark.parametrize("stated", ["9999-12-31", "0001-01-01"])
def test_a_due_date_at_the_end_of_the_calendar(stated):
    made = w.world()
    made.fields["BT-9"] = stated
    assert w.build(made).outcomes()["due-date"] == "cannot-tell"


def test_times_beyond_the_calendar_are_shown_as_its_end(healthy):
    read, demanded = bundle.read(healthy.raw, block_hash=healthy.block_hash, now=w.NOW)
    late = replace(
        read,
        header=replace(read.header, time=2**64 - 1),
        terms=replace(read.terms, dueEnd=2**40 - 1),
    )
    found = report.run(late, demanded)
    assert "9999-12-31T23:59:59Z" in page.render(found, "en")
    assert report.to_json(found)["block"]["time"] == "9999-12-31T23:59:59Z"


@pytest.mark.parametrize("billed", ["NaN", "1e400", "forty"])
def test_a_billed_quantity_that_is_none_supports_nothing(billed):
    made = w.world()
    made.fields["BG-25/0/BT-129"] = billed
    built = w.build(made)
    assert built.outcomes()["quantities"] == "fail"
    assert built.report().supported == 0


@pytest.mark.parametrize(
    "read", ["1e9999999", "-1e99999999999", "NaN", "sNaN", "1" * 2000, "warm"], ids=range(6)
)
def test_an_absurd_temperature_lies_outside_every_limit(read):
    event = w.event(
        "sensor_reporting",
        sensorElementList=[{"sensorReport": [{"type": "Temperature", "uom": "KEL", "value": read}]}],
    )
    assert epcis.view(event).temperatures == (Decimal("Infinity"),)


def test_a_checkpoint_that_is_no_base64_is_of_no_head(healthy):
    read, _ = bundle.read(healthy.raw, block_hash=None, now=w.NOW)
    head = read.log.heads[-1]
    assert not checkpoint.is_of(f"origin\n{head.size}\né\n", head)


FORGERY = "\x1b[2J\n\n\u202eBlock ..... pass\r\u2028The evidence supports at most 999.00 EUR.\x9b1m"


def test_a_strangers_words_cannot_pass_for_lines_of_the_report(healthy):
    made = w.world()
    made.statements = replace(
        made.statements,
        registry=evidence.RegistrySearch(FORGERY, w.NOW, 0),
        supplier=replace(made.statements.supplier, screening=FORGERY),
    )
    raw = changed(w.build(made).raw, "report", FORGERY, value="pass")
    found = healthy.report(raw)
    shown = json.dumps(report.to_json(found), ensure_ascii=False)
    for text in (page.render(found, "en"), page.render(found, "zh"), shown):
        forged = ("Block ..... pass", "The evidence supports at most 999")
        assert not [line for line in text.splitlines() if line.lstrip().startswith(forged)]
        assert not {"\x1b", "\r", "\x9b", "\u202e", "\u2028"} & set(text)
    assert "registry" in {result["check"] for result in report.to_json(found)["checks"]}


def test_a_message_about_a_file_moves_no_cursor(healthy, tmp_path):
    file = tmp_path / "bundle.json"
    file.write_bytes(healthy.raw[:-1] + b"," + encode({FORGERY: 1})[1:])
    answer = CliRunner().invoke(app, [str(file)])
    assert answer.exit_code == cli.UNREADABLE
    assert not {"\x1b", "\r", "\x9b"} & set(answer.output)


@pytest.mark.parametrize(
    "answer", ["[" * 100_000, '{"result": "0xzz"}', '{"result": "1"}', "[]", "{}", ""], ids=range(6)
)
def test_a_node_that_answers_nonsense_is_a_problem_and_no_crash(answer, monkeypatch):
    class Answer:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read(self, _most):
            return answer.encode()

    monkeypatch.setattr(rpc, "urlopen", lambda *_, **__: Answer())
    with pytest.raises(rpc.NodeProblem):
        rpc.chain_id("http://node")
    with pytest.raises(rpc.NodeProblem):
        rpc.header("http://node", 1)


@pytest.mark.parametrize(("name", "variable"), layout.LINKS)
def test_no_contract_asks_another_than_its_code_names_first(healthy, name, variable):
    """Code by hand: the immutable is right at its first place, and another contract's at the last."""
    read = _read(healthy)
    for start in layout.contracts()[name].immutables[variable]:
        code = bytearray(read.code[name])
        code[start + 31] ^= 1
        deployed = _Deployed(read, name, bytes(code))
        other = replace(read, code={**read.code, name: bytes(code)}, ledger=deployed)
        found = next(each for each in report.run(other, healthy.policy).results if each.check == "contracts")
        assert found.finding.code == "verify.contracts.linked"


class _Deployed:
    """A ledger one of whose contracts has other code."""

    def __init__(self, read, name, code):
        self._read, self._name, self._code = read, name, code

    def __getattr__(self, attribute):
        return getattr(self._read.ledger, attribute)

    def code_hash(self, name):
        return evm.keccak(self._code) if name == self._name else self._read.ledger.code_hash(name)


@pytest.mark.parametrize(
    ("demanded", "says"),
    [
        ({"contracts": {"Receivable": "0x" + "11" * 20}}, "/contracts/Receivable"),
        ({"severities": {"reveived": "advisory"}}, "/severities/reveived"),
        ({"severity": {}}, "/severity"),
        ({"quantity_tolerance": 1_000_001}, "/quantity_tolerance"),
        ({"temperature": {"lowest": "8000", "highest": "2000"}}, "/temperature/lowest"),
        ({"debtor_keys": ["0x1234"]}, "/debtor_keys/0"),
    ],
)
def test_a_policy_with_a_name_or_number_that_means_nothing_is_refused(healthy, tmp_path, demanded, says):
    file, rules = tmp_path / "bundle.json", tmp_path / "policy.json"
    file.write_bytes(healthy.raw)
    rules.write_text(json.dumps(demanded))
    answer = CliRunner().invoke(app, [str(file), "--policy", str(rules)])
    assert answer.exit_code == cli.UNREADABLE
    assert f"This is no policy this program can read: {says}" in answer.output


def test_a_debtors_key_is_pinned_as_its_wallet_shows_it(healthy):
    shown = w.key("debtor").address
    found = policy.read(Reader(parse(json.dumps({"debtor_keys": [shown]}))))
    assert found.debtor_keys == healthy.policy.debtor_keys
    unpinned = next(r for r in report.run(_read(healthy), policy.DEFAULT).results if r.check == "debtor-key")
    assert shown.lower() in report.text_of(unpinned, "en")


def _read(built):
    return bundle.read(built.raw, block_hash=built.block_hash, now=w.NOW)[0]


@pytest.mark.parametrize(
    "spelt",
    [
        "tallystick-invoice-1|TAX:DE:123456789|2026|INV|R-2031",
        "tallystick-invoice-1|TAX:DE:123456789|2026|INV|r2031",
        "tallystick-invoice-1|TAX:DE:123456789|2026|PRE|R2031",
        "tallystick-invoice-1|TAX:DE:123456789|2026|INV|R2031|",
        "tallystick-invoice-1|TAX:DE:DE123456789|2026|INV|R2031",
        "tallystick-invoice-1|TAX:XX:DE123456789|2026|INV|R2031",
        "tallystick-invoice-1|TAX:DE:23456789|2026|INV|R2031",
        "tallystick-invoice-1|VAT:DE:123456789|2026|INV|R2031",
        "tallystick-invoice-1",
    ],
)
def test_another_spelling_of_the_invoice_gives_no_second_fingerprint(spelt, monkeypatch):
    """The ledger's own key and the same invoice, written otherwise: its slot is free, nothing else tells."""
    monkeypatch.setattr(w, "IDENTITY", spelt)
    built = w.build(w.world())
    assert built.outcomes()["slot"] == "pass"
    assert built.outcomes()["identity"] in ("fail", "cannot-tell")


def test_every_identity_is_made_under_every_key(healthy):
    """Two identifiers of a seller and two keys: each under one alone would leave the other two slots free."""
    read = _read(healthy)
    secrets = [w.VRF_SECRET, bytes(range(2, 34))]
    texts = [w.IDENTITY, w.IDENTITY.replace("TAX:DE:123456789", "GLN:4000001000005")]

    def outcome(pairs):
        made = tuple(
            evidence.Fingerprint(vrf.public_key(secret), text, vrf.prove(secret, text.encode()))
            for secret, text in pairs
        )
        marks = [vrf.fingerprint(vrf.output(each.proof)) for each in made]
        terms = replace(read.terms, fingerprint=marks[0], otherFingerprints=evm.keccak(b"".join(marks[1:])))
        keys = _Keys(read, tuple(map(vrf.public_key, secrets)))
        found = report.run(replace(read, fingerprints=made, terms=terms, ledger=keys), healthy.policy)
        return next(each.outcome.value for each in found.results if each.check == "fingerprint")

    assert outcome([(secret, text) for secret in secrets for text in texts]) == "pass"
    assert outcome(zip(secrets, texts, strict=True)) == "fail"


class _Keys:
    """A ledger with other keys of fingerprints."""

    def __init__(self, read, keys):
        self._read, self._keys = read, keys

    def __getattr__(self, attribute):
        return getattr(self._read.ledger, attribute)

    def fingerprint_keys(self, _key_set):
        return self._keys


def test_a_report_says_how_much_between_whom_and_who_holds_it(healthy):
    text = " ".join(page.render(healthy.report(), "en").split())
    assert f"11900.00 EUR, due {report.when(1_788_127_200)}." in text
    for account in (w.SUPPLIER, w.DEBTOR):
        assert "(0x" + account.hex() + ")" in text
    assert f"0x{w.BANK.hex()} holds 11900.00 EUR" in text


@pytest.mark.parametrize(
    "value", [b"[" + b"0," * 2_000_001 + b"0]", b'"' + b"\\u002c" * 2_000_001 + b'"'], ids=range(2)
)
def test_a_file_of_too_many_values_is_refused_before_it_fills_the_memory(value, monkeypatch):
    monkeypatch.setattr(bundle, "parse", lambda _: pytest.fail("it was read"))
    with pytest.raises(bundle.BundleError, match="more than 2000000 values"):
        bundle.read(b'{"x":' + value + b"}", block_hash=None, now=w.NOW)
