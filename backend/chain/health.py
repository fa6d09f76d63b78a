"""Whether this process can do its work: the questions behind `/healthz` and `/readyz`, each really asked."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from backend.chain import history
from backend.chain.contracts import Contracts
from backend.chain.rpc import Rpc
from backend.kit.clock import iso
from backend.kit.database import Database
from backend.kit.loops import Loops

_SECONDS = 5.0


class NotReady(Exception):
    """One thing is not as it should be; the text says what and what to do."""


@dataclass(slots=True)
class Health:
    """What is looked at. `migrated` raises NotReady when the tables are not those of this version."""

    database: Database
    contracts: Contracts
    rpc: Rpc
    lag_allowed: int
    migrated: Callable[[], Awaitable[str]]
    loops: Loops | None = None

    async def live(self) -> dict[str, Any]:
        """Whether the process works at all. Raises NotReady when a loop of its own has died."""
        if self.loops is not None and (dead := self.loops.dead):
            raise NotReady(f"these loops have died: {', '.join(dead)}. Restart the process.")
        return {"status": "ok"}

    async def ready(self) -> tuple[bool, dict[str, Any]]:
        """Every check with its answer; False if one of them failed."""
        checks = {
            "database": self._database,
            "migrations": self.migrated,
            "chain": self._chain,
            "index": self._index,
        }
        answers = await asyncio.gather(*(self._ask(check) for check in checks.values()))
        shown = dict(zip(checks, answers, strict=True))
        if self.loops is not None:
            shown["loops"] = {
                "ok": not self.loops.dead,
                "detail": {
                    each.name: {
                        "failures": each.failures,
                        "last_error": each.last_error,
                        "last_success": iso(each.last_success) if each.last_success else None,
                    }
                    for each in self.loops.loops
                },
            }
        good = all(each["ok"] for each in shown.values())
        return good, {"status": "ready" if good else "not ready", "checks": shown}

    async def _ask(self, check: Callable[[], Awaitable[Any]]) -> dict[str, Any]:
        try:
            return {"ok": True, "detail": await asyncio.wait_for(check(), _SECONDS)}
        except TimeoutError:
            return {"ok": False, "detail": f"no answer in {_SECONDS:g} s"}
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer is "not ready, because"
            return {"ok": False, "detail": str(error) or type(error).__name__}

    async def _database(self) -> str:
        await self.database.check_writable()
        return "writable"

    async def _chain(self) -> dict[str, Any]:
        return {
            "chain_id": self.contracts.chain_id,
            "head": int(await self.rpc.call("eth_blockNumber"), 16),
        }

    async def _index(self) -> dict[str, Any]:
        head = int(await self.rpc.call("eth_blockNumber"), 16)
        async with self.database.reading() as session:
            position = await history.position(session, self.contracts.ledger_id)
        if position is None:
            raise NotReady("nothing is indexed yet. Does a worker run?")
        if position.halted is not None:
            raise NotReady(position.halted)
        lag = max(head - position.number, 0)
        if lag > self.lag_allowed:
            raise NotReady(f"the index is {lag} blocks behind the chain. Does a worker run?")
        return {"block": position.number, "lag": lag}
