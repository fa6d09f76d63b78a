// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFinancing} from "../../../contracts/interfaces/IFinancing.sol";
import {IParticipants} from "../../../contracts/interfaces/IParticipants.sol";
import {SignedAction} from "../../../contracts/interfaces/ISignedActions.sol";
import {Offer, SaleStatus} from "../../../contracts/types/Sale.sol";
import {SaleTest} from "./SaleTest.sol";
import {vm} from "./Vm.sol";

/// Sales against acknowledged cash. Branches: Financing.tree.
contract FinancingCashTest is SaleTest {
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

    function test_CashSale_ByAStranger() public {
        Offer memory offer = _offer(_id);
        offer.lockTime = 3 days;
        bytes memory signature = _signed(bank, offer);
        vm.prank(stranger);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        financing.accept(offer, 0, signature);
        assertEq(_units(supplier, _id), FACE, "units of the supplier");
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

    /// Of 59 and 107 paid, each unit has a hair less than one, and each holder a hair less than its units; so what does not
    /// divide must be the buyer's as it was the lock's, or the supplier, redeeming first, would have 71 for its 70.
    function test_AcknowledgeCash_GivesTheFractionToTheBuyerToo() public {
        _terms1.amount = 166;
        _terms1.fingerprint = keccak256("of 166");
        _id = _issueAndConfirm(_terms1);
        Offer memory offer = _offer(_id);
        (offer.parcels[0].units, offer.parcels[0].minUnpaid, offer.lockTime) = (96, 96, 3 days);
        _accept(supplier, bank, offer);
        _pay(debtor, _id, 59);
        _pay(debtor, _id, 107);
        vm.prank(supplier.signer);
        financing.acknowledgeCash(offer, "SWIFT reference");

        assertEq(receivables.holding(_id, supplier.account).redeemable, 70, "redeemable by the supplier");
        assertEq(receivables.holding(_id, bank.account).redeemable, 96, "redeemable by the bank");
        (uint64 face,) = _redeem(supplier, _id);
        assertEq(face, 70, "redeemed by the supplier");
        (face,) = _redeem(bank, _id);
        assertEq(face, 96, "redeemed by the bank");
    }

    function test_AcknowledgeCash_Relayed() public {
        (Offer memory offer, bytes32 sale) = _cashSale();
        bytes memory acknowledge = abi.encodeCall(IFinancing.acknowledgeCash, (offer, "SWIFT reference"));
        SignedAction memory action = _signAction(financing, supplier, acknowledge, 0);
        vm.expectEmit(address(financing));
        emit IFinancing.CashAcknowledged(sale, "SWIFT reference");
        vm.prank(stranger);
        financing.relay(action);
        assertEq(_units(bank, _id), FACE, "units of the bank");
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
}
