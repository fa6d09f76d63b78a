// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Fingerprints} from "../../../contracts/Fingerprints.sol";
import {IFingerprints, Taking} from "../../../contracts/interfaces/IFingerprints.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// Branches: Fingerprints.tree. What Receivables does with it is in ReceivablesIssuance.t.sol.
contract FingerprintsTest is LedgerTest {
    address internal constant DEBTOR = address(0xDEB);
    address internal constant WRITER = address(0x111);

    function setUp() public override {
        super.setUp();
        fingerprints.recordWriter(WRITER);
    }

    function _list(bytes32 a, bytes32 b) internal pure returns (bytes32[] memory list) {
        list = new bytes32[](b == 0 ? 1 : 2);
        list[0] = a;
        if (b != 0) list[1] = b;
    }

    function test_Take_OnceForEver(bytes32 fingerprint, bytes32 id) public {
        vm.assume(fingerprint != 0 && id != 0);
        vm.prank(WRITER);
        fingerprints.take(DEBTOR, fingerprint, 1, id);
        assertEq(fingerprints.idOf(DEBTOR, fingerprint), id, "taken");
        assertEq(fingerprints.idOf(address(1), fingerprint), 0, "under this debtor alone");
        // Another version of Receivables finds it taken too.
        vm.prank(address(receivables));
        vm.expectRevert(
            abi.encodeWithSelector(IFingerprints.FingerprintAlreadyTaken.selector, DEBTOR, fingerprint, id)
        );
        fingerprints.take(DEBTOR, fingerprint, 1, "other");
    }

    function test_Take_ByAnybodyElse_Reverts() public {
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IFingerprints.NotWriter.selector, stranger));
        fingerprints.take(DEBTOR, "fp", 1, "id");
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IFingerprints.NotWriter.selector, stranger));
        fingerprints.takeAll(DEBTOR, _list("fp", 0), 1, "id");
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IFingerprints.NotWriter.selector, stranger));
        fingerprints.replace(DEBTOR, _list("fp", 0), "id", _list("fp", 0), 1, "other");
        for (uint32 keySet = 0; keySet < 2; ++keySet) {
            Taking[] memory takings = new Taking[](1);
            takings[0] = Taking(DEBTOR, "fp", keySet, "id");
            vm.prank(stranger);
            vm.expectRevert(abi.encodeWithSelector(IFingerprints.NotWriter.selector, stranger));
            fingerprints.takeMany(takings);
        }
    }

    function test_TakeMany_AllOrNone() public {
        Taking[] memory takings = new Taking[](3);
        takings[0] = Taking(DEBTOR, "a", 1, "first");
        takings[1] = Taking(address(1), "a", 1, "second");
        takings[2] = Taking(DEBTOR, "a", 1, "third");
        vm.prank(WRITER);
        vm.expectPartialRevert(IFingerprints.FingerprintAlreadyTaken.selector);
        fingerprints.takeMany(takings);
        assertEq(fingerprints.idOf(DEBTOR, "a"), 0, "none");

        takings[2] = Taking(DEBTOR, "b", 2, "third");
        vm.prank(WRITER);
        vm.expectRevert(abi.encodeWithSelector(IFingerprints.KeySetNotCurrent.selector, 2, 1));
        fingerprints.takeMany(takings);
        takings[2].keySet = 1;
        vm.prank(WRITER);
        fingerprints.takeMany(takings);
        assertEq(fingerprints.idOf(address(1), "a"), "second", "each debtor's own");
        assertEq(fingerprints.idOf(DEBTOR, "b"), "third", "all");

        fingerprints.changeKeys(_list("one", "two"));
        takings[0] = Taking(DEBTOR, "c", 2, "fourth");
        vm.prank(WRITER);
        vm.expectRevert(abi.encodeWithSelector(IFingerprints.FingerprintCountInvalid.selector, 1, 2));
        fingerprints.takeMany(takings);
    }

    function test_PauseWriter_StopsTheCallerAlone() public {
        vm.prank(WRITER);
        fingerprints.pauseWriter(true);
        vm.prank(WRITER);
        vm.expectRevert(IFingerprints.NewBusinessPaused.selector);
        fingerprints.take(DEBTOR, "a", 1, "id");
        vm.prank(WRITER);
        vm.expectRevert(IFingerprints.NewBusinessPaused.selector);
        fingerprints.replace(DEBTOR, _list("a", 0), "id", _list("a", 0), 1, "other");
        vm.prank(address(receivables));
        fingerprints.take(DEBTOR, "a", 1, "id");
        // A pause by whoever is no writer yet waits for it, and makes no writer of it.
        vm.prank(stranger);
        fingerprints.pauseWriter(true);
        fingerprints.recordWriter(stranger);
        vm.prank(stranger);
        vm.expectRevert(IFingerprints.NewBusinessPaused.selector);
        fingerprints.take(DEBTOR, "b", 1, "id");
        vm.prank(address(2));
        fingerprints.pauseWriter(false);
        vm.prank(address(2));
        vm.expectRevert(abi.encodeWithSelector(IFingerprints.NotWriter.selector, address(2)));
        fingerprints.take(DEBTOR, "b", 1, "id");

        vm.prank(WRITER);
        fingerprints.pauseWriter(false);
        vm.prank(WRITER);
        fingerprints.take(DEBTOR, "b", 1, "id");
        assertEq(fingerprints.idOf(DEBTOR, "b"), "id", "taken again");
    }

    function test_Take_ZeroOrWrongCount_Reverts() public {
        vm.prank(WRITER);
        vm.expectRevert(IFingerprints.FingerprintZero.selector);
        fingerprints.take(DEBTOR, 0, 1, "id");
        fingerprints.changeKeys(_list("one", "two"));
        vm.prank(WRITER);
        vm.expectRevert(abi.encodeWithSelector(IFingerprints.FingerprintCountInvalid.selector, 1, 2));
        fingerprints.take(DEBTOR, "fp", 2, "id");
        vm.prank(WRITER);
        fingerprints.takeAll(DEBTOR, _list("fp", "fp2"), 2, "id");
        assertEq(fingerprints.idOf(DEBTOR, "fp2"), "id", "both");
    }

    function test_TakeAll_OrNone() public {
        vm.prank(WRITER);
        fingerprints.take(DEBTOR, "b", 1, "id");
        vm.prank(WRITER);
        vm.expectPartialRevert(IFingerprints.FingerprintAlreadyTaken.selector);
        fingerprints.takeAll(DEBTOR, _list("a", "b"), 1, "other");
        assertEq(fingerprints.idOf(DEBTOR, "a"), 0, "none");
    }

    function test_Replace_PointsAnew_FreesNothing() public {
        vm.prank(WRITER);
        fingerprints.take(DEBTOR, "old", 1, "id");
        vm.prank(WRITER);
        vm.expectRevert(
            abi.encodeWithSelector(
                IFingerprints.FingerprintNotOf.selector, DEBTOR, bytes32("old"), bytes32("xx")
            )
        );
        fingerprints.replace(DEBTOR, _list("old", 0), "xx", _list("new", 0), 1, "next");
        vm.prank(WRITER);
        fingerprints.replace(DEBTOR, _list("old", 0), "id", _list("new", "old"), 1, "next");
        assertEq(fingerprints.idOf(DEBTOR, "old"), "next", "old");
        assertEq(fingerprints.idOf(DEBTOR, "new"), "next", "new");
    }

    function test_Writers_RecordedAndRetired() public {
        vm.expectRevert(abi.encodeWithSelector(IFingerprints.NotWriter.selector, address(0)));
        fingerprints.recordWriter(address(0));
        vm.expectRevert(abi.encodeWithSelector(IFingerprints.AlreadyWriter.selector, WRITER));
        fingerprints.recordWriter(WRITER);
        fingerprints.retireWriter(WRITER);
        assertFalse(fingerprints.isWriter(WRITER), "retired");
        vm.prank(WRITER);
        vm.expectRevert(abi.encodeWithSelector(IFingerprints.NotWriter.selector, WRITER));
        fingerprints.take(DEBTOR, "fp", 1, "id");
        vm.expectRevert(abi.encodeWithSelector(IFingerprints.NotWriter.selector, WRITER));
        fingerprints.retireWriter(WRITER);
        // The version recorded before still writes.
        vm.prank(address(receivables));
        fingerprints.take(DEBTOR, "fp", 1, "id");
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        fingerprints.recordWriter(stranger);
    }

    function test_Events_SayWhoAndWhat() public {
        vm.expectEmit(address(fingerprints));
        emit IFingerprints.WriterPaused(WRITER, true);
        vm.prank(WRITER);
        fingerprints.pauseWriter(true);
        vm.expectEmit(address(fingerprints));
        emit IFingerprints.WriterPaused(WRITER, false);
        vm.prank(WRITER);
        fingerprints.pauseWriter(false);
        vm.expectEmit(address(fingerprints));
        emit IFingerprints.FingerprintTaken(DEBTOR, "old", "id");
        vm.prank(WRITER);
        fingerprints.take(DEBTOR, "old", 1, "id");
        vm.expectEmit(address(fingerprints));
        emit IFingerprints.FingerprintRepointed(DEBTOR, "old", "next", "id");
        vm.expectEmit(address(fingerprints));
        emit IFingerprints.FingerprintTaken(DEBTOR, "new", "next");
        vm.prank(WRITER);
        fingerprints.replace(DEBTOR, _list("old", 0), "id", _list("new", 0), 1, "next");
        vm.expectEmit(address(fingerprints));
        emit IFingerprints.WriterRetired(WRITER);
        fingerprints.retireWriter(WRITER);
        vm.expectEmit(address(fingerprints));
        emit IFingerprints.WriterRecorded(WRITER);
        fingerprints.recordWriter(WRITER);
        assertTrue(fingerprints.isWriter(WRITER), "again");
    }

    /// As many for each key, of the present set, for every way of taking.
    function test_Counts_UnderTwoKeys() public {
        fingerprints.changeKeys(_list("one", "two"));
        uint256[4] memory wrong = [uint256(0), 1, 3, 5];
        vm.startPrank(WRITER);
        for (uint256 i = 0; i < 4; ++i) {
            bytes memory refused =
                abi.encodeWithSelector(IFingerprints.FingerprintCountInvalid.selector, wrong[i], 2);
            vm.expectRevert(refused);
            fingerprints.takeAll(DEBTOR, _many(wrong[i]), 2, "id");
            vm.expectRevert(refused);
            fingerprints.replace(DEBTOR, new bytes32[](0), "id", _many(wrong[i]), 2, "next");
        }
        fingerprints.takeAll(DEBTOR, _many(4), 2, "id");
        assertEq(fingerprints.idOf(DEBTOR, bytes32(uint256(4))), "id", "the last of four");
        bytes memory old = abi.encodeWithSelector(IFingerprints.KeySetNotCurrent.selector, 1, 2);
        vm.expectRevert(old);
        fingerprints.replace(DEBTOR, _many(4), "id", _many(2), 1, "next");
        Taking[] memory takings = new Taking[](1);
        takings[0] = Taking(DEBTOR, "fp", 2, "id");
        vm.expectRevert(abi.encodeWithSelector(IFingerprints.FingerprintCountInvalid.selector, 1, 2));
        fingerprints.takeMany(takings);
        vm.stopPrank();
    }

    function test_Take_BeforeThereAreKeys_Reverts() public {
        Fingerprints young = new Fingerprints(address(manager));
        young.recordWriter(WRITER);
        vm.startPrank(WRITER);
        vm.expectRevert(abi.encodeWithSelector(IFingerprints.FingerprintCountInvalid.selector, 1, 0));
        young.take(DEBTOR, "fp", 0, "id");
        vm.expectRevert(abi.encodeWithSelector(IFingerprints.FingerprintCountInvalid.selector, 0, 0));
        young.takeAll(DEBTOR, new bytes32[](0), 0, "id");
    }

    function test_Replace_WithOneTwice_Reverts() public {
        vm.startPrank(WRITER);
        fingerprints.take(DEBTOR, "old", 1, "id");
        vm.expectRevert(
            abi.encodeWithSelector(
                IFingerprints.FingerprintAlreadyTaken.selector, DEBTOR, bytes32("new"), bytes32("next")
            )
        );
        fingerprints.replace(DEBTOR, _list("old", 0), "id", _list("new", "new"), 1, "next");
        fingerprints.take(DEBTOR, "taken", 1, "another");
        vm.expectRevert(
            abi.encodeWithSelector(
                IFingerprints.FingerprintAlreadyTaken.selector, DEBTOR, bytes32("taken"), bytes32("another")
            )
        );
        fingerprints.replace(DEBTOR, _list("old", 0), "id", _list("new", "taken"), 1, "next");
    }

    function _many(uint256 count) private pure returns (bytes32[] memory list) {
        list = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = bytes32(i + 1);
        }
    }

    function test_ChangeKeys_OneToEight() public {
        for (uint256 count = 1; count <= 8; ++count) {
            bytes32[] memory keys = _many(count);
            vm.expectEmit(address(fingerprints));
            emit IFingerprints.KeySetChanged(uint32(count + 1), keys);
            fingerprints.changeKeys(keys);
            assertEq(fingerprints.keysOf(uint32(count + 1)).length, count, "as many");
        }
        bytes32[] memory twice = _many(3);
        twice[2] = twice[0];
        vm.expectRevert(IFingerprints.KeysInvalid.selector);
        fingerprints.changeKeys(twice);
        twice[2] = 0;
        vm.expectRevert(IFingerprints.KeysInvalid.selector);
        fingerprints.changeKeys(twice);
        twice = _many(9);
        vm.expectRevert(IFingerprints.KeysInvalid.selector);
        fingerprints.changeKeys(twice);
        bytes memory refused =
            abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger);
        vm.prank(stranger);
        vm.expectRevert(refused);
        fingerprints.changeKeys(_list("mine", 0));
        vm.prank(stranger);
        vm.expectRevert(refused);
        fingerprints.retireWriter(WRITER);
    }

    function test_ChangeKeys_SetsAreNeverDeleted() public {
        fingerprints.changeKeys(_list("one", "two"));
        assertEq(fingerprints.currentKeySet(), 2, "second set");
        assertEq(fingerprints.keysOf(2)[1], "two", "its keys");
        assertEq(fingerprints.keysOf(1)[0], keccak256("VRF key"), "the first");
        vm.expectRevert(IFingerprints.KeysInvalid.selector);
        fingerprints.changeKeys(_list("one", "one"));
        vm.expectRevert(IFingerprints.KeysInvalid.selector);
        fingerprints.changeKeys(_list(0, 0));
        vm.expectRevert(IFingerprints.KeysInvalid.selector);
        fingerprints.changeKeys(new bytes32[](0));
        vm.expectRevert(IFingerprints.KeysInvalid.selector);
        fingerprints.changeKeys(new bytes32[](9));
    }
}
