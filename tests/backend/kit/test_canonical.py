"""One text for one value; what a stranger's JSON may not do."""

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from backend.kit.canonical import CanonicalError, Number, encode, parse

text = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12)
scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | text
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4)
)


@given(documents)
def test_agrees_with_rfc_8785(document):
    assert encode(document) == rfc8785.dumps(document)


@given(documents)
def test_parse_then_encode_is_stable_and_keeps_the_value(document):
    once = encode(document)
    assert encode(parse(once)) == once
    assert json.loads(once) == document


@pytest.mark.parametrize("number", ["1", "1.0", "1.00", "1e2", "9007199254740993", "0.1", "-0"])
def test_numbers_keep_their_decimal_text(number):
    assert parse(number) == Number(number)
    assert encode(parse(f'{{"quantity": {number}}}')) == f'{{"quantity":{number}}}'.encode()


def test_a_number_and_the_same_text_differ():
    assert encode(parse("5")) != encode(parse('"5"'))


def test_big_integers_are_written_as_text():
    assert encode({"wei": 2**64}) == b'{"wei":"18446744073709551616"}'


def test_names_are_sorted_by_utf16_code_units():
    assert encode({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b'{"a":1,"a":2}', "'a' is given twice"),
        (b"[NaN]", "NaN is not JSON"),
        (b"[1,]", "not JSON at line 1"),
        (b"\xff", "not UTF-8 at byte 0"),
        (b'"\\ud800"', "lone surrogate"),
        (b"[" * 70 + b"]" * 70, "deeper than 64"),
        (b"[" * 100_000, "deeper than 64"),
        (b"", "not JSON"),
    ],
)
def test_hostile_json_is_refused(raw, message):
    with pytest.raises(CanonicalError, match=message):
        parse(raw)


def test_floats_are_refused():
    with pytest.raises(CanonicalError, match="float has no canonical form"):
        encode([0.1])
    with pytest.raises(CanonicalError, match="not a JSON number"):
        Number("01")
