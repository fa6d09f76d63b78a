"""The relayer's key, the only key the server has: it pays for transactions and can do nothing else.

A signer turns the bytes of an unsigned transaction into a signature. Where the key lies is its own affair: an
encrypted keystore here, a remote signer or a hardware module elsewhere.
"""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx
import rlp
from coincurve import PrivateKey, PublicKey
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from backend.kit.outgoing import tls
from backend.kit.settings import Settings


class SignerError(Exception):
    """There is no usable key; the text says why and what to do."""


class DevelopmentKeyWarning(UserWarning):
    """A bare private key is in use, which is for development only."""


class Signer(Protocol):
    """Whoever signs transactions for `address`."""

    @property
    def address(self) -> str:
        """The checksummed address transactions come from."""
        ...

    async def sign(self, payload: bytes) -> bytes:
        """65 bytes r ‖ s ‖ y-parity over the Keccak-256 hash of `payload`, with the lower s."""
        ...


class LocalSigner:
    """A key in this process's memory."""

    def __init__(self, secret: bytes) -> None:
        self._key = PrivateKey(secret)
        self._address = to_checksum_address(keccak(self._key.public_key.format(compressed=False)[1:])[-20:])

    @property
    def address(self) -> str:
        return str(self._address)

    async def sign(self, payload: bytes) -> bytes:
        return self._key.sign_recoverable(keccak(payload), hasher=None)


class RemoteSigner:
    """A key that a signing service keeps and never gives out: web3signer's API, which speaks to HSMs and
    KMSs.

    `url` names the service, `address` the key. The service's answer is checked: a signature of another key
    would make a transaction of another sender. `sign` raises SignerError.
    """

    def __init__(self, url: str, address: str, *, seconds: float = 10.0) -> None:
        self._address = to_checksum_address(address)
        self._url = f"{url.rstrip('/')}/api/v1/eth1/sign/{self._address}"
        self._client = httpx.AsyncClient(verify=tls(), timeout=seconds, follow_redirects=False)

    @property
    def address(self) -> str:
        return str(self._address)

    async def sign(self, payload: bytes) -> bytes:
        try:
            answer = await self._client.post(self._url, json={"data": "0x" + payload.hex()})
        except httpx.HTTPError as error:
            raise SignerError(f"The remote signer cannot be reached: {type(error).__name__}.") from error
        if answer.status_code != 200:
            raise SignerError(f"The remote signer refused ({answer.status_code}).")
        try:
            raw = bytes.fromhex(answer.text.strip().strip('"').removeprefix("0x"))
            signature = raw[:64] + bytes([raw[64] - 27 if raw[64] >= 27 else raw[64]])
            public = PublicKey.from_signature_and_message(signature, keccak(payload), hasher=None)
        except Exception as error:  # coincurve raises bare Exception for a signature that is none
            raise SignerError("The remote signer's answer is no signature.") from error
        if to_checksum_address(keccak(public.format(compressed=False)[1:])[-20:]) != self._address:
            raise SignerError("The remote signer signed with another key.")
        return _lower(signature)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()


_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def _lower(signature: bytes) -> bytes:
    """The same signature with the lower s (EIP-2), which hardware does not always give."""
    s = int.from_bytes(signature[32:64], "big")
    if s <= _ORDER // 2:
        return signature
    return signature[:32] + (_ORDER - s).to_bytes(32, "big") + bytes([signature[64] ^ 1])


@dataclass(frozen=True, slots=True)
class Fees:
    """What is offered for a unit of gas, in wei. Without a base fee (`legacy`) only `max_fee` counts."""

    max_fee: int
    tip: int
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class Signed:
    """A transaction ready to be sent."""

    raw: bytes
    hash: str


async def sign_transaction(
    signer: Signer,
    *,
    chain_id: int,
    nonce: int,
    target: str,
    data: bytes,
    gas: int,
    fees: Fees,
    value: int = 0,
) -> Signed:
    """Signs an EIP-1559 transaction (type 2), or a legacy one (EIP-155) where the chain has no base fee."""
    to = bytes.fromhex(target[2:])
    if fees.legacy:
        fields: list[object] = [nonce, fees.max_fee, gas, to, value, data]
        signature = await signer.sign(rlp.encode([*fields, chain_id, 0, 0]))
        r, s, parity = _parts(signature)
        raw = bytes(rlp.encode([*fields, chain_id * 2 + 35 + parity, r, s]))
    else:
        fields = [chain_id, nonce, fees.tip, fees.max_fee, gas, to, value, data, []]
        signature = await signer.sign(b"\x02" + rlp.encode(fields))
        r, s, parity = _parts(signature)
        raw = b"\x02" + bytes(rlp.encode([*fields, parity, r, s]))
    return Signed(raw, "0x" + keccak(raw).hex())


def _parts(signature: bytes) -> tuple[int, int, int]:
    return int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64]


def from_settings(settings: Settings) -> Signer:
    """The relayer's signer. Raises SignerError. Reading a keystore takes about a second, on purpose."""
    if settings.relayer_signer_url is not None and settings.relayer_address is not None:
        return RemoteSigner(settings.relayer_signer_url, settings.relayer_address)
    if settings.relayer_keystore is not None:
        return LocalSigner(_open(settings.relayer_keystore, settings.relayer_password))
    if settings.relayer_development_key is not None:
        warnings.warn(
            "The relayer's key is a bare private key: for development only.",
            DevelopmentKeyWarning,
            stacklevel=2,
        )
        text = settings.relayer_development_key.get_secret_value().removeprefix("0x")
        try:
            return LocalSigner(bytes.fromhex(text))
        except ValueError:
            raise SignerError("TALLYSTICK_RELAYER_DEVELOPMENT_KEY is not 32 bytes in hex") from None
    raise SignerError(
        "The relayer has no key: set TALLYSTICK_RELAYER_KEYSTORE and TALLYSTICK_RELAYER_PASSWORD, or "
        "TALLYSTICK_RELAYER_SIGNER_URL and TALLYSTICK_RELAYER_ADDRESS."
    )


def _open(path: Path, password: object) -> bytes:
    from eth_account import Account  # a third of a second, for those who have a keystore
    from pydantic import SecretStr

    assert isinstance(password, SecretStr)  # noqa: S101 - the settings refuse a keystore without one
    try:
        return bytes(
            Account.decrypt(json.loads(path.read_text(encoding="utf-8")), password.get_secret_value())
        )
    except FileNotFoundError:
        raise SignerError(f"The relayer's keystore {path} is missing.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise SignerError(f"The relayer's keystore {path} does not open: {error}") from None
