"""Enrolment through the API: cut off anywhere, a second run completes it and makes nothing twice."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from scripts.enrol import EnrolmentError, Operator, enrol
from scripts.parties import Description, Kept, PartyFolder, read_description
from tasks.environment import ROOT

URL = "http://127.0.0.1:9"


@pytest.fixture
def supplier() -> Description:
    return read_description(ROOT / "samples" / "parties.toml")[0]


@pytest.fixture
def folder(tmp_path: Path) -> PartyFolder:
    folder = PartyFolder(tmp_path, "supplier")
    folder.save(Kept("supplier", "0xledger", "0x" + "5a" * 32, account="0xaccount"))
    return folder


class Api:
    """The routes enrolment uses; each answers once a key as idempotency asks."""

    def __init__(self, router: respx.MockRouter) -> None:
        self.done: dict[str, dict[str, Any]] = {}
        self.broken = ""
        router.post(url__regex=f"{URL}/v1/.*").mock(side_effect=self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        assert request.headers["Authorization"] == "Bearer tsk_operator"
        if self.broken and path.endswith(self.broken):
            return httpx.Response(503, json={"detail": "the database is busy"})
        key = f"{path} {request.headers['Idempotency-Key']}"
        first = {
            "id": f"id-{len(self.done)}",
            "secret": f"tsk_{len(self.done)}",
            "body": json.loads(request.content),
        }
        return httpx.Response(201, json=self.done.setdefault(key, first))


@pytest.fixture
def api(respx_mock: respx.MockRouter) -> Api:
    return Api(respx_mock)


def test_a_party_gets_its_account_users_and_keys(
    api: Api, supplier: Description, folder: PartyFolder
) -> None:
    kept = enrol(Operator(URL, "tsk_operator"), supplier, folder)
    assert [path.split()[0] for path in api.done] == [
        "/v1/parties",
        "/v1/parties/id-0/accounts",
        "/v1/parties/id-0/users",
        "/v1/users/id-2/keys",
    ]
    assert kept.party_id == "id-0"
    assert kept.users == {"sales": {"id": "id-2", "api_key": "tsk_3"}}
    assert folder.load() == kept


@pytest.mark.parametrize("broken", ["/parties", "/accounts", "/users", "/keys"])
def test_cut_off_anywhere_it_is_completed(
    broken: str, api: Api, supplier: Description, folder: PartyFolder
) -> None:
    operator = Operator(URL, "tsk_operator")
    api.broken = broken
    with pytest.raises(EnrolmentError, match=r"503.*the database is busy"):
        enrol(operator, supplier, folder)
    api.broken = ""
    kept = enrol(operator, supplier, folder)
    assert enrol(operator, supplier, folder) == kept
    assert len(api.done) == 4


def test_what_is_not_on_the_chain_is_not_enrolled(supplier: Description, tmp_path: Path) -> None:
    with pytest.raises(EnrolmentError, match="supplier is not admitted yet"):
        enrol(Operator(URL, "tsk_operator"), supplier, PartyFolder(tmp_path, "supplier"))
