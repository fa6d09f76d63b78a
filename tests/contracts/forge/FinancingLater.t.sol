// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFinancing} from "../../../contracts/interfaces/IFinancing.sol";
import {IParticipants} from "../../../contracts/interfaces/IParticipants.sol";
import {DemandStatus, Facts, Offer, Recourse, SaleStatus} from "../../../contracts/types/Sale.sol";
import {Terms} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {Vm, vm} from "./Vm.sol";

/// What comes after an offer was accepted: cash outside, recourse, the reserve. See Financing.tree.
contract FinancingLaterTest is LedgerTest {
    Terms private _terms1;
    bytes32 private _id;

    function setUp() public override {
        super.setUp();
        _terms1 = _terms();
        _id = _issueAndConfirm(_terms1);
    }

    // acknowledgeCash, lapse

    function test_CashSale_LocksUnitsAndMovesNoCash() public {
        uint256 wallet = euro.balanceOf(bank.signer);
        (Offer memory offer, bytes32 sale) = _cashSale();
        assertEq(_units(supplier, _id), 0, "units of the supplier");
        assertEq(_units(bank, _id), 0, "units of the bank");
        assertEq(receivables.balanceOf(financing.lockOf(sale), uint256(_id)), FACE, "units locked");
        assertEq(euro.balanceOf(bank.signer), wallet, "cash");
        (SaleStatus status, uint40 acceptedAt,) = financing.saleOf(sale);
        assertEq(uint256(status), uint256(SaleStatus.Locked), "status");
        assertEq(acceptedAt, block.timestamp, "accepted at");
        assertEq(offer.lockTime, 3 days, "lock time");
    }

    function test_AcknowledgeCash_GivesUnitsAndWhatWasPaidOnThemToTheBuyer() public {
        (Offer memory offer, bytes32 sale) = _cashSale();
        _pay(debtor, _id, FACE / 4);
        vm.warp(block.timestamp + 3 days);
        vm.expectEmit(address(financing));
        emit IFinancing.CashAcknowledged(sale, "SWIFT reference");
        vm.prank(supplier.signer);
        financing.acknowledgeCash(offer, "SWIFT reference");

        assertEq(_units(bank, _id), FACE, "units of the bank");
        (uint64 face,) = _redeem(bank, _id);
        assertEq(face, FACE / 4, "redeemed by the bank");
        (SaleStatus status,,) = financing.saleOf(sale);
        assertEq(uint256(status), uint256(SaleStatus.Done), "status");
    }

    function test_AcknowledgeCash_WhenTimeIsUp() public {
        (Offer memory offer, bytes32 sale) = _cashSale();
        uint256 until = block.timestamp + 3 days;
        vm.warp(until + 1);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.CashTime.selector, sale, until));
        financing.acknowledgeCash(offer, "late");
    }

    function test_AcknowledgeCash_ByTheBuyer() public {
        (Offer memory offer,) = _cashSale();
        vm.prank(bank.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        financing.acknowledgeCash(offer, "mine");
    }

    function test_AcknowledgeCash_OfASaleThatIsDone() public {
        Offer memory offer = _sell(_claim());
        bytes32 sale = financing.offerDigest(offer);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.SaleStatusIs.selector, sale, SaleStatus.Done));
        financing.acknowledgeCash(offer, "again");
    }

    function test_Lapse_GivesUnitsAndWhatWasPaidOnThemBack() public {
        (Offer memory offer, bytes32 sale) = _cashSale();
        _pay(debtor, _id, FACE / 4);
        vm.warp(block.timestamp + 3 days + 1);
        vm.expectEmit(address(financing));
        emit IFinancing.SaleLapsed(sale);
        vm.prank(stranger);
        financing.lapse(offer);

        assertEq(_units(supplier, _id), FACE, "units of the supplier");
        (uint64 face,) = _redeem(supplier, _id);
        assertEq(face, FACE / 4, "redeemed by the supplier");
        vm.expectRevert(abi.encodeWithSelector(IFinancing.SaleStatusIs.selector, sale, SaleStatus.Lapsed));
        financing.lapse(offer);
    }

    function test_Lapse_BeforeTimeIsUp() public {
        (Offer memory offer, bytes32 sale) = _cashSale();
        uint256 until = block.timestamp + 3 days;
        vm.warp(until);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.CashTime.selector, sale, until));
        financing.lapse(offer);
    }

    function test_Lapse_GivesBackWhoseAdmissionEnded() public {
        (Offer memory offer,) = _cashSale();
        participants.renew(supplier.account, 1, uint40(block.timestamp), "ended");
        vm.warp(block.timestamp + 3 days + 1);
        financing.lapse(offer);
        assertEq(_units(supplier, _id), FACE, "units of the supplier");
    }

    // demandWarranty, answerWarranty

    function test_Warranty_DemandAnswerPayment() public {
        (Offer memory offer, bytes32 sale) = _sale(Recourse.WarrantyOnly, 0);
        vm.expectEmit(address(financing));
        emit IFinancing.WarrantyDemanded(sale, 0, "evidence");
        vm.prank(bank.signer);
        financing.demandWarranty(offer, 0, "evidence");
        vm.expectEmit(address(financing));
        emit IFinancing.WarrantyAnswered(sale, 0, true, "answer");
        vm.prank(supplier.signer);
        financing.answerWarranty(offer, 0, true, "answer");
        assertEq(uint256(financing.claimOf(sale, 0).demand), uint256(DemandStatus.Admitted), "demand");

        uint256 payout = euro.balanceOf(bank.payout);
        (uint64 units, uint64 price,) = financing.recourseQuote(offer, 0, _noFacts());
        assertEq(units, FACE, "units quoted");
        vm.expectEmit(address(financing));
        emit IFinancing.RecoursePerformed(sale, 0, true, FACE, offer.repurchasePrice, 0);
        vm.prank(supplier.signer);
        financing.performRecourse(offer, 0, true, price, _noFacts());
        assertEq(euro.balanceOf(bank.payout) - payout, offer.repurchasePrice, "paid to the bank");
        assertEq(_units(supplier, _id), FACE, "units of the supplier");
        assertTrue(financing.claimOf(sale, 0).performed, "performed");
        (units,,) = financing.recourseQuote(offer, 0, _noFacts());
        assertEq(units, 0, "units quoted afterwards");

        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.NoRecourse.selector, sale, 0));
        financing.performRecourse(offer, 0, true, type(uint64).max, _noFacts());
        vm.prank(bank.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.DemandStatusIs.selector, sale, 0));
        financing.demandWarranty(offer, 0, "more");
    }

    function test_Warranty_DeniedMayBeDemandedAgain_OpenMayNot() public {
        (Offer memory offer, bytes32 sale) = _sale(Recourse.WarrantyOnly, 0);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.DemandStatusIs.selector, sale, 0));
        financing.answerWarranty(offer, 0, true, "to what?");
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(bank.signer);
            financing.demandWarranty(offer, 0, "evidence");
            vm.prank(bank.signer);
            vm.expectRevert(abi.encodeWithSelector(IFinancing.DemandStatusIs.selector, sale, 0));
            financing.demandWarranty(offer, 0, "evidence");
            vm.prank(supplier.signer);
            financing.answerWarranty(offer, 0, false, "no");
            assertEq(uint256(financing.claimOf(sale, 0).demand), uint256(DemandStatus.Denied), "demand");
        }
        vm.prank(bank.signer);
        financing.demandWarranty(offer, 0, "evidence");
        vm.prank(supplier.signer);
        financing.answerWarranty(offer, 0, true, "yes");
        vm.prank(bank.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.DemandStatusIs.selector, sale, 0));
        financing.demandWarranty(offer, 0, "evidence");
    }

    function test_Warranty_OnlyByThePartiesAndOfParcelsThereAre() public {
        (Offer memory offer, bytes32 sale) = _sale(Recourse.WarrantyOnly, 0);
        vm.prank(bank.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.ParcelUnknown.selector, sale, 1));
        financing.demandWarranty(offer, 1, "evidence");
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        financing.demandWarranty(offer, 0, "evidence");
        vm.prank(bank.signer);
        financing.demandWarranty(offer, 0, "evidence");
        vm.prank(bank.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        financing.answerWarranty(offer, 0, true, "mine");
    }

    // performRecourse

    function test_Recourse_OnlyWithATrigger() public {
        (Offer memory offer, bytes32 sale) = _sale(Recourse.Credit, 0);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.NoRecourse.selector, sale, 0));
        financing.performRecourse(offer, 0, true, type(uint64).max, _noFacts());
        vm.warp(_defaultTime());
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.NoRecourse.selector, sale, 0));
        financing.performRecourse(offer, 0, false, type(uint64).max, _noFacts());

        vm.warp(_defaultTime() + 1);
        vm.prank(supplier.signer);
        financing.performRecourse(offer, 0, false, type(uint64).max, _noFacts());
        assertEq(_units(supplier, _id), FACE, "units of the supplier");
    }

    function test_Recourse_ForDefault_OnlyWhereAgreed() public {
        (Offer memory offer, bytes32 sale) = _sale(Recourse.WarrantyOnly, 0);
        vm.warp(_defaultTime() + 1);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.NoRecourse.selector, sale, 0));
        financing.performRecourse(offer, 0, false, type(uint64).max, _noFacts());
    }

    function test_Recourse_PriceFallsWithWhatWasPaid() public {
        (Offer memory offer, bytes32 sale) = _sale(Recourse.Credit, 0);
        _pay(debtor, _id, FACE / 4);
        vm.warp(_defaultTime() + 1);
        uint64 price = offer.repurchasePrice / 4 * 3;
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.RecoursePriceAbove.selector, price, price - 1));
        financing.performRecourse(offer, 0, false, price - 1, _noFacts());

        vm.expectEmit(address(financing));
        emit IFinancing.RecoursePerformed(sale, 0, false, FACE, price, 0);
        vm.prank(supplier.signer);
        financing.performRecourse(offer, 0, false, price, _noFacts());
        (uint64 face,) = _redeem(bank, _id);
        assertEq(face, FACE / 4, "the bank keeps what was paid while it held");
    }

    function test_Recourse_ByAnybodyElse() public {
        (Offer memory offer,) = _sale(Recourse.Credit, 0);
        vm.warp(_defaultTime() + 1);
        vm.prank(otherBank.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        financing.performRecourse(offer, 0, false, type(uint64).max, _noFacts());
    }

    function test_Recourse_WithoutTheBuyersAdmission() public {
        (Offer memory offer,) = _sale(Recourse.Credit, 0);
        participants.renew(bank.account, 4, uint40(block.timestamp), "ended");
        participants.renew(supplier.account, 1, uint40(block.timestamp), "ended");
        vm.warp(_defaultTime() + 1);
        vm.prank(supplier.signer);
        financing.performRecourse(offer, 0, false, type(uint64).max, _noFacts());
        assertEq(_units(supplier, _id), FACE, "units of the supplier");
    }

    /// Selling, buying back cheap and using recourse against the first seller gives nothing for what was sold meanwhile.
    function test_Recourse_AfterTheBankSoldAndBoughtBack() public {
        (Offer memory offer, bytes32 sale) = _sale(Recourse.Credit, 0);
        uint64 part = FACE / 10 * 4;
        _accept(bank, otherBank, _offerOf(bank, otherBank, _id, part, part / 2));
        _accept(otherBank, bank, _offerOf(otherBank, bank, _id, part, part / 3));
        assertEq(_units(bank, _id), FACE, "units of the bank");
        vm.warp(_defaultTime() + 1);
        (uint64 units, uint64 price,) = financing.recourseQuote(offer, 0, _noFacts());
        assertEq(units, FACE - part, "units that count");
        assertEq(price, offer.repurchasePrice / 10 * 6, "price");
        vm.prank(supplier.signer);
        financing.performRecourse(offer, 0, false, type(uint64).max, _noFacts());
        assertEq(_units(bank, _id), part, "units the bank keeps");
        assertTrue(financing.claimOf(sale, 0).performed, "performed");
    }

    function test_Recourse_SoldOn_NothingIsLeft() public {
        (Offer memory offer, bytes32 sale) = _sale(Recourse.Credit, 0);
        _accept(bank, otherBank, _offerOf(bank, otherBank, _id, FACE, FACE / 2));
        vm.warp(_defaultTime() + 1);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.NoRecourse.selector, sale, 0));
        financing.performRecourse(offer, 0, false, type(uint64).max, _noFacts());
    }

    /// The second purchase of the same receivable counts from what had been sent away before it, and says so.
    function test_Recourse_CountsFromTheSale_WithItsFacts() public {
        _sale(Recourse.Credit, 0);
        _accept(bank, otherBank, _offerOf(bank, otherBank, _id, FACE, FACE / 2));
        Offer memory offer = _offerOf(otherBank, bank, _id, FACE / 2, FACE / 3);
        offer.recourse = Recourse.Credit;
        Facts memory facts;
        facts.sent = new uint64[](1);
        facts.reduced = new uint64[](1);
        facts.sent[0] = FACE;
        bytes32 sale = financing.offerDigest(offer);
        vm.recordLogs();
        _accept(otherBank, bank, offer);
        assertEq(
            _lastFacts(),
            keccak256(abi.encode(IFinancing.FactsRecorded.selector, sale, abi.encode(facts))),
            "facts"
        );

        vm.warp(_defaultTime() + 1);
        vm.prank(otherBank.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.FactsMismatch.selector, sale));
        financing.performRecourse(offer, 0, false, type(uint64).max, _noFacts());
        facts.sent[0] = 0;
        vm.expectRevert(abi.encodeWithSelector(IFinancing.FactsMismatch.selector, sale));
        financing.recourseQuote(offer, 0, facts);
        facts.sent[0] = FACE;
        vm.prank(otherBank.signer);
        financing.performRecourse(offer, 0, false, type(uint64).max, facts);
        assertEq(_units(otherBank, _id), FACE, "units of the other bank");
    }

    // releaseReserve

    function test_Reserve_IsDepositedAndGoesToTheSellerAtSettlement() public {
        uint256 payout = euro.balanceOf(supplier.payout);
        (Offer memory offer, bytes32 sale) = _sale(Recourse.WarrantyOnly, 10_000_00);
        assertEq(euro.balanceOf(supplier.payout) - payout, offer.price - offer.reserve, "paid at once");
        assertEq(euro.balanceOf(address(financing)), offer.reserve, "deposited");
        assertEq(financing.reserveOf(sale).open, offer.reserve, "open");
        vm.expectRevert(abi.encodeWithSelector(IFinancing.ReserveNotDue.selector, sale, supplier.account));
        financing.releaseReserve(offer, _noFacts(), supplier.account);

        _pay(debtor, _id, FACE);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.ReserveNotDue.selector, sale, bank.account));
        financing.releaseReserve(offer, _noFacts(), bank.account);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.ReserveNotDue.selector, sale, debtor.account));
        financing.releaseReserve(offer, _noFacts(), debtor.account);
        vm.expectEmit(address(financing));
        emit IFinancing.ReserveDue(sale, 0, offer.reserve);
        vm.expectEmit(address(financing));
        emit IFinancing.ReservePaid(sale, supplier.account, supplier.payout, offer.reserve);
        vm.prank(stranger);
        financing.releaseReserve(offer, _noFacts(), supplier.account);
        assertEq(euro.balanceOf(supplier.payout) - payout, offer.price, "the whole price");
        assertEq(euro.balanceOf(address(financing)), 0, "nothing stays");
        vm.expectPartialRevert(IFinancing.ReserveNotDue.selector);
        financing.releaseReserve(offer, _noFacts(), supplier.account);
    }

    function test_Reserve_MakesCreditNotesGood_Once() public {
        (Offer memory offer, bytes32 sale) = _sale(Recourse.WarrantyOnly, 10_000_00);
        _creditNote("first", 3_000_00);
        uint256 payout = euro.balanceOf(bank.payout);
        financing.releaseReserve(offer, _noFacts(), bank.account);
        assertEq(euro.balanceOf(bank.payout) - payout, 3_000_00, "made good");
        vm.expectPartialRevert(IFinancing.ReserveNotDue.selector);
        financing.releaseReserve(offer, _noFacts(), bank.account);

        _creditNote("second", 9_000_00);
        financing.releaseReserve(offer, _noFacts(), bank.account);
        assertEq(euro.balanceOf(bank.payout) - payout, offer.reserve, "no more than the reserve");
        assertEq(financing.reserveOf(sale).open, 0, "open");
    }

    /// Two sales of one receivable to one buyer do not both answer for one credit note.
    function test_Reserve_TwoSalesOneCreditNote() public {
        Offer memory first = _offerOf(supplier, bank, _id, FACE / 2, FACE / 2);
        Offer memory second = _offerOf(supplier, bank, _id, FACE / 2, FACE / 2);
        (first.reserve, second.reserve) = (2_000_00, 2_000_00);
        _accept(supplier, bank, first);
        _accept(supplier, bank, second);
        _creditNote("note", 3_000_00);
        uint256 payout = euro.balanceOf(bank.payout);
        financing.releaseReserve(first, _noFacts(), bank.account);
        financing.releaseReserve(second, _noFacts(), bank.account);
        assertEq(euro.balanceOf(bank.payout) - payout, 3_000_00, "made good together");

        _pay(debtor, _id, FACE);
        financing.releaseReserve(second, _noFacts(), supplier.account);
        vm.expectPartialRevert(IFinancing.ReserveNotDue.selector);
        financing.releaseReserve(first, _noFacts(), supplier.account);
        assertEq(euro.balanceOf(address(financing)), 0, "nothing stays");
    }

    function test_Reserve_GoesToTheBuyerAtWriteOff() public {
        (Offer memory offer, bytes32 sale) = _sale(Recourse.WarrantyOnly, 10_000_00);
        vm.warp(_defaultTime() + 1);
        vm.prank(bank.signer);
        receivables.writeOff(_id, bank.account);
        uint256 payout = euro.balanceOf(bank.payout);
        vm.expectEmit(address(financing));
        emit IFinancing.ReserveDue(sale, offer.reserve, 0);
        financing.releaseReserve(offer, _noFacts(), bank.account);
        assertEq(euro.balanceOf(bank.payout) - payout, offer.reserve, "paid to the bank");
    }

    function test_Reserve_PaysItsPartOfRecourse() public {
        (Offer memory offer, bytes32 sale) = _sale(Recourse.Credit, 10_000_00);
        _pay(debtor, _id, FACE / 2);
        vm.warp(_defaultTime() + 1);
        uint256 wallet = euro.balanceOf(supplier.signer);
        uint256 payout = euro.balanceOf(bank.payout);
        vm.expectEmit(address(financing));
        emit IFinancing.RecoursePerformed(sale, 0, false, FACE, offer.repurchasePrice / 2, 5_000_00);
        vm.prank(supplier.signer);
        financing.performRecourse(offer, 0, false, type(uint64).max, _noFacts());
        assertEq(euro.balanceOf(bank.payout) - payout, offer.repurchasePrice / 2, "paid to the bank");
        assertEq(wallet - euro.balanceOf(supplier.signer), offer.repurchasePrice / 2 - 5_000_00, "wallet");
        assertEq(financing.reserveOf(sale).open, 5_000_00, "open");
    }

    function test_Reserve_OfASuspendedAccountStays() public {
        (Offer memory offer,) = _sale(Recourse.WarrantyOnly, 10_000_00);
        _pay(debtor, _id, FACE);
        address[] memory accounts = new address[](1);
        accounts[0] = supplier.account;
        participants.suspend(accounts, "reason");
        vm.expectRevert(abi.encodeWithSelector(IParticipants.Suspended.selector, supplier.account));
        financing.releaseReserve(offer, _noFacts(), supplier.account);
        participants.liftSuspension(accounts, "reason");
        financing.releaseReserve(offer, _noFacts(), supplier.account);
    }

    /// What credit notes had reduced before the sale is no loss of this sale.
    function test_Reserve_CountsCreditNotesFromTheSale() public {
        _accept(supplier, bank, _offerOf(supplier, bank, _id, FACE / 2, FACE / 2));
        _accept(supplier, otherBank, _offerOf(supplier, otherBank, _id, FACE / 2, FACE / 2));
        _creditNote("before", 1_000_00);
        Offer memory offer = _offerOf(otherBank, bank, _id, FACE / 4, FACE / 4);
        offer.reserve = 5_000_00;
        offer.parcels[0].minUnpaid = FACE / 5;
        vm.recordLogs();
        bytes32 sale = _accept(otherBank, bank, offer);
        Facts memory facts;
        facts.sent = new uint64[](1);
        facts.reduced = new uint64[](1);
        facts.reduced[0] = receivables.holding(_id, bank.account).reduced;
        assertTrue(facts.reduced[0] != 0, "reduced before");
        assertEq(
            _lastFacts(),
            keccak256(abi.encode(IFinancing.FactsRecorded.selector, sale, abi.encode(facts))),
            "facts"
        );
        vm.expectPartialRevert(IFinancing.ReserveNotDue.selector);
        financing.releaseReserve(offer, facts, bank.account);
    }

    /// The bank joins for what the supplier's own units do not cover; if the supplier has some, they go first.
    function _creditNote(bytes32 note, uint64 amount) private {
        uint64 own = receivables.holding(_id, supplier.account).unpaid;
        vm.prank(supplier.signer);
        receivables.issueCreditNote(_terms1, 0, amount + own, note);
        vm.prank(bank.signer);
        receivables.joinCreditNote(_id, bank.account, note, amount);
    }

    function _sale(Recourse recourse, uint64 reserve) private returns (Offer memory offer, bytes32 sale) {
        offer = _offer(_id);
        offer.recourse = recourse;
        offer.reserve = reserve;
        sale = _accept(supplier, bank, offer);
    }

    function _cashSale() private returns (Offer memory offer, bytes32 sale) {
        offer = _offer(_id);
        offer.lockTime = 3 days;
        sale = _accept(supplier, bank, offer);
    }

    /// The last second at which it is not in default.
    function _defaultTime() private view returns (uint256) {
        return uint256(_terms1.dueEnd) + uint256(_terms1.graceDays) * 1 days;
    }

    /// Hash of the last `FactsRecorded` among the recorded logs.
    function _lastFacts() private returns (bytes32 hash) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == IFinancing.FactsRecorded.selector) {
                hash = keccak256(abi.encode(logs[i].topics[0], logs[i].topics[1], logs[i].data));
            }
        }
    }
}
