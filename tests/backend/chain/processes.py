"""Runs `tallystick` processes of the test's own, to be killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from backend.chain.contracts import Contracts
from tests.backend.chain.conftest import KEYS, ROOT, Anvil, free_port


class Processes:
    """API and worker of one ledger, started from the command line with settings in the environment."""

    def __init__(self, folder: Path, database_url: str, anvil: Anvil, contracts: Contracts, abi: Any) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._record(contracts, abi)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TALLYSTICK_DATABASE_URL": database_url,
            "TALLYSTICK_DATA_DIRECTORY": str(folder / "data"),
            "TALLYSTICK_RPC_URLS": anvil.url,
            "TALLYSTICK_DEPLOYMENT": str(folder / "31337.json"),
            "TALLYSTICK_FINALITY_BLOCKS": "0",
            "TALLYSTICK_LOCAL_CHAIN": "true",
            "TALLYSTICK_RELAYER_DEVELOPMENT_KEY": "0x" + KEYS[1].hex(),
            "TALLYSTICK_RESEND_SECONDS": "1",
            "TALLYSTICK_PORT": str(self.port),
        }

    def _record(self, contracts: Contracts, abi: Any) -> None:
        (self.folder / "tally.json").write_text(json.dumps(abi))
        (self.folder / "none.json").write_text("[]")
        record = {
            "chain_id": contracts.chain_id,
            "block": contracts.first_block,
            "block_hash": contracts.first_hash,
            "contracts": {
                "Participants": {"address": contracts["Participants"].address, "abi": "none.json"},
                "Tally": {
                    "address": contracts["Tally"].address,
                    "abi": "tally.json",
                    "eip712": {"name": "Tally", "version": "1"},
                },
            },
            "tokens": {},
        }
        (self.folder / "31337.json").write_text(json.dumps(record))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        return subprocess.run(
            self._command(*arguments),
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, *names: str) -> None:
        for name in names:
            log = (self.folder / f"{name}.log").open("ab")
            self._running[name] = subprocess.Popen(
                self._command(name), env=self.environment, cwd=ROOT, stdout=log, stderr=log
            )
            log.close()

    def kill(self, name: str) -> None:
        """SIGKILL: no chance to tidy up."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def terminate(self, name: str) -> int:
        """SIGTERM, and the exit code."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=40)

    def wait_for(self, path: str, seconds: float = 180) -> httpx.Response:
        """Waits until the API answers 200 at `path`."""
        end = time.monotonic() + seconds
        answer = None
        while time.monotonic() < end:
            try:
                answer = httpx.get(self.url + path, timeout=10)
                if answer.status_code == 200:
                    return answer
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
        logs = {each.name: each.read_text()[-2000:] for each in self.folder.glob("*.log")}
        raise AssertionError(f"{path}: {answer.text if answer else 'no answer'}\n{logs}")

    def close(self) -> None:
        for name in list(self._running):
            self.kill(name)

    @staticmethod
    def _command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "backend.cli", *arguments]
