// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IFinancing} from "../interfaces/IFinancing.sol";
import {SCOPE_ADJUST, SCOPE_PAY} from "../types/Account.sol";
import {Currency, Holding, Parcel, Phase} from "../types/Receivable.sol";
import {SettlementWord} from "../types/Settlement.sol";
import {Claim, DemandStatus, Facts, Offer, Recourse, Reserve, SaleStatus} from "../types/Sale.sol";
import {Reserves} from "./Reserves.sol";

/// @title What the seller of a claim answers for
abstract contract RecourseClaims is Reserves {
    using SafeERC20 for IERC20;

    /// @inheritdoc IFinancing
    function demandWarranty(Offer calldata offer, uint256 parcel, bytes32 evidence) external {
        bytes32 sale = _requireParcel(offer, parcel);
        _authoriseAdjust(offer, offer.buyer, parcel);
        Claim storage claim = _claims[sale][parcel];
        if (claim.performed || claim.demand == DemandStatus.Made || claim.demand == DemandStatus.Admitted) {
            revert DemandStatusIs(sale, parcel);
        }
        claim.demand = DemandStatus.Made;

        emit WarrantyDemanded(sale, parcel, evidence);
    }

    /// @inheritdoc IFinancing
    function answerWarranty(Offer calldata offer, uint256 parcel, bool admitted, bytes32 answer) external {
        bytes32 sale = _requireParcel(offer, parcel);
        _authoriseAdjust(offer, offer.seller, parcel);
        Claim storage claim = _claims[sale][parcel];
        if (claim.demand != DemandStatus.Made) revert DemandStatusIs(sale, parcel);
        claim.demand = admitted ? DemandStatus.Admitted : DemandStatus.Denied;

        emit WarrantyAnswered(sale, parcel, admitted, answer);
    }

    /// @inheritdoc IFinancing
    function performRecourse(
        Offer calldata offer,
        uint256 parcel,
        bool warranty,
        uint64 maxPrice,
        Facts calldata facts
    ) external {
        bytes32 sale = _requireParcel(offer, parcel);
        _requireDone(offer, facts);
        if (!_isTriggered(offer, sale, parcel, warranty)) revert NoRecourse(sale, parcel);
        // Credit notes first: what they took comes out of the same deposit.
        Reserve memory reserve = _divided(offer, sale, facts);
        (uint64 units, uint64 price, uint64 fromReserve) = _quote(offer, parcel, facts, reserve.open);
        if (units == 0) revert NoRecourse(sale, parcel);
        if (price > maxPrice) revert RecoursePriceAbove(price, maxPrice);
        uint8 exponent = _authorisePayment(offer, price);

        _claims[sale][parcel].performed = true;
        reserve.open -= fromReserve;
        _reserves[sale] = reserve;
        emit RecoursePerformed(sale, parcel, warranty, units, price, fromReserve);

        RECEIVABLES.sendBack(offer.parcels[parcel].id, offer.buyer, offer.seller, units);
        _payBuyer(offer, exponent, price, fromReserve);
    }

    /// @inheritdoc IFinancing
    function recourseQuote(Offer calldata offer, uint256 parcel, Facts calldata facts)
        external
        view
        returns (uint64 units, uint64 price, uint64 fromReserve)
    {
        bytes32 sale = _requireParcel(offer, parcel);
        _requireDone(offer, facts);
        if (_claims[sale][parcel].performed) return (0, 0, 0);
        return _quote(offer, parcel, facts, _reserves[sale].open);
    }

    /// @inheritdoc IFinancing
    function claimOf(bytes32 sale, uint256 parcel) external view returns (Claim memory) {
        return _claims[sale][parcel];
    }

    function _authorisePayment(Offer calldata offer, uint64 price) private view returns (uint8 exponent) {
        (uint32 index, Currency memory currency) = RECEIVABLES.currencyOf(offer.token);
        PARTICIPANTS.authorise(offer.seller, _signer(), _cosigner(), SCOPE_PAY, index, price);
        return currency.exponent;
    }

    function _payBuyer(Offer calldata offer, uint8 exponent, uint64 price, uint64 fromReserve) private {
        address payout = PARTICIPANTS.account(offer.buyer).payout;
        uint256 scale = 10 ** exponent;
        if (fromReserve != 0) IERC20(offer.token).safeTransfer(payout, fromReserve * scale);
        if (price != fromReserve) _pull(offer.token, _signer(), payout, (price - fromReserve) * scale);
    }

    function _requireParcel(Offer calldata offer, uint256 parcel) private view returns (bytes32 sale) {
        sale = offerDigest(offer);
        _requireStatus(sale, SaleStatus.Done);
        if (parcel >= offer.parcels.length) revert ParcelUnknown(sale, parcel);
    }

    function _authoriseAdjust(Offer calldata offer, address account, uint256 parcel) private view {
        uint32 index = SettlementWord.idOf(offer.token);
        PARTICIPANTS.authorise(
            account, _signer(), _cosigner(), SCOPE_ADJUST, index, offer.parcels[parcel].units
        );
    }

    function _isTriggered(Offer calldata offer, bytes32 sale, uint256 parcel, bool warranty)
        private
        view
        returns (bool)
    {
        Claim memory claim = _claims[sale][parcel];
        if (claim.performed) return false;
        if (warranty) return claim.demand != DemandStatus.None;
        Phase phase = RECEIVABLES.phaseOf(offer.parcels[parcel].id);
        return offer.recourse == Recourse.Credit && phase == Phase.InDefault;
    }

    /// The price is the agreed one for all that was unpaid at the sale, and falls with what was paid since. Rounded
    /// down; the reserve, which is a part of the price the buyer deposited, pays the same fraction of itself.
    function _quote(Offer calldata offer, uint256 index, Facts calldata facts, uint64 open)
        private
        view
        returns (uint64 units, uint64 price, uint64 fromReserve)
    {
        Parcel calldata parcel = offer.parcels[index];
        units = RECEIVABLES.heldSince(
            parcel.id, offer.buyer, parcel.units, facts.sent.length == 0 ? 0 : facts.sent[index]
        );
        if (units == 0) return (0, 0, 0);
        Holding memory held = RECEIVABLES.holding(parcel.id, offer.buyer);
        uint256 unpaid = uint256(units) * held.unpaid / held.units;
        if (unpaid == 0) return (0, 0, 0);
        if (unpaid > parcel.minUnpaid) unpaid = parcel.minUnpaid;

        uint256 basis = _basis(offer);
        price = uint64(offer.repurchasePrice * unpaid / basis);
        uint256 deposit = offer.reserve * unpaid / basis;
        fromReserve = deposit < open ? uint64(deposit) : open;
        if (fromReserve > price) fromReserve = price;
    }
}
