"""A party of the journey: its API key, its account, and its signer in a process of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx

from backend.signing import ledger
from scripts.parties import PartyFolder

SIGNER = "signer"
PATIENCE = 90.0
"""Seconds to wait for a server that does not answer, or for something to come about."""


class JourneyError(Exception):
    """The journey cannot go on; the text says at what and why."""


class RefusedError(JourneyError):
    """The API said no: `status`, the problem's `code` and its sentence."""

    def __init__(self, what: str, answer: httpx.Response) -> None:
        problem = _problem(answer)
        self.status, self.code = answer.status_code, _code(answer)
        self.sentence = str(problem.get("detail") or answer.text[:300])
        errors = "; ".join(str(each.get("detail")) for each in problem.get("errors", []))
        super().__init__(f"{what}: {self.status} {self.sentence}" + (f" ({errors})" if errors else ""))


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _code(answer: httpx.Response) -> str:
    return str(_problem(answer).get("type", "")).rpartition(":")[2]


def wait_for(what: str, look: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """What `look` finds, once it finds something. Raises JourneyError when it does not in time."""
    until, pause = time.monotonic() + seconds, 0.1
    while True:
        if found := look():
            return found
        if time.monotonic() > until:
            raise JourneyError(f"{what} did not come about within {seconds:.0f} seconds")
        time.sleep(pause)
        pause = min(pause * 1.5, 2.0)


class Party:
    """One party. `journey` tells this journey's requests from those of others in Idempotency-Keys."""

    def __init__(self, folder: PartyFolder, api_url: str, journey: str) -> None:
        kept = folder.load()
        if kept is None or not kept.users:
            raise JourneyError(f"{folder.folder} holds no admitted party: run `make admit` first")
        self.id, self.party_id = kept.id, kept.party_id
        self.account, self.wallet = kept.account, kept.signer
        self._folder, self._journey = folder, journey
        self._key: str = next(iter(kept.users.values()))["api_key"]
        self._api = httpx.Client(
            base_url=api_url,
            headers={"Authorization": f"Bearer {self._key}"},
            timeout=60,
            follow_redirects=False,
        )

    def close(self) -> None:
        """Ends the connection to the API."""
        self._api.close()

    def get(self, path: str, **params: Any) -> Any:
        """What the API shows at `path`."""
        return self._send("GET", path, params=params).json()

    def download(self, path: str) -> bytes:
        """A file the API gives."""
        return self._send("GET", path).content

    def post(self, path: str, body: Any = None, *, once: str = "", **request: Any) -> Any:
        """A change, made once: the same request under the same `once` is answered as the first time was."""
        if body is not None:
            request["json"] = body
        told = json.dumps([self._journey, self.id, path, body, once], sort_keys=True)
        headers = {"Idempotency-Key": sha256(told.encode()).hexdigest()} | request.pop("headers", {})
        return self._send("POST", path, headers=headers, **request).json()

    def record(self, document: bytes) -> dict[str, Any]:
        """Has the log record a document of events under the party's own key; what became of it."""
        digest = "0x" + sha256(document).hexdigest()
        prepared = self.get("/v1/log/signing", account=self.account, document=digest)
        headers = {
            "Content-Type": "application/json",
            "Tallystick-Account": self.account,
            "Tallystick-Signature": self.signature(prepared["typed_data"]),
        }
        done: dict[str, Any] = self.post("/epcis/capture", content=document, once=digest, headers=headers)
        if not done["success"]:
            raise JourneyError(f"{self.id}'s events were not recorded: {done['errors']}")
        return done

    def sign(self, action: dict[str, Any]) -> list[str]:
        """Signs an action with the party's own key and hands it in; the words that were signed.

        An action that was signed already is left alone. Raises JourneyError with the signer's own words.
        """
        action = self.get(action["links"]["self"])
        if action["status"] != "prepared":
            return []
        done = self._signer(str(self._api.base_url).rstrip("/") + action["links"]["self"])
        return done.stderr.splitlines()

    def failure(self, action: dict[str, Any]) -> str | None:
        """Why what a signed action set going failed, in the API's words; None while it has not."""
        operation_id = self.get(action["links"]["self"])["operation_id"]
        operation = self.get(f"/v1/operations/{operation_id}") if operation_id else None
        if operation is None or operation["status"] not in {"failed", "cancelled"}:
            return None
        return str(operation["error"]["detail"] if operation["error"] else operation["status"])

    def signature(self, typed_data: dict[str, Any]) -> str:
        """The signature of typed data that is no action."""
        done = self._signer("-", text=json.dumps(typed_data))
        return str(json.loads(done.stdout)["signature"])

    def trust(self, deployment: Path, names: dict[str, str]) -> None:
        """Sets the party's signer up for this ledger (`tallystick keys trust`), with its own names for
        accounts.

        A chain begun anew is another ledger: the pin of the old one is dropped.
        """
        pinned, folder = ledger.parse(deployment), self._folder.keystore
        if (folder / ledger.FILE).exists() and ledger.read(folder) != pinned:
            (folder / ledger.FILE).unlink()
        pinned.save(folder)
        for address, name in names.items():
            ledger.remember(folder, address, name)

    def _signer(self, source: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """`tallystick sign`, in a process of its own that alone opens the party's key."""
        environment = os.environ | {
            "TALLYSIGN_KEYSTORE": str(self._folder.keystore),
            "TALLYSIGN_PASSWORD": self._folder.password.read_text().strip(),
            "TALLYSIGN_API_KEY": self._key,
        }
        done = subprocess.run(
            [sys.executable, "-m", "backend.signing", "sign", source, "--yes", "--key", SIGNER],
            env=environment,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise JourneyError(f"{self.id} could not sign: {done.stderr.strip()[-500:]}")
        return done

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        def attempt() -> httpx.Response | None:
            try:
                answer = self._api.request(method, path, **request)
            except httpx.TransportError:
                return None
            # A server that is busy with this or others is asked again; under its key nothing happens twice.
            code = _code(answer) if answer.is_error else ""
            return None if code in {"busy", "request-still-running"} else answer

        answer: httpx.Response = wait_for(f"an answer to {method} {path}", attempt)
        if answer.is_error:
            raise RefusedError(f"{self.id}, {method} {path}", answer)
        return answer
