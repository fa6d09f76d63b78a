// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ISignedActions, SignedAction} from "../../../contracts/interfaces/ISignedActions.sol";
import {Diary, DiaryTest, Friend, Wallet} from "./Diary.sol";
import {vm} from "./Vm.sol";

/// Two signers, contracts that sign, and calls from within. Branches: SignedActions.tree.
contract SignedActionsSignersTest is DiaryTest {
    // relay, two signers

    function test_Relay_WithACosigner() public {
        SignedAction memory action = _cosigned(_writing(7, "hello", 0), BORIS_KEY);
        _diary.relay(action);
        assertEq(_diary.author(), _anna, "author");
        assertEq(_diary.witness(), _boris, "witness");
        assertTrue(_diary.isNonceUsed(_anna, 0) && _diary.isNonceUsed(_boris, 0), "both nonces used");
    }

    function test_Relay_WithACosigner_WhoCancelled() public {
        SignedAction memory action = _cosigned(_writing(7, "hello", 0), BORIS_KEY);
        vm.prank(_boris);
        _diary.cancelNonces(0, 1);
        vm.expectRevert(abi.encodeWithSelector(ISignedActions.NonceUsed.selector, _boris, 0));
        _diary.relay(action);
    }

    function test_Relay_WithACosigner_WhichFails_KeepsBothNonces() public {
        SignedAction memory action = _cosigned(_writing(13, "hello", 0), BORIS_KEY);
        vm.expectRevert(abi.encodeWithSelector(Diary.PageTorn.selector, 13));
        _diary.relay(action);
        SignedAction[] memory actions = new SignedAction[](1);
        actions[0] = action;
        assertEq(_diary.relayMany(actions), 1, "failures");
        assertFalse(_diary.isNonceUsed(_anna, 0) || _diary.isNonceUsed(_boris, 0), "a nonce is used");
    }

    function test_Relay_WithAFalseCosigner() public {
        SignedAction memory action = _writing(7, "hello", 0);
        action.cosignature = abi.encodePacked(_boris, action.signature);
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        _diary.relay(action);

        action.cosignature = abi.encodePacked(_anna, action.signature);
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        _diary.relay(action);

        action.cosignature = hex"01";
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        _diary.relay(action);
    }

    // relay, ERC-1271

    function test_Relay_ForAWallet() public {
        address wallet = address(new Wallet(_anna, Wallet.Mood.Honest));
        SignedAction memory action = _writing(7, "hello", 0);
        action.signer = wallet;
        _diary.relay(action);
        assertEq(_diary.author(), wallet, "author");
        assertTrue(_diary.isNonceUsed(wallet, 0), "the wallet's nonce used");
        assertFalse(_diary.isNonceUsed(_anna, 0), "the owner's nonce used");
    }

    function test_Relay_ForAWallet_WhichRefuses(uint256 mood) public {
        SignedAction memory action = _writing(7, "hello", 0);
        mood = bound(mood, 0, 3);
        action.signer = address(new Wallet(mood == 0 ? _boris : _anna, Wallet.Mood(mood)));
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        _diary.relay(action);
    }

    function test_Relay_ForWhatCannotSign() public {
        address[4] memory signers = [address(0), address(_diary), address(4), _boris];
        for (uint256 i = 0; i < signers.length; ++i) {
            SignedAction memory action = _writing(7, "hello", 0);
            action.signer = signers[i];
            vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
            _diary.relay(action);
            action.signature = "";
            vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
            _diary.relay(action);
        }
    }

    // relay, from within

    function test_Relay_AgainFromWithin() public {
        Friend friend = new Friend();
        SignedAction memory action = _signed(abi.encodeCall(Diary.callBack, (friend)), 0);
        friend.keep(action);
        vm.expectRevert(abi.encodeWithSelector(ISignedActions.NonceUsed.selector, _anna, 0));
        _diary.relay(action);
    }

    function test_Relay_AnotherFromWithin_ActsForItsOwnSigner() public {
        Friend friend = new Friend();
        friend.keep(_writing(7, "inner", 1));
        _diary.relay(_signed(abi.encodeCall(Diary.callBack, (friend)), 0));
        assertEq(_diary.lines(7), "inner", "line");
        assertEq(_diary.nonceWord(_anna, 0), 3, "nonces");
    }
}
