"""The processes: API, worker, both in one; and the operator's jobs that run beside them."""

import asyncio
import json
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
import uvloop
from rich.progress import Progress

from backend.app import Ledger, create_app, projections, worker_loops
from backend.chain import history, signer
from backend.chain.diagnosis import diagnose
from backend.chain.indexer import Indexer
from backend.kit import memory, tracing
from backend.kit import settings as configuration
from backend.kit.logs import configure
from backend.kit.settings import Settings
from backend.migrations import upgrade as migrations

log = logging.getLogger("tallystick")
_GRACE_SECONDS = 20


def serve(*, with_loops: bool) -> None:
    """Serves the API until SIGTERM or SIGINT; requests that run are answered first."""
    settings = _settings()
    memory.settle()
    tracing.configure()
    uvloop.run(_serve(settings, with_loops=with_loops))


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn's own handling makes an orderly end look like a failure."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(settings: Settings, *, with_loops: bool) -> None:
    ledger = Ledger.open(settings)
    try:
        await _require_tables(ledger)
        loops = worker_loops(ledger, signer.from_settings(settings)) if with_loops else None
        app = create_app(settings, ledger.contracts, ledger.database, rpc=ledger.rpc, loops=loops)
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        server = _Server(config)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, setattr, server, "should_exit", True)
        await server.serve()
    finally:
        await ledger.close()


def work() -> None:
    """Runs the loops until SIGTERM or SIGINT; a step that runs is finished first."""
    settings = _settings()
    memory.settle()
    tracing.configure()
    uvloop.run(_work(settings))


async def _work(settings: Settings) -> None:
    ledger = Ledger.open(settings)
    try:
        await _require_tables(ledger)
        loops = worker_loops(ledger, signer.from_settings(settings))
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        loops.start()
        log.info("the worker runs: %s", ", ".join(each.name for each in loops.loops))
        await stop.wait()
        await loops.stop(_GRACE_SECONDS)
    finally:
        await ledger.close()


async def reindex() -> None:
    """Takes the index back to nothing and reads the chain anew, showing how far it is."""
    memory.settle()
    ledger = Ledger.open(_settings())
    try:
        await _require_tables(ledger)
        async with ledger.database.transaction() as session:
            await history.forget(session, ledger.contracts.ledger_id, projections())
        indexer = Indexer(
            ledger.database,
            ledger.rpc,
            ledger.contracts,
            projections(),
            finality=ledger.settings.finality_blocks,
            local_chain=ledger.settings.local_chain,
        )
        first = ledger.contracts.first_block
        with Progress() as progress:
            bar = progress.add_task("Reading the chain", total=None)
            while True:
                done = await indexer.step()
                progress.update(bar, total=done.head - first + 1, completed=done.indexed - first + 1)
                if not done.lag:
                    break
    finally:
        await ledger.close()


async def doctor() -> bool:
    """Prints what is wrong and what to do about it; True if nothing is."""
    ledger = Ledger.open(_settings())
    try:
        findings = await diagnose(ledger.settings, ledger.database, ledger.rpc, ledger.contracts)
    finally:
        await ledger.close()
    for each in findings:
        print(f"{'ok' if each.good else 'PROBLEM'}  {each.what}: {each.detail}")  # noqa: T201 - its purpose
    return all(each.good for each in findings)


def openapi_document() -> str:
    """The OpenAPI document, as JSON."""
    ledger = Ledger.open(_settings())
    app = create_app(ledger.settings, ledger.contracts, ledger.database, rpc=ledger.rpc)
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False)


def _settings() -> Settings:
    settings = configuration.load()
    configure(settings.log_format)
    return settings


async def _require_tables(ledger: Ledger) -> None:
    try:
        await migrations.check(ledger.database)
    except RuntimeError as error:
        raise configuration.SettingsError(f"The database is not ready: {error}") from None
