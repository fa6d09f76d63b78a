"""The bundle: one JSON file with everything a report rests on (format 2, described in docs/bundle.md).

Integers beyond small counts are decimal text, hashes and bytes `0x…`, long bytes Base64. A reader refuses
what it does not know, so that nothing in a bundle is passed over in silence.
"""

import re
from collections.abc import Mapping

from backend.kit import money, sparse
from backend.kit.canonical import CanonicalError, parse
from backend.kit.disclosure import Disclosure
from backend.verifier import evidence as ev
from backend.verifier import header, leaf, policy, state
from backend.verifier.ledger import Head
from backend.verifier.logmap import Entry, Identifier
from backend.verifier.reader import BundleError, Reader
from backend.verifier.storage import StoredLedger
from backend.verifier.terms import STATEMENTS, Terms

FORMAT = "tallystick-bundle/2"
MAX_BYTES = 64 * 1024 * 1024
MAX_VALUES = 2_000_000
"""Of JSON, some 150 MB in memory; 64 MB of single digits would take two thousand."""
_BEGINNINGS = (b",", b"[", b"{", b"\\u00")
"""What stands before values, in documents inside too, where a comma may be escaped."""
_PLACE = re.compile(r"[0-9]{1,9}")

CONTRACTS = (
    "Participants",
    "Fingerprints",
    "Receivables",
    "ReceivablesExtension",
    "ReceivablesRemedies",
    "ProvenanceLog",
)


def read(raw: bytes, *, block_hash: bytes | None, now: int) -> tuple[ev.Evidence, policy.Policy]:
    """The evidence in a bundle, and the policy its maker says it applied.

    `block_hash` is that of the block the reader believes in, if it does; `now` is the reader's Unix time.
    Raises `BundleError` where the bytes are not format 2.
    """
    if len(raw) > MAX_BYTES:
        raise BundleError("", f"larger than {MAX_BYTES} bytes")
    if sum(map(raw.count, _BEGINNINGS)) > MAX_VALUES:
        raise BundleError("", f"more than {MAX_VALUES} values")
    try:
        document = parse(raw)
    except CanonicalError as error:
        raise BundleError("", str(error)) from error
    with Reader(document) as top:
        if top.text("format") != FORMAT:
            raise top.error("format", f"{FORMAT} belongs here")
        return _evidence(top, block_hash, now), _policy(top)


def _policy(top: Reader) -> policy.Policy:
    return top.maybe("policy", policy.read) or policy.DEFAULT


def _evidence(top: Reader, block_hash: bytes | None, now: int) -> ev.Evidence:
    with top.object("ledger") as ledger:
        chain_id = ledger.integer("chain_id")
        with ledger.object("contracts") as named:
            contracts = {name: named.raw(name, 20) for name in CONTRACTS}
    try:
        block = header.parse(top.raw("block"))
    except header.HeaderError as error:
        raise BundleError("/block", str(error)) from error
    nodes = top.base64s("state")
    return ev.Evidence(
        chain_id=chain_id,
        contracts=contracts,
        header=block,
        code=_code(top),
        trusted=None if block_hash is None else block.hash == block_hash,
        ledger=StoredLedger(chain_id, block.state_root, contracts, state.node_table(nodes)),
        terms=_terms(top),
        fields=top.objects("fields", _disclosure),
        absent=dict(top.objects("absent", lambda inner: (inner.text("name"), _proof(inner)))),
        fingerprints=top.objects("fingerprints", _fingerprint),
        confirmation=top.maybe("confirmation", _confirmation),
        holder=top.raw("holder", 20) if top.has("holder") else None,
        log=top.maybe("log", _log) or ev.Log(),
        statements=top.maybe("statements", _statements) or ev.Statements(),
        now=now,
        made_at=top.integer("made_at", 40),
        report=_report(top),
    )


def _code(top: Reader) -> Mapping[str, bytes]:
    if not top.has("code"):
        return {}
    with top.object("code") as reader:
        return {name: reader.base64(name) for name in CONTRACTS if reader.has(name)}


def _terms(top: Reader) -> Terms:
    with top.object("terms") as reader:
        currency = reader.text("currency")
        try:
            money.exponent(currency)
        except money.AmountError as error:
            raise reader.error(
                "currency", "an ISO 4217 code of a currency of payment belongs here"
            ) from error
        undertaking = reader.integer("undertaking", 8)
        if undertaking >= len(STATEMENTS):
            raise reader.error("undertaking", "0 (acknowledged) or 1 (irrevocable) belongs here")
        return Terms(
            supplier=reader.raw("supplier", 20),
            debtor=reader.raw("debtor", 20),
            token=reader.raw("token", 20),
            currency=currency,
            amount=reader.integer("amount"),
            dueEnd=reader.integer("dueEnd", 40),
            graceDays=reader.integer("graceDays", 16),
            lateRate=reader.integer("lateRate", 24),
            undertaking=undertaking,
            paymentOrder=reader.integer("paymentOrder", 8),
            keySet=reader.integer("keySet", 32),
            fingerprint=reader.hash("fingerprint"),
            otherFingerprints=reader.hash("otherFingerprints"),
            documentRoot=reader.hash("documentRoot"),
            rules=reader.hash("rules"),
        )


def _disclosure(reader: Reader) -> Disclosure:
    return Disclosure(
        name=reader.text("name"),
        value=reader.value("value"),
        salt=reader.raw("salt", 16),
        proof=_proof(reader),
    )


def _proof(reader: Reader) -> sparse.MapProof:
    other = reader.raw("other", 64) if reader.has("other") else None
    return sparse.MapProof(
        siblings=reader.hexes("siblings", 32), other=None if other is None else (other[:32], other[32:])
    )


def _fingerprint(reader: Reader) -> ev.Fingerprint:
    return ev.Fingerprint(reader.hash("key"), reader.text("identity"), reader.raw("proof", 80))


def _confirmation(reader: Reader) -> ev.Confirmation:
    return ev.Confirmation(
        signer=reader.raw("signer", 20),
        nonce=reader.integer("nonce", 256),
        deadline=reader.integer("deadline", 256),
        signature=reader.raw("signature"),
        cosignature=reader.raw("cosignature") if reader.has("cosignature") else b"",
        replaced=reader.hash("replaced") if reader.has("replaced") else None,
    )


def _log(reader: Reader) -> ev.Log:
    table = reader.base64s("hashes", 32)
    return ev.Log(
        heads=reader.objects("heads", _head),
        history=reader.hash("history") if reader.has("history") else bytes(32),
        captures=reader.objects("captures", _capture),
        events=reader.objects("events", lambda inner: _event(inner, table)),
        erased=reader.objects("erased", lambda inner: _erased(inner, table)),
        map_secret=reader.raw("map_secret") if reader.has("map_secret") else b"",
        map_nodes=_map_nodes(reader),
        map_answers=reader.objects("map_answers", _answer),
        checkpoint=reader.text("checkpoint") if reader.has("checkpoint") else "",
        cosignatures=reader.objects(
            "cosignatures", lambda inner: (inner.text("witness"), inner.raw("signature"))
        ),
    )


def _head(reader: Reader) -> Head:
    return Head(
        log_root=reader.hash("log_root"),
        size=reader.integer("size"),
        map_root=reader.hash("map_root"),
        time=reader.integer("time"),
    )


def _capture(reader: Reader) -> ev.Capture:
    jwk = None
    if reader.has("jwk"):
        with reader.object("jwk") as inner:
            jwk = {name: inner.text(name) for name in inner.names()}
    return ev.Capture(
        body=reader.base64("bytes") if reader.has("bytes") else reader.text("body").encode("utf-8"),
        salt=reader.raw("salt", 32),
        account=reader.raw("account", 20),
        signature=reader.raw("signature") if reader.has("signature") else b"",
        jwk=jwk,
    )


def _leaf(reader: Reader) -> leaf.Leaf:
    try:
        return leaf.decode(reader.base64("leaf"))
    except leaf.LeafError as error:
        raise reader.error("leaf", str(error)) from error


def _path(reader: Reader, table: tuple[bytes, ...]) -> tuple[bytes, ...]:
    path = []
    for pointer, item in reader.items("path"):
        text = str(item)
        if not _PLACE.fullmatch(text) or int(text) >= len(table):
            raise BundleError(pointer, "the place of a hash in /log/hashes belongs here")
        path.append(table[int(text)])
    return tuple(path)


def _erased(reader: Reader, table: tuple[bytes, ...]) -> ev.Erased:
    return ev.Erased(_leaf(reader), _path(reader, table), reader.base64s("keys", 32))


def _event(reader: Reader, table: tuple[bytes, ...]) -> ev.RecordedEvent:
    return ev.RecordedEvent(
        leaf=_leaf(reader),
        path=_path(reader, table),
        capture=reader.integer("capture", 32),
        event=reader.text("event").encode("utf-8") if reader.has("event") else b"",
        salts=reader.base64("salts") if reader.has("salts") else b"",
    )


def _map_nodes(reader: Reader) -> Mapping[bytes, tuple[bytes, bytes]]:
    """Nodes of the map by their hash, which is recomputed: as an inner node and as a leaf."""
    nodes = {}
    for content in reader.base64s("map_nodes", 64):
        pair = (content[:32], content[32:])
        nodes[sparse.node_hash(*pair)] = pair
        nodes[sparse.leaf_hash(*pair)] = pair
    return nodes


def _answer(reader: Reader) -> ev.MapAnswer:
    return ev.MapAnswer(
        Identifier(reader.text("kind"), reader.text("value")),
        reader.maybe(
            "entry",
            lambda inner: Entry(
                count=inner.integer("count"),
                last_sequence=inner.integer("last_sequence"),
                last_leaf=inner.hash("last_leaf"),
            ),
        ),
    )


def _party(reader: Reader) -> ev.Party:
    return ev.Party(
        name=reader.text("name"),
        identifiers=reader.texts("identifiers"),
        screened_at=reader.integer("screened_at", 40) if reader.has("screened_at") else None,
        screening=reader.text("screening") if reader.has("screening") else None,
    )


def _statements(reader: Reader) -> ev.Statements:
    def text(name: str) -> str | None:
        return reader.text(name) if reader.has(name) else None

    def count(name: str) -> int | None:
        return reader.integer(name, 40) if reader.has(name) else None

    return ev.Statements(
        supplier=reader.maybe("supplier", _party),
        debtor=reader.maybe("debtor", _party),
        invoice_verdict=text("invoice_verdict"),
        invoice_rules=text("invoice_rules"),
        due_date_source=text("due_date_source"),
        equal_elsewhere=count("equal_elsewhere"),
        look_alikes=count("look_alikes"),
        registry=reader.maybe(
            "registry",
            lambda inner: ev.RegistrySearch(
                inner.text("registry"), inner.integer("searched_at", 40), inner.integer("hits", 40)
            ),
        ),
        conduct=reader.maybe(
            "conduct",
            lambda inner: ev.Conduct(
                settled=inner.integer("settled", 40),
                days_late=inner.integer("days_late", 40),
                diluted=inner.integer("diluted", 40),
                disputed=inner.integer("disputed", 40),
                signs=inner.texts("signs"),
            ),
        ),
    )


def _report(top: Reader) -> Mapping[str, str] | None:
    if not top.has("report"):
        return None
    inner = top.object("report")
    return {name: inner.text(name) for name in inner.names()}
