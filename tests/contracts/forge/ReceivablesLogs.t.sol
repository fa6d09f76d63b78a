// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import {IFingerprints} from "../../../contracts/interfaces/IFingerprints.sol";
import {IReceivablesEvents} from "../../../contracts/interfaces/IReceivablesEvents.sol";
import {SignedAction} from "../../../contracts/interfaces/ISignedActions.sol";
import {OperatorState, Parcel} from "../../../contracts/types/Receivable.sol";
import {Offer} from "../../../contracts/types/Sale.sol";
import {Confirmation, Terms} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {Vm, vm} from "./Vm.sol";

/// What each event says, to the word: the database knows nothing else. Which ones there are: ReceivablesEvents.t.sol.
contract ReceivablesLogsTest is LedgerTest {
    address private constant LOCK = address(0x10CC);

    Terms private _t;
    bytes32 private _id;

    function setUp() public override {
        super.setUp();
        _t = _terms();
        _t.lateRate = 100_000;
        _id = receivables.idOf(_t);
    }

    function _log() private {
        vm.expectEmit(address(receivables));
    }

    function _logMove(address operator, address from, address to, bytes32 id, uint256 units) private {
        _log();
        emit IERC1155.TransferSingle(operator, from, to, uint256(id), units);
    }

    function _logMinted() private {
        vm.recordLogs();
        _logMove(supplier.signer, address(0), supplier.account, _id, FACE);
    }

    /// The terms as they are, of which supplier and debtor are topics.
    function _assertIssued() private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 first = 0;
        // Those that are expected come before, from here.
        while (logs[first].emitter != address(receivables)) ++first;
        Vm.Log memory log = logs[first];
        assertEq(log.topics[0], IReceivablesEvents.Issued.selector, "the first event");
        assertEq(log.topics[1], _id, "id");
        bytes memory topics = abi.encode(log.topics[2], log.topics[3]);
        assertEq(bytes.concat(topics, log.data), abi.encode(_t), "terms");
    }

    function _logConfirmed(bytes32 id, Confirmation memory confirmation) private {
        _log();
        emit IReceivablesEvents.Confirmed(
            id, debtor.signer, address(0), confirmation.nonce, confirmation.deadline
        );
    }

    function _logTaken(bytes32 fingerprint, bytes32 id) private {
        vm.expectEmit(address(fingerprints));
        emit IFingerprints.FingerprintTaken(debtor.account, fingerprint, id);
    }

    /* FROM ISSUE TO REDEMPTION */

    function test_Issued_Confirmed_FingerprintTaken() public {
        _logMinted();
        vm.prank(supplier.signer);
        receivables.issue(_t);
        _assertIssued();
        Confirmation memory confirmation = _confirmation(_t);
        _logConfirmed(_id, confirmation);
        _logTaken(_t.fingerprint, _id);
        vm.prank(stranger);
        receivables.confirm(_t, confirmation);
    }

    function test_Issued_Confirmed_AtOnce() public {
        Confirmation memory confirmation = _confirmation(_t);
        _logMinted();
        _logConfirmed(_id, confirmation);
        _logTaken(_t.fingerprint, _id);
        vm.prank(supplier.signer);
        receivables.issueAndConfirm(_t, confirmation);
        _assertIssued();
    }

    function test_Issued_Relayed_NamesTheSigner() public {
        bytes memory call = abi.encodeCall(receivables.issueAndConfirm, (_t, _confirmation(_t)));
        SignedAction memory action = _signAction(receivables, supplier, call, 3);
        _logMinted();
        vm.prank(stranger);
        receivables.relay(action);
        _assertIssued();
    }

    function test_Paid_Redeemed_InFull() public {
        _issueAndConfirm(_t);
        _log();
        emit IReceivablesEvents.Paid(_id, bank.signer, FACE, 0, 0, true);
        _pay(bank, _id, type(uint64).max);
        _logMove(supplier.signer, supplier.account, address(0), _id, FACE);
        _log();
        emit IReceivablesEvents.Redeemed(_id, supplier.account, supplier.payout, FACE, 0);
        (uint64 face, uint64 interest) = _redeem(supplier, _id);
        assertEq(face, FACE, "face");
        assertEq(interest, 0, "interest");
    }

    function test_Paid_Redeemed_LateAndInParts() public {
        _issueAndConfirm(_t);
        // A tenth in 365 days, so a sixty-fourth: such fractions divide without rest.
        vm.warp(_t.dueEnd + 4_927_500);
        (uint64 part, uint64 interest) = (FACE / 4, FACE / 64);
        _log();
        emit IReceivablesEvents.Paid(_id, bank.signer, part, interest, FACE - part, false);
        _pay(bank, _id, interest + part);
        _log();
        emit IReceivablesEvents.Redeemed(_id, supplier.account, supplier.payout, part, interest);
        _redeem(supplier, _id);
        _log();
        emit IReceivablesEvents.Paid(_id, debtor.signer, FACE - part, 0, 0, true);
        vm.prank(debtor.signer);
        receivables.payAsDebtor(_t, 0, FACE);
        _logMove(supplier.signer, supplier.account, address(0), _id, FACE);
        _log();
        emit IReceivablesEvents.Redeemed(_id, supplier.account, supplier.payout, FACE - part, 0);
        _redeem(supplier, _id);
    }

    /* BEFORE CONFIRMATION, AND INSTEAD OF IT */

    function test_Cancelled_Rejected() public {
        vm.startPrank(supplier.signer);
        receivables.issue(_t);
        _logMove(supplier.signer, supplier.account, address(0), _id, FACE);
        _log();
        emit IReceivablesEvents.Cancelled(_id, "mistake");
        receivables.cancel(_t, "mistake");
        vm.stopPrank();

        Terms memory terms = _terms();
        vm.prank(supplier.signer);
        bytes32 id = receivables.issue(terms);
        _logMove(debtor.signer, supplier.account, address(0), id, FACE);
        _log();
        emit IReceivablesEvents.Rejected(id, "not ours");
        vm.prank(debtor.signer);
        receivables.reject(terms, "not ours");
    }

    function test_Replaced() public {
        Terms memory old = _terms();
        bytes32 replaced = _issueAndConfirm(old);
        Confirmation memory confirmation = _confirmation(_t);
        confirmation.signature = _signature(
            debtor.key,
            receivables.confirmationDigest(_t, replaced, confirmation.nonce, confirmation.deadline)
        );
        bytes32[] memory slots = new bytes32[](1);
        slots[0] = old.fingerprint;
        _logMinted();
        _logMove(supplier.signer, supplier.account, address(0), replaced, FACE);
        _logConfirmed(_id, confirmation);
        vm.expectEmit(address(fingerprints));
        emit IFingerprints.FingerprintRepointed(debtor.account, old.fingerprint, _id, replaced);
        _logTaken(_t.fingerprint, _id);
        _log();
        emit IReceivablesEvents.Replaced(replaced, _id);
        vm.prank(supplier.signer);
        receivables.replace(old, _t, slots, confirmation);
        _assertIssued();
    }

    /* UNITS */

    function test_Moves_NameWhoMoved() public {
        _issueAndConfirm(_t);
        _logMove(supplier.signer, supplier.account, bank.account, _id, 40);
        _transfer(supplier, bank, _id, 40);
        _logMove(bank.signer, bank.account, supplier.account, _id, 15);
        vm.prank(bank.signer);
        receivables.safeTransferFrom(bank.account, supplier.account, uint256(_id), 15, "");
        uint256[] memory ids = new uint256[](2);
        uint256[] memory values = new uint256[](2);
        (ids[0], values[0], ids[1], values[1]) = (uint256(_id), 5, uint256(_claim()), 6);
        _log();
        emit IERC1155.TransferBatch(supplier.signer, supplier.account, bank.account, ids, values);
        vm.prank(supplier.signer);
        receivables.safeBatchTransferFrom(supplier.account, bank.account, ids, values, "");
        assertEq(_units(bank, _id), 30, "bank");
        Offer memory offer = _offerOf(supplier, bank, _id, 60, 50);
        _logMove(address(financing), supplier.account, bank.account, _id, 60);
        _accept(supplier, bank, offer);
        _log();
        emit IReceivablesEvents.ReceiptAllowed(_id, bank.account, 7);
        vm.prank(bank.signer);
        receivables.allowReceipt(_id, bank.account, 7);
    }

    function test_Locked_Unlocked_SentBack() public {
        _issueAndConfirm(_t);
        receivables.setOperator(address(this), OperatorState.Active);
        _log();
        emit IReceivablesEvents.Locked(_id, supplier.account, LOCK, 50);
        _logMove(address(this), supplier.account, LOCK, _id, 50);
        receivables.lock(Parcel(_id, 50, 50), supplier.account, LOCK, false);
        _log();
        emit IReceivablesEvents.Unlocked(_id, LOCK, bank.account, 50);
        _logMove(address(this), LOCK, bank.account, _id, 50);
        receivables.unlock(_id, LOCK, bank.account, true);
        _logMove(address(this), bank.account, supplier.account, _id, 20);
        receivables.sendBack(_id, bank.account, supplier.account, 20);
    }

    /* REMEDIES */

    function test_CreditNoteIssued_Reduced_Settled() public {
        _issueAndConfirm(_t);
        _transfer(supplier, bank, _id, 400);
        _pay(debtor, _id, FACE / 2);
        // What is left of the supplier's units carries half as much.
        uint64 own = (FACE - 400) / 2;
        _log();
        emit IReceivablesEvents.CreditNoteIssued(_id, "note", own + 200, own, 200);
        _logMove(supplier.signer, supplier.account, address(0), _id, FACE - 400);
        _log();
        emit IReceivablesEvents.Reduced(_id, supplier.account, "note", own, FACE - 400);
        vm.prank(supplier.signer);
        receivables.issueCreditNote(_t, 0, own + 200, "note");
        _logMove(bank.signer, bank.account, address(0), _id, 400);
        _log();
        emit IReceivablesEvents.Reduced(_id, bank.account, "note", 200, 400);
        _log();
        emit IReceivablesEvents.Settled(_id);
        vm.prank(bank.signer);
        receivables.joinCreditNote(_id, bank.account, "note", 200);
    }

    function test_ClosedOutside() public {
        _issueAndConfirm(_t);
        _pay(debtor, _id, FACE / 2);
        _logMove(supplier.signer, supplier.account, address(0), _id, 40);
        _log();
        emit IReceivablesEvents.ClosedOutside(_id, supplier.account, "wire", 20, 40);
        vm.prank(supplier.signer);
        receivables.closeOutside(_id, supplier.account, 20, "wire");
    }

    function test_Disputed_DisputeEnded() public {
        _issueAndConfirm(_t);
        _pay(debtor, _id, FACE / 2);
        bytes32 lot = receivables.lotId(_id, 1);
        _logMove(debtor.signer, supplier.account, address(0), _id, 40);
        _log();
        emit IReceivablesEvents.Disputed(_id, lot, 20, 40, "broken");
        _logMove(debtor.signer, address(0), supplier.account, lot, 20);
        vm.prank(debtor.signer);
        receivables.dispute(_t, 20, "broken");
        _log();
        emit IReceivablesEvents.DisputeEnded(_id, lot);
        vm.prank(debtor.signer);
        receivables.endDispute(_t, 1);
        _log();
        emit IReceivablesEvents.Disputed(_id, _id, FACE / 2 - 20, FACE - 40, "all of it");
        vm.prank(debtor.signer);
        receivables.dispute(_t, FACE / 2 - 20, "all of it");
        _log();
        emit IReceivablesEvents.DisputeEnded(_id, _id);
        vm.prank(debtor.signer);
        receivables.endDispute(_t, 0);
    }

    function test_InterestWaived_InterestReturned() public {
        _issueAndConfirm(_t);
        _log();
        emit IReceivablesEvents.InterestWaived(_id, supplier.account, true);
        vm.prank(supplier.signer);
        receivables.waiveInterest(_id, supplier.account, true);
        vm.warp(_t.dueEnd + 73 days);
        _pay(debtor, _id, type(uint64).max);
        _log();
        emit IReceivablesEvents.Redeemed(_id, supplier.account, supplier.payout, FACE, 0);
        _redeem(supplier, _id);
        _log();
        emit IReceivablesEvents.InterestReturned(_id, debtor.account, debtor.payout, FACE / 50);
        assertEq(receivables.returnInterest(_t, 0), FACE / 50, "returned");
    }

    function test_MarkedWrittenOff_WrittenOff() public {
        _issueAndConfirm(_t);
        _transfer(supplier, bank, _id, 40);
        vm.warp(_t.dueEnd + 11 days);
        _log();
        emit IReceivablesEvents.MarkedWrittenOff(_id, bank.account, 40);
        vm.prank(bank.signer);
        receivables.writeOff(_id, bank.account);
        _log();
        emit IReceivablesEvents.MarkedWrittenOff(_id, supplier.account, FACE - 40);
        _log();
        emit IReceivablesEvents.WrittenOff(_id);
        vm.prank(supplier.signer);
        receivables.writeOff(_id, supplier.account);
    }
}
