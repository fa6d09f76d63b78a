// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFinancing} from "../../../contracts/interfaces/IFinancing.sol";
import {IFingerprints} from "../../../contracts/interfaces/IFingerprints.sol";
import {IParticipants} from "../../../contracts/interfaces/IParticipants.sol";
import {IReceivablesEvents} from "../../../contracts/interfaces/IReceivablesEvents.sol";
import {TestCurrency} from "../../../contracts/mocks/TestCurrency.sol";
import {OperatorState} from "../../../contracts/types/Receivable.sol";
import {Facts, Offer, Recourse} from "../../../contracts/types/Sale.sol";
import {Terms} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// Ways to take more than one's own that were open once, each named after what must not be possible.
contract AttacksTest is LedgerTest {
    address private constant THIEF = address(0x7417EF);
    uint64 private constant PART = FACE / 2;

    function _offerWithRecourse(bytes32 id, uint64 units) private returns (Offer memory offer) {
        offer = _offerOf(supplier, bank, id, units, units / 100 * 97);
        offer.recourse = Recourse.Credit;
        _accept(supplier, bank, offer);
    }

    function _perform(Offer memory offer) private {
        vm.prank(supplier.signer);
        financing.performRecourse(offer, 0, false, type(uint64).max, _noFacts());
    }

    function _heldSince(Offer memory offer) private view returns (uint64) {
        return receivables.heldSince(offer.parcels[0].id, bank.account, offer.parcels[0].units, 0);
    }

    /// A log that does not decode stops every reader of the chain.
    function test_Issue_KeySetOutOfRange_IsNotLogged(uint256 excess) public {
        Terms memory terms = _terms();
        bytes memory data = abi.encodeCall(receivables.issue, (terms));
        uint256 keySet = terms.keySet | (bound(excess, 1, type(uint224).max) << 32);
        assembly {
            mstore(add(add(data, 0x24), mul(10, 0x20)), keySet)
        }
        vm.prank(supplier.signer);
        (bool done,) = address(receivables).call(data);
        assertFalse(done, "issued");
    }

    /// The supplier sends the debtor's signed dispute in the very second in which it pays the interest to the last fraction.
    function test_Dispute_WhereNoInterestIsOwed_DoesNotChargeItAgain() public {
        Terms memory terms = _terms();
        terms.lateRate = 100_000;
        bytes32 id = _issueAndConfirm(terms);
        // 100,000,000 minor units × 100,000 millionths × 3,153,600 s are a whole number of minor units.
        vm.warp(terms.dueEnd + 3_153_600);
        (, uint64 owed) = receivables.due(id);
        assertEq(owed, FACE / 100, "a hundredth");
        _pay(supplier, id, owed);
        vm.prank(debtor.signer);
        bytes32 lot = receivables.dispute(terms, FACE / 4, "late");
        (, uint64 apart) = receivables.due(lot);
        assertEq(apart, 0, "interest of the lot");
        vm.warp(block.timestamp + 365 days);
        (, apart) = receivables.due(lot);
        assertEq(apart, FACE / 40, "from the dispute on");
    }

    /// An offer against cash that never comes costs its maker nothing; it must not cost the seller its recourse.
    function test_Recourse_IsNotLostToASaleThatLapsed() public {
        bytes32 id = _claim();
        Offer memory bought = _offerWithRecourse(id, FACE);
        Offer memory bait = _offerOf(bank, otherBank, id, FACE, FACE);
        bait.lockTime = 1 days;
        _accept(bank, otherBank, bait);
        assertEq(_heldSince(bought), 0, "while locked");
        vm.warp(block.timestamp + 1 days + 1);
        financing.lapse(bait);
        assertEq(_heldSince(bought), FACE, "again");
        _transfer(bank, otherBank, id, 100);
        assertEq(_heldSince(bought), FACE - 100, "sent away for good");
    }

    /// Settled, redeemed and given back: nothing to count down from.
    function test_Lapse_AfterTheSellerRedeemedTheRest() public {
        bytes32 id = _claim();
        Offer memory bought = _offerWithRecourse(id, FACE);
        Offer memory bait = _offerOf(bank, otherBank, id, PART, PART);
        bait.lockTime = 1 days;
        _accept(bank, otherBank, bait);
        _pay(debtor, id, FACE);
        _redeem(bank, id);
        vm.warp(block.timestamp + 1 days + 1);
        financing.lapse(bait);
        (uint64 face,) = _redeem(bank, id);
        assertEq(face, PART, "the rest");
        (uint64 units,,) = financing.recourseQuote(bought, 0, _noFacts());
        assertEq(units, 0, "nothing to take back");
    }

    /// Bought while others were locked, the count at the sale is above what it is after they came back.
    function test_HeldSince_BoughtWhileOthersWereLocked() public {
        bytes32 id = _claim();
        _offerWithRecourse(id, PART);
        Offer memory bait = _offerOf(bank, otherBank, id, PART, PART);
        bait.lockTime = 1 days;
        _accept(bank, otherBank, bait);
        uint64 sentAtSale = receivables.holding(id, bank.account).sent;
        _offerWithRecourse(id, PART);
        vm.warp(block.timestamp + 1 days + 1);
        financing.lapse(bait);
        assertEq(receivables.heldSince(id, bank.account, PART, sentAtSale), PART, "held");
    }

    /// A seller that takes back what it sold first does not shake off its recourse for what it sold second.
    function test_Recourse_OnOneSale_LeavesThatOnAnother() public {
        bytes32 id = _claim();
        Offer memory first = _offerWithRecourse(id, PART);
        Offer memory second = _offerWithRecourse(id, PART);
        vm.warp(block.timestamp + 101 days);
        _perform(first);
        assertEq(_units(bank, id), PART, "units of the bank");
        assertEq(_heldSince(second), PART, "still answered for");
        _perform(second);
        assertEq(_units(supplier, id), FACE, "units of the supplier");
        vm.prank(supplier.signer);
        vm.expectRevert();
        financing.performRecourse(first, 0, false, type(uint64).max, _noFacts());
    }

    /// One unit that its holder does not mark cannot keep the deposit from the buyer.
    function test_Reserve_IsNotHeldUpByAnothersUnit() public {
        bytes32 id = _claim();
        Offer memory offer = _offerOf(supplier, bank, id, FACE - 1, PART);
        offer.reserve = 10_000_00;
        _accept(supplier, bank, offer);
        vm.warp(block.timestamp + 101 days);
        vm.expectRevert();
        financing.releaseReserve(offer, _noFacts(), bank.account);
        vm.prank(bank.signer);
        receivables.writeOff(id, bank.account);
        uint256 before = euro.balanceOf(bank.payout);
        financing.releaseReserve(offer, _noFacts(), bank.account);
        assertEq(euro.balanceOf(bank.payout) - before, offer.reserve, "back with the bank");
    }

    /// Marks stay behind when units are redeemed; a settled claim's reserve is the seller's all the same.
    function test_Reserve_OfWhatWasMarkedAndThenPaid_GoesToTheSeller() public {
        bytes32 id = _claim();
        Offer memory offer = _offerOf(supplier, bank, id, FACE - 1, PART);
        offer.reserve = 10_000_00;
        _accept(supplier, bank, offer);
        vm.warp(block.timestamp + 101 days);
        vm.prank(bank.signer);
        receivables.writeOff(id, bank.account);
        _pay(debtor, id, FACE);
        _redeem(bank, id);
        uint256 before = euro.balanceOf(supplier.payout);
        financing.releaseReserve(offer, _noFacts(), supplier.account);
        assertEq(euro.balanceOf(supplier.payout) - before, offer.reserve, "with the seller");
    }

    /// Whoever stole a key announces a payout of its own; a suspension stops it.
    function test_Payout_DoesNotChangeWhileSuspended() public {
        vm.prank(supplier.signer);
        participants.proposePayout(supplier.account, THIEF);
        address[] memory accounts = new address[](1);
        accounts[0] = supplier.account;
        participants.suspend(accounts, "stolen key");
        vm.warp(block.timestamp + PAYOUT_DELAY);
        vm.expectRevert(abi.encodeWithSelector(IParticipants.Suspended.selector, supplier.account));
        participants.changePayout(supplier.account);
    }

    /// The payout's delay is shorter than a takeover's; it must not ripen in between.
    function test_Payout_DoesNotChangeDuringATakeover() public {
        vm.prank(supplier.signer);
        participants.proposePayout(supplier.account, THIEF);
        participants.proposeTakeover(supplier.account, bytes32(uint256(1)), true, "stolen key");
        vm.warp(block.timestamp + PAYOUT_DELAY);
        vm.expectRevert(abi.encodeWithSelector(IParticipants.AlreadyPending.selector, supplier.account));
        participants.changePayout(supplier.account);
        participants.withdrawTakeover(supplier.account);
        participants.changePayout(supplier.account);
        assertEq(participants.account(supplier.account).payout, THIEF, "as announced");
    }

    /// With two keys, an invoice's one fingerprint given twice would leave the other key's slot free.
    function test_Replace_AFingerprintTwice_Reverts() public {
        fingerprints.recordWriter(address(this));
        bytes32[] memory keys = new bytes32[](2);
        (keys[0], keys[1]) = ("first key", "second key");
        fingerprints.changeKeys(keys);
        uint32 keySet = fingerprints.currentKeySet();
        fingerprints.takeAll(debtor.account, keys, keySet, "old");
        bytes32[] memory twice = new bytes32[](2);
        (twice[0], twice[1]) = (bytes32("new"), bytes32("new"));
        vm.expectPartialRevert(IFingerprints.FingerprintAlreadyTaken.selector);
        fingerprints.replace(debtor.account, keys, "old", twice, keySet, "id");
    }

    /// Facts that nobody recorded, brought along by the seller, must not talk a credit note away.
    function test_Reserve_WithFactsMadeUp_IsNotKeptFromTheBuyer() public {
        Terms memory terms = _terms();
        bytes32 id = _issueAndConfirm(terms);
        Offer memory offer = _offerWithReserve(id, FACE);
        _creditNote(terms, id, 3_000_00);
        Facts memory made;
        made.reduced = new uint64[](1);
        made.reduced[0] = 3_000_00;
        bytes32 sale = financing.offerDigest(offer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.FactsMismatch.selector, sale));
        financing.releaseReserve(offer, made, supplier.account);
        made.sent = new uint64[](1);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.FactsMismatch.selector, sale));
        financing.releaseReserve(offer, made, supplier.account);
        made.reduced = new uint64[](0);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.FactsMismatch.selector, sale));
        financing.recourseQuote(offer, 0, made);

        uint256 before = euro.balanceOf(bank.payout);
        financing.releaseReserve(offer, _noFacts(), bank.account);
        assertEq(euro.balanceOf(bank.payout) - before, 3_000_00, "made good");
    }

    /// Anybody may release any reserve; the younger sale's, released first, must not use up the older's notes.
    function test_Reserve_OfAYoungerSaleReleasedFirst_LeavesTheOldersNotes() public {
        Terms memory terms = _terms();
        bytes32 id = _issueAndConfirm(terms);
        Offer memory older = _offerWithReserve(id, PART);
        _accept(supplier, otherBank, _offerOf(supplier, otherBank, id, PART, PART));
        _creditNote(terms, id, 1_000_00);
        Offer memory younger = _offerOf(otherBank, bank, id, PART / 2, PART / 2);
        younger.parcels[0].minUnpaid = PART / 4;
        younger.reserve = 10_000_00;
        Facts memory facts;
        (facts.sent, facts.reduced) = (new uint64[](1), new uint64[](1));
        facts.reduced[0] = receivables.holding(id, bank.account).reduced;
        _accept(otherBank, bank, younger);
        _creditNote(terms, id, 500_00);

        uint256 before = euro.balanceOf(bank.payout);
        financing.releaseReserve(younger, facts, bank.account);
        assertEq(euro.balanceOf(bank.payout) - before, 500_00, "the note after it");
        financing.releaseReserve(older, _noFacts(), bank.account);
        assertEq(euro.balanceOf(bank.payout) - before, 1_500_00, "each note once");
        vm.expectPartialRevert(IFinancing.ReserveNotDue.selector);
        financing.releaseReserve(younger, facts, bank.account);
    }

    /// The seller performs before the buyer asks for what a credit note took: both come out of one deposit.
    function test_Recourse_AheadOfTheReserve_LeavesTheCreditNoteItsShare() public {
        Terms memory terms = _terms();
        bytes32 id = _issueAndConfirm(terms);
        Offer memory offer = _offerOf(supplier, bank, id, FACE, FACE);
        (offer.recourse, offer.reserve) = (Recourse.Credit, 10_000_00);
        _accept(supplier, bank, offer);
        _creditNote(terms, id, 4_000_00);
        vm.warp(block.timestamp + 101 days);
        uint256 before = euro.balanceOf(bank.payout);
        (, uint64 price,) = financing.recourseQuote(offer, 0, _noFacts());
        _perform(offer);
        financing.releaseReserve(offer, _noFacts(), bank.account);
        assertEq(euro.balanceOf(bank.payout) - before, price + 4_000_00, "price and note");
        assertEq(euro.balanceOf(address(financing)), 0, "nothing stays");
    }

    /// A key that may sell little in one currency must not sell a claim in it "against cash" in another.
    function test_Lock_AgainstCashInAnotherCurrency_ByPassesNoLimit() public {
        TestCurrency yuan = new TestCurrency("Test yuan", "tCNY", 2);
        receivables.admitCurrency(address(yuan), "CNY", 2, 1);
        Offer memory offer = _offer(_claim());
        offer.token = address(yuan);
        offer.lockTime = 1 days;
        bytes memory signature = _signed(bank, offer);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.TokenNotOpen.selector, address(yuan)));
        financing.accept(offer, 0, signature);
    }

    /// A token that looks like an admitted one to whoever reads the end of its address.
    function test_Accept_InATokenThatEndsAsAnAdmittedOne() public {
        Offer memory offer = _offer(_claim());
        offer.token = address(uint160(address(euro)) ^ (1 << 159));
        bytes memory signature = _signed(bank, offer);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.TokenNotOpen.selector, offer.token));
        financing.accept(offer, 0, signature);
    }

    /// What an operator may sell in is kept apart from the currencies, and must never be anything else.
    function test_Operators_SeeEachChangeOfACurrency() public {
        bytes32 id = _claim();
        Offer memory offer = _offer(id);
        bytes memory signature = _signed(bank, offer);
        (uint32 currency,) = receivables.currencyOf(address(euro));

        receivables.pause();
        _expectAcceptReverts(
            offer, signature, abi.encodeWithSelector(IReceivablesEvents.NewBusinessPaused.selector)
        );
        receivables.unpause();
        receivables.setCurrency(currency, false, 1, 180);
        bytes memory closed = abi.encodeWithSelector(IFinancing.TokenNotOpen.selector, address(euro));
        _expectAcceptReverts(offer, signature, closed);
        receivables.setOperator(address(financing), OperatorState.WindingDown);
        bytes memory none =
            abi.encodeWithSelector(IReceivablesEvents.NotOperator.selector, address(financing));
        _expectAcceptReverts(offer, signature, none);
        receivables.setCurrency(currency, true, 1, 180);
        _expectAcceptReverts(offer, signature, none);
        receivables.setOperator(address(this), OperatorState.Active);
        receivables.setOperator(address(financing), OperatorState.Active);
        receivables.setOperator(address(this), OperatorState.None);
        receivables.setCurrency(currency, true, uint40(FACE), 180);
        Offer memory part = _offerOf(supplier, bank, id, PART, PART);
        bytes memory partly = _signed(bank, part);
        bytes memory small = abi.encodeWithSelector(IReceivablesEvents.BelowMinimum.selector, PART, FACE);
        _expectAcceptReverts(part, partly, small);
        receivables.setCurrency(currency, true, 1, 180);
        vm.prank(supplier.signer);
        financing.accept(offer, 0, signature);
        assertEq(_units(bank, id), FACE, "sold");

        TestCurrency yuan = new TestCurrency("Test yuan", "tCNY", 2);
        receivables.admitCurrency(address(yuan), "CNY", 2, 1);
        _fund(bank, yuan);
        Terms memory terms = _terms();
        (terms.token, terms.currency) = (address(yuan), "CNY");
        offer = _offer(_issueAndConfirm(terms));
        offer.token = address(yuan);
        _accept(supplier, bank, offer);
    }

    function _expectAcceptReverts(Offer memory offer, bytes memory signature, bytes memory reason) private {
        vm.prank(supplier.signer);
        vm.expectRevert(reason);
        financing.accept(offer, 0, signature);
    }

    function _offerWithReserve(bytes32 id, uint64 units) private returns (Offer memory offer) {
        offer = _offerOf(supplier, bank, id, units, units);
        offer.reserve = 10_000_00;
        _accept(supplier, bank, offer);
    }

    /// A credit note of that much on the bank's units, after whatever the supplier's own carry.
    function _creditNote(Terms memory terms, bytes32 id, uint64 amount) private {
        uint64 own = receivables.holding(id, supplier.account).unpaid;
        bytes32 note = keccak256(abi.encode(id, amount));
        vm.prank(supplier.signer);
        receivables.issueCreditNote(terms, 0, amount + own, note);
        vm.prank(bank.signer);
        receivables.joinCreditNote(id, bank.account, note, amount);
    }
}
