import pytest

from backend.kit.columns import address, hash32

ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def test_gives_the_canonical_form():
    assert address(ADDRESS.lower()) == ADDRESS
    assert address(bytes.fromhex(ADDRESS[2:])) == ADDRESS
    assert hash32("0x" + "AB" * 32) == hash32(b"\xab" * 32) == "0x" + "ab" * 32


@pytest.mark.parametrize(
    "value", ["0x12", "ab" * 33, "0x" + "zz" * 32, b"short", None, "0x" + "ab" * 31 + " a"]
)
def test_refuses_what_is_no_hash(value: object):
    with pytest.raises(ValueError, match="hash"):
        hash32(value)


@pytest.mark.parametrize(
    "value", [ADDRESS.replace("f39F", "F39f"), "0x12", ADDRESS[2:], None, "0x" + "g" * 40]
)
def test_refuses_what_is_no_address(value: object):
    with pytest.raises(ValueError, match="address"):
        address(value)
