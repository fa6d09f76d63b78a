// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFinancing} from "../../../contracts/interfaces/IFinancing.sol";
import {IFingerprints} from "../../../contracts/interfaces/IFingerprints.sol";
import {IParticipants} from "../../../contracts/interfaces/IParticipants.sol";
import {IReceivablesEvents} from "../../../contracts/interfaces/IReceivablesEvents.sol";
import {ISignedActions} from "../../../contracts/interfaces/ISignedActions.sol";
import {AwkwardCurrency} from "../../../contracts/mocks/AwkwardCurrency.sol";
import {ROLE_DEBTOR, ROLE_SUPPLIER} from "../../../contracts/types/Account.sol";
import {Parcel, Status} from "../../../contracts/types/Receivable.sol";
import {Offer} from "../../../contracts/types/Sale.sol";
import {Confirmation, Terms} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// What went wrong for others, one test each; 5 to 8 and 13 also in PitfallsOfClaims.t.sol.
contract PitfallsTest is LedgerTest {
    AwkwardCurrency private _awkward;

    function setUp() public override {
        super.setUp();
        _awkward = new AwkwardCurrency("Awkward Euro", "aEUR", 6);
        receivables.admitCurrency(address(_awkward), EUR, 2, 1);
        Actor[3] memory actors = [supplier, debtor, bank];
        for (uint256 i = 0; i < 3; ++i) {
            _fund(actors[i], _awkward);
            _awkward.mint(actors[i].signer, WEALTH * 1e4);
        }
    }

    /// 1. A poke by anybody moves an unapproved thing forward (Huma V1).
    function test_Poke_MovesNothingForward() public {
        Terms memory terms = _terms();
        vm.prank(supplier.signer);
        bytes32 id = receivables.issue(terms);
        Parcel[] memory parcels = new Parcel[](1);
        parcels[0] = Parcel(id, FACE, 1);
        bytes[7] memory pokes = [
            abi.encodeCall(receivables.pay, (id, FACE)),
            abi.encodeCall(receivables.redeem, (id, supplier.account)),
            abi.encodeCall(receivables.transfer, (id, supplier.account, bank.account, FACE)),
            abi.encodeCall(receivables.sell, (_sides(supplier, bank), true, parcels)),
            abi.encodeCall(receivables.writeOff, (id, supplier.account)),
            abi.encodeCall(receivables.returnInterest, (terms, 0)),
            abi.encodeCall(receivables.endDispute, (terms, 0))
        ];
        address[4] memory callers = [stranger, supplier.signer, debtor.signer, bank.signer];
        for (uint256 i = 0; i < pokes.length; ++i) {
            for (uint256 k = 0; k < callers.length; ++k) {
                vm.prank(callers[k]);
                (bool success,) = address(receivables).call(pokes[i]);
                assertFalse(success, "a poke succeeded");
            }
        }
        assertEq(uint256(receivables.statusOf(id)), uint256(Status.Issued), "status");
    }

    /// 2. The caller names the payer (Goldfinch): everybody here has left unlimited allowances.
    function test_CallerNamesThePayer() public {
        bytes32 id = _claim();
        Offer memory offer = _offer(id);
        offer.buyer = otherBank.account;
        offer.signer = bank.signer;
        bytes memory signature = _signed(otherBank, offer);
        vm.prank(supplier.signer);
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        financing.accept(offer, 0, signature);

        uint256 wallet = euro.balanceOf(bank.signer);
        _pay(otherBank, id, FACE);
        assertEq(euro.balanceOf(bank.signer), wallet, "the bank's wallet");
    }

    /// 3. An exit without an allowance check (RWAVault).
    function test_ExitForAnother() public {
        bytes32 id = _claim();
        _pay(debtor, id, FACE);
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = id;
        vm.prank(bank.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        receivables.redeem(id, supplier.account);
        vm.prank(bank.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        receivables.redeemMany(ids, supplier.account);
    }

    /// 4. Transfer restrictions by-passed: the same id twice in a batch, or in an offer; to oneself; nothing at all.
    function test_RestrictionsBypassed() public {
        bytes32 id = _claim();
        uint256[] memory ids = new uint256[](2);
        (ids[0], ids[1]) = (uint256(id), uint256(id));
        uint256[] memory values = new uint256[](2);
        (values[0], values[1]) = (FACE, FACE);
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IReceivablesEvents.NotEnoughUnits.selector);
        receivables.safeBatchTransferFrom(supplier.account, bank.account, ids, values, "");

        Offer memory offer = _offer(id);
        offer.parcels = new Parcel[](2);
        (offer.parcels[0], offer.parcels[1]) = (Parcel(id, FACE, FACE), Parcel(id, FACE, FACE));
        bytes memory signature = _signed(bank, offer);
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IReceivablesEvents.NotEnoughUnits.selector);
        financing.accept(offer, 0, signature);

        vm.prank(supplier.signer);
        (bool success,) = address(receivables)
            .call(abi.encodeCall(receivables.transfer, (id, supplier.account, supplier.account, FACE)));
        assertTrue(!success || _units(supplier, id) == FACE, "units after a transfer to oneself");
        vm.prank(supplier.signer);
        vm.expectRevert(IReceivablesEvents.ArgumentInvalid.selector);
        receivables.transfer(id, supplier.account, bank.account, 0);
        vm.prank(supplier.signer);
        vm.expectRevert(IReceivablesEvents.ApprovalsAreGrants.selector);
        receivables.setApprovalForAll(stranger, true);
    }

    /// 4. A suspended party's operator: neither side of a sale may be suspended.
    function test_SuspendedSideOfASale() public {
        Offer memory offer = _offer(_claim());
        bytes memory signature = _signed(bank, offer);
        address[2] memory sides = [supplier.account, bank.account];
        address[] memory accounts = new address[](1);
        for (uint256 i = 0; i < 2; ++i) {
            accounts[0] = sides[i];
            participants.suspend(accounts, "reason");
            vm.prank(supplier.signer);
            vm.expectRevert(abi.encodeWithSelector(IParticipants.Suspended.selector, sides[i]));
            financing.accept(offer, 0, signature);
            participants.liftSuspension(accounts, "reason");
        }
    }

    /// 5. The same invoice again: re-issued with another date, and through another supplier.
    function test_SameInvoiceAgain() public {
        Terms memory terms = _terms();
        _issueAndConfirm(terms);
        Terms memory again = terms;
        again.dueEnd += 1 days;
        Confirmation memory confirmation = _confirmation(again);
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IFingerprints.FingerprintAlreadyTaken.selector);
        receivables.issueAndConfirm(again, confirmation);

        again.supplier = subSupplier.account;
        confirmation = _confirmation(again);
        vm.prank(subSupplier.signer);
        vm.expectPartialRevert(IFingerprints.FingerprintAlreadyTaken.selector);
        receivables.issueAndConfirm(again, confirmation);
    }

    /// 5. The reverse: a rogue supplier and a rogue debtor cannot burn a victim's fingerprint.
    function test_RogueSupplierAndDebtor_BurnNothing() public {
        Actor memory rogueSupplier = _actor("rogue supplier", ROLE_SUPPLIER);
        Actor memory rogueDebtor = _actor("rogue debtor", ROLE_DEBTOR);
        Terms memory victims = _terms();
        Terms memory rogue = _terms();
        rogue.fingerprint = victims.fingerprint;
        (rogue.supplier, rogue.debtor) = (rogueSupplier.account, rogueDebtor.account);
        Confirmation memory confirmation = _confirmationBy(rogueDebtor, rogue, 0);
        vm.prank(rogueSupplier.signer);
        receivables.issueAndConfirm(rogue, confirmation);

        // In the true debtor's name their signature is worth nothing.
        rogue.debtor = debtor.account;
        confirmation = _confirmationBy(rogueDebtor, rogue, 1);
        vm.prank(rogueSupplier.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        receivables.issueAndConfirm(rogue, confirmation);

        bytes32 id = _issueAndConfirm(victims);
        assertEq(fingerprints.idOf(debtor.account, victims.fingerprint), id, "slot");
    }

    /// 9. Rounding: a thousand holders of odd parts, odd payments, and the last one is paid to the unit.
    function test_Rounding_TheLastHolderIsPaid(uint64 seed) public {
        Terms memory terms = _terms();
        terms.amount = uint64(bound(seed, 3, 200));
        bytes32 id = _issueAndConfirm(terms);
        _transfer(supplier, bank, id, terms.amount / 3);
        _transfer(supplier, otherBank, id, 1);
        uint64 paid;
        while (paid < terms.amount) {
            uint64 part = uint64(uint256(keccak256(abi.encode(seed, paid))) % 7) + 1;
            paid += _pay(debtor, id, part);
            if (paid % 2 == 0) {
                vm.prank(bank.signer);
                (bool success,) =
                    address(receivables).call(abi.encodeCall(receivables.redeem, (id, bank.account)));
                assertTrue(success || paid < terms.amount, "redeeming");
            }
        }
        Actor[3] memory holders = [supplier, otherBank, bank];
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(holders[i].signer);
            (bool success,) =
                address(receivables).call(abi.encodeCall(receivables.redeem, (id, holders[i].account)));
            assertTrue(success || _units(holders[i], id) == 0, "redeeming at the end");
        }
        assertEq(euro.balanceOf(address(receivables)), 0, "left in the ledger");
    }

    /// 10. Awkward tokens: one that keeps a fee does not settle a sale, a payment or a reserve.
    function test_Token_FeeOnTransfer() public {
        Offer memory offer = _awkwardOffer();
        _awkward.setFee(1);
        bytes memory signature = _signed(bank, offer);
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IFinancing.TokenDeliveredLess.selector);
        financing.accept(offer, 0, signature);

        offer.reserve = offer.price;
        signature = _signed(bank, offer);
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IFinancing.TokenDeliveredLess.selector);
        financing.accept(offer, 0, signature);

        vm.prank(debtor.signer);
        vm.expectPartialRevert(IReceivablesEvents.TokenShort.selector);
        receivables.pay(offer.parcels[0].id, FACE);
    }

    /// 10. Awkward tokens: one that answers false has not paid; one that answers nothing has.
    function test_Token_FalseAndNothing() public {
        Offer memory offer = _awkwardOffer();
        bytes memory signature = _signed(bank, offer);
        _awkward.setAnswer(AwkwardCurrency.Answer.False);
        vm.prank(supplier.signer);
        vm.expectRevert();
        financing.accept(offer, 0, signature);
        assertEq(_units(bank, offer.parcels[0].id), 0, "units");

        _awkward.setAnswer(AwkwardCurrency.Answer.Nothing);
        vm.prank(supplier.signer);
        financing.accept(offer, 0, signature);
        assertEq(_units(bank, offer.parcels[0].id), FACE, "units");
        assertEq(_awkward.balanceOf(supplier.payout), 1 + uint256(offer.price) * 1e4, "cash, 6 decimals");
    }

    /// 10. Awkward tokens: one that calls back in the middle of the payment finds the offer used up.
    function test_Token_Reenters() public {
        Offer memory offer = _awkwardOffer();
        offer.parcels[0].units = FACE / 4;
        offer.parcels[0].minUnpaid = FACE / 4;
        bytes memory signature = _signed(bank, offer);
        _awkward.setHook(
            address(financing),
            abi.encodeCall(
                financing.relay,
                _signAction(financing, supplier, abi.encodeCall(financing.accept, (offer, 0, signature)), 0)
            )
        );
        vm.prank(supplier.signer);
        financing.accept(offer, 0, signature);
        assertFalse(_awkward.hookSucceeded(), "accepted again from within");
        assertEq(_units(bank, offer.parcels[0].id), FACE / 4, "units");
    }

    /// 10. Awkward tokens: a payee who is blocked, or a token that is paused, blocks nobody else's collection.
    function test_Token_BlockedPayee() public {
        Terms memory terms = _terms();
        terms.token = address(_awkward);
        bytes32 id = _issueAndConfirm(terms);
        _transfer(supplier, bank, id, FACE / 2);
        _pay(debtor, id, FACE);
        _awkward.setBlocked(bank.payout, true);
        vm.prank(bank.signer);
        vm.expectRevert(abi.encodeWithSelector(AwkwardCurrency.AccountBlocked.selector, bank.payout));
        receivables.redeem(id, bank.account);
        (uint64 face,) = _redeem(supplier, id);
        assertEq(face, FACE / 2, "the supplier's half");
        _awkward.setBlocked(bank.payout, false);
        _awkward.setPaused(true);
        vm.prank(bank.signer);
        vm.expectRevert(AwkwardCurrency.TransfersPaused.selector);
        receivables.redeem(id, bank.account);
        _awkward.setPaused(false);
        (face,) = _redeem(bank, id);
        assertEq(face, FACE / 2, "the bank's half");
    }

    /// 10. Awkward tokens: 0, 2, 6 and 18 decimals; fewer than the currency's own are refused.
    function test_Token_Decimals() public {
        AwkwardCurrency none = new AwkwardCurrency("No Decimals", "ZERO", 0);
        vm.expectRevert(IReceivablesEvents.SettingInvalid.selector);
        receivables.admitCurrency(address(none), EUR, 2, 1);
        receivables.admitCurrency(address(none), "JPY", 0, 1);

        AwkwardCurrency many = new AwkwardCurrency("Many Decimals", "MANY", 18);
        receivables.admitCurrency(address(many), EUR, 2, 1);
        _fundWith(bank, many, 1e30);
        Terms memory terms = _terms();
        terms.token = address(many);
        Offer memory offer = _offer(_issueAndConfirm(terms));
        offer.token = address(many);
        _accept(supplier, bank, offer);
        assertEq(many.balanceOf(supplier.payout), uint256(offer.price) * 1e16, "cash, 18 decimals");
    }

    /// 11. An offer still open after the claim changed: a cent was paid, or the seller redeemed a part before accepting.
    function test_OfferOpenAfterTheSellerRedeemedAPart() public {
        bytes32 id = _claim();
        Offer memory offer = _offer(id);
        bytes memory signature = _signed(bank, offer);
        _pay(debtor, id, FACE / 2);
        _redeem(supplier, id);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.PaidSince.selector, id, FACE / 2, FACE));
        financing.accept(offer, 0, signature);
    }

    /// 11. And a cent paid by a spoiler does not void an offer that allows for it.
    function test_OfferThatAllowsForACent() public {
        bytes32 id = _claim();
        Offer memory offer = _offer(id);
        offer.parcels[0].minUnpaid = FACE - 1_00;
        bytes memory signature = _signed(bank, offer);
        _pay(otherBank, id, 1);
        vm.prank(supplier.signer);
        financing.accept(offer, 0, signature);
        assertEq(_units(bank, id), FACE, "units");
    }

    /// 11. An offer still open after a dispute began.
    function test_OfferOpenAfterADispute() public {
        Terms memory terms = _terms();
        bytes32 id = _issueAndConfirm(terms);
        Offer memory offer = _offerOf(supplier, bank, id, FACE / 2, FACE / 3);
        bytes memory signature = _signed(bank, offer);
        vm.prank(debtor.signer);
        receivables.dispute(terms, FACE / 4, "reason");
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.UnderDispute.selector, id));
        financing.accept(offer, 0, signature);
    }

    /// 12. Unbounded loops: paying costs the same however many hold.
    function test_PayingCostsTheSameForManyHolders() public {
        bytes32 few = _claim();
        bytes32 many = _claim();
        for (uint256 i = 0; i < 40; ++i) {
            Actor memory actor = _actor(vm.toString(i), ROLE_SUPPLIER);
            _transfer(supplier, actor, many, FACE / 100);
        }
        uint256 before = gasleft();
        _pay(debtor, few, FACE / 3);
        uint256 costOfFew = before - gasleft();
        before = gasleft();
        _pay(debtor, many, FACE / 3);
        assertLe(before - gasleft(), costOfFew + 2_000, "gas for many");
    }

    /// A holder of one unit cannot block anybody: not a payment, a sale, a redemption, a credit note or the settlement.
    function test_HolderOfOneUnit_BlocksNobody() public {
        Terms memory terms = _terms();
        bytes32 id = _issueAndConfirm(terms);
        _transfer(supplier, subSupplier, id, 1);
        _accept(supplier, bank, _offerOf(supplier, bank, id, FACE / 2, FACE / 3));
        vm.prank(supplier.signer);
        receivables.issueCreditNote(terms, 0, FACE / 4, "note");
        _pay(debtor, id, FACE);
        _redeem(bank, id);
        _redeem(supplier, id);
        assertEq(uint256(receivables.statusOf(id)), uint256(Status.Settled), "status");
    }

    function _awkwardOffer() private returns (Offer memory offer) {
        Terms memory terms = _terms();
        terms.token = address(_awkward);
        offer = _offer(_issueAndConfirm(terms));
        offer.token = address(_awkward);
    }

    function _fundWith(Actor memory actor, AwkwardCurrency token, uint256 value) private {
        token.mint(actor.signer, value);
        vm.prank(actor.signer);
        token.approve(address(financing), type(uint256).max);
    }
}
