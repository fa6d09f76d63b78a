"""The work the ledger is given: claims, and transfers of parts of them, by HTTP, each under keys of its own.

Everything follows from the seed and a number, so that whoever is cut off asks the same again under the same
Idempotency-Key. What a client was told stands in a journal, one line each; the end is measured against it.
"""

import asyncio
import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import httpx
from coincurve import PrivateKey
from eth_account import Account

from scripts.journey.paper import SAMPLE, choose
from scripts.parties import PartyFolder

UNITS_LEAST = 100
"""The smallest part of a claim. Transfer number n moves UNITS_LEAST + n units, and no other does."""
_CLAIMS_AT_ONCE = 4
_AGAIN = {429, 500, 502, 503, 504}
_NOT_YET = {
    "request-still-running",
    # Until blocks that were lost are back, the index does not know what a client saw before.
    "not-on-chain",
    "not-confirmed",
    "not-enough-units",
    "receiver-has-not-consented",
    # A clock that was set back does not know yet a key that was just granted.
    "signer-not-authorised",
}


class LoadError(Exception):
    """The ledger refused what it should have done; the text says what."""


class AlreadyEnded(LoadError):
    """What was to be stopped had ended."""


def sign(key: PrivateKey, digest: bytes) -> str:
    """A signature as wallets write it: r, s and v."""
    raw = key.sign_recoverable(digest, hasher=None)
    return "0x" + raw[:64].hex() + bytes([raw[64] + 27]).hex()


class Party:
    """A party's API key and signing key, both open for the length of the campaign."""

    put_off: ClassVar[Counter[str]] = Counter()
    """How often the ledger asked to be asked again, and how it said so."""

    def __init__(self, folder: PartyFolder, seed: int, client: httpx.AsyncClient) -> None:
        kept = folder.load()
        assert kept is not None, f"{folder.folder} holds no admitted party"
        self.account, self.client, self.seed = kept.account, client, seed
        self.headers = {"Authorization": f"Bearer {next(iter(kept.users.values()))['api_key']}"}
        (keystore,) = [each for each in folder.keystore.glob("*.json") if "crypto" in each.read_text()]
        secret = Account.decrypt(json.loads(keystore.read_text()), folder.password.read_text().strip())
        self.key = PrivateKey(bytes(secret))

    async def get(self, path: str, **params: Any) -> Any:
        return await self._send("GET", path, params=params)

    async def post(self, path: str, once: str, **request: Any) -> Any:
        """Asks for a change until there is a definite answer, always under the same key."""
        key = sha256(f"{self.seed} {path} {once}".encode()).hexdigest()
        return await self._send("POST", path, headers={"Idempotency-Key": key}, **request)

    async def sign(self, action: dict[str, Any]) -> Any:
        """Signs an action; the operation it set going, or the action itself."""
        signature = sign(self.key, bytes.fromhex(action["digest"][2:]))
        return await self.post(action["links"]["signatures"], "", json={"signature": signature})

    async def _send(self, method: str, path: str, **request: Any) -> Any:
        headers = self.headers | request.pop("headers", {})
        while True:
            try:
                answer = await self.client.request(method, path, headers=headers, **request)
            except httpx.TransportError:
                await asyncio.sleep(0.3)
                continue
            if answer.is_success:
                return answer.json()
            code = _code(answer)
            if answer.status_code in _AGAIN or code in _NOT_YET:
                self.put_off[f"{answer.status_code} {code}"] += 1
                await asyncio.sleep(0.3)
                continue
            if code == "operation-is-final":
                raise AlreadyEnded(path)
            raise LoadError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["type"]).rpartition(":")[2]
    except (ValueError, KeyError, TypeError):
        return "no problem document"


@dataclass
class Journal:
    """What clients were told: `operations` from a transfer's number or a claim's name to its operation."""

    file: Path
    operations: dict[str, str] = field(default_factory=dict)
    claims: dict[str, dict[str, str]] = field(default_factory=dict)
    """Claim → `place` (its address in the API) and `key` (its id on the chain)."""
    stopped: set[str] = field(default_factory=set)
    """Transfers that were asked to be cancelled."""
    others: list[str] = field(default_factory=list)
    """Claims of the same ledger that are none of the campaign's."""

    def __post_init__(self) -> None:
        if self.file.exists():
            for line in self.file.read_text().splitlines():
                try:
                    self._take(json.loads(line))
                except ValueError:
                    continue  # the campaign was cut off in the middle of the line

    def note(self, **entry: Any) -> None:
        """Writes a line, at once."""
        with self.file.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        self._take(entry)

    def _take(self, entry: dict[str, Any]) -> None:
        name = str(entry["name"])
        if "operation" in entry:
            self.operations[name] = entry["operation"]
        if "key" in entry:
            self.claims[name] = {"place": entry["place"], "key": entry["key"]}
        if entry.get("stopped"):
            self.stopped.add(name)


def invoice(number: str, pieces: int) -> bytes:
    """The sample invoice under a number of its own, for so many pieces: honest sellers' sums differ."""
    text = choose(SAMPLE, number).data.decode()
    line = 1_180 * pieces
    net = line + 2_800
    sums = {"47200.00": line, "50000.00": net, "9500.00": net * 0.19, "59500.00": net * 1.19}
    for old, new in sums.items():
        text = text.replace(f">{old}<", f">{new:.2f}<")
    return text.replace(">40</cbc:InvoicedQuantity>", f">{pieces}</cbc:InvoicedQuantity>").encode()


class Load:
    """Clients that make claims and then transfers, until there are as many operations as wanted."""

    def __init__(self, parties: Path, api_url: str, journal: Journal, seed: int, wanted: int) -> None:
        self.client = httpx.AsyncClient(
            base_url=api_url,
            timeout=20,
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=16),
        )
        self.supplier, self.buyer, self.bank = (
            Party(PartyFolder(parties, name), seed, self.client) for name in ("supplier", "buyer", "bank-one")
        )
        self.journal, self.seed, self.wanted = journal, seed, wanted
        self.claims = max(2, min(60, wanted // 25))

    @property
    def accepted(self) -> int:
        """Operations the API has answered for."""
        return len(self.journal.operations)

    async def run(self, clients: int, *, pause: float = 0) -> None:
        """Works until everything wanted is accepted; each client rests for `pause` seconds after a transfer.

        Raises LoadError for an answer that must not be.
        """
        waiting = asyncio.Queue[int]()
        for number in range(self.wanted - self.claims):
            if str(number) not in self.journal.operations:
                waiting.put_nowait(number)
        slots = asyncio.Semaphore(_CLAIMS_AT_ONCE)
        made = {number: asyncio.Event() for number in range(self.claims)}

        async def claim(number: int) -> None:
            async with slots:
                await self._claim(number)
            made[number].set()

        async def transfer() -> None:
            while not waiting.empty():
                number = waiting.get_nowait()
                await made[number % self.claims].wait()
                await self._transfer(number)
                await asyncio.sleep(pause)

        async with asyncio.TaskGroup() as group:
            for number in range(self.claims):
                group.create_task(claim(number))
            for _ in range(clients):
                group.create_task(transfer())

    async def wait_until_ready(self) -> None:
        """Waits until the index has the parties that were admitted."""
        while True:
            with suppress(httpx.TransportError):
                if (await self.client.get("/readyz")).is_success:
                    return
            await asyncio.sleep(0.5)

    async def consent(self) -> None:
        """The bank takes what is transferred to it."""
        await self.bank.sign(await self.bank.post("/v1/consents", "", json={"open": True}))

    async def _claim(self, number: int) -> None:
        """One invoice from its file to a confirmed claim: one operation."""
        name = f"claim-{number}"
        if name in self.journal.operations:
            return
        data = invoice(f"{self.seed}-{number}", 100 + number)
        brought = await self.supplier.post(
            "/v1/invoices", name, files={"file": ("invoice.xml", data, "application/xml")}
        )
        body = {"invoice_id": brought["id"]}
        claim = await self.supplier.post("/v1/receivables", name, json=body)
        place = claim["links"]["self"]
        await self.supplier.sign(await self.supplier.post(f"{place}/issue", name))
        operation = await self.buyer.sign(await self.buyer.post(f"{place}/confirmation", name))
        self.journal.note(name=name, operation=operation["id"], place=place, key=claim["chain_id"])

    async def _transfer(self, number: int) -> None:
        claim = self.journal.claims[f"claim-{number % self.claims}"]
        body = {"to": self.bank.account, "units": UNITS_LEAST + number}
        name = f"transfer-{number}"
        action = await self.supplier.post(f"{claim['place']}/transfers", name, json=body)
        operation = await self.supplier.sign(action)
        stopped = number % 50 == 7  # a few are asked to stop
        if stopped:
            with suppress(AlreadyEnded):
                await self.supplier.post(f"/v1/operations/{operation['id']}/cancel", name)
        self.journal.note(name=number, operation=operation["id"], stopped=stopped)

    async def close(self) -> None:
        await self.client.aclose()
