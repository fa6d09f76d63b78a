// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IParticipants} from "../../../contracts/interfaces/IParticipants.sol";
import {SignedAction} from "../../../contracts/interfaces/ISignedActions.sol";
import {
    Account,
    GRANT_BY_CURRENCY,
    Grant,
    NEW_BUSINESS,
    ROLE_SUPPLIER,
    SCOPE_ALL,
    SCOPE_BUY,
    SCOPE_ISSUE,
    SCOPE_MANAGE,
    SCOPE_PAY,
    SCOPE_RECORD,
    SCOPE_SELL,
    UNLIMITED
} from "../../../contracts/types/Account.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// Branches: Participants.tree.
contract ParticipantsTest is LedgerTest {
    uint40 internal constant FOREVER = type(uint40).max;
    address internal constant CLERK = address(0xC1E2);
    address internal constant HEIR = address(0xE12);

    function _key(address signer) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(signer)));
    }

    function _grant(address signer, uint16 scopes, uint64 limit, uint64 alone) internal {
        vm.prank(supplier.signer);
        participants.grantKey(supplier.account, _key(signer), scopes, 0, 0, FOREVER, limit, alone);
    }

    function _suspendSupplier() internal returns (address[] memory accounts) {
        accounts = new address[](1);
        accounts[0] = supplier.account;
        participants.suspend(accounts, "reason");
    }

    function _may(address signer, address cosigner, uint16 scope, uint64 amount) internal view {
        participants.authorise(supplier.account, signer, cosigner, scope, 1, amount);
    }

    /* ADMISSION */

    function test_Admit_OnceForACommitment_ByTheRoleOnly() public {
        bytes32 commitment = keccak256(abi.encode("supplier", "salt"));
        assertEq(participants.accountOf(commitment), supplier.account, "address");
        vm.expectRevert(abi.encodeWithSelector(IParticipants.AccountExists.selector, supplier.account));
        participants.admit(commitment, 1, FOREVER, HEIR, "evidence", "key", false);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        participants.admit("other", 1, FOREVER, HEIR, "evidence", "key", false);
        vm.expectRevert(IParticipants.ValueInvalid.selector);
        participants.admit("other", 1 << 9, FOREVER, HEIR, "evidence", "key", false);
        vm.expectRevert(IParticipants.ValueInvalid.selector);
        participants.admit("other", 1, FOREVER, address(0), "evidence", "key", false);
    }

    function test_Renew_KeepsHistory() public {
        uint40 first = uint40(block.timestamp);
        vm.warp(block.timestamp + 10 days);
        participants.renew(supplier.account, 2, uint40(block.timestamp + 1 days), "second");
        assertTrue(participants.wasAdmitted(supplier.account, ROLE_SUPPLIER, first), "then");
        assertFalse(participants.wasAdmitted(supplier.account, ROLE_SUPPLIER, first - 1), "before");
        assertFalse(
            participants.wasAdmitted(supplier.account, ROLE_SUPPLIER, uint40(block.timestamp)),
            "now in another role"
        );
        assertEq(participants.admissions(supplier.account).length, 2, "two stretches");
        vm.expectPartialRevert(IParticipants.AccountUnknown.selector);
        participants.renew(stranger, 1, FOREVER, "evidence");
    }

    function test_Expiry_StopsNewBusinessAlone() public {
        participants.renew(supplier.account, 1, uint40(block.timestamp), "ended");
        vm.expectPartialRevert(IParticipants.NotAdmitted.selector);
        _may(supplier.signer, address(0), SCOPE_ISSUE | NEW_BUSINESS, 1);
        _may(supplier.signer, address(0), SCOPE_ISSUE, 1);
        _may(supplier.signer, address(0), SCOPE_SELL, 1);
    }

    function test_Suspend_FreezesAllButPaying_AndStaysInHistory() public {
        uint40 start = uint40(block.timestamp);
        address[] memory accounts = _suspendSupplier();
        vm.expectRevert(abi.encodeWithSelector(IParticipants.Suspended.selector, supplier.account));
        _may(supplier.signer, address(0), SCOPE_SELL, 1);
        _may(supplier.signer, address(0), SCOPE_PAY, 1);
        vm.expectRevert(abi.encodeWithSelector(IParticipants.Suspended.selector, supplier.account));
        participants.suspend(accounts, "again");
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IParticipants.Suspended.selector, supplier.account));
        participants.setStandingConsent(supplier.account, false);

        vm.warp(block.timestamp + 5);
        participants.liftSuspension(accounts, "cleared");
        _may(supplier.signer, address(0), SCOPE_SELL, 1);
        assertFalse(participants.wasAdmitted(supplier.account, ROLE_SUPPLIER, start + 4), "suspended then");
        assertTrue(participants.wasAdmitted(supplier.account, ROLE_SUPPLIER, start + 5), "not since");
        vm.expectRevert(abi.encodeWithSelector(IParticipants.NotSuspended.selector, supplier.account));
        participants.liftSuspension(accounts, "again");
    }

    /* KEYS */

    function test_GrantKey_ScopesAndLimits() public {
        _grant(CLERK, SCOPE_SELL, 100, 50);
        _may(CLERK, address(0), SCOPE_SELL, 50);
        vm.expectRevert(
            abi.encodeWithSelector(IParticipants.SecondSignerNeeded.selector, supplier.account, CLERK, 51, 50)
        );
        _may(CLERK, address(0), SCOPE_SELL, 51);
        vm.expectPartialRevert(IParticipants.SecondSignerNeeded.selector);
        _may(CLERK, CLERK, SCOPE_SELL, 51);
        _may(CLERK, supplier.signer, SCOPE_SELL, 100);
        vm.expectRevert(
            abi.encodeWithSelector(IParticipants.AboveLimit.selector, supplier.account, CLERK, 101, 100)
        );
        _may(CLERK, supplier.signer, SCOPE_SELL, 101);
        vm.expectRevert(
            abi.encodeWithSelector(IParticipants.NotAuthorised.selector, supplier.account, CLERK, SCOPE_BUY)
        );
        _may(CLERK, address(0), SCOPE_BUY, 1);
    }

    function test_GrantKey_LimitsByCurrency() public {
        vm.prank(supplier.signer);
        participants.grantKey(
            supplier.account, _key(CLERK), SCOPE_SELL, GRANT_BY_CURRENCY, 0, FOREVER, UNLIMITED, UNLIMITED
        );
        vm.expectPartialRevert(IParticipants.AboveLimit.selector);
        _may(CLERK, address(0), SCOPE_SELL, 1);
        vm.prank(supplier.signer);
        participants.limitKey(supplier.account, _key(CLERK), 1, 10, 10);
        _may(CLERK, address(0), SCOPE_SELL, 10);
        vm.expectPartialRevert(IParticipants.AboveLimit.selector);
        participants.authorise(supplier.account, CLERK, address(0), SCOPE_SELL, 2, 1);
    }

    /// A signer admitted afterwards was not one then.
    function test_GrantKey_NeverInThePast() public {
        vm.prank(supplier.signer);
        participants.grantKey(
            supplier.account, _key(CLERK), SCOPE_RECORD, 0, 1, FOREVER, UNLIMITED, UNLIMITED
        );
        assertFalse(
            participants.wasAuthorised(
                supplier.account, _key(CLERK), SCOPE_RECORD, uint40(block.timestamp - 1)
            ),
            "before"
        );
        assertTrue(
            participants.wasAuthorised(supplier.account, _key(CLERK), SCOPE_RECORD, uint40(block.timestamp)),
            "now"
        );
    }

    function test_RevokeKey_AtOnce_HistoryStays() public {
        _grant(CLERK, SCOPE_SELL, UNLIMITED, UNLIMITED);
        uint40 granted = uint40(block.timestamp);
        vm.warp(block.timestamp + 100);
        vm.prank(supplier.signer);
        participants.revokeKey(supplier.account, _key(CLERK));
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        _may(CLERK, address(0), SCOPE_SELL, 1);
        assertTrue(
            participants.wasAuthorised(supplier.account, _key(CLERK), SCOPE_SELL, granted + 99), "then"
        );
        assertFalse(
            participants.wasAuthorised(supplier.account, _key(CLERK), SCOPE_SELL, granted + 100), "now"
        );
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IParticipants.GrantUnknown.selector);
        participants.revokeKey(supplier.account, _key(CLERK));

        vm.warp(block.timestamp + 100);
        _grant(CLERK, SCOPE_BUY, UNLIMITED, UNLIMITED);
        assertTrue(
            participants.wasAuthorised(supplier.account, _key(CLERK), SCOPE_SELL, granted + 99), "then, still"
        );
        Grant[] memory past = participants.pastGrants(supplier.account, _key(CLERK));
        assertEq(past.length, 1, "kept");
        assertEq(past[0].until, granted + 100, "ended when it was revoked");
    }

    function test_Managing_OnlyByKeysWithoutLimit_OrTwo() public {
        _grant(CLERK, SCOPE_ALL, 1_000_000, UNLIMITED);
        vm.prank(CLERK);
        vm.expectPartialRevert(IParticipants.AboveLimit.selector);
        participants.grantKey(supplier.account, _key(CLERK), SCOPE_ALL, 0, 0, FOREVER, UNLIMITED, UNLIMITED);
        _grant(CLERK, SCOPE_ALL, UNLIMITED, 1_000_000);
        vm.prank(CLERK);
        vm.expectPartialRevert(IParticipants.SecondSignerNeeded.selector);
        participants.setStandingConsent(supplier.account, false);
        vm.prank(stranger);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        participants.setStandingConsent(supplier.account, false);
    }

    function test_Managing_Relayed() public {
        SignedAction memory action = _signAction(
            participants,
            supplier,
            abi.encodeCall(participants.setStandingConsent, (supplier.account, false)),
            9
        );
        vm.prank(stranger);
        participants.relay(action);
        assertEq(participants.account(supplier.account).flags & 2, 0, "closed");
    }

    /* PAYOUT */

    function test_Payout_ChangesOnlyAfterItsDelay() public {
        vm.prank(supplier.signer);
        participants.proposePayout(supplier.account, HEIR);
        (address pending, uint40 readyAt) = participants.pendingPayout(supplier.account);
        assertEq(pending, HEIR, "pending shows");
        vm.warp(readyAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IParticipants.TooEarly.selector, readyAt));
        participants.changePayout(supplier.account);
        vm.warp(readyAt);
        participants.changePayout(supplier.account);
        assertEq(participants.account(supplier.account).payout, HEIR, "changed");
        vm.expectPartialRevert(IParticipants.NothingPending.selector);
        participants.changePayout(supplier.account);
    }

    /* RECOVERY AND SUCCESSION */

    function _propose(bool succession) internal {
        participants.proposeTakeover(supplier.account, _key(HEIR), succession, "evidence");
    }

    function _approveByAnother() internal {
        manager.grantRole(7, HEIR, 0);
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = participants.approveTakeover.selector;
        manager.setTargetFunctionRole(address(participants), selectors, 7);
        IParticipants.Takeover memory pending = participants.pendingTakeover(supplier.account);
        vm.prank(HEIR);
        participants.approveTakeover(supplier.account, pending.key, pending.succession, pending.evidence);
    }

    function test_Takeover_ByTwoHands_AfterItsDelay() public {
        _propose(false);
        vm.expectRevert(abi.encodeWithSelector(IParticipants.SameHand.selector, address(this)));
        participants.approveTakeover(supplier.account, _key(HEIR), false, "evidence");
        vm.expectRevert(abi.encodeWithSelector(IParticipants.TooEarly.selector, 0));
        participants.completeTakeover(supplier.account);
        _approveByAnother();
        uint40 readyAt = participants.pendingTakeover(supplier.account).readyAt;
        vm.expectRevert(abi.encodeWithSelector(IParticipants.TooEarly.selector, readyAt));
        participants.completeTakeover(supplier.account);
        vm.warp(readyAt);
        participants.completeTakeover(supplier.account);
        _may(HEIR, address(0), SCOPE_MANAGE, 1);
        _may(supplier.signer, address(0), SCOPE_SELL, 1);
    }

    function test_Takeover_SuccessionEndsEveryOtherGrant_AndThePayoutTheyAnnounced() public {
        uint40 before = uint40(block.timestamp);
        vm.prank(supplier.signer);
        participants.proposePayout(supplier.account, CLERK);
        _propose(true);
        _approveByAnother();
        vm.warp(participants.pendingTakeover(supplier.account).readyAt);
        participants.completeTakeover(supplier.account);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        _may(supplier.signer, address(0), SCOPE_SELL, 1);
        _may(HEIR, address(0), SCOPE_SELL, 1);
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        participants.setStandingConsent(supplier.account, false);
        vm.prank(HEIR);
        participants.setStandingConsent(supplier.account, false);
        assertTrue(
            participants.wasAuthorised(supplier.account, _key(supplier.signer), SCOPE_SELL, before), "then"
        );
        assertFalse(
            participants.wasAuthorised(
                supplier.account, _key(supplier.signer), SCOPE_SELL, uint40(block.timestamp)
            ),
            "no longer"
        );
        vm.expectPartialRevert(IParticipants.NothingPending.selector);
        participants.changePayout(supplier.account);
    }

    function test_Takeover_VetoDelaysOnce() public {
        _propose(false);
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IParticipants.NothingPending.selector);
        participants.vetoTakeover(supplier.account);
        _approveByAnother();
        vm.prank(stranger);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        participants.vetoTakeover(supplier.account);
        vm.warp(block.timestamp + TAKEOVER_DELAY - 1);
        vm.prank(supplier.signer);
        participants.vetoTakeover(supplier.account);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IParticipants.VetoUsed.selector, supplier.account));
        participants.vetoTakeover(supplier.account);
        vm.warp(block.timestamp + TAKEOVER_DELAY);
        participants.completeTakeover(supplier.account);
    }

    function test_Takeover_Withdrawn() public {
        _propose(false);
        vm.expectPartialRevert(IParticipants.AlreadyPending.selector);
        _propose(true);
        participants.withdrawTakeover(supplier.account);
        vm.expectPartialRevert(IParticipants.NothingPending.selector);
        participants.completeTakeover(supplier.account);
    }

    /// What is read a word at a time lies as the compiler laid the struct out.
    function test_Words_AreTheStructs() public {
        Account memory account = participants.account(supplier.account);
        assertEq(
            participants.authorise(supplier.account, supplier.signer, address(0), SCOPE_SELL, 1, 1),
            account.payout,
            "payout"
        );
        vm.warp(account.validUntil - 1);
        participants.checkAdmitted(supplier.account, account.roles);
        vm.warp(account.validUntil);
        vm.expectRevert(
            abi.encodeWithSelector(
                IParticipants.NotAdmitted.selector, supplier.account, account.roles, account.validUntil
            )
        );
        participants.checkAdmitted(supplier.account, account.roles);
    }
}
