"""Settings from the environment (`TALLYSTICK_*`), all problems reported at once, secrets never shown.

Plain pydantic: `pydantic-settings` does not resolve beside Brownie's pins.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

PREFIX = "TALLYSTICK_"


class SettingsError(Exception):
    """The settings cannot be used. The text lists every problem, one a line, and never a secret's value."""


def _comma_separated(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _by_name(value: object) -> object:
    if not isinstance(value, str):
        return value
    return {
        name.strip(): text for part in value.split(",") for name, _, text in [part.partition("=")] if name
    }


class Settings(BaseModel):
    """What a Tallystick process needs to know. Every field is read from `TALLYSTICK_<FIELD>`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    environment: Literal["development", "production"] = "development"
    database_url: SecretStr = SecretStr("sqlite:///data/tallystick.sqlite")
    """`sqlite:///path` or `postgresql://user:password@host/name`."""
    data_directory: Path = Path("data")
    """Where files we keep lie (encrypted blobs, local keystores)."""

    rpc_urls: Annotated[tuple[str, ...], BeforeValidator(_comma_separated)] = ("http://127.0.0.1:8545",)
    """JSON-RPC endpoints of one chain, best first, separated by commas."""
    deployment: Path = Path("deployments/31337.json")
    """The deployment record `scripts/deploy.py` wrote: chain id, addresses, first block, ABIs beside it."""
    finality_blocks: Annotated[int, Field(ge=0, le=10_000)] = 12
    """How many blocks deep something is before it counts as final."""
    finality_tag: Literal["safe", "finalized"] | None = None
    """The chain's own word for what is final, where its nodes have one: an operation then ends when its block
    is below that one, whatever the depth. Beyond the depth above the index still refuses to follow."""
    ready_lag_blocks: Annotated[int, Field(ge=1)] = 30
    """How far the index may be behind the chain before the server calls itself not ready."""
    local_chain: bool = False
    """A chain of one's own that may lose blocks when it is killed; the finality stop does not apply to it."""

    relayer_keystore: Path | None = None
    """Encrypted keystore (Web3 Secret Storage, version 3) of the key that pays for transactions."""
    relayer_password: SecretStr | None = None
    relayer_signer_url: str | None = None
    """A signing service that speaks web3signer's API and keeps the relayer's key."""
    relayer_address: str | None = None
    """Which of the service's keys is the relayer's."""
    relayer_development_key: SecretStr | None = None
    """A bare private key. Development only."""
    max_fee_gwei: Annotated[int, Field(gt=0)] = 200
    """The highest fee for a unit of gas the relayer ever offers."""
    relay_quota: Annotated[int, Field(ge=1)] = 100_000
    """How many operations an hour the relayer pays for on behalf of one party."""
    in_flight: Annotated[int, Field(ge=1, le=1_000)] = 64
    """How many transactions may wait to be mined at a time; nodes keep about so many of one sender."""
    resend_seconds: Annotated[float, Field(gt=0)] = 15
    """After how long the same bytes are sent again if they were not mined."""
    replace_seconds: Annotated[float, Field(gt=0)] = 90
    """After how long the first waiting transaction is outbid."""

    anchor_seconds: Annotated[float, Field(ge=1, le=3_000)] = 10
    """How long an event waits at most until a head of the log that covers it is made."""
    anchor_block: Annotated[int, Field(ge=1, le=100_000)] = 1
    """A head of the log covers a multiple of so many leaves. Above 1, filling hides how much is recorded, at
    the price of a head every `anchor_seconds` even when nothing is."""

    document_key_files: Annotated[tuple[Path, ...], BeforeValidator(_comma_separated)] = ()
    """Files of 32 bytes in hex that wrap the key of every stored document, the newest first, separated by
    commas. Development makes one in the data directory; production has to name them."""
    fingerprint_key_files: Annotated[tuple[Path, ...], BeforeValidator(_comma_separated)] = ()
    """Files of 32 bytes in hex: secrets of the verifiable random function, whose keys are on the chain."""

    keep_answers_days: Annotated[int, Field(ge=1)] = 30
    """How long a request sent again under its Idempotency-Key gets its first answer."""
    keep_deliveries_days: Annotated[int, Field(ge=1)] = 30
    """How long it is kept that a notice arrived at a webhook."""
    keep_notices_days: Annotated[int, Field(ge=1)] = 400
    """How long notices can be read and sent once more."""
    keep_operations_days: Annotated[int, Field(ge=1)] = 800
    """How long operations that succeeded can be looked up, with the bytes that were sent."""

    allow_private_webhooks: bool = False
    """Webhooks may go to private addresses and any port. Development only."""

    reminder_days: Annotated[int, Field(ge=0, le=365)] = 3
    """After how many days without an answer a buyer is reminded of an invoice, and again; 0 for never."""
    retention_years: Annotated[dict[str, int], BeforeValidator(_by_name)] = {}
    """How many full years after that of issue invoices are kept, by profile, where it is not our schedule
    of `default=10,eu=10,cn=30,in=8`."""

    irp_key_files: Annotated[tuple[Path, ...], BeforeValidator(_comma_separated)] = ()
    """Files with the public keys or certificates (PEM) of India's invoice registration portals, separated by
    commas. Without one the signatures of invoices registered there are not checked."""
    clamd: str | None = None
    """The virus scanner for uploads: clamd as `host:port`, or the path of its Unix socket."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 8000
    max_body_bytes: Annotated[int, Field(ge=1_024)] = 16 * 1024 * 1024
    request_seconds: Annotated[float, Field(gt=0)] = 30.0
    log_format: Literal["text", "json"] = "text"

    @model_validator(mode="after")
    def _no_shortcuts_in_production(self) -> Self:
        if not self.rpc_urls:
            raise ValueError("rpc_urls: at least one JSON-RPC endpoint is needed")
        if self.relayer_keystore is not None and self.relayer_password is None:
            raise ValueError("relayer_password: the keystore needs its password")
        if (self.relayer_signer_url is None) != (self.relayer_address is None):
            raise ValueError("relayer_signer_url, relayer_address: one needs the other")
        if self.environment == "production":
            forbidden = ("relayer_development_key", "local_chain", "allow_private_webhooks")
            shortcuts = [name for name in forbidden if getattr(self, name)]
            if shortcuts:
                raise ValueError(f"{', '.join(shortcuts)}: a shortcut for development, refused in production")
        return self


def load(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """The settings of this process. `overrides` win over the environment.

    Raises SettingsError with every problem found, an unknown `TALLYSTICK_` variable among them: a typing
    mistake must not silently mean the default.
    """
    source = os.environ if environ is None else environ
    values: dict[str, Any] = {
        name[len(PREFIX) :].lower(): value for name, value in source.items() if name.startswith(PREFIX)
    }
    try:
        return Settings.model_validate(values | overrides)
    except ValidationError as error:
        lines = [_line(problem["loc"], problem["msg"]) for problem in error.errors(include_input=False)]
        raise SettingsError("The settings have problems:\n" + "\n".join(lines)) from None


def _line(location: tuple[int | str, ...], message: str) -> str:
    name = f"{PREFIX}{str(location[0]).upper()}: " if location else ""
    if message == "Extra inputs are not permitted":
        message = "no such setting"
    return f"  {name}{message.removeprefix('Value error, ')}"
