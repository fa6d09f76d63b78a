"""The few JSON-RPC calls the commands make to a chain, with the standard library."""

import http.client
import json
import socket
import urllib.error
import urllib.request
from typing import Any

from tasks.console import TaskError


class RpcUnreachable(TaskError):
    """Nobody answers at the address."""


class RpcRefused(TaskError):
    """The node answered with an error."""


def call(url: str, method: str, *params: Any, seconds: float = 10) -> Any:
    """Calls a method of a node; raises RpcUnreachable or RpcRefused."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=seconds) as response:  # noqa: S310 - the person's own node
            answer = json.load(response)
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        cause = getattr(error, "reason", None) or error
        raise RpcUnreachable(f"No node answers at {_without_secrets(url)} ({method}: {cause}).") from None
    if not isinstance(answer, dict) or "result" not in answer:
        detail = answer.get("error") if isinstance(answer, dict) else answer
        raise RpcRefused(f"The node at {_without_secrets(url)} refused {method}: {detail}")
    return answer["result"]


def chain_id(url: str, seconds: float = 10) -> int:
    return int(call(url, "eth_chainId", seconds=seconds), 16)


def block_number(url: str) -> int:
    return int(call(url, "eth_blockNumber"), 16)


def http_ok(url: str) -> bool:
    """Whether a GET answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - our own server
            return bool(response.status == 200)
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        return False


def choose_port(asked: int | None, preferred: int, variable: str) -> int:
    """The port that was asked for, else the preferred one, else any that is free.

    Raises TaskError if the one that was asked for is taken.
    """
    if asked is not None:
        if not is_free(asked):
            raise TaskError(
                f"Port {asked} is taken by another program. Choose another with {variable}=…, or leave "
                f"{variable} out and a free one is chosen."
            )
        return asked
    if preferred and is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _without_secrets(url: str) -> str:
    """Scheme and host: providers put their keys into the path."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.split('/')[0].rpartition('@')[2]}"
