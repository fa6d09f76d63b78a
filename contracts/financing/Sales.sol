// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SignedActions} from "../SignedActions.sol";
import {IFinancing} from "../interfaces/IFinancing.sol";
import {IParticipants} from "../interfaces/IParticipants.sol";
import {IReceivables} from "../interfaces/IReceivables.sol";
import {NEW_BUSINESS, SCOPE_BUY, SCOPE_SELL} from "../types/Account.sol";
import {Currency, Parcel} from "../types/Receivable.sol";
import {Settlement, SettlementWord} from "../types/Settlement.sol";
import {Facts, Offer, Reserve, Sale, SaleStatus, createSale} from "../types/Sale.sol";

/// @title Offers and the sales that come of them
abstract contract Sales is SignedActions, IFinancing {
    using SafeERC20 for IERC20;

    IReceivables internal immutable RECEIVABLES;
    IParticipants internal immutable PARTICIPANTS;

    mapping(bytes32 id => Sale) private _sales;
    mapping(bytes32 sale => Reserve) internal _reserves;

    constructor(IReceivables receivables, IParticipants participants) {
        RECEIVABLES = receivables;
        PARTICIPANTS = participants;
    }

    /// @inheritdoc IFinancing
    function accept(
        Offer calldata offer,
        uint64 minPrice,
        bytes calldata signature,
        bytes calldata cosignature,
        bytes calldata permit
    ) external returns (bytes32 sale) {
        if (block.timestamp > offer.expiry) revert OfferExpired(offer.expiry);
        if (offer.price < minPrice) revert PriceTooLow(offer.price, minPrice);
        sale = offerDigest(offer);
        _requireStatus(sale, SaleStatus.None);
        address payout =
            _authorise(offer, _checkSigned(offer, sale, signature, cosignature), _checkOffer(offer));

        if (offer.lockTime != 0) {
            _lock(offer, sale);
        } else {
            uint256 scale = _deliver(offer, sale);
            if (permit.length != 0) _usePermit(offer, permit);
            _collectPrice(offer, payout, scale);
        }
    }

    /// @inheritdoc IFinancing
    function cancelOffer(Offer calldata offer) external {
        bytes32 id = offerDigest(offer);
        _requireStatus(id, SaleStatus.None);
        if (_signer() != offer.signer) {
            uint32 currency = SettlementWord.idOf(offer.token);
            PARTICIPANTS.authorise(offer.buyer, _signer(), _cosigner(), SCOPE_BUY, currency, 0);
        }
        _sales[id] = createSale(SaleStatus.Cancelled, 0, 0);

        emit OfferCancelled(id, offer.buyer);
    }

    /// @inheritdoc IFinancing
    function acknowledgeCash(Offer calldata offer, bytes32 paymentReference) external {
        bytes32 id = offerDigest(offer);
        uint40 acceptedAt = _requireStatus(id, SaleStatus.Locked).acceptedAt();
        if (block.timestamp > acceptedAt + offer.lockTime) revert CashTime(id, acceptedAt + offer.lockTime);
        uint32 currency = SettlementWord.idOf(offer.token);
        PARTICIPANTS.authorise(offer.seller, _signer(), _cosigner(), SCOPE_SELL, currency, offer.price);

        uint64[] memory sent = new uint64[](offer.parcels.length);
        for (uint256 i = 0; i < offer.parcels.length; ++i) {
            sent[i] = RECEIVABLES.unlock(offer.parcels[i].id, lockOf(id), offer.buyer, true);
        }
        _sales[id] = createSale(SaleStatus.Done, acceptedAt, _recordFacts(offer, id, sent));

        emit CashAcknowledged(id, paymentReference);
    }

    /// @inheritdoc IFinancing
    function lapse(Offer calldata offer) external {
        bytes32 id = offerDigest(offer);
        uint40 acceptedAt = _requireStatus(id, SaleStatus.Locked).acceptedAt();
        if (block.timestamp <= acceptedAt + offer.lockTime) {
            revert CashTime(id, acceptedAt + offer.lockTime);
        }
        _sales[id] = createSale(SaleStatus.Lapsed, acceptedAt, 0);
        emit SaleLapsed(id);

        for (uint256 i = 0; i < offer.parcels.length; ++i) {
            RECEIVABLES.unlock(offer.parcels[i].id, lockOf(id), offer.seller, false);
        }
    }

    /// @inheritdoc IFinancing
    function isFunded(Offer calldata offer)
        external
        view
        returns (bool funded, uint256 balance, uint256 allowance, uint256 needed)
    {
        (, Currency memory currency) = RECEIVABLES.currencyOf(offer.token);
        IERC20 token = IERC20(offer.token);
        needed = offer.lockTime == 0 ? uint256(offer.price) * 10 ** currency.exponent : 0;
        balance = token.balanceOf(offer.signer);
        allowance = token.allowance(offer.signer, address(this));
        funded = block.timestamp <= offer.expiry && _sales[offerDigest(offer)].status() == SaleStatus.None
            && currency.open && balance >= needed && allowance >= needed;
    }

    /// @inheritdoc IFinancing
    function offerDigest(Offer calldata offer) public view returns (bytes32) {
        return _hashTypedDataV4(offer.hash());
    }

    /// @inheritdoc IFinancing
    function saleOf(bytes32 sale)
        external
        view
        returns (SaleStatus status, uint40 acceptedAt, bytes26 factsHash)
    {
        Sale stored = _sales[sale];
        return (stored.status(), stored.acceptedAt(), stored.facts());
    }

    /// @inheritdoc IFinancing
    function lockOf(bytes32 sale) public pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode("tallystick.lock", sale)))));
    }

    function _requireStatus(bytes32 id, SaleStatus status) internal view returns (Sale sale) {
        sale = _sales[id];
        if (sale.status() != status) revert SaleStatusIs(id, sale.status());
    }

    /// The sale's id, if it is done and these are its facts.
    function _requireDone(Offer calldata offer, Facts calldata facts) internal view returns (bytes32 id) {
        id = offerDigest(offer);
        Sale sale = _requireStatus(id, SaleStatus.Done);
        if (facts.sent.length == 0 ? sale.facts() != 0 : sale.facts() != _hashFacts(facts)) {
            revert FactsMismatch(id);
        }
    }

    /// Moves token units, and reverts unless all of them arrive: a token that keeps a fee is nothing to settle in.
    function _pull(IERC20 token, address from, address to, uint256 value) internal {
        uint256 before = token.balanceOf(to);
        token.safeTransferFrom(from, to, value);
        uint256 received = token.balanceOf(to) - before;
        if (received < value) revert TokenDeliveredLess(address(token), received, value);
    }

    /// The sum of what the parcels are to carry of unpaid face, by which everything about the sale is divided.
    function _basis(Offer calldata offer) internal pure returns (uint256 sum) {
        for (uint256 i = 0; i < offer.parcels.length; ++i) {
            sum += offer.parcels[i].minUnpaid;
        }
    }

    /// Asks whether both sides' signers may do this.
    function _authorise(Offer calldata offer, address cosigner, uint64 most)
        private
        view
        returns (address payout)
    {
        uint32 currency = SettlementWord.idOf(offer.token);
        PARTICIPANTS.authorise(
            offer.buyer, offer.signer, cosigner, SCOPE_BUY | NEW_BUSINESS, currency, offer.price
        );
        return PARTICIPANTS.authorise(offer.seller, _signer(), _cosigner(), SCOPE_SELL, currency, most);
    }

    /// @return scale Token units in a minor unit.
    function _deliver(Offer calldata offer, bytes32 id) private returns (uint256 scale) {
        (uint64[] memory sent, Settlement currency) =
            RECEIVABLES.sell(offer.parcels, offer.seller, offer.buyer, offer.acceptDispute);
        if (currency.token() != offer.token || currency.closed() != 0) revert TokenNotOpen(offer.token);
        _sales[id] = createSale(SaleStatus.Done, uint40(block.timestamp), _recordFacts(offer, id, sent));
        if (offer.reserve != 0) _reserves[id].open = offer.reserve;

        _emitAccepted(offer, id, 0);
        return 10 ** currency.exponent();
    }

    function _lock(Offer calldata offer, bytes32 id) private {
        _sales[id] = createSale(SaleStatus.Locked, uint40(block.timestamp), 0);
        _emitAccepted(offer, id, uint40(block.timestamp) + offer.lockTime);

        (, Currency memory currency) = RECEIVABLES.currencyOf(offer.token);
        if (!currency.open) revert TokenNotOpen(offer.token);
        for (uint256 i = 0; i < offer.parcels.length; ++i) {
            RECEIVABLES.lock(offer.parcels[i], offer.seller, lockOf(id), offer.acceptDispute);
        }
    }

    function _emitAccepted(Offer calldata offer, bytes32 id, uint40 until) private {
        emit OfferAccepted(
            id,
            offer.seller,
            offer.buyer,
            until,
            offer.token,
            offer.price,
            offer.reserve,
            offer.recourse,
            offer.repurchasePrice,
            offer.agreement,
            offer.law
        );
    }

    /// What recourse and reserve count from. Nothing for a first purchase without a reserve, which most are.
    function _recordFacts(Offer calldata offer, bytes32 id, uint64[] memory sent)
        private
        returns (bytes26 hash)
    {
        uint256 sum;
        uint256 count = sent.length;
        for (uint256 i = 0; i < count; ++i) {
            sum |= sent[i];
        }
        if (sum == 0 && offer.reserve == 0) return 0;

        Facts memory facts = Facts(sent, new uint64[](count));
        if (offer.reserve != 0) {
            for (uint256 i = 0; i < count; ++i) {
                facts.reduced[i] = RECEIVABLES.holding(offer.parcels[i].id, offer.buyer).reduced;
                sum |= facts.reduced[i];
            }
            if (sum == 0) return 0;
        }
        emit FactsRecorded(id, facts);
        return _hashFacts(facts);
    }

    function _collectPrice(Offer calldata offer, address payout, uint256 scale) private {
        IERC20 token = IERC20(offer.token);
        if (offer.price != offer.reserve) {
            _pull(token, offer.signer, payout, (offer.price - offer.reserve) * scale);
        }
        if (offer.reserve != 0) _pull(token, offer.signer, address(this), offer.reserve * scale);
    }

    /// Whoever sees a permit can use it first; then the allowance is there, and this one fails to no effect.
    function _usePermit(Offer calldata offer, bytes calldata permit) private {
        (uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) =
            abi.decode(permit, (uint256, uint256, uint8, bytes32, bytes32));
        try IERC20Permit(offer.token).permit(offer.signer, address(this), value, deadline, v, r, s) {}
            catch {}
    }

    /// Checks that the buyer's side signed.
    function _checkSigned(
        Offer calldata offer,
        bytes32 digest,
        bytes calldata signature,
        bytes calldata cosignature
    ) private view returns (address cosigner) {
        address signer = offer.signer;
        if (!_isSignature(signer, digest, signature)) revert SignatureInvalid(signer, digest);
        if (cosignature.length == 0) return address(0);
        cosigner = address(bytes20(cosignature));
        if (!_isSignature(cosigner, digest, cosignature[20:])) revert SignatureInvalid(cosigner, digest);
    }

    /// @return most The larger of what the seller gives in units and what it takes in price, for its limit.
    function _checkOffer(Offer calldata offer) private pure returns (uint64 most) {
        Parcel[] calldata parcels = offer.parcels;
        uint64 price = offer.price;
        uint64 reserve = offer.reserve;
        bool sound = price != 0 && reserve <= price && (reserve == 0 || offer.lockTime == 0);
        uint256 count = parcels.length;
        if (!sound || count == 0 || offer.buyer == offer.seller) revert OfferInvalid();

        uint256 units;
        for (uint256 i = 0; i < count; ++i) {
            Parcel calldata parcel = parcels[i];
            uint64 minUnpaid = parcel.minUnpaid;
            if (minUnpaid == 0 || minUnpaid > parcel.units) revert OfferInvalid();
            units += parcel.units;
        }
        if (units > type(uint64).max) revert OfferInvalid();
        most = units > price ? uint64(units) : price;
    }

    function _hashFacts(Facts memory facts) private pure returns (bytes26) {
        return bytes26(keccak256(abi.encode(facts)));
    }
}
