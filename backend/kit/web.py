"""How a request is handled: authenticated, in one transaction, at most once, audited, and paged.

Rooms write `router = APIRouter(route_class=Route)` and take `CurrentCaller` and `Session` as parameters. A
GET reads; everything else runs in one transaction together with its audit entry and, under its
Idempotency-Key, its answer. Nobody commits: the transaction ends here, before the answer leaves.
"""

import base64
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Annotated, Any, Generic, Protocol, TypeVar
from uuid import UUID

from fastapi import Depends, Header, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Select, select, union
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.contextvars import bind_contextvars

from backend.kit import audit, idempotency
from backend.kit.access import WRITERS, Caller
from backend.kit.database import Database
from backend.kit.gate import Gate
from backend.kit.messages import Locale, negotiate
from backend.kit.problems import FieldError, InvalidCursor, InvalidRequest, Problem

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class Authenticate(Protocol):
    """Finds the caller of a request or raises Unauthenticated; `app.py` hands in the parties room's."""

    def __call__(self, session: AsyncSession, authorization: str | None) -> Awaitable[Caller]: ...


def key_optional(endpoint: Endpoint) -> Endpoint:
    """Marks an endpoint whose standard knows no Idempotency-Key; the key works there and is not demanded."""
    endpoint.key_optional = True  # type: ignore[attr-defined]
    return endpoint


def shares_transaction(endpoint: Endpoint) -> Endpoint:
    """Marks an endpoint whose work is done in one transaction with that of other requests.

    It is given `CurrentDeed` in place of a session, and answers with what that transaction made of the deed.
    """
    endpoint.shares_transaction = True  # type: ignore[attr-defined]
    return endpoint


def told_by_headers(*names: str) -> Callable[[Endpoint], Endpoint]:
    """Marks an endpoint whose headers of these names say what is asked: with others it is another request."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.told_by_headers = names  # type: ignore[attr-defined]
        return endpoint

    return mark


def answers_with_secret(endpoint: Endpoint) -> Endpoint:
    """Marks an endpoint whose answer must not be kept for a repetition."""
    endpoint.answers_with_secret = True  # type: ignore[attr-defined]
    return endpoint


def open_to_readers(endpoint: Endpoint) -> Endpoint:
    """Marks an endpoint that takes something from those who otherwise only read; it says itself who may."""
    endpoint.open_to_readers = True  # type: ignore[attr-defined]
    return endpoint


def prepared_by(work: Callable[[Request], Awaitable[Any]]) -> Callable[[Endpoint], Endpoint]:
    """Marks an endpoint: `work` is done before its transaction, and gives what `prepared` finds in there.

    For slow work that touches no table: one writer at a time waits for SQLite's lock, and for this.
    """

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.prepared_by = work  # type: ignore[attr-defined]
        return endpoint

    return mark


def prepared(request: Request) -> Any:
    """What was made ready before the transaction."""
    return request.state.prepared


def operation_id(route: APIRoute) -> str:
    """What generated clients call the operation: its room and its function."""
    return f"{route.endpoint.__module__.split('.')[1]}_{route.endpoint.__name__}"


class Deed:
    """One request that changes something: what must be written in the transaction that carries it out."""

    def __init__(
        self, request: Request, caller: Caller, route: "Route", key: str | None, body: bytes
    ) -> None:
        self.request, self.caller, self._route, self._key = request, caller, route, key
        self._print = "" if key is None else idempotency.fingerprint(
            request.method,
            request.url.path,
            request.url.query,
            request.headers.get("content-type", ""),
            body,
            [request.headers.get(name, "") for name in getattr(route.endpoint, "told_by_headers", ())],
        )  # fmt: skip

    def held(self) -> AbstractAsyncContextManager[None]:
        """While it is worked on, its key is taken in this process. Raises StillRunning."""
        if self._key is None:
            return nullcontext()
        running: idempotency.Running = self.request.app.state.running
        return running.hold((self.caller.ledger_id, self.caller.party_id, self._key))

    @property
    def place(self) -> idempotency.Place | None:
        """Where its answer is kept; nowhere without a key."""
        return None if self._key is None else (self.caller.ledger_id, self.caller.party_id, self._key)

    def replay(self, done: idempotency.IdempotentRequest) -> Response:
        """The answer it got when it was carried out before. Raises KeyReused, AnswerNotKept."""
        return _replay(done, self._print)

    def note(self, session: AsyncSession, response: Response) -> None:
        """Adds to the transaction who changed what and, under the key, the answer; not of a refusal."""
        if response.status_code >= 400:
            return
        owner = {"ledger_id": self.caller.ledger_id, "party_id": self.caller.party_id}
        session.add(
            audit.AuditEntry(
                **owner,
                user_id=self.caller.user_id,
                action=f"{self.request.method} {self._route.path_format}",
                subject=getattr(self.request.state, "audit_subject", None) or self.request.url.path[:200],
                request_id=request_id(self.request),
                detail={"status": response.status_code},
            )
        )
        if self._key is None:
            return
        secret = getattr(self._route.endpoint, "answers_with_secret", False)
        kept = {
            name: value for name, value in response.headers.items() if name in ("content-type", "location")
        }
        session.add(
            idempotency.IdempotentRequest(
                **owner,
                key=self._key,
                fingerprint=self._print,
                status=response.status_code,
                headers=kept,
                body=None if secret else bytes(response.body),
            )
        )


class Route(APIRoute):
    """The one place where transactions of requests begin and end."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        options["generate_unique_id_function"] = operation_id
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        methods = self.methods or set()

        async def read(request: Request) -> Response:
            request.state.route = self.path_format
            _require_text(request)
            async with _database(request).reading() as session:
                await _authenticate(request, session)
                request.state.session = session
                return await handle(request)

        async def change(request: Request) -> Response:
            request.state.route = self.path_format
            _require_text(request)
            database = _database(request)
            # Before the write lock is taken: the body has arrived whole and the caller is known.
            body = await request.body()
            gate: Gate = request.app.state.gate
            caller = _known(request, await gate.caller(request.headers.get("authorization")))
            if not getattr(self.endpoint, "open_to_readers", False):
                caller.require(*WRITERS)
            key = self._key(request)
            if work := getattr(self.endpoint, "prepared_by", None):
                request.state.prepared = await work(request)
            deed = Deed(request, caller, self, key, body)
            async with deed.held():
                if getattr(self.endpoint, "shares_transaction", False):
                    request.state.deed = deed
                    return await handle(request)
                async with database.transaction() as session:
                    (done,) = await done_before(session, [deed])
                    if isinstance(done, Problem):
                        raise done
                    if done is not None:
                        return done
                    request.state.session = session
                    session.info["relay_quota"] = request.app.state.settings.relay_quota
                    response = await handle(request)
                    deed.note(session, response)
                    await session.flush()
                    return response

        return read if methods <= SAFE_METHODS else change

    def _key(self, request: Request) -> str | None:
        key = request.headers.get("idempotency-key")
        if key is not None:
            return idempotency.check_key(key)
        if request.method == "POST" and not getattr(self.endpoint, "key_optional", False):
            raise idempotency.KeyMissing()
        return None


async def done_before(session: AsyncSession, deeds: Sequence[Deed]) -> list[Response | Problem | None]:
    """For each deed the answer it got when it was carried out before, or why it is not carried out now
    (StillRunning, KeyReused, AnswerNotKept); None for one that is new."""
    found = await idempotency.find(session, [each.place for each in deeds if each.place is not None])
    answers: list[Response | Problem | None] = []
    for deed in deeds:
        done = found.get(deed.place) if deed.place is not None else None
        try:
            answers.append(done if done is None or isinstance(done, Problem) else deed.replay(done))
        except Problem as problem:
            answers.append(problem)
    return answers


def _require_text(request: Request) -> None:
    """Raises InvalidRequest for an address with a NUL, which no text in PostgreSQL can hold."""
    if "\x00" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        detail = "an address holds no NUL character"
        raise InvalidRequest(errors=[FieldError("", "malformed", detail=detail)])


def _replay(done: idempotency.IdempotentRequest, print_: str) -> Response:
    if done.fingerprint != print_:
        raise idempotency.KeyReused(key=done.key)
    if done.body is None:
        raise idempotency.AnswerNotKept()
    return Response(done.body, done.status, dict(done.headers) | {"Idempotent-Replayed": "true"})


async def _authenticate(request: Request, session: AsyncSession) -> Caller:
    authenticate: Authenticate = request.app.state.authenticate
    return _known(request, await authenticate(session, request.headers.get("authorization")))


def _known(request: Request, caller: Caller) -> Caller:
    request.state.caller = caller
    bind_contextvars(party=str(caller.party_id), user=str(caller.user_id))
    return caller


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


def request_id(request: Request) -> str | None:
    """The id of this request, as in the X-Request-Id header of its answer."""
    value: str | None = getattr(request.state, "request_id", None)
    return value


def audit_subject(request: Request, subject: str) -> None:
    """Names what the request changed, such as "receivable:0190…", for the audit entry."""
    request.state.audit_subject = subject


async def _session(request: Request) -> AsyncSession:
    session: AsyncSession = request.state.session
    return session


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


async def _deed(request: Request) -> Deed:
    deed: Deed = request.state.deed
    return deed


async def _locale(request: Request) -> Locale:
    return negotiate(request.headers.get("accept-language"))


Session = Annotated[AsyncSession, Depends(_session)]
"""The session of the request's transaction (for a GET, one that can only read)."""
CurrentDeed = Annotated[Deed, Depends(_deed)]
"""The request itself, for endpoints whose transaction others share."""
CurrentCaller = Annotated[Caller, Depends(_caller)]
"""The authenticated user behind the request."""
CurrentLocale = Annotated[Locale, Depends(_locale)]
"""The language to answer in."""
IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="Any unique text, the same when the request is repeated."),
]
"""The request's key, for endpoints that pass it on to the outbox."""

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """One page of a list. `next` is the cursor of the following page, null on the last."""

    model_config = ConfigDict(frozen=True)

    items: Sequence[Item]
    next: str | None = Field(description="Pass as `cursor` to get the following page; null on the last page.")


class PageQuery(BaseModel):
    """Where to start and how much to give."""

    cursor: str | None = Field(default=None, max_length=512, description="`next` of the page before.")
    limit: int = Field(default=50, ge=1, le=200, description="How many items at most.")


Paging = Annotated[PageQuery, Query()]


async def page(
    session: AsyncSession,
    statement: Select[Any],
    id_column: Any,
    paging: PageQuery,
    parts: Sequence[Select[Any]] = (),
) -> tuple[Sequence[Any], str | None]:
    """The rows of one page, newest first, and the cursor of the next.

    `id_column` is a UUIDv7 column: its order is the order of creation, it never changes, and so a page never
    repeats or skips a row that was there when the first page was asked for. With `parts`, statements for ids,
    the rows are those of any part, and each part is read no further than the page. Raises InvalidCursor.
    """
    last = None if paging.cursor is None else _decode_cursor(paging.cursor)
    if parts:
        read = [each if last is None else each.where(id_column < last) for each in parts]
        ends = [select(each.order_by(id_column.desc()).limit(paging.limit + 1).subquery()) for each in read]
        statement = statement.where(id_column.in_(union(*ends)))
    elif last is not None:
        statement = statement.where(id_column < last)
    rows = (await session.scalars(statement.order_by(id_column.desc()).limit(paging.limit + 1))).all()
    shown = rows[: paging.limit]
    following = _encode_cursor(getattr(shown[-1], id_column.key)) if len(rows) > paging.limit else None
    return shown, following


def _encode_cursor(last: UUID) -> str:
    return base64.urlsafe_b64encode(last.bytes).rstrip(b"=").decode()


def _decode_cursor(cursor: str) -> UUID:
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor + "=="))
    except ValueError:
        raise InvalidCursor() from None
