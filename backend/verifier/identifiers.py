"""GS1 keys as EPC URNs and as GS1 Digital Link URIs (EPC Tag Data Standard 2.0; GS1 Digital Link 1.2).

`canonical` gives the one form the event hash compares; `matchable` gives it only for keys that are well
formed and have a good check digit, so that nothing else is ever tied to money. `comparable` gives the one
form of any identifier that is indexed, asked for and counted in the map: nothing hides behind its spelling.
"""

import hashlib
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from backend.verifier.names import Namespaces, expand_uri
from backend.verifier.vocabulary import PREFIXES

LONGEST: Final = 255
"""Longest value kept as it is, in characters; of longer ones a hash is kept."""

_TRANSACTION: Final = "urn:epcglobal:cbv:bt:"
_UNESCAPED: Final = "!'()*+,-.:;=_"
"""What RFC 2141 lets stand in a URN beside letters and digits."""

DOMAIN: Final = "https://id.gs1.org"

_NAMES: Final = {
    "gtin": "01", "itip": "8006", "cpid": "8010", "gln": "414", "party": "417", "gsrnp": "8017",
    "gsrn": "8018", "gcn": "255", "sscc": "00", "gdti": "253", "ginc": "401", "gsin": "402", "grai": "8003",
    "giai": "8004", "cpv": "22", "lot": "10", "ser": "21",
}  # fmt: skip
"""Short names of application identifiers that older Digital Link URIs use."""

_ESCAPED: Final = r"(?:%[0-9A-F]{2}|[-!'()*+,.0-9:;=A-Z_a-z])"
_LINK_CHAR: Final = r"(?:%[0-9A-F]{2}|[\"'\-.0-9;<=>?A-Z_a-z])"
_PART_CHAR: Final = r"(?:%[0-9A-F]{2}|[#\-/0-9A-Z])"

_QUALIFIED: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "00": (r"\d{18}", {}),
    "01": (
        r"\d{14}",
        {"21": _LINK_CHAR + "{1,20}", "10": _LINK_CHAR + "{1,20}", "235": _LINK_CHAR + "{1,28}"},
    ),
    "253": (r"\d{13}" + _LINK_CHAR + "{0,17}", {}),
    "255": (r"\d{13}\d{0,12}", {}),
    "401": (_LINK_CHAR + "{5,30}", {}),
    "402": (r"\d{17}", {}),
    "414": (r"\d{13}", {"254": _LINK_CHAR + "{1,20}"}),
    "417": (r"\d{13}", {}),
    "8003": (r"\d{14}" + _LINK_CHAR + "{0,16}", {}),
    "8004": (_LINK_CHAR + "{5,30}", {}),
    "8006": (r"\d{18}", {"21": _LINK_CHAR + "{1,20}", "10": _LINK_CHAR + "{1,20}"}),
    "8010": (_PART_CHAR + "{5,30}", {"8011": r"\d{1,12}"}),
    "8017": (r"\d{18}", {}),
    "8018": (r"\d{18}", {}),
}
"""Each primary key with its form and its qualifiers, the finest first (CBV 2.0, section 8.9)."""

_DROPPED: Final = {"01": ("22",), "8006": ("22",)}
"""Qualifiers left out of a constrained link: the consumer product variant."""

_CHECKED: Final = {"00": 18, "01": 14, "253": 13, "255": 13, "402": 17, "414": 13, "417": 13, "8003": 14,
                   "8006": 14, "8017": 18, "8018": 18}  # fmt: skip
"""Keys whose first n digits end in a check digit. GIAI, GINC and CPID have none."""


def check_digit(digits: str) -> str:
    """The check digit of a GS1 key given without it (GS1 General Specifications, section 7.9.1)."""
    weighted = sum(int(digit) * (1 if index % 2 else 3) for index, digit in enumerate(reversed(digits)))
    return str(-weighted % 10)


def _encode(text: str) -> str:
    """Percent-encodes what an EPC URN's field may hold and a Digital Link path may not."""
    return _BEYOND.sub(lambda found: f"%{ord(found[0]):02X}", unquote(text))


_BEYOND: Final = re.compile(r"[^-'.0-9;=A-Z_a-z]")


def _gtin(company: str, reference: str) -> str:
    body = reference[0] + company + reference[1:]
    return body + check_digit(body)


def _plain(company: str, reference: str) -> str:
    return company + reference + check_digit(company + reference)


def _sgln(company: str, reference: str, extension: str) -> str:
    tail = "" if extension == "0" else "/254/" + _encode(extension)
    return f"414/{_plain(company, reference)}{tail}"


def _itip(company: str, reference: str, piece: str, total: str, serial: str) -> str:
    return f"8006/{_gtin(company, reference)}{piece}{total}/21/{_encode(serial)}"


def _serial(longest: int) -> str:
    return rf"\.({_ESCAPED}{{1,{longest}}})"


_URN_FORMS: Final[dict[str, tuple[int, str, Callable[..., str]]]] = {
    "id:sgtin": (13, _serial(20), lambda c, r, s: f"01/{_gtin(c, r)}/21/{_encode(s)}"),
    "id:sscc": (17, "", lambda c, r: f"00/{_gtin(c, r)}"),
    "id:sgln": (12, _serial(20), _sgln),
    "id:grai": (12, _serial(16), lambda c, r, s: f"8003/{_plain('0' + c, r)}{_encode(s)}"),
    "id:gsrn": (17, "", lambda c, r: f"8018/{_plain(c, r)}"),
    "id:gsrnp": (17, "", lambda c, r: f"8017/{_plain(c, r)}"),
    "id:gdti": (12, _serial(17), lambda c, r, s: f"253/{_plain(c, r)}{_encode(s)}"),
    "id:sgcn": (12, r"\.(\d{1,12})", lambda c, r, s: f"255/{_plain(c, r)}{s}"),
    "id:gsin": (16, "", lambda c, r: f"402/{_plain(c, r)}"),
    "id:itip": (13, r"\.(\d\d)\.(\d\d)" + _serial(20), _itip),
    "id:upui": (13, _serial(28), lambda c, r, s: f"01/{_gtin(c, r)}/235/{_encode(s)}"),
    "id:pgln": (12, "", lambda c, r: f"417/{_plain(c, r)}"),
    "class:lgtin": (13, _serial(20), lambda c, r, s: f"01/{_gtin(c, r)}/10/{_encode(s)}"),
    "idpat:sgtin": (13, r"\.\*", lambda c, r: f"01/{_gtin(c, r)}"),
    "idpat:grai": (12, r"\.\*", lambda c, r: f"8003/{_plain('0' + c, r)}"),
    "idpat:gdti": (12, r"\.\*", lambda c, r: f"253/{_plain(c, r)}"),
    "idpat:sgcn": (12, r"\.\*", lambda c, r: f"255/{_plain(c, r)}"),
    "idpat:itip": (13, r"\.(\d\d)\.(\d\d)\.\*", lambda c, r, p, t: f"8006/{_gtin(c, r)}{p}{t}"),
    "idpat:upui": (13, r"\.\*", lambda c, r: f"01/{_gtin(c, r)}"),
}
"""URN schemes of a company prefix and a reference: their digits together, what follows, the link path."""

_FREE_URN_FORMS: Final[dict[str, tuple[re.Pattern[str], Callable[..., str]]]] = {
    "id:giai": (re.compile(r"(\d{6,12})\.(" + _ESCAPED + "{1,24})"), lambda c, r: f"8004/{_encode(c + r)}"),
    "id:ginc": (re.compile(r"(\d{6,12})\.(" + _ESCAPED + "{1,24})"), lambda c, r: f"401/{_encode(c + r)}"),
    "id:cpi": (
        re.compile(r"(\d{6,12})\.((?:%[0-9A-F]{2}|[-0-9A-Z]){1,24})\.(\d{1,12})"),
        lambda c, r, s: f"8010/{c}{r}/8011/{s}",
    ),
    "idpat:cpi": (
        re.compile(r"(\d{6,12})\.((?:%[0-9A-F]{2}|[-0-9A-Z]){1,24})\.\*"),
        lambda c, r: f"8010/{c}{r}",
    ),
}

_COMPILED: Final = {
    scheme: (digits, re.compile(r"(\d{6,12})\.(\d*)" + tail), build)
    for scheme, (digits, tail, build) in _URN_FORMS.items()
}


def _from_urn(uri: str) -> str | None:
    kind, _, rest = uri[len("urn:epc:") :].partition(":")
    scheme, _, body = rest.partition(":")
    scheme = f"{kind}:{scheme}"
    body = re.sub(r"%[0-9a-f]{2}", lambda escape: escape[0].upper(), body, flags=re.IGNORECASE)
    if scheme in _COMPILED:
        digits, form, build = _COMPILED[scheme]
        match = form.fullmatch(body)
        if match is None or len(match[1]) + len(match[2]) != digits or (scheme == "id:sscc" and not match[2]):
            return None
        return f"{DOMAIN}/{build(*match.groups())}"
    if scheme in _FREE_URN_FORMS:
        free, build = _FREE_URN_FORMS[scheme]
        match = free.fullmatch(body)
        return f"{DOMAIN}/{build(*match.groups())}" if match else None
    return None


_LINK: Final = re.compile(r"https?://[^/?#]+(/[^?#]*)")


def _segments(uri: str) -> tuple[str, str, dict[str, str]] | None:
    """Primary key, value and qualifiers of a Digital Link URI, whatever its domain and leading path."""
    link = _LINK.match(uri)
    if link is None:
        return None
    parts = link[1].strip("/").split("/")
    for start in range(len(parts) - 1):
        key = _NAMES.get(parts[start], parts[start])
        if key not in _QUALIFIED or not re.match(r"\d{4}.", parts[start + 1]):
            continue
        rest = parts[start + 2 :]
        if len(rest) % 2:
            return None
        names = [_NAMES.get(name, name) for name in rest[::2]]
        if len(set(names)) < len(names):
            return None
        return key, parts[start + 1], dict(zip(names, rest[1::2], strict=True))
    return None


def _from_link(uri: str) -> str | None:
    read = _segments(uri)
    if read is None:
        return None
    key, value, qualifiers = read
    if key == "01":
        if not re.fullmatch(r"\d{8}|\d{12,14}", value):
            return None
        value = value.zfill(14)
    form, finer = _QUALIFIED[key]
    value = re.sub(r"%[0-9a-f]{2}", lambda escape: escape[0].upper(), value)
    if not re.fullmatch(form, value):
        return None
    if not set(qualifiers) <= {*finer, *_DROPPED.get(key, ())}:
        return None
    for name, form in finer.items():
        if name in qualifiers:
            qualifier = re.sub(r"%[0-9a-f]{2}", lambda escape: escape[0].upper(), qualifiers[name])
            return f"{DOMAIN}/{key}/{value}/{name}/{qualifier}" if re.fullmatch(form, qualifier) else None
    return f"{DOMAIN}/{key}/{value}"


@lru_cache(maxsize=1 << 15)
def _constrained(uri: str) -> str | None:
    if uri.startswith("urn:epc:"):
        return _from_urn(uri)
    return _from_link(uri) if uri.startswith("http") else None


def canonical(uri: str) -> str:
    """The constrained canonical Digital Link URI of a GS1 key, at its finest level; any other text unchanged.

    Check digits of links are not looked at here: the hash compares what was written (CBV 2.0, section 8.9).
    """
    return _constrained(uri) or uri


@lru_cache(maxsize=1 << 15)
def matchable(uri: str) -> str | None:
    """The canonical link of a well-formed GS1 key with a good check digit, or None for any other text."""
    link = _constrained(uri)
    read = _segments(link) if link is not None else None
    if read is None:
        return None
    key, value, _ = read
    length = _CHECKED.get(key)
    if length is not None and check_digit(value[: length - 1]) != value[length - 1]:
        return None
    return link


def is_gs1_shaped(uri: str) -> bool:
    """Whether a text presents itself as a GS1 key, rightly or wrongly."""
    return uri.startswith("urn:epc:") or (uri.startswith("http") and _segments(uri) is not None)


@lru_cache(maxsize=1 << 15)
def class_of(link: str) -> str | None:
    """The GTIN link that a canonical SGTIN, LGTIN or UPUI link belongs to; None for other keys."""
    read = _segments(link)
    return f"{DOMAIN}/01/{read[1]}" if read is not None and read[0] == "01" else None


def gln_of(link: str) -> str | None:
    """The thirteen digits of the GLN in a canonical location (414) or party (417) link, or None."""
    read = _segments(link)
    return read[1] if read is not None and read[0] in {"414", "417"} else None


def comparable(value: str, namespaces: Namespaces = PREFIXES) -> str:
    """The one form of an identifier or URI that is stored, asked for, and counted in the map.

    URN and Digital Link of a GS1 key are one, as are a compact URI and its full one, escaped and plain
    characters, and cases where case means nothing (RFC 3986 section 6.2.2, RFC 8141 section 3).
    """
    return _comparable(expand_uri(value, namespaces))


@lru_cache(maxsize=20_000)
def _comparable(uri: str) -> str:
    form = canonical(_normal(uri))
    if form.startswith(f"{DOMAIN}/"):
        form = "/".join([DOMAIN, *map(_encode, form[len(DOMAIN) + 1 :].split("/"))])
    elif form.startswith(_TRANSACTION):
        gln, _, number = form[len(_TRANSACTION) :].partition(":")
        form = transaction_id(gln, unquote(number))
    if len(form) <= LONGEST:
        return form
    return "sha-256:" + hashlib.sha256(form.encode()).hexdigest()


def _normal(uri: str) -> str:
    scheme, colon, rest = uri.partition(":")
    scheme = scheme.lower()
    if scheme == "urn":
        kind, _, name = rest.partition(":")
        rest = f"{kind.lower()}:{name.lower() if kind.lower() == 'uuid' else name}"
    elif scheme in {"http", "https"} and rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        rest = f"//{host.lower()}{slash}{path}"
    elif scheme == "ni":
        rest = _DIGEST.sub(lambda found: found[0].lower(), rest)
    else:
        return uri
    return scheme + colon + _ESCAPE.sub(_unescaped, rest)


_DIGEST: Final = re.compile(r"(?<=;)[0-9A-Fa-f]+")
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")


def _unescaped(escape: re.Match[str]) -> str:
    character = chr(int(escape[0][1:], 16))
    return character if re.fullmatch(r"[-.0-9A-Z_a-z]", character) else escape[0].upper()


def issuer_of(transaction: str) -> str | None:
    """The GLN that numbered a business transaction, from `urn:epcglobal:cbv:bt:<GLN>:…` (CBV 8.5.2)."""
    gln = transaction.removeprefix(_TRANSACTION).partition(":")[0]
    if not transaction.startswith(_TRANSACTION) or len(gln) != 13 or not gln.isascii() or not gln.isdigit():
        return None
    return gln


def transaction_id(gln: str, number: str) -> str:
    """The business transaction identifier of a document that the party with this GLN numbered (CBV 8.5.2)."""
    return f"{_TRANSACTION}{gln}:{quote(number, safe=_UNESCAPED)}"
