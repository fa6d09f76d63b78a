"""Fields shown one by one: what is shown is proved, what is hidden stays hidden."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.kit import disclosure, sparse
from backend.kit.canonical import Number, parse

INVOICE = {
    "BT-1": "R-2031",
    "BT-2": "2026-05-04",
    "BT-112": Number("11900.00"),
    "BG-25/0/BT-129": Number("40"),
}

names = st.text(st.characters(blacklist_categories=["Cs"]), max_size=10)
documents = st.dictionaries(names, names | st.booleans() | st.none(), min_size=1, max_size=12)


@given(documents)
def test_every_field_is_provable_alone(values):
    fields = disclosure.SaltedFields.of(values)
    root = fields.root()
    for shown in fields.disclose_all(list(values)):
        assert disclosure.verify(root, shown)
        assert shown.value == values[shown.name]


def test_a_changed_field_is_refused():
    fields = disclosure.SaltedFields.of(INVOICE)
    root, shown = fields.root(), fields.disclose("BT-112")
    for lie in (
        {"value": Number("11900.0")},
        {"value": "11900.00"},
        {"name": "BT-115"},
        {"salt": bytes(16)},
        {"salt": shown.salt + b"\x00"},
        {"proof": fields.disclose("BT-1").proof},
    ):
        forged = disclosure.Disclosure(**{**vars(shown), **lie})
        assert not disclosure.verify(root, forged), lie
    assert disclosure.verify(root, shown)


def test_absence_is_provable_and_presence_not_deniable():
    fields = disclosure.SaltedFields.of(INVOICE)
    proof = fields.prove_absent("BT-113")
    assert disclosure.verify_absent(fields.root(), "BT-113", proof)
    assert not disclosure.verify_absent(fields.root(), "BT-112", proof)
    assert not disclosure.verify_absent(fields.root(), "BT-112", fields.disclose("BT-112").proof)
    with pytest.raises(ValueError, match="has a field 'BT-112'"):
        fields.prove_absent("BT-112")


def test_equal_documents_have_unrelated_roots():
    assert disclosure.SaltedFields.of(INVOICE).root() != disclosure.SaltedFields.of(INVOICE).root()


def test_a_proof_does_not_contain_other_values_or_salts():
    fields = disclosure.SaltedFields.of(INVOICE)
    shown = fields.disclose("BT-1")
    revealed = {*shown.proof.siblings, *(shown.proof.other or ())}
    for name in set(INVOICE) - {"BT-1"}:
        assert fields.salts[name] not in revealed
        assert sparse.leaf_hash(disclosure.name_key(name), bytes(32)) not in revealed


@pytest.mark.parametrize(
    ("values", "salts", "message"),
    [
        ({"a": "1"}, {}, "exactly one salt"),
        ({"a": "1"}, {"a": b"short"}, "16 bytes"),
        ({"a": "1", "b": "2"}, {"a": bytes(16), "b": bytes(16)}, "share a salt"),
    ],
)
def test_bad_salts_are_refused(values, salts, message):
    with pytest.raises(ValueError, match=message):
        disclosure.SaltedFields(values, salts)


def test_flatten_names_leaves_by_json_pointer():
    event = parse(b'{"epcList": ["urn:a", "urn:b"], "a/b": {"~": 1.0}, "empty": [], "none": null}')
    assert disclosure.flatten(event) == {
        "/epcList/0": "urn:a",
        "/epcList/1": "urn:b",
        "/a~1b/~0": Number("1.0"),
        "/empty": [],
        "/none": None,
    }
