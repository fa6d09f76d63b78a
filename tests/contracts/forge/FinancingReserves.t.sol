// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFinancing} from "../../../contracts/interfaces/IFinancing.sol";
import {IParticipants} from "../../../contracts/interfaces/IParticipants.sol";
import {Facts, Offer, Recourse} from "../../../contracts/types/Sale.sol";
import {SaleTest} from "./SaleTest.sol";
import {vm} from "./Vm.sol";

/// The deferred part of a price. Branches: Financing.tree.
contract FinancingReservesTest is SaleTest {
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
}
