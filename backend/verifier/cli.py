"""`tallystick verify`: checks a bundle offline. Works on the base install, without server or database.

Exit status: 0 every required check passed · 1 one failed, or the bundle's own report misstates its evidence ·
3 none failed, but one cannot tell · 2 the bundle or an option cannot be read.
"""

import json
import re
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from backend.kit import messages
from backend.kit.canonical import CanonicalError, parse
from backend.kit.messages import Locale
from backend.verifier import bundle, checks, header, page, report, rpc
from backend.verifier import policy as policies
from backend.verifier.reader import BundleError, Reader

OK, FAILED, UNREADABLE, UNKNOWN = 0, 1, 2, 3

_HASH = re.compile(r"0x[0-9a-fA-F]{64}")


class Language(StrEnum):
    """Languages of the report."""

    en = "en"
    zh = "zh"


def verify(
    path: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle file.")],
    block_hash: Annotated[str | None, typer.Option(help="Hash of a block you trust.")] = None,
    rpc_url: Annotated[
        list[str] | None, typer.Option("--rpc", help="Your own node; give several to compare them.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="What you demand, and the keys and addresses you know, as JSON.")
    ] = None,
    explain: Annotated[str | None, typer.Option(metavar="CHECK", help="Everything about one check.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
    language: Annotated[Language, typer.Option("--language", help="en or zh.")] = Language.en,
) -> None:
    """Check a bundle without trusting whoever made it."""
    locale: Locale = "zh" if language is Language.zh else "en"
    raw = _read_file(path, locale)
    try:
        trusted = _trusted_hash(raw, block_hash, rpc_url or [], locale)
        evidence, makers_policy = bundle.read(raw, block_hash=trusted, now=int(time.time()))
    except (BundleError, CanonicalError) as error:
        _stop(locale, "verify.unreadable", problem=str(error))
    applied = policies.DEFAULT if policy is None else _policy(policy, locale)
    for url in rpc_url or []:
        if _chain(url, locale) != evidence.chain_id:
            _stop(locale, "verify.rpc", url=url, problem=f"chain {evidence.chain_id} is not the node's")
    found = report.run(evidence, applied, makers_policy)
    typer.echo(_answer(found, explain, as_json, locale))
    raise typer.Exit(_status(found))


def _policy(path: Path, locale: Locale) -> policies.Policy:
    try:
        with Reader(parse(_read_file(path, locale))) as reader:
            found = policies.read(reader)
        for name in found.severities:
            if name not in checks.BY_NAME:
                raise BundleError(f"/severities/{name}", "there is no check of this name")
    except (BundleError, CanonicalError) as error:
        _stop(locale, "verify.bad-policy", problem=str(error))
    return found


def _answer(found: report.Report, explain: str | None, as_json: bool, locale: Locale) -> str:
    if explain is not None:
        if explain not in checks.BY_NAME:
            _stop(locale, "verify.unknown-check", name=explain, names=", ".join(checks.BY_NAME))
        result = next(each for each in found.results if each.check == explain)
        return page.explain(result, locale)
    if as_json:
        return json.dumps(report.to_json(found, locale), ensure_ascii=False, indent=2)
    return page.render(found, locale)


def _status(found: report.Report) -> int:
    if found.failed or found.dishonest:
        return FAILED
    return UNKNOWN if found.unknown else OK


def _trusted_hash(raw: bytes, given: str | None, urls: list[str], locale: Locale) -> bytes | None:
    """The hash the reader vouches for: the one it gave, or what all its nodes say of the bundle's block."""
    if given is not None and not _HASH.fullmatch(given):
        _stop(locale, "verify.bad-block-hash")
    hashes = set() if given is None else {bytes.fromhex(given[2:])}
    if urls:
        number = bundle.read(raw, block_hash=None, now=0)[0].header.number
        for url in urls:
            found = _header(url, number, locale)
            if found is not None:
                hashes.add(found.hash)
        if len(hashes) > 1:
            _stop(locale, "verify.rpc-differ", number=number)
    return next(iter(hashes), None)


def _header(url: str, number: int, locale: Locale) -> header.Header | None:
    try:
        return rpc.header(url, number)
    except rpc.NodeProblem as problem:
        _stop(locale, "verify.rpc", url=problem.url, problem=problem.problem)


def _chain(url: str, locale: Locale) -> int:
    try:
        return rpc.chain_id(url)
    except rpc.NodeProblem as problem:
        _stop(locale, "verify.rpc", url=problem.url, problem=problem.problem)


def _read_file(path: Path, locale: Locale) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        _stop(locale, "verify.no-file", path=path, problem=error.strerror or error)


def _stop(locale: Locale, code: str, **params: object) -> NoReturn:
    typer.echo(report.visible(messages.text(code, locale, **params)), err=True)
    raise typer.Exit(UNREADABLE)
