"""Asking the reader's own nodes for a block: all that touches a network here, and only on request."""

import json
import re
from http.client import HTTPException
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from backend.verifier.header import Header, HeaderError, from_json

_TIMEOUT = 20
_MOST_BYTES = 4 * 1024 * 1024
_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")


class NodeProblem(Exception):
    """The node did not answer, or not with what was asked."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(f"{url}: {problem}")
        self.url = url
        self.problem = problem


def chain_id(url: str) -> int:
    """The chain the node is on."""
    answer = _ask(url, "eth_chainId")
    if not isinstance(answer, str) or not _QUANTITY.fullmatch(answer):
        raise NodeProblem(url, "eth_chainId gave no number")
    return int(answer, 16)


def header(url: str, number: int) -> Header | None:
    """The node's block of this number, its hash recomputed; None if the node does not have it."""
    answer = _ask(url, "eth_getBlockByNumber", hex(number), False)
    if answer is None:
        return None
    if not isinstance(answer, dict):
        raise NodeProblem(url, "eth_getBlockByNumber gave no block")
    try:
        return from_json(answer)
    except (HeaderError, ValueError) as error:
        raise NodeProblem(url, str(error)) from error


def _ask(url: str, method: str, *params: object) -> object:
    if urlsplit(url).scheme not in ("http", "https"):
        raise NodeProblem(url, "an address of a node begins with http:// or https://")
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310  (scheme is checked)
    try:
        with urlopen(request, timeout=_TIMEOUT) as response:  # noqa: S310
            answer = json.loads(response.read(_MOST_BYTES))
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        raise NodeProblem(url, str(error)) from error
    if not isinstance(answer, dict) or answer.get("error") is not None or "result" not in answer:
        raise NodeProblem(url, f"{method} failed: {str(answer)[:200]}")
    return answer["result"]
