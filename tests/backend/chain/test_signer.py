"""Signers: the same transaction from a local key, a keystore and a remote service; refusals in words."""

import json
import warnings

import httpx
import pytest
from eth_account import Account
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.chain.signer import (
    _ORDER,
    DevelopmentKeyWarning,
    Fees,
    LocalSigner,
    RemoteSigner,
    SignerError,
    from_settings,
    sign_transaction,
)
from backend.kit.settings import load
from tests.backend.chain.conftest import KEYS

TARGET = "0x" + "22" * 20


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**40),
    st.binary(max_size=200),
    st.integers(1, 2**40),
    st.booleans(),
    st.integers(0, 2**60),
)
async def test_transactions_are_those_other_libraries_make(nonce, data, fee, legacy, value):
    signed = await sign_transaction(
        LocalSigner(KEYS[0]),
        chain_id=31337,
        nonce=nonce,
        target=TARGET,
        data=data,
        gas=100_000,
        fees=Fees(fee, min(fee, 7), legacy=legacy),
        value=value,
    )

    price = {"gasPrice": fee} if legacy else {"maxFeePerGas": fee, "maxPriorityFeePerGas": min(fee, 7)}
    fields = {"nonce": nonce, "to": TARGET, "data": data, "gas": 100_000, "chainId": 31337, "value": value}
    expected = Account.sign_transaction(fields | price, KEYS[0])
    assert signed.raw == bytes(expected.raw_transaction)
    assert signed.hash == "0x" + bytes(expected.hash).hex()


def remote(
    answer: httpx.Response | Exception | None, *, key: bytes = KEYS[0], high: bool = False
) -> RemoteSigner:
    """A remote signer whose service is the test."""

    def serve(request: httpx.Request) -> httpx.Response:
        assert request.url.path == f"/api/v1/eth1/sign/{LocalSigner(KEYS[0]).address}"
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            return answer
        payload = bytes.fromhex(json.loads(request.content)["data"][2:])
        raw = bytearray(LocalSigner(key)._key.sign_recoverable(keccak(payload), hasher=None))
        if high:
            raw[32:64] = (_ORDER - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big")
            raw[64] ^= 1
        return httpx.Response(200, text="0x" + raw[:64].hex() + bytes([raw[64] + 27]).hex())

    signer = RemoteSigner("http://signer.test/", LocalSigner(KEYS[0]).address.lower())
    signer._client = httpx.AsyncClient(transport=httpx.MockTransport(serve))
    return signer


@pytest.mark.parametrize("high", [False, True])
async def test_a_remote_signer_signs_the_same(high):
    signer = remote(None, high=high)

    assert await signer.sign(b"payload") == await LocalSigner(KEYS[0]).sign(b"payload")
    await signer.close()


@pytest.mark.parametrize(
    ("signer", "says"),
    [
        (remote(None, key=KEYS[1]), "another key"),
        (remote(httpx.Response(404)), "refused"),
        (remote(httpx.Response(200, text="not hex")), "no signature"),
        (remote(httpx.Response(200, text="0x" + "00" * 65)), "no signature"),
        (remote(httpx.ConnectError("down")), "cannot be reached"),
    ],
)
async def test_a_remote_signer_is_not_trusted_blindly(signer, says):
    with pytest.raises(SignerError, match=says):
        await signer.sign(b"payload")


def test_a_keystore_opens_with_its_password_only(tmp_path):
    path = tmp_path / "relayer.json"
    path.write_text(json.dumps(Account.encrypt(KEYS[0], "right", kdf="pbkdf2", iterations=1_000)))
    environment = {"TALLYSTICK_RELAYER_KEYSTORE": str(path)}

    opened = from_settings(load(environment | {"TALLYSTICK_RELAYER_PASSWORD": "right"}))
    assert opened.address == LocalSigner(KEYS[0]).address
    with pytest.raises(SignerError, match="does not open"):
        from_settings(load(environment | {"TALLYSTICK_RELAYER_PASSWORD": "wrong"}))
    path.unlink()
    with pytest.raises(SignerError, match="missing"):
        from_settings(load(environment | {"TALLYSTICK_RELAYER_PASSWORD": "right"}))


def test_a_bare_key_warns_and_none_is_refused():
    with pytest.warns(DevelopmentKeyWarning):
        from_settings(load({"TALLYSTICK_RELAYER_DEVELOPMENT_KEY": "0x" + KEYS[0].hex()}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DevelopmentKeyWarning)
        with pytest.raises(SignerError, match="32 bytes"):
            from_settings(load({"TALLYSTICK_RELAYER_DEVELOPMENT_KEY": "0xzz"}))
    with pytest.raises(SignerError, match="has no key"):
        from_settings(load({}))
