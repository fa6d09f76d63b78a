from pathlib import Path

import pytest

from backend.kit import messages


def test_every_catalogue_speaks_both_languages():
    # Loading checks languages, placeholders and duplicates over all rooms.
    catalogue = messages.catalogue()

    assert len(catalogue) >= 8
    assert all(entry["en"].strip() and entry["zh"].strip() for entry in catalogue.values())


def test_fills_placeholders_without_reading_values_as_templates():
    assert "{0.__class__}" in messages.text("method-not-allowed", "en", method="{0.__class__}")


def test_a_missing_code_or_parameter_is_an_error():
    with pytest.raises(KeyError):
        messages.text("no-such-code")
    with pytest.raises(KeyError):
        messages.text("method-not-allowed")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('[one]\nen = "only English"', "languages"),
        ('[one]\nen = "has {a}"\nzh = "有 {b}"', "placeholders"),
        ('[one]\nen = "a"\nzh = "b"\nfr = "c"', "languages"),
    ],
)
def test_refuses_a_catalogue_that_contradicts_itself(tmp_path: Path, content: str, complaint: str):
    path = tmp_path / "messages.toml"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(messages.CatalogueError, match=complaint):
        messages.read(path)


def test_a_dotted_table_is_one_code(tmp_path: Path):
    path = tmp_path / "messages.toml"
    path.write_text('[action.issue]\nen = "a"\nzh = "b"', encoding="utf-8")

    assert set(messages.read(path)) == {"action.issue"}


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        (None, "en"),
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB;q=0.9, zh-Hans;q=0.3", "en"),
        ("fr, zh;q=0.1", "zh"),
        ("zh;q=0", "en"),
        ("en, zh", "en"),
        ("zh;q=nonsense", "en"),
    ],
)
def test_negotiates_the_language(header: str | None, locale: str):
    assert messages.negotiate(header) == locale
