// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFinancing} from "../../../contracts/interfaces/IFinancing.sol";
import {IParticipants} from "../../../contracts/interfaces/IParticipants.sol";
import {SignedAction} from "../../../contracts/interfaces/ISignedActions.sol";
import {DemandStatus, Facts, Offer, Recourse} from "../../../contracts/types/Sale.sol";
import {SaleTest} from "./SaleTest.sol";
import {vm} from "./Vm.sol";

/// What the seller answers for. Branches: Financing.tree.
contract FinancingRecourseTest is SaleTest {
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

    function test_Warranty_DemandAnswerPayment_Relayed() public {
        (Offer memory offer, bytes32 sale) = _sale(Recourse.WarrantyOnly, 0);
        _relay(bank, abi.encodeCall(IFinancing.demandWarranty, (offer, 0, "evidence")), 0);
        assertEq(uint256(financing.claimOf(sale, 0).demand), uint256(DemandStatus.Made), "demand");
        _relay(supplier, abi.encodeCall(IFinancing.answerWarranty, (offer, 0, true, "answer")), 0);
        assertEq(uint256(financing.claimOf(sale, 0).demand), uint256(DemandStatus.Admitted), "answer");
        _relay(
            supplier,
            abi.encodeCall(IFinancing.performRecourse, (offer, 0, true, offer.repurchasePrice, _noFacts())),
            1
        );
        assertEq(_units(supplier, _id), FACE, "units of the supplier");
    }

    function _relay(Actor memory actor, bytes memory callData, uint256 nonce) private {
        SignedAction memory action = _signAction(financing, actor, callData, nonce);
        vm.prank(stranger);
        financing.relay(action);
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
        (uint64 units, uint64 price, uint64 fromReserve) = financing.recourseQuote(offer, 0, _noFacts());
        assertEq(uint256(units) + price + fromReserve, 0, "quoted");
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
}
