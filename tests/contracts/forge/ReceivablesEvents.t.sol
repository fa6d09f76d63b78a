// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import {IFinancing} from "../../../contracts/interfaces/IFinancing.sol";
import {IReceivablesEvents} from "../../../contracts/interfaces/IReceivablesEvents.sol";
import {Offer, Recourse} from "../../../contracts/types/Sale.sol";
import {Terms} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {Vm, vm} from "./Vm.sol";

/// Events rebuild everything: after each call they are exactly these, and who holds what follows from them alone.
contract ReceivablesEventsTest is LedgerTest {
    mapping(uint256 id => mapping(address account => uint256)) private _rebuilt;
    mapping(uint256 id => uint256) private _supply;
    bytes32[] private _told;

    function setUp() public override {
        super.setUp();
        vm.recordLogs();
    }

    /// Reads what was emitted since the last time, and follows the units.
    function _read() private {
        delete _told;
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            Vm.Log memory log = logs[i];
            if (log.emitter != address(receivables) && log.emitter != address(financing)) continue;
            _told.push(log.topics[0]);
            if (log.topics[0] != IERC1155.TransferSingle.selector) continue;
            (uint256 id, uint256 units) = abi.decode(log.data, (uint256, uint256));
            (address from, address to) =
                (address(uint160(uint256(log.topics[2]))), address(uint160(uint256(log.topics[3]))));
            if (from == address(0)) _supply[id] += units;
            else _rebuilt[id][from] -= units;
            if (to == address(0)) _supply[id] -= units;
            else _rebuilt[id][to] += units;
        }
    }

    function _assertTold(bytes32[] memory expected, string memory after_) private {
        _read();
        assertEq(_told.length, expected.length, string.concat("events after ", after_));
        for (uint256 i = 0; i < expected.length; ++i) {
            assertEq(_told[i], expected[i], string.concat("event after ", after_));
        }
    }

    function _assertTold(string memory after_, bytes32 a) private {
        bytes32[] memory expected = new bytes32[](1);
        expected[0] = a;
        _assertTold(expected, after_);
    }

    function _assertTold(string memory after_, bytes32 a, bytes32 b) private {
        bytes32[] memory expected = new bytes32[](2);
        (expected[0], expected[1]) = (a, b);
        _assertTold(expected, after_);
    }

    function _assertTold(string memory after_, bytes32 a, bytes32 b, bytes32 c) private {
        bytes32[] memory expected = new bytes32[](3);
        (expected[0], expected[1], expected[2]) = (a, b, c);
        _assertTold(expected, after_);
    }

    function _assertHoldings(bytes32 id) private view {
        Actor[4] memory all = [supplier, bank, otherBank, subSupplier];
        uint256 sum;
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(_rebuilt[uint256(id)][all[i].account], _units(all[i], id), "rebuilt");
            sum += _units(all[i], id);
        }
        assertEq(_supply[uint256(id)], sum, "supply");
    }

    bytes32 private constant MOVED = IERC1155.TransferSingle.selector;

    function test_Events_OfTheOrdinaryCourse() public {
        Terms memory terms = _terms();
        vm.prank(supplier.signer);
        bytes32 id = receivables.issue(terms);
        _assertTold("issuing", IReceivablesEvents.Issued.selector, MOVED);
        receivables.confirm(terms, _confirmation(terms));
        _assertTold("confirming", IReceivablesEvents.Confirmed.selector);
        _transfer(supplier, bank, id, 40);
        _assertTold("transferring", MOVED);
        _accept(supplier, bank, _offerOf(supplier, bank, id, 60, 50));
        _assertTold("selling", MOVED, IFinancing.OfferAccepted.selector);
        _pay(debtor, id, FACE / 2);
        _assertTold("paying in part", IReceivablesEvents.Paid.selector);
        _redeem(supplier, id);
        _assertTold("redeeming a part", IReceivablesEvents.Redeemed.selector);
        _assertHoldings(id);
        _pay(debtor, id, FACE);
        _assertTold("paying", IReceivablesEvents.Paid.selector);
        _redeem(supplier, id);
        _assertTold("redeeming", MOVED, IReceivablesEvents.Redeemed.selector);
        _redeem(bank, id);
        _read();
        _assertHoldings(id);
        assertEq(_supply[uint256(id)], 0, "all redeemed");
    }

    function test_Events_OfPayingInFullAtOnce() public {
        bytes32 id = _claim();
        _read();
        _pay(debtor, id, FACE);
        _assertTold("paying", IReceivablesEvents.Paid.selector);
        _redeem(supplier, id);
        _assertTold("redeeming", MOVED, IReceivablesEvents.Redeemed.selector);
        _assertHoldings(id);
    }

    function test_Events_OfWhatNeverWasConfirmed() public {
        Terms memory terms = _terms();
        vm.startPrank(supplier.signer);
        receivables.issue(terms);
        _read();
        receivables.cancel(terms, "mistake");
        _assertTold("cancelling", MOVED, IReceivablesEvents.Cancelled.selector);
        terms = _terms();
        receivables.issue(terms);
        vm.stopPrank();
        _read();
        vm.prank(debtor.signer);
        receivables.reject(terms, "not ours");
        _assertTold("rejecting", MOVED, IReceivablesEvents.Rejected.selector);
        _assertHoldings(receivables.idOf(terms));
    }

    function test_Events_OfRemedies() public {
        Terms memory terms = _terms();
        bytes32 id = _issueAndConfirm(terms);
        _transfer(supplier, bank, id, FACE / 2);
        _read();
        vm.prank(supplier.signer);
        receivables.issueCreditNote(terms, 0, FACE / 4, "note");
        _assertTold(
            "a credit note",
            IReceivablesEvents.CreditNoteIssued.selector,
            MOVED,
            IReceivablesEvents.Reduced.selector
        );
        vm.prank(supplier.signer);
        receivables.issueCreditNote(terms, 0, FACE / 2, "more");
        _read();
        vm.prank(bank.signer);
        receivables.joinCreditNote(id, bank.account, "more", 10);
        _assertTold("joining it", MOVED, IReceivablesEvents.Reduced.selector);
        vm.prank(bank.signer);
        receivables.closeOutside(id, bank.account, 10, "wire");
        _assertTold("closing", MOVED, IReceivablesEvents.ClosedOutside.selector);
        vm.prank(bank.signer);
        receivables.waiveInterest(id, bank.account, true);
        _assertTold("waiving", IReceivablesEvents.InterestWaived.selector);
        vm.prank(bank.signer);
        receivables.allowReceipt(id, bank.account, 1);
        _assertTold("allowing", IReceivablesEvents.ReceiptAllowed.selector);
        _assertHoldings(id);
        vm.warp(terms.dueEnd + 11 days);
        vm.prank(bank.signer);
        receivables.writeOff(id, bank.account);
        _assertTold(
            "writing off",
            IReceivablesEvents.MarkedWrittenOff.selector,
            IReceivablesEvents.WrittenOff.selector
        );
    }

    function test_Events_OfADispute() public {
        Terms memory terms = _terms();
        bytes32 id = _issueAndConfirm(terms);
        _read();
        vm.prank(debtor.signer);
        bytes32 lot = receivables.dispute(terms, FACE / 4, "broken");
        _assertTold("a dispute", MOVED, IReceivablesEvents.Disputed.selector, MOVED);
        _assertHoldings(id);
        _assertHoldings(lot);
        vm.prank(debtor.signer);
        receivables.endDispute(terms, 1);
        _assertTold("its end", IReceivablesEvents.DisputeEnded.selector);
        vm.prank(debtor.signer);
        receivables.dispute(terms, FACE - FACE / 4, "all that is left");
        _assertTold("a dispute of all", IReceivablesEvents.Disputed.selector);
    }

    function test_Events_OfASaleAgainstCash() public {
        bytes32 id = _claim();
        Offer memory offer = _offer(id);
        offer.lockTime = 1 days;
        _read();
        _accept(supplier, bank, offer);
        _assertTold("locking", IFinancing.OfferAccepted.selector, IReceivablesEvents.Locked.selector, MOVED);
        vm.prank(supplier.signer);
        financing.acknowledgeCash(offer, "wire");
        _assertTold(
            "acknowledging", IReceivablesEvents.Unlocked.selector, MOVED, IFinancing.CashAcknowledged.selector
        );
        _assertHoldings(id);
        Offer memory second = _offerOf(bank, otherBank, id, FACE, FACE);
        second.lockTime = 1 days;
        _accept(bank, otherBank, second);
        vm.warp(block.timestamp + 1 days + 1);
        _read();
        financing.lapse(second);
        _assertTold("lapsing", IFinancing.SaleLapsed.selector, IReceivablesEvents.Unlocked.selector, MOVED);
        _assertHoldings(id);
    }

    function test_Events_OfRecourse() public {
        Terms memory terms = _terms();
        bytes32 id = _issueAndConfirm(terms);
        Offer memory offer = _offer(id);
        offer.recourse = Recourse.Credit;
        _read();
        _accept(supplier, bank, offer);
        _read();
        vm.prank(bank.signer);
        financing.demandWarranty(offer, 0, "evidence");
        _assertTold("demanding", IFinancing.WarrantyDemanded.selector);
        vm.prank(supplier.signer);
        financing.answerWarranty(offer, 0, true, "answer");
        _assertTold("answering", IFinancing.WarrantyAnswered.selector);
        vm.warp(terms.dueEnd + 11 days);
        vm.prank(supplier.signer);
        financing.performRecourse(offer, 0, false, type(uint64).max, _noFacts());
        _assertTold("recourse", IFinancing.RecoursePerformed.selector, MOVED);
        _assertHoldings(id);
        assertEq(_units(supplier, id), FACE, "back");
    }
}
