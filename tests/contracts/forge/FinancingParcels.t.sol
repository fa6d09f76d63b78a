// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFinancing} from "../../../contracts/interfaces/IFinancing.sol";
import {TestCurrency} from "../../../contracts/mocks/TestCurrency.sol";
import {Parcel} from "../../../contracts/types/Receivable.sol";
import {Facts, Offer, Recourse} from "../../../contracts/types/Sale.sol";
import {Terms} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// Sales of several claims: each parcel has facts, demands and a part of price and reserve of its own. Branches:
/// Financing.tree.
contract FinancingParcelsTest is LedgerTest {
    uint64 private constant RESERVE = 10_000_00;

    Terms[2] private _t;
    bytes32[2] private _ids;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < 2; ++i) {
            _t[i] = _terms();
            _ids[i] = _issueAndConfirm(_t[i]);
        }
    }

    /// All of the first; half of the second, of which a quarter must still be unpaid.
    function _offerOfBoth() private returns (Offer memory offer) {
        offer = _offer(_ids[0]);
        offer.parcels = new Parcel[](2);
        offer.parcels[0] = Parcel(_ids[0], FACE, FACE);
        offer.parcels[1] = Parcel(_ids[1], FACE / 2, FACE / 4);
        offer.recourse = Recourse.Credit;
        // A minor unit for each that is to be unpaid.
        offer.repurchasePrice = FACE / 4 * 5;
    }

    function _default() private {
        vm.warp(uint256(_t[0].dueEnd) + uint256(_t[0].graceDays) * 1 days + 1);
    }

    function _perform(Offer memory offer, uint256 parcel, Facts memory facts) private {
        vm.prank(supplier.signer);
        financing.performRecourse(offer, parcel, false, type(uint64).max, facts);
    }

    function _factsOf(uint64 sent, uint64 reduced) private pure returns (Facts memory facts) {
        (facts.sent, facts.reduced) = (new uint64[](2), new uint64[](2));
        (facts.sent[1], facts.reduced[1]) = (sent, reduced);
    }

    function _expectFacts(bytes32 sale, Facts memory facts) private {
        vm.expectEmit(address(financing));
        emit IFinancing.FactsRecorded(sale, facts);
    }

    function _assertUnits(address account, uint256 first, uint256 second) private view {
        assertEq(receivables.balanceOf(account, uint256(_ids[0])), first, "of the first");
        assertEq(receivables.balanceOf(account, uint256(_ids[1])), second, "of the second");
    }

    /* AGAINST CASH */

    function test_CashSale_OfBoth_AcknowledgedOrLapsed() public {
        Offer memory offer = _offerOfBoth();
        offer.lockTime = 1 days;
        bytes32 sale = _accept(supplier, bank, offer);
        _assertUnits(financing.lockOf(sale), FACE, FACE / 2);
        uint256 clean = vm.snapshotState();
        vm.prank(supplier.signer);
        financing.acknowledgeCash(offer, "wire");
        _assertUnits(bank.account, FACE, FACE / 2);
        _assertUnits(financing.lockOf(sale), 0, 0);
        vm.revertToState(clean);
        vm.warp(block.timestamp + 1 days + 1);
        financing.lapse(offer);
        _assertUnits(supplier.account, FACE, FACE);
        _assertUnits(financing.lockOf(sale), 0, 0);
    }

    /* FACTS */

    /// The bank had bought and sold some of the second claim, and lost some to a credit note.
    function _before() private {
        _accept(supplier, bank, _offerOf(supplier, bank, _ids[1], 3000, 3000));
        _transfer(bank, otherBank, _ids[1], 1000);
        vm.prank(supplier.signer);
        receivables.issueCreditNote(_t[1], 0, FACE - 3000 + 500, "note");
        vm.prank(bank.signer);
        receivables.joinCreditNote(_ids[1], bank.account, "note", 500);
        _transfer(otherBank, supplier, _ids[1], 1000);
    }

    function test_Facts_AreThoseOfEachParcel() public {
        _before();
        Offer memory offer = _offerOfBoth();
        offer.parcels[1] = Parcel(_ids[1], 1000, 1000);
        uint256 clean = vm.snapshotState();
        _expectFacts(financing.offerDigest(offer), _factsOf(1000, 0));
        _accept(supplier, bank, offer);
        vm.revertToState(clean);

        offer.lockTime = 1 days;
        clean = vm.snapshotState();
        _accept(supplier, bank, offer);
        _expectFacts(financing.offerDigest(offer), _factsOf(1000, 0));
        vm.prank(supplier.signer);
        financing.acknowledgeCash(offer, "wire");
        vm.revertToState(clean);

        (offer.lockTime, offer.reserve) = (0, RESERVE);
        bytes32 sale = financing.offerDigest(offer);
        _expectFacts(sale, _factsOf(1000, 500));
        _accept(supplier, bank, offer);
        (,, bytes26 hash) = financing.saleOf(sale);
        assertEq(bytes32(hash), bytes32(bytes26(keccak256(abi.encode(_factsOf(1000, 500))))), "stored");
        (uint64 units,,) = financing.recourseQuote(offer, 1, _factsOf(1000, 500));
        assertEq(units, 1000, "counted from there");
    }

    /* RECOURSE */

    function test_Recourse_OfEachParcel_TakesItsPart() public {
        Offer memory offer = _offerOfBoth();
        offer.reserve = RESERVE;
        bytes32 sale = _accept(supplier, bank, offer);
        _default();
        uint256 wallet = euro.balanceOf(supplier.signer);
        uint256 payout = euro.balanceOf(bank.payout);
        // A fifth of the basis, however much more its units carry.
        vm.expectEmit(address(financing));
        emit IFinancing.RecoursePerformed(sale, 1, false, FACE / 2, FACE / 4, RESERVE / 5);
        _perform(offer, 1, _noFacts());
        _assertUnits(bank.account, FACE, 0);
        assertFalse(financing.claimOf(sale, 0).performed, "not of the first");
        (uint64 units, uint64 price, uint64 fromReserve) = financing.recourseQuote(offer, 0, _noFacts());
        assertEq(units, FACE, "units");
        assertEq(price, FACE, "price");
        assertEq(fromReserve, RESERVE / 5 * 4, "of the reserve");
        _perform(offer, 0, _noFacts());
        _assertUnits(supplier.account, FACE, FACE);
        assertEq(euro.balanceOf(bank.payout) - payout, offer.repurchasePrice, "all of the price");
        assertEq(wallet - euro.balanceOf(supplier.signer), offer.repurchasePrice - RESERVE, "wallet");
        assertEq(financing.reserveOf(sale).open, 0, "all of the reserve");
    }

    /// Of a reserve above the price for taking back no more is used, and the seller needs no cash.
    function test_Recourse_CheaperThanTheReserve() public {
        Offer memory offer = _offer(_ids[0]);
        (offer.recourse, offer.reserve, offer.repurchasePrice) = (Recourse.Credit, RESERVE, RESERVE / 4);
        bytes32 sale = _accept(supplier, bank, offer);
        _default();
        (,, uint64 fromReserve) = financing.recourseQuote(offer, 0, _noFacts());
        assertEq(fromReserve, RESERVE / 4, "quoted");
        vm.prank(supplier.signer);
        euro.approve(address(financing), 0);
        uint256 payout = euro.balanceOf(bank.payout);
        _perform(offer, 0, _noFacts());
        assertEq(euro.balanceOf(bank.payout) - payout, RESERVE / 4, "paid");
        assertEq(financing.reserveOf(sale).open, RESERVE / 4 * 3, "open");
        // Nothing of the sale is left that could fail: the rest is the seller's.
        payout = euro.balanceOf(supplier.payout);
        financing.releaseReserve(offer, _noFacts(), supplier.account);
        assertEq(euro.balanceOf(supplier.payout) - payout, RESERVE / 4 * 3, "released");
    }

    /// Each minor unit is ten thousand of the token's.
    function test_Recourse_AndReserve_InATokenOfSixDecimals() public {
        TestCurrency token = new TestCurrency("Euro", "EUR6", 6);
        receivables.admitCurrency(address(token), EUR, 2, 1);
        _fund(bank, token);
        _fund(supplier, token);
        Terms memory terms = _terms();
        terms.token = address(token);
        Offer memory offer = _offerOf(supplier, bank, _issueAndConfirm(terms), FACE, 3 * RESERVE);
        (offer.token, offer.reserve, offer.recourse) = (address(token), RESERVE, Recourse.Credit);
        offer.repurchasePrice = 2 * RESERVE;
        bytes32 sale = _accept(supplier, bank, offer);
        assertEq(token.balanceOf(supplier.payout) - 1, 2 * RESERVE * 1e4, "price at once");
        assertEq(token.balanceOf(address(financing)), RESERVE * 1e4, "deposited");
        uint256 clean = vm.snapshotState();

        _default();
        uint256 wallet = token.balanceOf(supplier.signer);
        _perform(offer, 0, _noFacts());
        assertEq(token.balanceOf(bank.payout) - 1, 2 * RESERVE * 1e4, "taken back for");
        assertEq(wallet - token.balanceOf(supplier.signer), RESERVE * 1e4, "out of the wallet");
        vm.revertToState(clean);

        vm.prank(supplier.signer);
        receivables.issueCreditNote(terms, 0, RESERVE / 2, "note");
        vm.prank(bank.signer);
        receivables.joinCreditNote(offer.parcels[0].id, bank.account, "note", RESERVE / 2);
        financing.releaseReserve(offer, _noFacts(), bank.account);
        assertEq(token.balanceOf(bank.payout) - 1, RESERVE / 2 * 1e4, "released");
        assertEq(financing.reserveOf(sale).open, RESERVE / 2, "open");
    }

    /// Nothing unpaid, nothing to take back.
    function test_Recourse_OfWhatWasPaidOrClosed() public {
        Offer memory offer = _offerOfBoth();
        _accept(supplier, bank, offer);
        vm.prank(bank.signer);
        financing.demandWarranty(offer, 0, "evidence");
        _pay(debtor, _ids[0], FACE);
        (uint64 units, uint64 price, uint64 fromReserve) = financing.recourseQuote(offer, 0, _noFacts());
        assertEq(units, 0, "units");
        assertEq(price, 0, "price");
        assertEq(fromReserve, 0, "of the reserve");
        bytes32 sale = financing.offerDigest(offer);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.NoRecourse.selector, sale, 0));
        financing.performRecourse(offer, 0, true, type(uint64).max, _noFacts());
    }

    function test_Warranty_OfEachParcel_AndOfNoOther() public {
        Offer memory offer = _offerOfBoth();
        offer.recourse = Recourse.WarrantyOnly;
        bytes32 sale = _accept(supplier, bank, offer);
        vm.expectEmit(address(financing));
        emit IFinancing.WarrantyDemanded(sale, 1, "evidence");
        vm.prank(bank.signer);
        financing.demandWarranty(offer, 1, "evidence");
        vm.expectEmit(address(financing));
        emit IFinancing.WarrantyAnswered(sale, 1, true, "answer");
        vm.prank(supplier.signer);
        financing.answerWarranty(offer, 1, true, "answer");
        vm.startPrank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.NoRecourse.selector, sale, 0));
        financing.performRecourse(offer, 0, true, type(uint64).max, _noFacts());
        vm.expectRevert(abi.encodeWithSelector(IFinancing.ParcelUnknown.selector, sale, 2));
        financing.performRecourse(offer, 2, true, type(uint64).max, _noFacts());
        financing.performRecourse(offer, 1, true, type(uint64).max, _noFacts());
        _assertUnits(bank.account, FACE, 0);
    }

    /* RESERVE */

    function test_Reserve_OfBoth_WaitsForBoth() public {
        Offer memory offer = _offerOfBoth();
        offer.reserve = RESERVE;
        bytes32 sale = _accept(supplier, bank, offer);
        _pay(debtor, _ids[0], FACE);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.ReserveNotDue.selector, sale, supplier.account));
        financing.releaseReserve(offer, _noFacts(), supplier.account);

        vm.prank(supplier.signer);
        receivables.issueCreditNote(_t[1], 0, FACE / 2 + 700, "note");
        vm.prank(bank.signer);
        receivables.joinCreditNote(_ids[1], bank.account, "note", 700);
        vm.expectEmit(address(financing));
        emit IFinancing.ReserveDue(sale, 700, 0);
        financing.releaseReserve(offer, _noFacts(), bank.account);

        uint256 clean = vm.snapshotState();
        _pay(debtor, _ids[1], FACE);
        vm.expectEmit(address(financing));
        emit IFinancing.ReserveDue(sale, 0, RESERVE - 700);
        financing.releaseReserve(offer, _noFacts(), supplier.account);
        vm.revertToState(clean);

        // One lost is enough.
        _default();
        vm.prank(bank.signer);
        receivables.writeOff(_ids[1], bank.account);
        vm.expectEmit(address(financing));
        emit IFinancing.ReserveDue(sale, RESERVE - 700, 0);
        vm.expectEmit(address(financing));
        emit IFinancing.ReservePaid(sale, bank.account, bank.payout, RESERVE - 700);
        financing.releaseReserve(offer, _noFacts(), bank.account);
        assertEq(euro.balanceOf(address(financing)), 0, "nothing stays");
    }
}
