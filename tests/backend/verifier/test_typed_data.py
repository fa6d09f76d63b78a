"""EIP-712 hashing against eth-account, and signatures as the contracts take them."""

import base64

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from eth_account import Account
from eth_account.messages import encode_typed_data

from backend.verifier import capture, evm, typed_data
from backend.verifier.terms import CONFIRMATION_TYPE, DOMAIN_NAME, STATEMENTS, Terms

CONTRACT = b"\x22" * 20
TERMS = Terms(
    supplier=b"\x01" * 20,
    debtor=b"\x02" * 20,
    token=b"\x03" * 20,
    currency="EUR",
    amount=1_190_000,
    dueEnd=1_790_000_000,
    graceDays=5,
    lateRate=90_000,
    undertaking=1,
    paymentOrder=0,
    keySet=1,
    fingerprint=b"\x04" * 32,
    otherFingerprints=bytes(32),
    documentRoot=b"\x05" * 32,
    rules=b"\x06" * 32,
)
KEY = Account.from_key(b"\x07" * 32)


def eth_account_types():
    structs = typed_data._STRUCT.findall(CONFIRMATION_TYPE)
    return {
        name: [{"type": m.split(" ")[0], "name": m.split(" ")[1]} for m in members.split(",")]
        for name, members in structs
    }


def signable():
    values = vars(TERMS) | {"currency": b"EUR"}
    return encode_typed_data(
        {"name": DOMAIN_NAME, "version": "1", "chainId": 31337, "verifyingContract": CONTRACT},
        eth_account_types(),
        {"statement": STATEMENTS[1], "terms": values, "nonce": 3, "deadline": 1_780_000_000},
    )


def test_confirmation_digest_agrees_with_eth_account():
    message = signable()
    expected = evm.keccak(b"\x19" + message.version + message.header + message.body)
    domain = typed_data.Domain(DOMAIN_NAME, 31337, CONTRACT)
    assert TERMS.confirmation_digest(domain, 3, 1_780_000_000) == expected
    signature = bytes(KEY.sign_message(message).signature)
    assert typed_data.recover(expected, signature) == bytes.fromhex(KEY.address[2:])


def test_every_member_of_terms_is_in_the_id():
    ids = {TERMS.id()}
    for name, value in vars(TERMS).items():
        other = (
            value + 1
            if isinstance(value, int)
            else "USD"
            if isinstance(value, str)
            else bytes([9]) * len(value)
        )
        ids.add(Terms(**{**vars(TERMS), name: other}).id())
    assert len(ids) == 1 + len(vars(TERMS))


def test_malleable_and_malformed_signatures_are_nobodys():
    digest = evm.keccak(b"x")
    signature = bytes(KEY.unsafe_sign_hash(digest).signature)
    assert typed_data.recover(digest, signature) is not None
    s = typed_data._ORDER - int.from_bytes(signature[32:64], "big")
    assert typed_data.recover(digest, signature[:32] + evm.word(s) + bytes([55 - signature[64]])) is None
    assert typed_data.recover(digest, signature[:64] + bytes([signature[64] - 27])) is None
    assert typed_data.recover(digest, signature[:-2]) is None
    assert typed_data.recover(digest, bytes(64) + b"\x1b") is None


def test_values_that_do_not_fit_are_refused():
    for kind, value in (
        ("uint64", "1"),
        ("address", b"\x01"),
        ("bytes32", b"\x01"),
        ("string", 1),
        ("uint8[]", 1),
    ):
        with pytest.raises(TypeError):
            typed_data.hash_struct(f"T({kind} a)", {"a": value})


def b64(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def machine_keys():
    edwards = ed25519.Ed25519PrivateKey.generate()
    nist = ec.generate_private_key(ec.SECP256R1())
    numbers = nist.public_key().public_numbers()

    def es256(digest):
        r, s = decode_dss_signature(nist.sign(digest, ec.ECDSA(hashes.SHA256())))
        return evm.word(r) + evm.word(s)

    return [
        ({"kty": "OKP", "crv": "Ed25519", "x": b64(edwards.public_key().public_bytes_raw())}, edwards.sign),
        ({"kty": "EC", "crv": "P-256", "x": b64(evm.word(numbers.x)), "y": b64(evm.word(numbers.y))}, es256),
    ]


@pytest.mark.parametrize("which", [0, 1])
def test_machines_sign_what_they_report(which):
    jwk, sign = machine_keys()[which]
    digest = capture.digest(31337, CONTRACT, b"\x08" * 32, b"\x02" * 20, b'{"events": []}')
    signature = sign(digest)
    assert capture.signer_key(digest, signature, jwk) == capture.thumbprint(jwk)
    other = capture.digest(31337, CONTRACT, b"\x08" * 32, b"\x03" * 20, b'{"events": []}')
    assert capture.signer_key(other, signature, jwk) is None
    assert capture.signer_key(digest, signature[:-1] + bytes([signature[-1] ^ 1]), jwk) is None
    assert capture.signer_key(digest, signature, {**jwk, "crv": "P-521"}) is None
    assert capture.signer_key(digest, signature, {**jwk, "x": "!"}) is None


def test_people_sign_what_they_report():
    digest = capture.digest(1, CONTRACT, bytes(32), bytes(20), b"{}")
    signature = bytes(KEY.unsafe_sign_hash(digest).signature)
    assert capture.signer_key(digest, signature, None) == bytes(12) + bytes.fromhex(KEY.address[2:])
    assert capture.signer_key(digest, b"", None) is None


def test_thumbprint_of_rfc_8037():
    """RFC 8037 appendix A.3."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert b64(capture.thumbprint(jwk)) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
