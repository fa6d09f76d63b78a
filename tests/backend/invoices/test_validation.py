"""Valid, invalid or not applicable: never valid because nothing ran, and what is found is said in words."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace

import pytest
from lxml import etree
from saxonche import PySaxonApiError

from backend.invoices.reading import read_with_xml
from backend.invoices.validation import schematron
from backend.invoices.validation.check import OWN_RULES, validate
from backend.invoices.validation.result import Outcome, Validation
from bench.invoices import units
from tests.backend.invoices import samples

CORPORA = os.environ.get("CORPORA")


def checked(document: bytes) -> Validation:
    return validate(*read_with_xml(document))


def rules(result: Validation, *, errors: bool = True) -> set[str]:
    return {finding.rule for finding in result.findings if finding.is_error is errors}


@pytest.mark.parametrize(
    ("document", "rule_set"),
    [(samples.UBL, "EN 16931 UBL (CEN) 1.3.16"), (samples.CII, "EN 16931 CII (CEN) 1.3.16")],
)
def test_a_clean_invoice_is_valid_by_a_named_rule_set(document: bytes, rule_set: str) -> None:
    result = checked(document)

    assert (result.outcome, result.rules) == (Outcome.VALID, (rule_set, OWN_RULES))
    assert result.findings == ()


@pytest.mark.parametrize(
    ("document", "end"), [(samples.UBL, "</cbc:PayableAmount>"), (samples.CII, "</ram:DuePayableAmount>")]
)
def test_a_payable_changed_to_one_is_invalid_by_the_official_rule_and_seen_by_ours(
    document: bytes, end: str
) -> None:
    result = checked(samples.changed(document, (f"5949.41{end}", f"1.00{end}")))

    assert result.outcome is Outcome.INVALID
    assert "BR-CO-16" in rules(result)
    assert "TS-PAYABLE" in rules(result, errors=False)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("5949.41</cbc:PayableA", "6000.00</cbc:PayableA", "TS-PAYABLE"),
        ("5949.41</cbc:TaxInc", "5949.42</cbc:TaxInc", "TS-GROSS"),
        ("4999.50</cbc:TaxExc", "4999.51</cbc:TaxExc", "TS-NET"),
        ("4999.50</cbc:LineExt", "5003.50</cbc:LineExt", "TS-LINES"),
    ],
)
def test_sums_that_do_not_come_out(old: str, new: str, rule: str) -> None:
    assert rule in rules(checked(samples.changed(samples.UBL, (old, new))))


def test_where_a_dialect_means_another_sum_none_is_missed() -> None:
    wrong = ("4999.50</cbc:TaxExc", "949.91</cbc:TaxExc")
    danish = (">urn:cen.eu:en16931:2017<", ">OIOUBL-2.02<")

    assert {"TS-NET", "TS-GROSS"} <= rules(checked(samples.changed(samples.UBL, wrong)))
    assert checked(samples.changed(samples.UBL, wrong, danish)).findings == ()


def test_a_line_that_does_not_multiply_warns_and_binds_where_the_specification_says_so() -> None:
    wrong = samples.changed(samples.UBL, ("120.00</cbc:PriceAmount>", "12.00</cbc:PriceAmount>"))
    peppol = samples.changed(
        wrong,
        (
            "urn:cen.eu:en16931:2017<",
            "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0<",
        ),
    )

    assert checked(wrong).outcome is Outcome.VALID
    assert "TS-LINE" in rules(checked(wrong), errors=False)
    assert "TS-LINE" in rules(checked(peppol))


@pytest.mark.parametrize(
    "specification",
    [
        "urn:peppol:pint:billing-1@jp-1",
        "urn:cen.eu:en16931:2017#conformant#urn:fdc:peppol.eu:2017:poacc:billing:international:aunz:3.0",
        "urn:www.cenbii.eu:transaction:biitrns010:ver2.0",
        "my own rules",
    ],
)
def test_where_the_official_rules_do_not_bind_nothing_is_called_valid(specification: str) -> None:
    result = checked(samples.changed(samples.UBL, (">urn:cen.eu:en16931:2017<", f">{specification}<")))

    assert (result.outcome, result.rules) == (Outcome.NOT_APPLICABLE, (OWN_RULES,))


def test_without_rules_there_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pitfall 1 of invoices: a validator that says valid when it did not run."""
    schematron._source.cache_clear()
    monkeypatch.setattr(schematron, "find_spec", lambda name: None)
    try:
        with pytest.raises(schematron.RulesUnavailableError):
            checked(samples.UBL)
    finally:
        schematron._source.cache_clear()


def test_a_sheet_that_was_changed_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / schematron.CII.sheet).write_text("<xsl:transform/>")
    changed = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    schematron._source.cache_clear()
    monkeypatch.setattr(schematron, "find_spec", lambda name: changed)
    try:
        with pytest.raises(schematron.RulesUnavailableError, match="not the one known"):
            checked(samples.CII)
    finally:
        schematron._source.cache_clear()


@pytest.mark.parametrize(
    ("document", "end"), [(samples.UBL, "</cbc:PayableAmount>"), (samples.CII, "</ram:DuePayableAmount>")]
)
def test_a_document_the_rules_cannot_compute_is_not_valid(
    document: bytes, end: str, capfd: pytest.CaptureFixture[str]
) -> None:
    result = checked(samples.changed(document, (f"5949.41{end}", f"much{end}")))

    assert result.outcome is Outcome.INVALID
    assert "TS-RUN" in rules(result)
    assert capfd.readouterr() == ("", "")


def test_xml_through_the_wrong_sheet_fires_nothing_that_could_pass_for_valid() -> None:
    root = etree.fromstring("<a/>")

    assert schematron.run(schematron.UBL, root).fired == 0


def test_the_rules_may_open_no_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.xml"
    secret.write_text("<hidden/>")
    sheet = (
        '<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="2.0">'
        f"<xsl:template match='/'><xsl:copy-of select=\"doc('{secret.as_uri()}')\"/></xsl:template>"
        "</xsl:stylesheet>"
    )
    processor = schematron._processor()
    executable = processor.new_xslt30_processor().compile_stylesheet(stylesheet_text=sheet)

    with pytest.raises(PySaxonApiError):
        executable.transform_to_string(xdm_node=processor.parse_xml(xml_text="<a/>"))


def test_wrong_check_digits_are_warnings_only() -> None:
    result = checked(
        samples.changed(samples.UBL, ("DE999999911", "DE999999912"), ("4000000000013", "4000000000014"))
    )

    assert result.outcome is Outcome.VALID
    assert [finding.place for finding in result.findings] == ["BG-4", "BT-157"]


def test_every_finding_has_a_sentence_in_both_languages() -> None:
    document = samples.changed(
        samples.UBL,
        ("<cbc:ID>ET-2026/0117</cbc:ID>", ""),
        ("IdentificationCode>DE<", "IdentificationCode>XX<"),
        ("5949.41</cbc:PayableA", "1.00</cbc:PayableA"),
    )  # fmt: skip
    findings = checked(document).findings

    assert {"BR-02", "BR-CL-14", "BR-CO-16"} <= {finding.rule for finding in findings}
    for finding in findings:
        assert finding.sentence("en")
        assert any("一" <= letter <= "鿿" for letter in finding.sentence("zh"))


@pytest.mark.skipif(CORPORA is None, reason="CORPORA names no folder with CEN's unit tests")
def test_the_official_unit_tests_agree() -> None:
    """ConnectingEurope/eInvoicing-EN16931: every assertion of its UBL unit tests."""
    assert CORPORA is not None
    agreed, counted = units(Path(CORPORA))
    assert counted > 1_000
    assert agreed / counted >= 0.99


def test_the_first_invoices_of_a_process_may_come_at_once() -> None:
    """Threads that each start Saxon would leave a sheet of one and documents of another, until the next
    start of the process."""
    schematron._processor.cache_clear()
    schematron._compile.cache_clear()
    together = Barrier(4)

    def check(_: int) -> Outcome:
        together.wait()
        return checked(samples.UBL).outcome

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(check, range(4)))

    assert outcomes == [Outcome.VALID] * 4
