"""The little the local signer says to the API: fetch one action, hand in its signature.

Only the standard library, so that the signer runs from the base install.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

_LIMIT = 1_000_000
_SECONDS = 30
_LOCAL = {"127.0.0.1", "localhost", "::1"}


class ClientError(Exception):
    """The API could not be asked, or said no; the text is the API's own sentence where it gave one."""


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would carry the API key to wherever it points."""

    def redirect_request(self, *_args: Any, **_named: Any) -> None:
        return None


def fetch(url: str, api_key: str) -> Mapping[str, Any]:
    """The action at `url`."""
    return _call(Request(url, headers=_headers(url, api_key)))  # noqa: S310 -- _headers checks the scheme


def submit(url: str, api_key: str, signature: str) -> Mapping[str, Any]:
    """Hands in the signature of the action at `url`; handing in the same one twice changes nothing."""
    key = hashlib.sha256(f"{url} {signature}".encode()).hexdigest()
    headers = _headers(url, api_key) | {"Content-Type": "application/json", "Idempotency-Key": key}
    body = json.dumps({"signature": signature}).encode()
    return _call(Request(f"{url}/signatures", data=body, headers=headers, method="POST"))  # noqa: S310


def _headers(url: str, api_key: str) -> dict[str, str]:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        raise ClientError(f"{url}: an API key is only sent over https, or to this machine")
    return {"Authorization": f"Bearer {api_key}", "Accept": "application/json"}


def _call(request: Request) -> Mapping[str, Any]:
    try:
        with build_opener(_NoRedirect).open(request, timeout=_SECONDS) as response:
            answer = json.loads(response.read(_LIMIT))
    except HTTPError as error:
        raise ClientError(f"{request.full_url}: {error.code} {_sentence(error)}") from error
    except (URLError, TimeoutError, OSError, ValueError) as error:
        raise ClientError(f"{request.full_url}: {getattr(error, 'reason', error)}") from error
    if not isinstance(answer, Mapping):
        raise ClientError(f"{request.full_url}: the answer is not a JSON object")
    return answer


def _sentence(error: HTTPError) -> str:
    try:
        problem = json.loads(error.read(_LIMIT))
        return str(problem.get("detail") or problem.get("title") or error.reason)
    except (ValueError, AttributeError, OSError):
        return str(error.reason)
