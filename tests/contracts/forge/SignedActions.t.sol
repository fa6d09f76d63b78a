// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ISignedActions, SignedAction} from "../../../contracts/interfaces/ISignedActions.sol";
import {Diary, DiaryTest} from "./Diary.sol";
import {Vm, vm} from "./Vm.sol";

/// Branches: SignedActions.tree.
contract SignedActionsTest is DiaryTest {
    // relay

    function test_Relay_ActsForTheSigner() public {
        SignedAction memory action = _writing(7, "hello", 0);
        vm.prank(_sender);
        _diary.relay(action);

        assertEq(_diary.author(), _anna, "author");
        assertEq(_diary.lines(7), "hello", "line");
        assertEq(_diary.witness(), address(0), "witness");
        assertTrue(_diary.isNonceUsed(_anna, 0), "nonce used");
        assertEq(_diary.nonceWord(_anna, 0), 1, "nonce word");
    }

    function test_DirectCall_ActsForTheCaller() public {
        vm.prank(_boris);
        _diary.write(7, "hello");
        assertEq(_diary.author(), _boris, "author");
    }

    function test_DirectCall_WithAForgedSuffix_ActsForTheCaller() public {
        vm.prank(_boris);
        (bool success,) =
            address(_diary).call(abi.encodePacked(abi.encodeCall(Diary.write, (7, "hello")), _anna, _anna));
        assertTrue(success, "call");
        assertEq(_diary.author(), _boris, "author");
        assertEq(_diary.witness(), address(0), "witness");
    }

    function test_Digest_IsThatOfEip712() public view {
        SignedAction memory action = _writing(7, "hello", 3);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Write(uint256 page,bytes32 line,uint256 nonce,uint256 deadline,uint256 gasFloor)"),
                7,
                bytes32("hello"),
                3,
                TOMORROW,
                50_000
            )
        );
        assertEq(_diary.actionDigest(action), _typed(structHash, block.chainid), "digest");
    }

    function test_Digest_OfDynamicArguments_IsThatOfEip712() public {
        uint64[] memory told = new uint64[](2);
        (told[0], told[1]) = (1694, 1826);
        SignedAction memory action = _signed(abi.encodeCall(Diary.tell, (9, "the tallies burned", told)), 1);
        bytes32 structHash = keccak256(
            abi.encode(
                _diary.TELL_TYPEHASH(),
                9,
                keccak256("the tallies burned"),
                keccak256(abi.encode(uint256(1694), uint256(1826))),
                1,
                TOMORROW,
                50_000
            )
        );
        assertEq(_diary.actionDigest(action), _typed(structHash, block.chainid), "digest");

        _diary.relay(action);
        assertEq(_diary.lines(9), keccak256(abi.encode("the tallies burned", told)), "line");
    }

    function test_Relay_AfterTheDeadline() public {
        SignedAction memory action = _writing(7, "hello", 0);
        vm.warp(TOMORROW);
        _diary.relay(action);

        action = _writing(8, "late", 1);
        vm.warp(TOMORROW + 1);
        vm.expectRevert(abi.encodeWithSelector(ISignedActions.ActionExpired.selector, TOMORROW, TOMORROW + 1));
        _diary.relay(action);
    }

    function test_Relay_Twice() public {
        SignedAction memory action = _writing(7, "hello", 255);
        _diary.relay(action);
        vm.expectRevert(abi.encodeWithSelector(ISignedActions.NonceUsed.selector, _anna, 255));
        _diary.relay(action);
    }

    function test_Relay_NoncesInAnyOrder() public {
        _diary.relay(_writing(1, "a", type(uint256).max));
        _diary.relay(_writing(2, "b", 0));
        _diary.relay(_writing(3, "c", 300));
        assertEq(_diary.author(), _anna, "author");
        assertEq(_diary.nonceWord(_anna, 1), 1 << 44, "word of 300");
    }

    function test_Relay_WhatFails_KeepsItsNonceAndItsReason() public {
        SignedAction memory action = _writing(13, "hello", 0);
        vm.expectRevert(abi.encodeWithSelector(Diary.PageTorn.selector, 13));
        _diary.relay(action);
        assertFalse(_diary.isNonceUsed(_anna, 0), "nonce used");
    }

    function test_Relay_WhatFailsSilently_StillReverts() public {
        SignedAction memory action = _writing(14, "hello", 0);
        vm.expectRevert(abi.encodeWithSelector(ISignedActions.ActionReverted.selector));
        _diary.relay(action);
    }

    function test_Relay_WhatIsNotAnAction() public {
        SignedAction memory action = _writing(7, "hello", 0);
        action.callData = abi.encodeCall(Diary.unsigned, ());
        vm.expectRevert(
            abi.encodeWithSelector(ISignedActions.ActionUnknown.selector, Diary.unsigned.selector)
        );
        _diary.relay(action);

        action.callData = hex"0102";
        vm.expectRevert(abi.encodeWithSelector(ISignedActions.ActionUnknown.selector, bytes4(hex"0102")));
        _diary.relay(action);
    }

    function test_Relay_ThroughRelay_IsNotAnAction() public {
        SignedAction memory action = _writing(7, "hello", 0);
        action.callData = abi.encodeCall(ISignedActions.relay, (action));
        vm.expectRevert(
            abi.encodeWithSelector(ISignedActions.ActionUnknown.selector, ISignedActions.relay.selector)
        );
        _diary.relay(action);
    }

    function test_Relay_TheSenderCanChangeNothing(uint256 field, bytes32 other) public {
        SignedAction memory action = _writing(7, "hello", 0);
        field = bound(field, 0, 5);
        if (field == 0) action.callData = abi.encodeCall(Diary.write, (7, other));
        if (field == 1) action.callData = abi.encodeCall(Diary.write, (uint256(other), "hello"));
        if (field == 2) action.nonce = uint256(other);
        if (field == 3) action.deadline = bound(uint256(other), block.timestamp, type(uint256).max);
        if (field == 4) action.gasFloor = uint256(other);
        if (field == 5) action.callData = abi.encodePacked(action.callData, other);
        vm.assume(
            field == 5 || keccak256(abi.encode(action)) != keccak256(abi.encode(_writing(7, "hello", 0)))
        );

        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        _diary.relay(action);
    }

    function test_Relay_OnAnotherContract() public {
        SignedAction memory action = _writing(7, "hello", 0);
        Diary other = new Diary();
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        other.relay(action);
    }

    function test_Relay_OnTheChainAfterAFork() public {
        SignedAction memory action = _writing(7, "hello", 0);
        uint256 home = block.chainid;
        vm.chainId(home + 1);
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        _diary.relay(action);

        vm.chainId(home);
        _diary.relay(action);
    }

    function test_Relay_WithAMalleatedSignature() public {
        SignedAction memory action = _writing(7, "hello", 0);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(ANNA_KEY, _diary.actionDigest(action));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        action.signature = abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        _diary.relay(action);
    }

    /// ERC-2098: r, and s with v in its highest bit.
    function test_Relay_WithACompactSignature(uint256 page) public {
        vm.assume(page < 13 || page > 15);
        SignedAction memory action = _signed(abi.encodeCall(Diary.write, (page, "hello")), 0);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(ANNA_KEY, _diary.actionDigest(action));
        bytes32 vs = bytes32(uint256(s) | uint256(v - 27) << 255);
        action.signature = abi.encodePacked(r, bytes32(uint256(vs) ^ (1 << 255)));
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        _diary.relay(action);

        action.signature = abi.encodePacked(r, vs);
        _diary.relay(action);
        assertEq(_diary.author(), _anna, "author");
        action.signature = abi.encodePacked(r, s, v);
        vm.expectRevert(abi.encodeWithSelector(ISignedActions.NonceUsed.selector, _anna, 0));
        _diary.relay(action);
    }

    function test_Relay_WithACompactMalleatedSignature() public {
        SignedAction memory action = _writing(7, "hello", 0);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(ANNA_KEY, _diary.actionDigest(action));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        // The other s has no room for v: its highest bit is set, or it is above half the order.
        action.signature = abi.encodePacked(r, bytes32(order - uint256(s)));
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        _diary.relay(action);
        action.signature =
            abi.encodePacked(r, bytes32((order - uint256(s)) | uint256(v == 27 ? 1 : 0) << 255));
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        _diary.relay(action);
    }

    /// What would be read from outside the call is no call and no signature.
    function test_Relay_WithMembersOutsideTheCall(uint256 member, uint256 place) public {
        SignedAction memory action = _writing(7, "hello", 0);
        bytes memory data = abi.encodeCall(ISignedActions.relay, (action));
        member = bound(member, 4, 6);
        place = bound(place, data.length, type(uint256).max);
        assembly ("memory-safe") {
            mstore(add(add(data, 0x44), mul(member, 0x20)), place)
        }
        (bool success, bytes memory reason) = address(_diary).call(data);
        assertFalse(success, "relayed");
        assertTrue(
            bytes4(reason) == ISignedActions.ActionUnknown.selector
                || bytes4(reason) == ISignedActions.SignatureInvalid.selector,
            "reason"
        );
    }

    function test_Relay_WithLessGasThanSigned() public {
        SignedAction memory action = _writing(7, "hello", 0);
        action.gasFloor = 1_000_000;
        _sign(action);
        vm.expectPartialRevert(ISignedActions.GasBelowFloor.selector);
        _diary.relay{gas: 1_000_000}(action);

        _diary.relay{gas: 1_200_000}(action);
        assertEq(_diary.author(), _anna, "author");
    }

    // relayMany

    function test_RelayMany_OneFailsAlone() public {
        SignedAction[] memory actions = new SignedAction[](7);
        actions[0] = _writing(1, "a", 0);
        actions[1] = _writing(13, "torn", 1);
        actions[2] = _writing(2, "again", 0);
        actions[3] = _writing(3, "forged", 3);
        actions[3].signature = actions[0].signature;
        actions[4] = _writing(15, "bomb", 4);
        actions[5] = _signed(abi.encodePacked(Diary.tell.selector, uint256(9)), 5);
        actions[6] = _writing(6, "z", 6);

        vm.recordLogs();
        vm.prank(_sender);
        assertEq(_diary.relayMany(actions), 5, "failures");

        assertEq(_diary.nonceWord(_anna, 0), 1 | 1 << 6, "nonces");
        assertEq(_diary.lines(1), "a", "first");
        assertEq(_diary.lines(2), 0, "replayed");
        assertEq(_diary.lines(6), "z", "last");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 5, "failures logged");
        assertEq(logs[0].topics[0], ISignedActions.ActionFailed.selector, "event");
        assertEq(logs[0].topics[1], bytes32(uint256(uint160(_anna))), "signer");
        assertEq(logs[0].topics[2], bytes32(uint256(1)), "nonce");
        bytes memory reason = abi.decode(logs[0].data, (bytes));
        assertEq(reason, abi.encodeWithSelector(Diary.PageTorn.selector, 13), "reason");
        assertEq(abi.decode(logs[3].data, (bytes)).length, 256, "length of the bomb's reason");
    }

    function test_RelayMany_WhatFailed_MayBeSentAgainByAnybody() public {
        SignedAction[] memory actions = new SignedAction[](1);
        actions[0] = _writing(7, "hello", 0);
        actions[0].gasFloor = 900_000;
        _sign(actions[0]);
        assertEq(_diary.relayMany{gas: 500_000}(actions), 1, "failures");

        vm.prank(_boris);
        assertEq(_diary.relayMany(actions), 0, "failures");
        assertEq(_diary.author(), _anna, "author");
    }

    function test_RelayMany_ArgumentsThatPointOutside_FailAlone(uint256 offset, uint256 length) public {
        bytes memory callData = abi.encodePacked(
            Diary.tell.selector, uint256(9), offset, uint256(96), length, uint256(1), uint256(2)
        );
        SignedAction[] memory actions = new SignedAction[](2);
        actions[0] = _writing(1, "a", 0);
        actions[0].callData = callData;
        actions[1] = _writing(2, "b", 1);
        assertEq(_diary.relayMany(actions), 1, "failures");
        assertEq(_diary.lines(2), "b", "second");
    }

    function test_RelayMany_ArgumentsThatPointJustOutside_FailAlone() public {
        uint256[6] memory offsets = [type(uint256).max, 192, 161, 96, 96, 96];
        uint256[6] memory lengths = [uint256(0), 0, 0, type(uint256).max, 193, 65];
        for (uint256 i = 0; i < 6; ++i) {
            uint256 clean = vm.snapshotState();
            test_RelayMany_ArgumentsThatPointOutside_FailAlone(offsets[i], lengths[i]);
            vm.revertToState(clean);
        }
    }

    // cancelNonces

    function test_CancelNonces_ByTheSignerAlone() public {
        SignedAction memory action = _writing(7, "hello", 300);
        vm.expectEmit(address(_diary));
        emit ISignedActions.NoncesCancelled(_anna, 1, 1 << 44);
        vm.prank(_anna);
        _diary.cancelNonces(1, 1 << 44);
        vm.expectRevert(abi.encodeWithSelector(ISignedActions.NonceUsed.selector, _anna, 300));
        _diary.relay(action);
    }

    function test_CancelNonces_Relayed_AndItsOwn() public {
        _diary.relay(_signed(abi.encodeCall(ISignedActions.cancelNonces, (0, type(uint256).max)), 5));
        assertEq(_diary.nonceWord(_anna, 0), type(uint256).max, "nonces");
    }

    function test_CancelNonces_OfAnother_ChangesNothing() public {
        vm.prank(_boris);
        _diary.cancelNonces(0, type(uint256).max);
        _diary.relay(_writing(7, "hello", 0));
        assertEq(_diary.author(), _anna, "author");
    }

    function test_CancelNonces_NeverFreesAny() public {
        _diary.relay(_writing(7, "hello", 0));
        vm.prank(_anna);
        _diary.cancelNonces(0, 2);
        vm.prank(_anna);
        _diary.cancelNonces(0, 0);
        assertEq(_diary.nonceWord(_anna, 0), 3, "nonces");
    }

    // actionTypehash

    function test_ActionTypehash() public view {
        assertEq(_diary.actionTypehash(Diary.write.selector), _diary.WRITE_TYPEHASH(), "write");
        assertEq(_diary.actionTypehash(Diary.unsigned.selector), 0, "unsigned");
        assertTrue(_diary.actionTypehash(ISignedActions.cancelNonces.selector) != 0, "cancelNonces");
    }
}
