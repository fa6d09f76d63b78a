// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFinancing} from "../../../contracts/interfaces/IFinancing.sol";
import {IParticipants} from "../../../contracts/interfaces/IParticipants.sol";
import {ISignedActions, SignedAction} from "../../../contracts/interfaces/ISignedActions.sol";
import {SCOPE_BUY} from "../../../contracts/types/Account.sol";
import {Parcel} from "../../../contracts/types/Receivable.sol";
import {Offer, Recourse, SaleStatus} from "../../../contracts/types/Sale.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {Vm, vm} from "./Vm.sol";

/// What offers are, and what becomes of them without a sale. Branches: Financing.tree.
contract FinancingOffersTest is LedgerTest {
    function test_Accept_Relayed() public {
        Offer memory offer = _offer(_claim());
        bytes memory callData = abi.encodeCall(IFinancing.accept, (offer, offer.price, _signed(bank, offer)));
        SignedAction memory action = _signAction(financing, supplier, callData, 0);
        bytes32 structHash = keccak256(
            abi.encode(
                financing.actionTypehash(IFinancing.accept.selector),
                _hashOf(offer),
                offer.price,
                action.nonce,
                action.deadline,
                action.gasFloor
            )
        );
        assertEq(
            financing.actionDigest(action),
            _typed(address(financing), "Tallystick Financing", structHash),
            "digest"
        );

        vm.prank(stranger);
        financing.relay(action);
        assertEq(_units(bank, offer.parcels[0].id), FACE, "units");
    }

    function test_RelayMany_CallsThatPointOutside_FailAlone(bytes calldata garbage, uint256 which) public {
        bytes4[6] memory selectors = [
            IFinancing.accept.selector,
            IFinancing.cancelOffer.selector,
            IFinancing.acknowledgeCash.selector,
            IFinancing.demandWarranty.selector,
            IFinancing.answerWarranty.selector,
            IFinancing.performRecourse.selector
        ];
        Offer memory offer = _offer(_claim());
        SignedAction[] memory actions = new SignedAction[](2);
        bytes memory cancel = abi.encodeCall(IFinancing.cancelOffer, (offer));
        actions[0] = _signAction(financing, bank, cancel, 0);
        actions[0].callData = abi.encodePacked(selectors[bound(which, 0, 5)], garbage);
        actions[1] = _signAction(financing, bank, cancel, 1);
        assertEq(financing.relayMany(actions), 1, "failures");
    }

    /// Each place of the call that says where something is, pointed just beyond the end.
    function test_RelayMany_CallsThatPointJustOutside_FailAlone() public {
        Offer memory offer = _offer(_claim());
        bytes memory cancel = abi.encodeCall(IFinancing.cancelOffer, (offer));
        SignedAction[] memory actions = new SignedAction[](7);
        uint256 end = cancel.length - 4;
        // Where the offer is, where its parcels are, how many; an offer cut short; and one, of no parcels, that lacks its
        // last word where it is said to be.
        uint256[3] memory words = [uint256(0), 1 + 2, 1 + 15];
        uint256[3] memory beyond = [end - 15 * 32 + 1, end - 2 * 32 + 1, 2];
        for (uint256 i = 0; i < 3; ++i) {
            actions[i] = _signAction(financing, bank, cancel, i);
            bytes memory bent = abi.encodePacked(cancel);
            (uint256 place, uint256 value) = (36 + 32 * words[i], beyond[i]);
            assembly ("memory-safe") {
                mstore(add(bent, place), value)
            }
            actions[i].callData = bent;
        }
        actions[3] = _signAction(financing, bank, cancel, 3);
        actions[3].callData = abi.encodePacked(IFinancing.cancelOffer.selector, new bytes(15 * 32 - 1));
        actions[4] = _signAction(financing, bank, cancel, 4);
        actions[4].callData = abi.encodePacked(
            IFinancing.cancelOffer.selector, uint256(2 * 32), new bytes(96), uint256(96), new bytes(11 * 32)
        );
        // And one whose parcel lacks its last word.
        actions[5] = _signAction(financing, bank, cancel, 5);
        bytes memory cut = abi.encodePacked(cancel);
        assembly ("memory-safe") {
            mstore(cut, sub(mload(cut), 0x20))
        }
        actions[5].callData = cut;
        actions[6] = _signAction(financing, bank, cancel, 6);
        vm.recordLogs();
        assertEq(financing.relayMany(actions), 6, "failures");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < 6; ++i) {
            assertEq(
                abi.decode(logs[i].data, (bytes)),
                abi.encodeWithSelector(
                    ISignedActions.ActionUnknown.selector, IFinancing.cancelOffer.selector
                ),
                "no action at all"
            );
        }
    }

    /// What the buyer's side brings along with it is not the seller's to sign for.
    function test_AcceptWith_Relayed_IsSignedAsAccept() public {
        Offer memory offer = _offer(_claim());
        bytes memory callData =
            abi.encodeCall(IFinancing.acceptWith, (offer, offer.price, _signed(bank, offer), "", ""));
        SignedAction memory action = _signAction(financing, supplier, callData, 0);
        action.callData = abi.encodeCall(IFinancing.accept, (offer, offer.price, _signed(bank, offer)));
        assertEq(
            action.signature,
            _signature(supplier.key, financing.actionDigest(action)),
            "one signature is good for either"
        );
        action.callData = callData;
        vm.prank(stranger);
        financing.relay(action);
        assertEq(_units(bank, offer.parcels[0].id), FACE, "units");
    }

    /// An offer of nothing could never be accepted; that its encoding ends with the word that says so is no reason not to
    /// cancel it.
    function test_Relay_AnOfferOfNothing_IsCancelled() public {
        Offer memory offer = _offer(0);
        offer.parcels = new Parcel[](0);
        bytes memory cancel = abi.encodeCall(IFinancing.cancelOffer, (offer));
        financing.relay(_signAction(financing, bank, cancel, 0));
        (SaleStatus status,,) = financing.saleOf(financing.offerDigest(offer));
        assertEq(uint256(status), uint256(SaleStatus.Cancelled), "status");
    }

    function test_Relay_CancelNonces_AndWhatCannotBeSignedFor() public {
        SignedAction memory action =
            _signAction(financing, bank, abi.encodeCall(financing.cancelNonces, (0, 1 << 9)), 3);
        financing.relay(action);
        assertTrue(financing.isNonceUsed(bank.signer, 9), "cancelled");
        assertEq(financing.actionTypehash(IFinancing.lapse.selector), 0, "lapse");
        assertEq(financing.actionTypehash(IFinancing.releaseReserve.selector), 0, "releaseReserve");
    }

    function test_OfferDigest_IsThatOfEip712(uint256 salt, uint256 count) public {
        Offer memory offer = _offer(bytes32(salt));
        (offer.recourse, offer.acceptDispute, offer.lockTime) = (Recourse.Credit, true, 86_400);
        offer.salt = salt;
        offer.parcels = new Parcel[](bound(count, 0, 5));
        for (uint256 i = 0; i < offer.parcels.length; ++i) {
            offer.parcels[i] = Parcel(keccak256(abi.encode(salt, i)), uint64(salt), uint64(i));
        }
        bytes32 digest = _typed(address(financing), "Tallystick Financing", _hashOf(offer));
        assertEq(financing.offerDigest(offer), digest, "digest");
    }

    // cancelOffer

    function test_CancelOffer() public {
        Offer memory offer = _offer(_claim());
        bytes32 sale = financing.offerDigest(offer);
        vm.expectEmit(address(financing));
        emit IFinancing.OfferCancelled(sale, bank.account);
        vm.prank(bank.signer);
        financing.cancelOffer(offer);

        bytes memory signature = _signed(bank, offer);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.SaleStatusIs.selector, sale, SaleStatus.Cancelled));
        financing.accept(offer, 0, signature);
        vm.prank(bank.signer);
        vm.expectRevert(abi.encodeWithSelector(IFinancing.SaleStatusIs.selector, sale, SaleStatus.Cancelled));
        financing.cancelOffer(offer);
    }

    function test_CancelOffer_ByAnotherSignerOfTheBuyer() public {
        Offer memory offer = _offer(_claim());
        address colleague = address(0xc0113a);
        vm.prank(bank.signer);
        participants.grantKey(bank.account, _key(colleague), SCOPE_BUY, 0, 0, type(uint40).max, 0, 0);
        vm.prank(colleague);
        financing.cancelOffer(offer);
        (SaleStatus status,,) = financing.saleOf(financing.offerDigest(offer));
        assertEq(uint256(status), uint256(SaleStatus.Cancelled), "status");
    }

    function test_CancelOffer_ByAnybodyElse() public {
        Offer memory offer = _offer(_claim());
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        financing.cancelOffer(offer);
    }

    // isFunded

    function test_IsFunded() public {
        Offer memory offer = _offer(_claim());
        (bool funded, uint256 balance, uint256 allowance, uint256 needed) = financing.isFunded(offer);
        assertTrue(funded, "funded");
        assertEq(balance, euro.balanceOf(bank.signer), "balance");
        assertEq(allowance, type(uint256).max, "allowance");
        assertEq(needed, offer.price, "needed");

        vm.prank(bank.signer);
        euro.approve(address(financing), offer.price - 1);
        _assertNotFunded(offer, "without allowance");
        vm.prank(bank.signer);
        euro.approve(address(financing), offer.price);
        vm.prank(bank.signer);
        assertTrue(euro.transfer(stranger, balance - offer.price + 1), "moved");
        _assertNotFunded(offer, "without cash");
        vm.prank(stranger);
        assertTrue(euro.transfer(bank.signer, 1), "moved");
        (funded,,,) = financing.isFunded(offer);
        assertTrue(funded, "funded");

        vm.warp(offer.expiry);
        (funded,,,) = financing.isFunded(offer);
        assertTrue(funded, "funded in its last second");
        vm.warp(offer.expiry + 1);
        _assertNotFunded(offer, "when expired");
        vm.warp(START);
        (uint32 currency,) = receivables.currencyOf(address(euro));
        receivables.setCurrency(currency, false, 1, 180);
        _assertNotFunded(offer, "in a closed currency");
        receivables.setCurrency(currency, true, 1, 180);
        offer.lockTime = 1;
        (,,, needed) = financing.isFunded(offer);
        assertEq(needed, 0, "needed, against acknowledged cash");
        vm.prank(bank.signer);
        financing.cancelOffer(offer);
        _assertNotFunded(offer, "when cancelled");
    }

    // resale

    function test_Resale_BetweenBanks() public {
        bytes32 id = _claim();
        _sell(id);
        _accept(bank, otherBank, _offerOf(bank, otherBank, id, FACE / 3, FACE / 4));
        assertEq(_units(bank, id), FACE - FACE / 3, "units of the bank");
        assertEq(_units(otherBank, id), FACE / 3, "units of the other bank");
    }

    function _assertNotFunded(Offer memory offer, string memory why) private view {
        (bool funded,,,) = financing.isFunded(offer);
        assertFalse(funded, string.concat("funded ", why));
    }

    function _key(address signer) private pure returns (bytes32) {
        return bytes32(uint256(uint160(signer)));
    }

    function _hashOf(Offer memory offer) private pure returns (bytes32) {
        bytes32 parcelTypehash = keccak256("Parcel(bytes32 id,uint64 units,uint64 minUnpaid)");
        bytes memory parcels;
        for (uint256 i = 0; i < offer.parcels.length; ++i) {
            parcels = abi.encodePacked(parcels, keccak256(abi.encode(parcelTypehash, offer.parcels[i])));
        }
        bytes memory head = abi.encode(
            keccak256(
                "Offer(address buyer,address seller,Parcel[] parcels,address token,uint64 price,uint64 reserve,uint8 recourse,uint64 repurchasePrice,bool acceptDispute,bytes32 agreement,bytes32 law,uint32 lockTime,uint40 expiry,address signer,uint256 salt)Parcel(bytes32 id,uint64 units,uint64 minUnpaid)"
            ),
            offer.buyer,
            offer.seller,
            keccak256(parcels),
            offer.token,
            offer.price,
            offer.reserve,
            offer.recourse
        );
        bytes memory tail = abi.encode(
            offer.repurchasePrice,
            offer.acceptDispute,
            offer.agreement,
            offer.law,
            offer.lockTime,
            offer.expiry,
            offer.signer,
            offer.salt
        );
        return keccak256(bytes.concat(head, tail));
    }
}
