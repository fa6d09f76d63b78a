// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IParticipants} from "../../../contracts/interfaces/IParticipants.sol";
import {SignedAction} from "../../../contracts/interfaces/ISignedActions.sol";
import {
    ACCOUNT_HOSTED,
    GRANT_HOSTED,
    SCOPE_ALL,
    SCOPE_MANAGE,
    SCOPE_SELL,
    UNLIMITED
} from "../../../contracts/types/Account.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// Every action of Participants, signed by a manager of the account and sent by a stranger; values that are refused; and
/// what the verifier reads. Branches: Participants.tree.
contract ParticipantsSignedTest is LedgerTest {
    uint40 private constant FOREVER = type(uint40).max;
    bytes32 private constant CLERK = bytes32(uint256(0xC1E2));
    string private constant END = "uint256 nonce,uint256 deadline,uint256 gasFloor)";

    uint256 private _nonce;

    function _relay(bytes memory call, string memory signed) private {
        SignedAction memory action = _signAction(participants, supplier, call, ++_nonce);
        bytes32 typehash = keccak256(bytes(string.concat(signed, END)));
        assertEq(participants.actionTypehash(bytes4(call)), typehash, signed);
        bytes memory arguments = new bytes(call.length - 4);
        for (uint256 i = 4; i < call.length; ++i) {
            arguments[i - 4] = call[i];
        }
        bytes32 structHash =
            keccak256(abi.encodePacked(typehash, arguments, action.nonce, action.deadline, action.gasFloor));
        assertEq(
            participants.actionDigest(action),
            _typed(address(participants), "Tallystick Participants", structHash),
            "digest"
        );
        vm.prank(stranger);
        participants.relay(action);
    }

    function test_Relay_Keys() public {
        _relay(
            abi.encodeCall(
                participants.grantKey,
                (supplier.account, CLERK, SCOPE_SELL, 1, uint40(block.timestamp + 5), FOREVER, 7, 6)
            ),
            "GrantKey(address account,bytes32 key,uint16 scopes,uint8 flags,uint40 from,uint40 until,uint64 limit,uint64 alone,"
        );
        assertEq(participants.grantOf(supplier.account, CLERK).scopes, SCOPE_SELL, "scopes");
        assertEq(participants.grantOf(supplier.account, CLERK).flags, 1, "flags");
        assertEq(participants.grantOf(supplier.account, CLERK).from, block.timestamp + 5, "from");
        assertEq(participants.grantOf(supplier.account, CLERK).until, FOREVER, "until");
        assertEq(participants.grantOf(supplier.account, CLERK).limit, 7, "limit");
        assertEq(participants.grantOf(supplier.account, CLERK).alone, 6, "alone");
        _relay(
            abi.encodeCall(participants.limitKey, (supplier.account, CLERK, 3, 2, 1)),
            "LimitKey(address account,bytes32 key,uint32 currency,uint64 limit,uint64 alone,"
        );
        assertEq(participants.limitsOf(supplier.account, CLERK, 3).limit, 2, "limit in it");
        assertEq(participants.limitsOf(supplier.account, CLERK, 3).alone, 1, "alone in it");
        assertEq(participants.limitsOf(supplier.account, CLERK, 4).limit, 0, "limit in another");
        _relay(
            abi.encodeCall(participants.revokeKey, (supplier.account, CLERK)),
            "RevokeKey(address account,bytes32 key,"
        );
        assertEq(participants.grantOf(supplier.account, CLERK).until, block.timestamp, "ended");
    }

    function test_Relay_ConsentPayoutVeto() public {
        _relay(
            abi.encodeCall(participants.setStandingConsent, (supplier.account, false)),
            "SetStandingConsent(address account,bool open,"
        );
        _relay(
            abi.encodeCall(participants.proposePayout, (supplier.account, stranger)),
            "ProposePayout(address account,address payout,"
        );
        (address pending,) = participants.pendingPayout(supplier.account);
        assertEq(pending, stranger, "pending");

        participants.proposeTakeover(supplier.account, CLERK, false, "evidence");
        manager.grantRole(7, bank.signer, 0);
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = participants.approveTakeover.selector;
        manager.setTargetFunctionRole(address(participants), selectors, 7);
        // The one who proposed may have put another in its place: by key, by what it ends, or by its grounds.
        bytes memory nothing = abi.encodeWithSelector(IParticipants.NothingPending.selector, supplier.account);
        vm.startPrank(bank.signer);
        vm.expectRevert(nothing);
        participants.approveTakeover(supplier.account, "another key", false, "evidence");
        vm.expectRevert(nothing);
        participants.approveTakeover(supplier.account, CLERK, true, "evidence");
        vm.expectRevert(nothing);
        participants.approveTakeover(supplier.account, CLERK, false, "other evidence");
        participants.approveTakeover(supplier.account, CLERK, false, "evidence");
        vm.stopPrank();
        vm.prank(bank.signer);
        vm.expectRevert(abi.encodeWithSelector(IParticipants.AlreadyPending.selector, supplier.account));
        participants.approveTakeover(supplier.account, CLERK, false, "evidence");
        _relay(abi.encodeCall(participants.vetoTakeover, (supplier.account)), "VetoTakeover(address account,");
        assertTrue(participants.pendingTakeover(supplier.account).vetoed, "vetoed");
    }

    function test_Relay_WhatCannotBeSignedFor() public view {
        assertEq(participants.actionTypehash(participants.admit.selector), 0, "admit");
        assertEq(participants.actionTypehash(participants.completeTakeover.selector), 0, "completeTakeover");
        assertTrue(participants.actionTypehash(participants.cancelNonces.selector) != 0, "cancelNonces");
    }

    function test_Admit_Hosted_IsMarkedSo() public {
        address account = participants.admit("hosted", 1, FOREVER, stranger, "evidence", CLERK, true);
        assertEq(participants.account(account).flags, ACCOUNT_HOSTED, "account");
        assertEq(participants.grantOf(account, CLERK).flags, GRANT_HOSTED, "key");
        assertEq(participants.grantOf(account, CLERK).scopes, SCOPE_ALL, "scopes");
        assertEq(participants.account(supplier.account).flags & ACCOUNT_HOSTED, 0, "another");
    }

    function test_ValuesThatAreRefused() public {
        bytes memory refused = abi.encodeWithSelector(IParticipants.ValueInvalid.selector);
        uint40 present = uint40(block.timestamp);
        vm.expectRevert(refused);
        participants.admit("other", 1, FOREVER, stranger, "evidence", 0, false);
        vm.expectRevert(refused);
        participants.admit("other", 0, FOREVER, stranger, "evidence", CLERK, false);
        vm.expectRevert(refused);
        participants.admit("other", 1, FOREVER, stranger, 0, CLERK, false);
        vm.expectRevert(abi.encodeWithSelector(IParticipants.PeriodInvalid.selector, present, present - 1));
        participants.admit("other", 1, present - 1, stranger, "evidence", CLERK, false);
        vm.expectRevert(refused);
        participants.proposeTakeover(supplier.account, 0, false, "evidence");
        vm.startPrank(supplier.signer);
        vm.expectRevert(refused);
        participants.proposePayout(supplier.account, address(0));
        vm.expectRevert(refused);
        participants.grantKey(supplier.account, 0, SCOPE_SELL, 0, 0, FOREVER, UNLIMITED, UNLIMITED);
        vm.expectRevert(refused);
        participants.grantKey(supplier.account, CLERK, 0, 0, 0, FOREVER, UNLIMITED, UNLIMITED);
        vm.expectRevert(refused);
        participants.grantKey(supplier.account, CLERK, SCOPE_ALL + 1, 0, 0, FOREVER, UNLIMITED, UNLIMITED);
        vm.expectRevert(abi.encodeWithSelector(IParticipants.PeriodInvalid.selector, present, present));
        participants.grantKey(supplier.account, CLERK, SCOPE_SELL, 0, 0, present, UNLIMITED, UNLIMITED);
        vm.stopPrank();
    }

    function test_Suspensions_AndEpochs_StayToBeRead() public {
        address[] memory accounts = new address[](1);
        accounts[0] = supplier.account;
        participants.suspend(accounts, "fraud");
        assertEq(participants.suspensions(supplier.account).length, 1, "stretches");
        assertEq(participants.suspensions(supplier.account)[0].reason, "fraud", "why");
        assertEq(participants.suspensions(supplier.account)[0].from, block.timestamp, "since");
        assertEq(participants.suspensions(supplier.account)[0].until, 0, "lasts");
        assertEq(participants.epochEnd(supplier.account, 0), 0, "epoch");
        assertTrue(
            participants.wasAuthorised(
                supplier.account,
                bytes32(uint256(uint160(supplier.signer))),
                SCOPE_MANAGE,
                uint40(block.timestamp)
            ),
            "its key all the same"
        );
    }

    /// The operator's grant must cover any transfer.
    function test_HasFullTransferGrant() public {
        assertTrue(participants.hasFullTransferGrant(supplier.account, supplier.signer), "the manager");
        assertFalse(participants.hasFullTransferGrant(supplier.account, stranger), "a stranger");
        bytes32 key = bytes32(uint256(uint160(stranger)));
        uint64[2][3] memory limits = [[uint64(5), UNLIMITED], [UNLIMITED, 5], [UNLIMITED, UNLIMITED]];
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(supplier.signer);
            participants.grantKey(supplier.account, key, SCOPE_ALL, 0, 0, FOREVER, limits[i][0], limits[i][1]);
            assertTrue(participants.hasFullTransferGrant(supplier.account, stranger) == (i == 2), "limits");
        }
        vm.prank(supplier.signer);
        participants.grantKey(supplier.account, key, SCOPE_ALL, 1, 0, FOREVER, UNLIMITED, UNLIMITED);
        assertFalse(participants.hasFullTransferGrant(supplier.account, stranger), "limits by currency");
    }
}
