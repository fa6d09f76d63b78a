"""The faults and their order: one for so many operations, drawn from the seed, until there were enough."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.faults.compare import Comparison, Rows, compare
from bench.faults.ledger import Ledger
from bench.faults.load import Journal, Load, Party
from bench.faults.proxy import KINDS, Proxy
from tasks import rpc
from tasks.console import TaskError

SETTINGS = {"TALLYSTICK_RESEND_SECONDS": "3", "TALLYSTICK_REPLACE_SECONDS": "20"}
FINALITY = 12
"""How deep a block is when it counts as final, and how deep a reorganisation may go."""
_CLIENTS = 12
_SETTLE_SECONDS = 900


@dataclass
class State:
    """How far a campaign has come; kept after every fault, so that it can go on."""

    file: Path
    seed: int
    operations: int
    faults: int
    done: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    """Requests to the chain that met each kind of bad node."""
    put_off: Counter[str] = field(default_factory=Counter)
    ended_by_themselves: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @classmethod
    def load(cls, file: Path, seed: int, operations: int, faults: int) -> "State":
        """What was kept, or a new beginning."""
        if not file.exists():
            return cls(file, seed, operations, faults)
        kept = json.loads(file.read_text())
        for name in ("done", "met", "put_off"):
            kept[name] = Counter(kept[name])
        return cls(**kept | {"file": file})

    def save(self) -> None:
        scratch = self.file.with_suffix(".writing")
        scratch.write_text(json.dumps(vars(self) | {"file": str(self.file)}))
        scratch.replace(self.file)


class Campaign:
    """Runs the ledger, its clients and the faults in one event loop."""

    def __init__(
        self,
        ledger: Ledger,
        parties: Path,
        state: State,
        show: Callable[[str], None],
        *,
        finality: int = FINALITY,
        clock_steps: Sequence[int] = (-90, -20, -2, 0, 2, 20, 90),
    ) -> None:
        self.ledger, self.parties, self.state, self.show = ledger, parties, state, show
        self.finality, self.clock_steps = finality, tuple(clock_steps)
        self.proxy = Proxy(ledger.node_url, state.seed)
        self.journal = Journal(ledger.folder / "journal.jsonl")
        self._chance = random.Random(f"{state.seed} {state.done.total()}")  # noqa: S311 - a lot, no secret
        self._starting: set[asyncio.Task[None]] = set()
        self._down: set[str] = set()

    @property
    def enough(self) -> bool:
        """Whether there were as many operations and faults as wanted."""
        return (
            len(self.journal.operations) >= self.state.operations
            and self.state.done.total() >= self.state.faults
        )

    async def run(self, seconds: float) -> bool:
        """Works at most so long; True if the campaign is through with its faults and operations."""
        began = time.monotonic()
        await self.proxy.start()
        settings = SETTINGS | {"TALLYSTICK_FINALITY_BLOCKS": str(self.finality)}
        await asyncio.to_thread(self.ledger.start_all, self.proxy.url, settings)
        self.show(f"the backend reaches the chain through {self.proxy.url}")
        load = Load(self.parties, self.ledger.api_url, self.journal, self.state.seed, self.state.operations)
        work = asyncio.create_task(self._work(load))
        try:
            done, _ = await asyncio.wait({work}, timeout=seconds)
            if done:
                work.result()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await load.close()
            await self._heal()
            self.state.seconds += time.monotonic() - began
            self.state.met += self.proxy.met
            self.state.put_off += Party.put_off
            self.state.save()
        return self.enough

    async def _work(self, load: Load) -> None:
        await load.wait_until_ready()
        await load.consent()
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run(_CLIENTS))
            group.create_task(self._hurt(load))

    async def _hurt(self, load: Load) -> None:
        """Keeps the faults in step with the operations; what is left of them comes when all are accepted."""
        pace = self.state.operations / self.state.faults
        while self.state.done.total() < self.state.faults:
            due = load.accepted / pace
            if self.state.done.total() > due and load.accepted < self.state.operations:
                await asyncio.sleep(0.2)
                continue
            kind = await self._one()
            if kind in ("unmet", "reorg refused"):
                continue
            self.state.done[kind] += 1
            self.state.save()
            told = f"{load.accepted} operations, {self.state.done.total()} faults, last {kind}"
            self.show(told)
            await asyncio.sleep(self._chance.uniform(0.1, 1.5))

    async def _one(self) -> str:
        """One fault, drawn by lot; its name."""
        family = self._chance.choices(["kill", "node", "reorg", "clock"], [3, 4, 2, 1])[0]
        if family == "kill":
            up = [each for each in self.ledger.victims if each not in self._down]
            if up:
                victim = self._chance.choice(up)
                self._kill(victim, self._chance.uniform(0, 2))
                return f"kill {victim.partition('-')[0]}"
        if family == "reorg" and "chain" not in self._down:
            depth = self._chance.randint(1, self.finality)
            try:
                await asyncio.to_thread(self.ledger.reorganise, depth)
            except TaskError:
                return "reorg refused"
            return f"reorg {depth}"
        if family == "clock":
            self.ledger.clock.write_text(str(self._chance.choice(self.clock_steps)))
            return "clock step"
        kind = self._chance.choice(KINDS)
        self.proxy.misbehave(kind, self._chance.uniform(0.5, 4))
        met = self.proxy.met[kind]
        for _ in range(50):  # it counts once somebody met it
            if self.proxy.met[kind] > met:
                return kind
            await asyncio.sleep(0.1)
        return "unmet"

    def _kill(self, victim: str, pause: float) -> None:
        """Kills it, and has it started again after a pause, while everything else goes on."""
        self._down.add(victim)
        self.ledger.kill(victim)

        async def again() -> None:
            await asyncio.sleep(pause)
            await asyncio.to_thread(self.ledger.start, victim)
            self._down.discard(victim)

        task = asyncio.create_task(again())
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _heal(self) -> None:
        """Ends every fault and starts what is down."""
        self.proxy.behave()
        self.ledger.clock.write_text("0")
        if self._starting:
            await asyncio.gather(*self._starting)
        self.state.ended_by_themselves += self.ledger.died()

    async def settle(self, database_url: str) -> None:
        """Waits until nothing moves: no operation pending, the index at the head. Raises TaskError."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while True:
            waiting = await asyncio.to_thread(self._unsettled, database_url)
            if not waiting:
                break
            if time.monotonic() > deadline:
                raise TaskError(f"after {_SETTLE_SECONDS} s: {waiting}")
            self.show(f"settling: {waiting}")
            await asyncio.sleep(2)

    async def close(self) -> None:
        """Ends the connections between the backend and the chain."""
        await self.proxy.close()

    def _unsettled(self, database_url: str) -> str:
        rows = Rows(database_url)
        try:
            (pending,) = rows("SELECT count(*) FROM operations WHERE status = 'pending'")[0]
            if pending:
                return f"{pending} operations pending"
            (moving,) = rows("SELECT count(*) FROM transactions WHERE status <> 'confirmed'")[0]
            if moving:
                return f"{moving} transactions not confirmed"
            rpc.call(self.ledger.node_url, "evm_setIntervalMining", 0)
            head = rpc.block_number(self.ledger.node_url)
            (indexed, halted) = rows("SELECT number, halted FROM chain_cursors")[0]
            return "" if indexed == head and not halted else f"index at {indexed} of {head} {halted or ''}"
        finally:
            rows.close()

    async def verdict(self, database_url: str) -> tuple[Comparison, str]:
        """The comparison, and what `tallystick doctor` says."""
        found = await asyncio.to_thread(
            compare, self.ledger.node_url, self.ledger.network.deployment, database_url, self.journal
        )
        doctor = await asyncio.to_thread(self.ledger.command, "doctor")
        if doctor.returncode:
            found.differences.append(f"doctor: {doctor.stdout}{doctor.stderr}")
        return found, doctor.stdout
