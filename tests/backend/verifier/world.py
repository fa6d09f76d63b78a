"""A whole small ledger made by hand: storage tries, header, log, map, signatures. Companies are invented.

Everything is built with other code than the verifier's where there is one: tries by the `trie` package,
typed data and signatures by `eth-account`. Tests change one thing before it is built and see what the checks
make of it.
"""

import base64
import json
from dataclasses import dataclass, field, replace
from functools import cache

import rlp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eth_account import Account
from trie import HexaryTrie

from backend.kit import disclosure, merkle, sparse, vrf
from backend.kit.canonical import Number, parse
from backend.verifier import (
    bundle,
    capture,
    checkpoint,
    checks,
    evidence,
    evm,
    layout,
    leaf,
    ledger,
    logmap,
    policy,
    report,
    terms,
    typed_data,
    writer,
)
from backend.verifier.checks.record import rolling_history
from backend.verifier.header import parse as parse_header
from backend.verifier.storage import StoredLedger

_CONTRACTS = layout.contracts
CHAIN = 31337
DAY = 24 * 3600
START = 1_780_000_000
CONFIRMED = START + 10 * DAY
ANCHORED = START + 9 * DAY
BLOCK_TIME = START + 11 * DAY
NOW = BLOCK_TIME + 600

SSCC = "urn:epc:id:sscc:4012345.1234567890"


def address(text):
    return evm.keccak(text.encode())[:20]


def key(text):
    return Account.from_key(evm.keccak(b"key " + text.encode()))


CONTRACTS = {name: address(name) for name in bundle.CONTRACTS}
SUPPLIER, DEBTOR, BANK, CARRIER = (address(name) for name in ("supplier", "debtor", "bank", "carrier"))
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
VRF_SECRET = bytes(range(1, 33))
IDENTITY = "tallystick-invoice-1|TAX:DE:123456789|2026|INV|R2031"
ABSENT = ("BT-3", "BT-9", "BT-31", "BG-25/1/BT-126", "BG-25/1/BT-129")
MAP_SECRET = b"map secret of this log"


def key_word(who):
    return evm.word(bytes.fromhex(key(who).address[2:]))


@cache
def code():
    """Stand-ins for runtime code: right size, right immutables. `known_contracts` goes with them."""
    found = {}
    for name, known in _CONTRACTS().items():
        runtime = bytearray(evm.keccak(name.encode()) * (known.code_size // 32 + 1))[: known.code_size]
        runtime[-2:] = b"\x00\x33"
        for (contract, variable), other in layout.LINKS.items():
            for start in known.immutables.get(variable, ()) if contract == name else ():
                runtime[start : start + 32] = evm.word(CONTRACTS[other])
        found[name] = bytes(runtime)
    return found


@cache
def known_contracts():
    """What the verifier would know of contracts whose code is `code()`."""
    return {
        name: replace(known, code_hash=layout.code_hash(code()[name], known))
        for name, known in _CONTRACTS().items()
    }


@dataclass
class World:
    """What is true here, before it is put into tries and signatures. Change it, then `build()`."""

    storage: dict = field(default_factory=dict)
    fields: dict = field(default_factory=dict)
    captures: list = field(default_factory=list)
    hidden_events: list = field(default_factory=list)
    erased_events: list = field(default_factory=list)
    hidden: set = field(default_factory=set)
    heads: list = field(default_factory=list)
    committed_secret: bytes = b"map secret of this log"
    origin: str = checkpoint.origin(CHAIN, CONTRACTS["ProvenanceLog"])
    statements: evidence.Statements = field(default_factory=evidence.Statements)
    policy: object = None
    terms: object = None
    salted: object = None
    confirmation: evidence.Confirmation = None
    holder: bytes = BANK

    def put(self, contract, value, variable, *steps):
        """Set a state variable, or a part of it."""
        place = layout.contracts()[contract].place(variable, *steps)
        word = self.storage.setdefault(contract, {}).get(place.slot, 0)
        mask = (1 << 8 * place.size) - 1 << 8 * place.offset
        number = int.from_bytes(value, "big") if isinstance(value, bytes) else value
        self.storage[contract][place.slot] = word & ~mask | number << 8 * place.offset

    def admit(self, account, roles, *, flags=0, since=START, until=START + 400 * DAY):
        self.put("Participants", roles, "_accounts", account, "roles")
        self.put("Participants", flags, "_accounts", account, "flags")
        self.put("Participants", until, "_accounts", account, "validUntil")
        self.put("Participants", 1, "_admissions", account, layout.LENGTH)
        for member, value in (("from", since), ("until", until), ("roles", roles)):
            self.put("Participants", value, "_admissions", account, 0, member)

    def grant(self, account, who, *, scopes=1023, flags=0, since=START, until=2**40 - 1):
        for member, value in (("scopes", scopes), ("flags", flags), ("from", since), ("until", until)):
            self.put("Participants", value, "_grants", account, key_word(who), member)

    def record(self, events, account, who=None, at=ANCHORED - 7200):
        """Capture a document of events for an account, signed by `who`."""
        body = json.dumps({"type": "EPCISDocument", "epcisBody": {"eventList": events}}).encode()
        self.captures.append((body, account, who, at, len(events)))


GLNS = ("4012345000009", "4098765000010")
BUYERS = ("po", "recadv")


def event(step, kind="ObjectEvent", *, transactions=(), day=1, **members):
    return {
        "type": kind,
        "eventID": f"ni:///sha-256;{evm.keccak(repr((step, day, members)).encode()).hex()}?ver=CBV2.0",
        "eventTime": f"2026-06-{day:02d}T10:00:00Z",
        "eventTimeZoneOffset": "+00:00",
        "action": "OBSERVE",
        "bizStep": step,
        "bizTransactionList": [
            {"type": kind_, "bizTransaction": f"urn:epcglobal:cbv:bt:{GLNS[kind_ in BUYERS]}:{number}"}
            for kind_, number in transactions
        ],
        **members,
    }


ITEM = "urn:epc:class:lgtin:4012345.067890.L7"
CLASS = [{"epcClass": ITEM, "quantity": 40, "uom": "KGM"}]
REFERENCES = (("po", "PO-77"), ("desadv", "DA-12"))


def world():
    """A healthy claim: 40 kg ordered, packed, shipped, received under the debtor's key, confirmed, sold."""
    made = World()
    made.admit(SUPPLIER, ledger.ROLE_SUPPLIER)
    made.admit(DEBTOR, ledger.ROLE_DEBTOR)
    made.admit(BANK, ledger.ROLE_FUNDER)
    made.admit(CARRIER, ledger.ROLE_RECORDER)
    for account, who in ((SUPPLIER, "supplier"), (DEBTOR, "debtor"), (CARRIER, "carrier")):
        made.grant(account, who)
    made.fields = {
        "BT-1": "R-2031",
        "BT-2": "2026-06-05",
        "BT-5": "EUR",
        "BT-9": "2026-08-30",
        "BT-13": "PO-77",
        "BT-15": "RA-5",
        "BT-16": "DA-12",
        "BT-115": Number("11900.00"),
        "BG-25/0/BT-129": Number("40"),
        "BG-25/0/BT-130": "KGM",
        "BG-25/0/BT-157": "40123450678908"[:14],
        "BT-27": "Muster Fastening Ltd",
        "BT-31": "DE123456789",
    }
    gtin = "0" + "4012345" + "67890"
    made.fields["BG-25/0/BT-157"] = gtin + _check_digit(gtin)
    made.record(
        [
            event("commissioning", transactions=[("prodorder", "M-1")], day=1, quantityList=CLASS),
            event("shipping", transactions=REFERENCES, day=2, quantityList=CLASS),
        ],
        SUPPLIER,
        "supplier",
    )
    made.record(
        [event("transporting", transactions=[("desadv", "DA-12")], day=3, quantityList=CLASS)],
        CARRIER,
        "carrier",
    )
    made.record(
        [event("receiving", transactions=(*REFERENCES, ("recadv", "RA-5")), day=4, quantityList=CLASS)],
        DEBTOR,
        "debtor",
        ANCHORED - 3600,
    )
    made.statements = evidence.Statements(
        supplier=evidence.Party("Muster Fastening Ltd", ("DE123456789", f"gln:{GLNS[0]}"), NOW - 5 * DAY),
        debtor=evidence.Party("Beispiel Wind GmbH", ("DE987654321", f"gln:{GLNS[1]}"), NOW - 5 * DAY),
        invoice_verdict="valid",
        invoice_rules="EN 16931 1.3.16",
        due_date_source="stated",
        equal_elsewhere=0,
        look_alikes=0,
        registry=evidence.RegistrySearch("Beispielregister", NOW - DAY, 0),
        conduct=evidence.Conduct(12, 3, 1000, 0),
    )
    made.policy = policy.Policy(
        chain_id=CHAIN,
        contracts=CONTRACTS,
        debtor_keys=frozenset({key_word("debtor")}),
        witnesses={"witness": WITNESS.public_key().public_bytes_raw()},
    )
    return made


def troubled():
    """A claim about which much is wrong: here a forger has something to gain."""
    made = world()
    made.fields["BT-115"] = "11899.99"
    made.fields["BG-25/0/BT-129"] = "50"
    made.record([event("receiving", day=4) | {"errorDeclaration": {}}], DEBTOR, "debtor")
    made.hidden_events.append(event("shipping", day=9, transactions=[("desadv", "DA-12")]))
    made.captures[1] = (made.captures[1][0], CARRIER, None, *made.captures[1][3:])
    return made


def forgotten():
    """A healthy claim, but one event about its goods was erased."""
    made = world()
    made.erased_events.append(event("inspecting", day=9, transactions=[("desadv", "DA-12")]))
    return made


def another():
    """Another claim on the same ledger, with other events."""
    made = world()
    made.fields["BT-1"] = "R-9"
    made.record([event("inspecting", day=5)], SUPPLIER, "supplier")
    return made


def _check_digit(digits):
    total = sum(int(d) * (1 if place % 2 else 3) for place, d in enumerate(digits))
    return str(-total % 10)


def build(made, *, trusted=True, reported=True, confirmed=True):
    """The world as a bundle's bytes."""
    if made.salted is None:
        made.salted = disclosure.SaltedFields.of(made.fields)
    salted = made.salted
    proof = vrf.prove(VRF_SECRET, IDENTITY.encode())
    if made.terms is None:
        made.terms = terms.Terms(
            supplier=SUPPLIER, debtor=DEBTOR, token=address("token"), currency="EUR", amount=1_190_000,
            dueEnd=1_788_127_200, graceDays=5, lateRate=90_000, undertaking=1, paymentOrder=0, keySet=1,
            fingerprint=vrf.fingerprint(vrf.output(proof)), otherFingerprints=bytes(32),
            documentRoot=salted.root(), rules=bytes(32),
        )  # fmt: skip
    claim = made.terms.id()
    if made.confirmation is None and confirmed:
        made.confirmation = confirm(made.terms, "debtor")
    _ledger_of(made, claim)
    log = _log(made)
    encoded, nodes = chain(made)
    block = parse_header(encoded)
    found = evidence.Evidence(
        chain_id=CHAIN,
        contracts=CONTRACTS,
        header=block,
        trusted=trusted,
        ledger=StoredLedger(CHAIN, block.state_root, CONTRACTS, {evm.keccak(n): n for n in nodes}),
        terms=made.terms,
        fields=tuple(salted.disclose_all([name for name in made.fields if name not in made.hidden])),
        absent={name: salted.prove_absent(name) for name in ABSENT if name not in made.fields},
        fingerprints=(evidence.Fingerprint(vrf.public_key(VRF_SECRET), IDENTITY, proof),),
        confirmation=made.confirmation,
        holder=made.holder,
        log=log,
        statements=made.statements,
        now=NOW,
        made_at=NOW,
        code=code(),
    )
    outcomes = {}
    if reported:
        answered = [check.run(replace(found, trusted=None), made.policy) for check in checks.ALL]
        outcomes = {result.check: result.outcome.value for result in answered}
    map_nodes = set(log.map_nodes.values())
    return Built(writer.write(found, nodes, map_nodes, made.policy, outcomes), block.hash, made.policy)


@dataclass
class Built:
    """A bundle and what its reader knows by itself."""

    raw: bytes
    block_hash: bytes
    policy: policy.Policy

    def report(self, raw=None):
        read, _ = bundle.read(self.raw if raw is None else raw, block_hash=self.block_hash, now=NOW)
        return report.run(read, self.policy, self.policy)

    def outcomes(self, raw=None):
        return {result.check: result.outcome.value for result in self.report(raw).results}

    def finding(self, check, raw=None):
        return next(r for r in self.report(raw).results if r.check == check).finding


def confirm(signed, who, *, chain=CHAIN, contract=CONTRACTS["Receivables"], replaced=None):
    digest = signed.confirmation_digest(
        typed_data.Domain(terms.DOMAIN_NAME, chain, contract), 7, CONFIRMED + DAY, replaced
    )
    signature = bytes(key(who).unsafe_sign_hash(digest).signature)
    return evidence.Confirmation(
        bytes.fromhex(key(who).address[2:]), 7, CONFIRMED + DAY, signature, replaced=replaced
    )


def _ledger_of(made, claim):
    """Storage of a confirmed claim all of whose units the bank holds, unless the test said otherwise."""

    def default(contract, value, variable, *steps):
        place = layout.contracts()[contract].place(variable, *steps)
        if not place.of(made.storage.get(contract, {}).get(place.slot, 0)):
            made.put(contract, value, variable, *steps)

    for member, value in (
        ("status", 2),
        ("confirmedAt", CONFIRMED),
        ("dueEnd", made.terms.dueEnd),
        ("face", made.terms.amount),
    ):
        default("Receivables", value, "_book", "states", claim, member)
    default("Receivables", BANK, "_book", "mains", claim, "account")
    default("Receivables", made.terms.amount, "_book", "mains", claim, "units")
    default("Fingerprints", claim, "_slots", made.terms.debtor, made.terms.fingerprint, "id")
    default("Fingerprints", 1, "_keys", 1, layout.LENGTH)
    default("Fingerprints", vrf.public_key(VRF_SECRET), "_keys", 1, 0)


def log_id():
    return evm.keccak(evm.word(CHAIN) + evm.word(CONTRACTS["ProvenanceLog"]))


def _log(made):
    """Leaves, one head before the events and one after, the map, and the witness's signature."""
    captures, events, parsed = [], [], []
    frontier = merkle.Frontier()
    nodes = {}

    def append(leaf_hash):
        nodes.update(frontier.append(leaf_hash))

    append(merkle.leaf_hash(b"somebody else's leaf"))
    heads = made.heads or [ledger.Head(frontier.root(), 1, bytes(32), ANCHORED - 3 * 3600)]
    for number, (body, account, who, at, count) in enumerate(made.captures):
        salt = evm.keccak(b"salt" + body)
        digest = capture.digest(CHAIN, CONTRACTS["ProvenanceLog"], log_id(), account, body)
        signature = b"" if who is None else bytes(key(who).unsafe_sign_hash(digest).signature)
        captures.append(evidence.Capture(body, salt, account, signature))
        for place in range(count):
            recorded = leaf.Leaf(
                log_id=log_id(),
                sequence=frontier.size,
                recorder=account,
                key_id=bytes(32) if who is None else key_word(who),
                received_at=at * 1000,
                cbv_hash=evm.keccak(body + bytes([place])),
                body_hash=leaf.body_hash(salt, body),
                place=place,
                fields_root=evm.keccak(b"fields" + body),
            )
            append(recorded.hash())
            events.append((recorded, number))
            parsed.append((recorded, parse(body)["epcisBody"]["eventList"][place]))
    forgotten = []
    for count, hidden in enumerate([*made.erased_events, *made.hidden_events]):
        recorded = replace(parsed[-1][0], sequence=frontier.size)
        append(recorded.hash())
        parsed.append((recorded, parse(json.dumps(hidden))))
        if count < len(made.erased_events):
            forgotten.append(parsed[-1])
    entries = {}
    for recorded, each in parsed:
        for identifier in logmap.identifiers(each, None, recorded):
            count = entries[identifier].count if identifier in entries else 0
            entries[identifier] = logmap.Entry(count + 1, recorded.sequence, recorded.hash())
    map_nodes = {}
    map_root = sparse.build(
        map_nodes,
        {logmap.key(MAP_SECRET, identifier): entry.value() for identifier, entry in entries.items()},
    )
    heads = [*heads, ledger.Head(frontier.root(), frontier.size, map_root, ANCHORED)]
    history = bytes(32)
    for head in heads:
        history = rolling_history(history, head)
    last = heads[-1]
    for variable, value in (
        ("_logRoot", last.log_root),
        ("_size", last.size),
        ("_mapRoot", last.map_root),
        ("_timestamp", last.time),
        ("history", history),
    ):
        made.put("ProvenanceLog", value, variable)
    lines = [made.origin, str(last.size), base64.b64encode(last.log_root).decode()]
    text = "\n".join([*lines, *checkpoint.extensions(last.map_root, made.committed_secret), ""])
    signed = WITNESS.sign(checkpoint.signed_text(ANCHORED + 60, text))
    return evidence.Log(
        heads=tuple(heads),
        history=bytes(32),
        captures=tuple(captures),
        events=tuple(
            evidence.RecordedEvent(
                recorded, tuple(merkle.inclusion_proof(recorded.sequence, frontier.size, nodes)), number
            )
            for recorded, number in events
        ),
        erased=tuple(
            evidence.Erased(
                recorded,
                tuple(merkle.inclusion_proof(recorded.sequence, frontier.size, nodes)),
                tuple(
                    logmap.key(MAP_SECRET, each) for each in sorted(logmap.identifiers(event, None, recorded))
                ),
            )
            for recorded, event in forgotten
        ),
        map_secret=MAP_SECRET,
        map_nodes=map_nodes,
        map_answers=tuple(
            evidence.MapAnswer(identifier, entry) for identifier, entry in sorted(entries.items())
        ),
        checkpoint=text,
        cosignatures=(
            ("witness", bytes(72)),
            ("witness", (ANCHORED + 60).to_bytes(8, "big") + signed),
        ),
    )


def tries(made, contracts=None):
    """The state trie, and the storage trie of each contract."""
    accounts, storages = HexaryTrie({}), {}
    for name, contract in (contracts or CONTRACTS).items():
        storage = storages[name] = HexaryTrie({})
        for slot, word in made.storage.get(name, {}).items():
            if word:
                storage[evm.keccak(evm.word(slot))] = rlp.encode(evm.integer(word))
        account = [evm.integer(1), b"", storage.root_hash, evm.keccak(code().get(name, b""))]
        accounts[evm.keccak(contract)] = rlp.encode(account)
    return accounts, storages


def chain(made, contracts=None):
    """The header over a state that holds the contracts, and every node of its tries."""
    accounts, storages = tries(made, contracts)
    nodes = {}
    for trie in (accounts, *storages.values()):
        nodes.update(trie.db)
    fields = [bytes(32), bytes(32), bytes(20), accounts.root_hash, bytes(32), bytes(32), bytes(256)]
    fields += [b"", evm.integer(100), b"\x01", b"\x01", evm.integer(BLOCK_TIME), b"", bytes(32)]
    fields += [bytes(8), b"\x07"]
    return rlp.encode(fields), [node for node in nodes.values() if node]
