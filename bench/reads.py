"""Measures reads at a million receivables: `python -m bench.reads [receivables] [rate] [seconds]`.

A PostgreSQL cluster of this run's own, filled by SQL: a thousand suppliers, two hundred debtors, ten banks
that hold a tenth each. Two API processes, as `tallystick api` runs them, answer authenticated lists and
details, one list to three details, of parties of every kind. Requests are sent when they are due, whatever
became of those before, and timed from when they were due. Then the rate is raised until the answers no longer
keep up. What PostgreSQL plans for a list and a detail stands with the figures in `bench/reads.json`. FOLDER
keeps the filled cluster for the next run.
"""

import asyncio
import json
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
from sqlalchemy import create_engine, event, make_url, text

from backend.chain.contracts import load
from backend.kit.database import Database
from backend.kit.ids import uuid7
from backend.kit.web import PageQuery
from backend.migrations.upgrade import upgrade
from backend.parties import model
from backend.parties.service import authenticate
from backend.receivables import reading
from bench.faults.cluster import Cluster
from bench.throughput.wire import Line
from tasks.console import step
from tasks.environment import PYTHON, ROOT
from tasks.rpc import choose_port

FIGURES = ROOT / "bench" / "reads.json"
SUPPLIERS, DEBTORS, BANKS = 1_000, 200, 10
PROCESSES = 2

_FILL = """
CREATE TEMP TABLE people AS SELECT n, gen_random_uuid() AS party, gen_random_uuid() AS person,
  '0x' || lpad(n::text, 40, '0') AS account FROM generate_series(0, :people - 1) n;
INSERT INTO parties (id, ledger_id, country, tax_number, name, names, active, created_at)
  SELECT party, :ledger, 'DE', (100000000 + n)::text, 'Party ' || n, '[]', true, now() FROM people;
INSERT INTO users (id, ledger_id, party_id, created_at, name, roles, active)
  SELECT person, :ledger, party, now(), 'bench', '["viewer"]', true FROM people;
INSERT INTO party_accounts (id, ledger_id, party_id, created_at, account)
  SELECT gen_random_uuid(), :ledger, party, now(), account FROM people;
CREATE TEMP TABLE claims AS
  SELECT n, ('01900000-' || lpad(to_hex(n / 65536), 4, '0') || '-7' || lpad(to_hex(n % 4096), 3, '0') || '-8'
    || lpad(to_hex(n / 4096 % 4096), 3, '0') || '-' || lpad(to_hex(n), 12, '0'))::uuid AS id,
    '0x' || encode(sha256(n::text::bytea), 'hex') AS key,
    n % :suppliers AS supplier, :suppliers + n / 7 % :debtors AS debtor,
    :suppliers + :debtors + n / 3 % :banks AS bank
  FROM generate_series(0, :claims - 1) n;
ANALYZE people;
ANALYZE claims;
INSERT INTO receivables (id, ledger_id, party_id, created_at, debtor_party_id, invoice_id, supplier_account,
    debtor_account, fingerprint, terms, chain_id, other_fingerprints, due_date, time_zone, business_day_rule,
    calendar, open, stage, issue)
  SELECT c.id, :ledger, s.party, now(), d.party, gen_random_uuid(), s.account, d.account, c.key,
    jsonb_build_object('supplier', s.account, 'debtor', d.account, 'token', s.account, 'currency', '0x455552',
      'amount', 100000 + c.n, 'dueEnd', 1800000000, 'graceDays', 30, 'lateRate', 80000, 'undertaking', 0,
      'paymentOrder', 0, 'keySet', 1, 'fingerprint', c.key, 'otherFingerprints', c.key, 'documentRoot', c.key,
      'rules', c.key),
    c.key, '[]', '2027-01-15', 'Europe/Berlin', 'following', 'target', true, 'agreed', '{}'
  FROM claims c JOIN people s ON s.n = c.supplier JOIN people d ON d.n = c.debtor;
INSERT INTO receivable_states (ledger_id, id, supplier, debtor, token, currency, terms, status,
    was_written_off, due_end, grace_days, face, units, unpaid, paid, closed, reduced, redeemed, interest_paid,
    issued_at, confirmed_at)
  SELECT :ledger, c.key, s.account, d.account, s.account, 'EUR', '{}', 'confirmed', false,
    to_timestamp(1800000000), 30, 100000 + c.n, 100000 + c.n, 100000 + c.n, 0, 0, 0, 0, 0, now(), now()
  FROM claims c JOIN people s ON s.n = c.supplier JOIN people d ON d.n = c.debtor;
INSERT INTO receivable_holdings (ledger_id, receivable, account, units, unpaid, redeemable, redeemed)
  SELECT :ledger, c.key, p.account, 50000, 50000, 0, 0
  FROM (SELECT key, supplier AS holder FROM claims UNION ALL SELECT key, bank FROM claims) c
  JOIN people p ON p.n = c.holder;
"""


def fill(url: str, ledger: UUID, claims: int) -> dict[str, list[tuple[str, list[UUID]]]]:
    """Fills the tables; for each kind of party some keys, and receivables each may see."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    numbers = {"suppliers": SUPPLIERS, "debtors": DEBTORS, "banks": BANKS, "claims": claims}
    numbers["people"] = SUPPLIERS + DEBTORS + BANKS
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO ledgers (id, name, chain_id, created_at) "
                "VALUES (:ledger, 'bench', 31337, now()) ON CONFLICT DO NOTHING"
            ),
            {"ledger": ledger},
        )
        for statement in _FILL.split(";\n"):
            for name, value in numbers.items():
                statement = statement.replace(f":{name}", str(value))  # noqa: PLW2901
            if statement.strip():
                given = {"ledger": ledger} if ":ledger" in statement else {}
                connection.execute(text(statement), given)
        callers: dict[str, list[tuple[str, list[UUID]]]] = {}
        for kind, first, count, column in (
            ("supplier", 0, 40, "supplier"),
            ("debtor", SUPPLIERS, 20, "debtor"),
            ("bank", SUPPLIERS + DEBTORS, BANKS, "bank"),
        ):
            callers[kind] = [_caller(connection, ledger, n, column) for n in range(first, first + count)]
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()
    return callers


def _caller(connection: Any, ledger: UUID, number: int, column: str) -> tuple[str, list[UUID]]:
    secret = model.KEY_START + secrets.token_urlsafe(32)
    connection.execute(
        text(
            "INSERT INTO api_keys (id, ledger_id, party_id, created_at, user_id, label, prefix, digest) "
            "SELECT :id, :ledger, party, now(), person, 'bench', 'bench', :digest FROM people WHERE n = :n"
        ),
        {"id": uuid7(), "ledger": ledger, "digest": model.digest(secret), "n": number},
    )
    seen = connection.execute(
        text(f"SELECT id FROM claims WHERE {column} = :n LIMIT 50"),  # noqa: S608 - a column named above
        {"n": number},
    )
    return secret, [row.id for row in seen]


class Load:
    """Sends requests when they are due and notes how long after that each was answered."""

    def __init__(
        self,
        ports: list[int],
        callers: dict[str, list[tuple[str, list[UUID]]]],
        used: Callable[[], dict[str, float]],
    ) -> None:
        self.ports, self.callers, self.used = ports, callers, used
        self.chance = random.Random(5)  # noqa: S311 - a load, no secret

    async def run(self, rate: float, seconds: float) -> dict[str, Any]:
        """Offers `rate` requests a second for so long."""
        times: dict[str, list[float]] = {"list": [], "detail": []}
        failed = 0
        free: dict[int, list[Line]] = {port: [] for port in self.ports}

        async def one(kind: str, port: int, path: str, secret: str, due: float) -> None:
            nonlocal failed
            line = free[port].pop() if free[port] else Line(port, {})
            headers = {"Authorization": f"Bearer {secret}"}
            try:
                try:
                    answer = await line.get(path, headers)
                except (OSError, EOFError):  # a kept connection that the server had closed
                    line = Line(port, {})
                    answer = await line.get(path, headers)
                failed += answer.status != 200
                free[port].append(line)
            except (OSError, EOFError):
                failed += 1
            times[kind].append(time.perf_counter() - due)

        before = self.used()
        started = time.perf_counter()
        running = []
        for number in range(int(rate * seconds)):
            due = started + number / rate
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            running.append(asyncio.create_task(one(*self._request(number), due)))
        await asyncio.gather(*running)
        took = time.perf_counter() - started
        for line in (each for lines in free.values() for each in lines):
            line.close()
        every = sorted(times["list"] + times["detail"])
        found: dict[str, Any] = {"offered": rate, "answered": round(len(every) / took, 1), "failed": failed}
        found["cpu_ms_a_request"] = {
            name: round((now - before[name]) / len(every) * 1000, 2) for name, now in self.used().items()
        }
        for name, sample in (("all", every), *times.items()):
            for share in (50, 99):
                found[f"{name}_p{share}_ms"] = _quantile(sorted(sample), share)
        return found

    def _request(self, number: int) -> tuple[str, int, str, str]:
        secret, seen = self.chance.choice(self.callers[self.chance.choice(("supplier", "debtor", "bank"))])
        port = self.ports[number % len(self.ports)]
        if number % 4 == 0:
            return "list", port, "/v1/receivables?limit=20", secret
        return "detail", port, f"/v1/receivables/{self.chance.choice(seen)}", secret


def _quantile(sample: list[float], share: int) -> float:
    return round(sample[min(len(sample) - 1, len(sample) * share // 100)] * 1000, 1)


def _record(folder: Path) -> Path:
    """A deployment that no request asks anything of."""
    (folder / "none.json").write_text("[]")
    record = {
        "chain_id": 31337,
        "block": 0,
        "block_hash": "0x" + "00" * 32,
        "contracts": {"Participants": {"address": "0x" + "11" * 20, "abi": "none.json"}},
        "tokens": {},
    }
    path = folder / "31337.json"
    path.write_text(json.dumps(record))
    return path


async def plans(url: str, secret: str, seen: str) -> dict[str, list[str]]:
    """How PostgreSQL carries out the statements of a list and a detail: the lines of its plans."""
    database = Database(url)
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    found: dict[str, list[str]] = {}
    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    for name in ("list", "detail"):
        async with database.reading() as session:
            caller = await authenticate(session, f"Bearer {secret}")
            if name == "list":
                await reading.listing(session, caller, PageQuery(limit=20))
            else:
                await reading.show(session, caller, await reading.get(session, caller, UUID(seen)))
        statements = list(asked)
        async with database.engine.connect() as connection:
            for statement, parameters in statements:
                explain = f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {statement}"
                rows = await connection.exec_driver_sql(explain, parameters)
                found.setdefault(name, []).extend(row[0] for row in rows)
        asked.clear()
    await database.close()
    return found


async def _ready(urls: list[str]) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        for url in urls:
            for _ in range(600):
                try:
                    await client.get(f"{url}/healthz")
                    break
                except httpx.HTTPError:
                    await asyncio.sleep(0.2)


def main() -> None:
    """Fills, serves, measures, and stops what it started."""
    claims, rate, seconds = (
        int(each) for each in (*sys.argv[1:], *("1000000", "300", "30")[len(sys.argv) - 1 :])
    )
    kept = os.environ.get("FOLDER")
    folder = Path(kept or tempfile.mkdtemp(prefix="tallystick-reads-")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(folder / f"cluster-{claims}")
    folder.chmod(0o755)
    cluster.start()
    processes: list[subprocess.Popen[bytes]] = []
    try:
        deployment = _record(folder)
        callers = _filled(folder / f"callers-{claims}.json", cluster.url, load(deployment).ledger_id, claims)
        ports = [choose_port(None, 0, "") for _ in range(PROCESSES)]
        for port in ports:
            environment = os.environ | {
                "TALLYSTICK_DATABASE_URL": cluster.url,
                "TALLYSTICK_DEPLOYMENT": str(deployment),
                "TALLYSTICK_DATA_DIRECTORY": str(folder / "data"),
                "TALLYSTICK_PORT": str(port),
                "PYTHONDONTWRITEBYTECODE": "",
            }
            with (folder / f"{port}.log").open("wb") as log:
                command = [str(PYTHON), "-m", "backend.cli", "api"]
                processes.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log))
        urls = [f"http://127.0.0.1:{port}" for port in ports]

        def used() -> dict[str, float]:
            apis = [psutil.Process(each.pid) for each in processes]
            return {
                "api": _seconds(apis),
                "postgresql": _seconds(cluster.processes()),
                "clients": time.process_time(),
            }

        load_ = Load(ports, callers, used)
        asyncio.run(_measure(urls, load_, claims, rate, seconds, cluster.url))
    finally:
        for process in processes:
            process.terminate()
            process.wait(30)
        cluster.stop()
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


def _filled(note: Path, url: str, ledger: UUID, claims: int) -> dict[str, list[tuple[str, list[UUID]]]]:
    """Fills the cluster unless that was done before; who calls, and what each may see."""
    if not note.exists():
        upgrade(url)
        with step(f"Filling in {claims:,} receivables"):
            callers = fill(url, ledger, claims)
        note.write_text(json.dumps(callers, default=str))
    found: dict[str, list[tuple[str, list[UUID]]]] = json.loads(note.read_text())
    return found


def _seconds(processes: Sequence[psutil.Process]) -> float:
    """Seconds of a processor that processes have used."""
    return sum(sum(each.cpu_times()[:2]) for each in processes)


async def _measure(urls: list[str], load_: Load, claims: int, rate: int, seconds: int, database: str) -> None:
    await _ready(urls)
    await load_.run(20, 10)  # connections, caches
    busy = os.getloadavg()[0]
    offered = await load_.run(rate, seconds)
    print(json.dumps(offered))
    steps = []
    for factor in (0.5, 0.75, 1.25, 1.5, 2.0):
        steps.append(await load_.run(rate * factor, min(seconds, 10)))
        print(json.dumps(steps[-1]))
    kept_up = [each for each in (offered, *steps) if each["answered"] >= 0.95 * each["offered"]]
    saturation = max((each["answered"] for each in kept_up), default=offered["answered"])
    print(f"it keeps up with {saturation} requests a second")
    planned = {}
    for kind, known_of in load_.callers.items():
        secret, seen = known_of[0]
        planned[kind] = await plans(database, secret, seen[0])
    print(json.dumps(planned, indent=1))
    if claims >= 1_000_000:
        known = {"receivables": claims, "load_before": round(busy, 1), "cores": os.cpu_count()}
        known |= {"processes": PROCESSES, "at_offered": offered, "steps": steps, "keeps_up_with": saturation}
        known["plans"] = planned
        FIGURES.write_text(json.dumps(known, indent=2) + "\n")


if __name__ == "__main__":
    main()
