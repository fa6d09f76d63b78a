// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFinancing} from "../../../contracts/interfaces/IFinancing.sol";
import {IParticipants} from "../../../contracts/interfaces/IParticipants.sol";
import {IReceivablesEvents} from "../../../contracts/interfaces/IReceivablesEvents.sol";
import {ISignedActions} from "../../../contracts/interfaces/ISignedActions.sol";
import {AwkwardCurrency} from "../../../contracts/mocks/AwkwardCurrency.sol";
import {SCOPE_ALL, SCOPE_BUY} from "../../../contracts/types/Account.sol";
import {OperatorState, Parcel} from "../../../contracts/types/Receivable.sol";
import {Offer, Recourse, SaleStatus} from "../../../contracts/types/Sale.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// How an offer is accepted. Branches: Financing.tree.
contract FinancingTest is LedgerTest {
    // accept

    function test_Accept_MovesClaimAndCash() public {
        bytes32 id = _claim();
        Offer memory offer = _offer(id);
        bytes32 sale = financing.offerDigest(offer);
        uint256 wallet = euro.balanceOf(bank.signer);
        uint256 payout = euro.balanceOf(supplier.payout);

        vm.expectEmit(address(financing));
        emit IFinancing.OfferAccepted(
            sale,
            supplier.account,
            bank.account,
            offer.token,
            offer.price,
            0,
            Recourse.WarrantyOnly,
            offer.repurchasePrice,
            false,
            offer.agreement,
            offer.law,
            0
        );
        assertEq(_accept(supplier, bank, offer), sale, "sale id");

        assertEq(_units(bank, id), FACE, "units of the bank");
        assertEq(_units(supplier, id), 0, "units of the supplier");
        assertEq(wallet - euro.balanceOf(bank.signer), offer.price, "cash from the bank's wallet");
        assertEq(euro.balanceOf(supplier.payout) - payout, offer.price, "cash to the supplier's payout");
        (SaleStatus status, uint40 acceptedAt, bytes26 facts) = financing.saleOf(sale);
        assertEq(uint256(status), uint256(SaleStatus.Done), "status");
        assertEq(acceptedAt, block.timestamp, "accepted at");
        assertEq(uint256(bytes32(facts)), 0, "facts");
    }

    function test_Accept_SeveralClaimsOrNone() public {
        bytes32 first = _claim();
        bytes32 second = _claim();
        Offer memory offer = _offer(first);
        offer.parcels = new Parcel[](2);
        offer.parcels[0] = Parcel(first, FACE, FACE);
        offer.parcels[1] = Parcel(second, FACE / 2, FACE / 2);
        bytes memory signature = _signed(bank, offer);
        _transfer(supplier, subSupplier, second, FACE * 3 / 4);

        vm.prank(supplier.signer);
        vm.expectRevert(
            abi.encodeWithSelector(
                IReceivablesEvents.NotEnoughUnits.selector, second, supplier.account, FACE / 4, FACE / 2
            )
        );
        financing.accept(offer, 0, signature);
        assertEq(_units(supplier, first), FACE, "units of the first");

        _transfer(subSupplier, supplier, second, FACE / 4);
        vm.prank(supplier.signer);
        financing.accept(offer, 0, signature);
        assertEq(_units(bank, first), FACE, "units of the first");
        assertEq(_units(bank, second), FACE / 2, "units of the second");
    }

    function test_Accept_Twice() public {
        bytes32 id = _claim();
        Offer memory offer = _offerOf(supplier, bank, id, FACE / 4, FACE / 5);
        bytes32 sale = _accept(supplier, bank, offer);
        bytes memory signature = _signed(bank, offer);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.SaleStatusIs.selector, sale, SaleStatus.Done));
        financing.accept(offer, 0, signature);
    }

    function test_Accept_AfterExpiry() public {
        Offer memory offer = _offer(_claim());
        bytes memory signature = _signed(bank, offer);
        vm.warp(offer.expiry + 1);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.OfferExpired.selector, offer.expiry));
        financing.accept(offer, 0, signature);

        vm.warp(offer.expiry);
        vm.prank(supplier.signer);
        financing.accept(offer, 0, signature);
    }

    function test_Accept_BelowTheSellersLimit() public {
        Offer memory offer = _offer(_claim());
        bytes memory signature = _signed(bank, offer);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.PriceTooLow.selector, offer.price, offer.price + 1));
        financing.accept(offer, offer.price + 1, signature);
    }

    function test_Accept_OffersThatContradictThemselves() public {
        bytes32 id = _claim();
        for (uint256 i = 0; i < 10; ++i) {
            Offer memory offer = _offer(id);
            if (i == 0) offer.parcels = new Parcel[](0);
            if (i == 1) offer.price = 0;
            if (i == 2) offer.reserve = offer.price + 1;
            if (i == 3) (offer.reserve, offer.lockTime) = (1, 1);
            if (i == 4) offer.seller = offer.buyer;
            if (i == 5) offer.parcels[0].minUnpaid = 0;
            if (i == 6) offer.parcels[0].minUnpaid = FACE + 1;
            if (i == 7) (offer.recourse, offer.repurchasePrice) = (Recourse.Credit, 0);
            if (i == 8) {
                offer.parcels = new Parcel[](2);
                offer.parcels[0] = Parcel(id, type(uint64).max, 1);
                offer.parcels[1] = Parcel(id, type(uint64).max, 1);
            }
            // A warranty there always is.
            if (i == 9) offer.repurchasePrice = 0;
            bytes memory signature = _signed(bank, offer);
            vm.prank(supplier.signer);
            vm.expectRevert(IFinancing.OfferInvalid.selector);
            financing.accept(offer, 0, signature);
        }
    }

    /// The members of an offer are read as they come; each that is out of its type's range is refused.
    function test_Accept_MembersOutOfRange(uint256 which, uint256 excess) public {
        Offer memory offer = _offer(_claim());
        bytes memory callData = abi.encodeCall(IFinancing.accept, (offer, 0, _signed(bank, offer)));
        uint8[12] memory words = [0, 1, 3, 4, 5, 6, 7, 8, 11, 12, 13, 4];
        uint8[12] memory bits = [160, 160, 160, 64, 64, 1, 64, 1, 32, 40, 160, 65];
        which = bound(which, 0, 11);
        excess = bound(excess, 1, type(uint256).max >> bits[which]) << bits[which];
        uint256 offset = 4 + 32 + 3 * 32 + uint256(words[which]) * 32;
        assembly ("memory-safe") {
            let place := add(callData, offset)
            mstore(place, or(mload(place), excess))
        }
        vm.prank(supplier.signer);
        (bool success, bytes memory reason) = address(financing).call(callData);
        assertFalse(success, "success");
        assertEq(reason, abi.encodeWithSelector(IFinancing.OfferInvalid.selector), "reason");
    }

    /// Each at the first value that is too large.
    function test_Accept_MembersJustOutOfRange() public {
        for (uint256 i = 0; i < 12; ++i) {
            uint256 clean = vm.snapshotState();
            test_Accept_MembersOutOfRange(i, 1);
            vm.revertToState(clean);
        }
    }

    function test_Accept_WithAnothersSignature() public {
        Offer memory offer = _offer(_claim());
        bytes memory signature = _signed(otherBank, offer);
        vm.prank(supplier.signer);
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        financing.accept(offer, 0, signature);
    }

    function test_Accept_WhateverIsChangedInTheOffer(uint256 member, uint64 value) public {
        Offer memory offer = _offer(_claim());
        bytes memory signature = _signed(bank, offer);
        bytes32 digest = financing.offerDigest(offer);
        member = bound(member, 0, 9);
        if (member == 0) offer.price = value;
        if (member == 1) offer.repurchasePrice = value;
        if (member == 2) offer.agreement = bytes32(uint256(value));
        if (member == 3) offer.law = bytes32(uint256(value));
        if (member == 4) offer.expiry = uint40(bound(value, block.timestamp, type(uint40).max));
        if (member == 5) offer.parcels[0].minUnpaid = value;
        if (member == 6) offer.acceptDispute = true;
        if (member == 7) offer.salt = value;
        if (member == 8) offer.reserve = value;
        if (member == 9) offer.lockTime = uint32(value);
        vm.assume(financing.offerDigest(offer) != digest);
        vm.prank(supplier.signer);
        (bool success,) = address(financing).call(abi.encodeCall(IFinancing.accept, (offer, 0, signature)));
        assertFalse(success, "settled on other terms than were signed");
    }

    function test_Accept_OnAnotherChain() public {
        Offer memory offer = _offer(_claim());
        bytes memory signature = _signed(bank, offer);
        vm.chainId(block.chainid + 1);
        vm.prank(supplier.signer);
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        financing.accept(offer, 0, signature);
    }

    function test_Accept_ByAStranger() public {
        Offer memory offer = _offer(_claim());
        bytes memory signature = _signed(bank, offer);
        vm.prank(stranger);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        financing.accept(offer, 0, signature);
    }

    function test_Accept_ForAnotherBuyersAccount() public {
        Offer memory offer = _offer(_claim());
        offer.buyer = otherBank.account;
        bytes memory signature = _signed(bank, offer);
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        financing.accept(offer, 0, signature);
    }

    function test_Accept_AboveTheBuyersLimit_NeedsASecondSigner() public {
        Offer memory offer = _offer(_claim());
        uint256 secondKey = 0x5ec0d;
        vm.prank(bank.signer);
        participants.grantKey(
            bank.account, _key(vm.addr(secondKey)), SCOPE_BUY, 0, 0, type(uint40).max, offer.price, 0
        );
        vm.prank(bank.signer);
        participants.grantKey(
            bank.account,
            _key(bank.signer),
            SCOPE_ALL,
            0,
            0,
            type(uint40).max,
            type(uint64).max,
            offer.price - 1
        );
        bytes memory signature = _signed(bank, offer);
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IParticipants.SecondSignerNeeded.selector);
        financing.accept(offer, 0, signature);

        bytes memory second =
            abi.encodePacked(vm.addr(secondKey), _signature(0xbad, financing.offerDigest(offer)));
        vm.prank(supplier.signer);
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        financing.acceptWith(offer, 0, signature, second, "");
        vm.prank(supplier.signer);
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        financing.acceptWith(offer, 0, signature, hex"01", "");

        second = abi.encodePacked(vm.addr(secondKey), _signature(secondKey, financing.offerDigest(offer)));
        vm.prank(supplier.signer);
        financing.acceptWith(offer, 0, signature, second, "");
    }

    /// A key that may sell little cannot give much away for little.
    function test_Accept_TheSellersLimitCountsUnits() public {
        bytes32 id = _claim();
        uint256 clerk = 0xc1e4;
        vm.prank(supplier.signer);
        participants.grantKey(
            supplier.account,
            _key(vm.addr(clerk)),
            SCOPE_ALL,
            0,
            0,
            type(uint40).max,
            FACE - 1,
            type(uint64).max
        );
        Offer memory offer = _offerOf(supplier, bank, id, FACE, 1);
        bytes memory signature = _signed(bank, offer);
        vm.prank(vm.addr(clerk));
        vm.expectPartialRevert(IParticipants.AboveLimit.selector);
        financing.accept(offer, 0, signature);
    }

    function test_Accept_InATokenThatDoesNotSettleTheClaims() public {
        AwkwardCurrency other = _awkward();
        bytes32 id = _claim();
        Offer memory offer = _offer(id);
        offer.token = address(other);
        bytes memory signature = _signed(bank, offer);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.CurrencyDiffers.selector, id));
        financing.accept(offer, 0, signature);
    }

    function test_Accept_InAClosedCurrency() public {
        bytes32 id = _claim();
        Offer memory offer = _offer(id);
        bytes memory signature = _signed(bank, offer);
        (uint32 currency,) = receivables.currencyOf(address(euro));
        receivables.setCurrency(currency, false, 1, 180);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.TokenNotOpen.selector, address(euro)));
        financing.accept(offer, 0, signature);

        offer.lockTime = 1 days;
        signature = _signed(bank, offer);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.TokenNotOpen.selector, address(euro)));
        financing.accept(offer, 0, signature);
    }

    function test_Accept_WhenFinancingIsNoLongerRecorded() public {
        Offer memory offer = _offer(_claim());
        bytes memory signature = _signed(bank, offer);
        receivables.setOperator(address(financing), OperatorState.WindingDown);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.NotOperator.selector, address(financing)));
        financing.accept(offer, 0, signature);
    }

    function test_Accept_WithAPermit() public {
        Offer memory offer = _offer(_claim());
        bytes memory signature = _signed(bank, offer);
        vm.prank(bank.signer);
        euro.approve(address(financing), 0);
        bytes memory permit = _permit(bank, offer.price);
        vm.prank(supplier.signer);
        financing.acceptWith(offer, 0, signature, "", permit);
        assertEq(_units(bank, offer.parcels[0].id), FACE, "units");
    }

    function test_Accept_WithAPermit_UsedAheadOfIt() public {
        Offer memory offer = _offer(_claim());
        bytes memory signature = _signed(bank, offer);
        bytes memory permit = _permit(bank, offer.price);
        (uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) =
            abi.decode(permit, (uint256, uint256, uint8, bytes32, bytes32));
        vm.prank(stranger);
        euro.permit(bank.signer, address(financing), value, deadline, v, r, s);
        vm.prank(supplier.signer);
        financing.acceptWith(offer, 0, signature, "", permit);
        assertEq(_units(bank, offer.parcels[0].id), FACE, "units");
    }

    function _awkward() private returns (AwkwardCurrency token) {
        token = new AwkwardCurrency("Other Euro", "oEUR", 6);
        receivables.admitCurrency(address(token), EUR, 2, 1);
        _fund(bank, token);
    }

    function _key(address signer) private pure returns (bytes32) {
        return bytes32(uint256(uint160(signer)));
    }

    function _permit(Actor memory actor, uint256 value) private view returns (bytes memory) {
        uint256 deadline = block.timestamp + 1 hours;
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
                ),
                actor.signer,
                address(financing),
                value,
                euro.nonces(actor.signer),
                deadline
            )
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", euro.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(actor.key, digest);
        return abi.encode(value, deadline, v, r, s);
    }

    /// EIP-712 of an offer, member by member.
}
