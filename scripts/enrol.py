"""Enters admitted parties, their users and API keys, through the operator's API: after `admit.py`.

`python -m scripts.enrol DESCRIPTION PARTIES_FOLDER API_URL OPERATOR_FOLDER`. Every request carries an
Idempotency-Key made from its content, so that a run that was cut off can be repeated.
"""

import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx

from scripts.parties import Description, Kept, PartyFolder, read_description


class EnrolmentError(Exception):
    """The API refused; the text is its answer."""


class Operator:
    """The API, called with the operator's key."""

    def __init__(self, url: str, api_key: str) -> None:
        self._client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {api_key}"}, timeout=60)

    def post(self, path: str, body: dict[str, Any], *, once: str) -> dict[str, Any]:
        """Posts; `once` tells this request from others with the same body. Raises EnrolmentError."""
        key = sha256(repr((path, body, once)).encode()).hexdigest()
        answer = self._client.post(path, json=body, headers={"Idempotency-Key": key})
        if answer.is_error:
            raise EnrolmentError(f"POST {path}: {answer.status_code} {answer.text}")
        found: dict[str, Any] = answer.json()
        return found


def enrol(operator: Operator, description: Description, folder: PartyFolder) -> Kept:
    """Enters one party: itself, its account, its users with a key each; what is entered already stays."""
    kept = folder.load()
    if kept is None:
        raise EnrolmentError(f"{description.id} is not admitted yet: there is no {folder.file}")
    if not kept.party_id:
        body = {
            "country": description.country,
            "tax_number": description.tax_number,
            "name": description.name,
            "names": list(description.names),
            "glns": list(description.glns),
        }
        kept.party_id = operator.post("/v1/parties", body, once=kept.ledger)["id"]
        folder.save(kept)
    if kept.account:
        body = {"account": kept.account, "salt": kept.salt}
        operator.post(f"/v1/parties/{kept.party_id}/accounts", body, once=kept.ledger)
    for user, roles in description.users.items():
        entry = kept.users.setdefault(user, {})
        if "id" not in entry:
            body = {"name": user, "roles": list(roles)}
            entry["id"] = operator.post(f"/v1/parties/{kept.party_id}/users", body, once=user)["id"]
            folder.save(kept)
        if "api_key" not in entry:
            answer = operator.post(f"/v1/users/{entry['id']}/keys", {"label": "first"}, once=user)
            entry["api_key"] = answer["secret"]
            folder.save(kept)
    return kept


def main(description: str, parties: str, url: str, operator_folder: str) -> None:
    """Enters every party of the description and prints where its API keys lie."""
    operator_kept = PartyFolder(Path(operator_folder).parent, Path(operator_folder).name).load()
    if operator_kept is None:
        sys.exit(f"error: there is no operator in {operator_folder}")
    operator = Operator(url, next(iter(operator_kept.users.values()))["api_key"])
    for party in read_description(Path(description)):
        folder = PartyFolder(Path(parties), party.id)
        try:
            kept = enrol(operator, party, folder)
        except EnrolmentError as error:
            sys.exit(f"error: {error}")
        print(f"  {party.id:<12} {', '.join(kept.users)}: {folder.file}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
