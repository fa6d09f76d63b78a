// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {SignedActions} from "../../../contracts/SignedActions.sol";
import {SignedAction} from "../../../contracts/interfaces/ISignedActions.sol";
import {Test} from "./Test.sol";
import {vm} from "./Vm.sol";

/// A contract with an action of each kind of argument, which remembers who acted.
contract Diary is SignedActions {
    bytes32 public constant WRITE_TYPEHASH =
        keccak256("Write(uint256 page,bytes32 line,uint256 nonce,uint256 deadline,uint256 gasFloor)");
    bytes32 public constant TELL_TYPEHASH = keccak256(
        "Tell(uint256 page,string story,uint64[] dates,uint256 nonce,uint256 deadline,uint256 gasFloor)"
    );
    bytes32 public constant CALL_BACK_TYPEHASH =
        keccak256("CallBack(address friend,uint256 nonce,uint256 deadline,uint256 gasFloor)");

    address public author;
    address public witness;
    mapping(uint256 page => bytes32) public lines;

    error PageTorn(uint256 page);

    constructor() SignedActions("Diary") {}

    function write(uint256 page, bytes32 line) external {
        if (page == 13) revert PageTorn(page);
        if (page == 14) assembly { revert(0, 0) }
        if (page == 15) assembly { revert(0, 100000) }
        lines[page] = line;
        author = _signer();
        witness = _cosigner();
    }

    function tell(uint256 page, string calldata story, uint64[] calldata dates) external {
        lines[page] = keccak256(abi.encode(story, dates));
        author = _signer();
    }

    function callBack(Friend friend) external {
        friend.remember(this);
        author = _signer();
    }

    function unsigned() external {
        author = _signer();
    }

    function _action(bytes4 selector) internal view override returns (bytes32, uint256) {
        if (selector == this.write.selector) return (WRITE_TYPEHASH, ATOMIC);
        if (selector == this.tell.selector) return (TELL_TYPEHASH, 3 | _at(1, BYTES) | _at(2, WORDS));
        if (selector == this.callBack.selector) return (CALL_BACK_TYPEHASH, ATOMIC);
        return super._action(selector);
    }
}

/// Sends the same signed action again from within it.
contract Friend {
    SignedAction private _again;

    function keep(SignedAction calldata action) external {
        _again = action;
    }

    function remember(Diary diary) external {
        diary.relay(_again);
    }
}

/// A wallet that accepts one signature, in each way that ERC-1271 wallets answer and misanswer.
contract Wallet is IERC1271 {
    enum Mood {
        Honest,
        Generous,
        Reverting,
        Silent
    }

    address private immutable _owner;
    Mood private immutable _mood;

    constructor(address owner, Mood mood) {
        _owner = owner;
        _mood = mood;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        if (_mood == Mood.Reverting) revert("not today");
        if (_mood == Mood.Silent) assembly { return(0, 0) }
        if (_mood == Mood.Generous) {
            assembly {
                mstore(0, 1)
                return(0, 32)
            }
        }
        (uint8 v, bytes32 r, bytes32 s) = (uint8(signature[64]), bytes32(signature), bytes32(signature[32:]));
        return ecrecover(digest, v, r, s) == _owner ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }
}

/// A diary, and two who sign what is written into it.
abstract contract DiaryTest is Test {
    uint256 internal constant ANNA_KEY = 0xA11A;
    uint256 internal constant BORIS_KEY = 0xB0815;
    uint256 internal constant TOMORROW = 1_800_000_000 + 1 days;

    Diary internal _diary;
    address internal _anna;
    address internal _boris;
    address internal _sender = address(0x5e4de4);

    function setUp() public {
        vm.warp(1_800_000_000);
        _diary = new Diary();
        _anna = vm.addr(ANNA_KEY);
        _boris = vm.addr(BORIS_KEY);
    }

    function _cosigned(SignedAction memory action, uint256 key) internal view returns (SignedAction memory) {
        action.cosignature = abi.encodePacked(vm.addr(key), _signature(key, _diary.actionDigest(action)));
        return action;
    }

    function _writing(uint256 page, bytes32 line, uint256 nonce) internal view returns (SignedAction memory) {
        return _signed(abi.encodeCall(Diary.write, (page, line)), nonce);
    }

    function _signed(bytes memory callData, uint256 nonce)
        internal
        view
        returns (SignedAction memory action)
    {
        action.signer = _anna;
        action.nonce = nonce;
        action.deadline = TOMORROW;
        action.gasFloor = 50_000;
        action.callData = callData;
        _sign(action);
    }

    function _sign(SignedAction memory action) internal view {
        action.signature = _signature(ANNA_KEY, _diary.actionDigest(action));
    }

    function _signature(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _typed(bytes32 structHash, uint256 chainId) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Diary"),
                keccak256("1"),
                chainId,
                address(_diary)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }
}
