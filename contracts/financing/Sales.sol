// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SignedActions} from "../SignedActions.sol";
import {IFinancing} from "../interfaces/IFinancing.sol";
import {IParticipants} from "../interfaces/IParticipants.sol";
import {IReceivablesCore} from "../interfaces/IReceivablesCore.sol";
import {IReceivables} from "../interfaces/IReceivables.sol";
import {NEW_BUSINESS, SCOPE_BUY, SCOPE_SELL} from "../types/Account.sol";
import {Currency, Parcel} from "../types/Receivable.sol";
import {Settlement, SettlementWord} from "../types/Settlement.sol";
import {Facts, Offer, Recourse, Reserve, Sale, SaleStatus, createSale} from "../types/Sale.sol";

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
        Offer memory members = _load(offer);
        if (block.timestamp > members.expiry) revert OfferExpired(members.expiry);
        if (members.price < minPrice) revert PriceTooLow(members.price, minPrice);
        sale = offerDigest(offer);
        _requireStatus(sale, SaleStatus.None);
        address payout =
            _authorise(offer, members, _checkSigned(members.signer, sale, signature, cosignature));

        if (members.lockTime != 0) {
            _lock(offer, members, sale);
        } else {
            uint256 scale = _deliver(offer, members, sale);
            if (permit.length != 0) _usePermit(members, permit);
            _collectPrice(members, payout, scale);
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
        _sales[id] = createSale(
            SaleStatus.Done, acceptedAt, _recordFacts(offer.parcels, offer.buyer, false, id, sent)
        );

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

    function _load(Offer calldata offer) private pure returns (Offer memory members) {
        bool sound;
        (members, sound) = offer.load();
        if (!sound) revert OfferInvalid();
    }

    /// Asks whether both sides' signers may do this.
    function _authorise(Offer calldata offer, Offer memory members, address cosigner)
        private
        view
        returns (address payout)
    {
        uint64 most = _checkOffer(offer, members);
        uint32 currency = SettlementWord.idOf(members.token);
        PARTICIPANTS.authorise(
            members.buyer, members.signer, cosigner, SCOPE_BUY | NEW_BUSINESS, currency, members.price
        );
        return PARTICIPANTS.authorise(members.seller, _signer(), _cosigner(), SCOPE_SELL, currency, most);
    }

    /// @return scale Token units in a minor unit.
    function _deliver(Offer calldata offer, Offer memory members, bytes32 id)
        private
        returns (uint256 scale)
    {
        (uint64[] memory sent, Settlement currency) = _sell(offer.parcels, members);
        if (currency.token() != members.token || currency.closed() != 0) revert TokenNotOpen(members.token);
        bytes26 facts = _recordFacts(offer.parcels, members.buyer, members.reserve != 0, id, sent);
        _sales[id] = createSale(SaleStatus.Done, uint40(block.timestamp), facts);
        if (members.reserve != 0) _reserves[id].open = members.reserve;

        _emitAccepted(members, id);
        return 10 ** currency.exponent();
    }

    function _lock(Offer calldata offer, Offer memory members, bytes32 id) private {
        _sales[id] = createSale(SaleStatus.Locked, uint40(block.timestamp), 0);
        _emitAccepted(members, id);

        (, Currency memory currency) = RECEIVABLES.currencyOf(members.token);
        if (!currency.open) revert TokenNotOpen(members.token);
        address lockAccount = lockOf(id);
        for (uint256 i = 0; i < offer.parcels.length; ++i) {
            RECEIVABLES.lock(offer.parcels[i], members.seller, lockAccount, members.acceptDispute);
        }
    }

    /// `RECEIVABLES.sell`, with the parcels passed on as they came: for fifty of them, reading and writing each member
    /// would cost as much as a storage slot.
    function _sell(Parcel[] calldata parcels, Offer memory members)
        private
        returns (uint64[] memory sent, Settlement currency)
    {
        bytes4 selector = IReceivablesCore.sell.selector;
        address receivables = address(RECEIVABLES);
        (address seller, address buyer) = (members.seller, members.buyer);
        bool acceptDispute = members.acceptDispute;
        assembly ("memory-safe") {
            let data := mload(0x40)
            let size := mul(parcels.length, 0x60)
            mstore(data, selector)
            mstore(add(data, 0x04), 0x80)
            mstore(add(data, 0x24), seller)
            mstore(add(data, 0x44), buyer)
            mstore(add(data, 0x64), acceptDispute)
            mstore(add(data, 0x84), parcels.length)
            calldatacopy(add(data, 0xa4), parcels.offset, size)
            let done := call(gas(), receivables, 0, data, add(size, 0xa4), 0, 0)
            size := returndatasize()
            returndatacopy(data, 0, size)
            if iszero(done) { revert(data, size) }
            // The answer: where `sent` is, the currency, then `sent` with its length.
            currency := mload(add(data, 0x20))
            sent := add(data, 0x40)
            mstore(0x40, add(data, size))
        }
    }

    /// The event's data are nine neighbours in the offer, from `token` to `lockTime`.
    function _emitAccepted(Offer memory offer, bytes32 id) private {
        bytes32 topic = OfferAccepted.selector;
        (address seller, address buyer) = (offer.seller, offer.buyer);
        assembly ("memory-safe") {
            log4(add(offer, 0x60), 0x120, topic, id, seller, buyer)
        }
    }

    /// What recourse and reserve count from. Nothing for a first purchase without a reserve, which most are.
    function _recordFacts(
        Parcel[] calldata parcels,
        address buyer,
        bool withReserve,
        bytes32 id,
        uint64[] memory sent
    ) private returns (bytes26 hash) {
        uint256 sum;
        uint256 count = sent.length;
        for (uint256 i = 0; i < count; ++i) {
            sum |= sent[i];
        }
        if (sum == 0 && !withReserve) return 0;

        Facts memory facts = Facts(sent, new uint64[](count));
        if (withReserve) {
            for (uint256 i = 0; i < count; ++i) {
                facts.reduced[i] = RECEIVABLES.holding(parcels[i].id, buyer).reduced;
                sum |= facts.reduced[i];
            }
            if (sum == 0) return 0;
        }
        emit FactsRecorded(id, facts);
        return _hashFacts(facts);
    }

    function _collectPrice(Offer memory offer, address payout, uint256 scale) private {
        IERC20 token = IERC20(offer.token);
        uint256 deferred = offer.reserve;
        uint256 present = offer.price - deferred;
        if (present != 0) _pull(token, offer.signer, payout, present * scale);
        if (deferred != 0) _pull(token, offer.signer, address(this), deferred * scale);
    }

    /// Whoever sees a permit can use it first; then the allowance is there, and this one fails to no effect.
    function _usePermit(Offer memory offer, bytes calldata permit) private {
        (uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) =
            abi.decode(permit, (uint256, uint256, uint8, bytes32, bytes32));
        try IERC20Permit(offer.token).permit(offer.signer, address(this), value, deadline, v, r, s) {}
            catch {}
    }

    /// Checks that the buyer's side signed.
    function _checkSigned(
        address signer,
        bytes32 digest,
        bytes calldata signature,
        bytes calldata cosignature
    ) private view returns (address cosigner) {
        if (!_isSignature(signer, digest, signature)) {
            revert SignatureInvalid(signer, digest);
        }
        if (cosignature.length == 0) return address(0);
        cosigner = address(bytes20(cosignature));
        if (cosignature.length < 20 || !_isSignature(cosigner, digest, cosignature[20:])) {
            revert SignatureInvalid(cosigner, digest);
        }
    }

    /// @return most The larger of what the seller gives in units and what it takes in price, for its limit.
    function _checkOffer(Offer calldata offer, Offer memory members) private pure returns (uint64 most) {
        Parcel[] calldata parcels = offer.parcels;
        (uint64 price, uint64 reserve) = (members.price, members.reserve);
        uint256 count = parcels.length;
        bool sound = count != 0 && price != 0 && reserve <= price && (reserve == 0 || members.lockTime == 0)
            && (members.repurchasePrice != 0 || members.recourse == Recourse.WarrantyOnly);
        if (!sound || members.buyer == members.seller) revert OfferInvalid();

        uint256 units;
        for (uint256 i = 0; i < count; ++i) {
            Parcel calldata parcel = parcels[i];
            (uint64 own, uint64 minUnpaid) = (parcel.units, parcel.minUnpaid);
            if (minUnpaid == 0 || minUnpaid > own) revert OfferInvalid();
            units += own;
        }
        if (units > type(uint64).max) revert OfferInvalid();
        most = units > price ? uint64(units) : price;
    }

    function _hashFacts(Facts memory facts) private pure returns (bytes26) {
        return bytes26(keccak256(abi.encode(facts)));
    }
}
