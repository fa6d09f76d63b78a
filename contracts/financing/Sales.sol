// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SignedActions} from "../SignedActions.sol";
import {IFinancing} from "../interfaces/IFinancing.sol";
import {IParticipants} from "../interfaces/IParticipants.sol";
import {IReceivablesCore} from "../interfaces/IReceivablesCore.sol";
import {IReceivables} from "../interfaces/IReceivables.sol";
import {Cash} from "../libraries/Cash.sol";
import {SCOPE_BUY, SCOPE_SELL} from "../types/Account.sol";
import {Currency, Parcel} from "../types/Receivable.sol";
import {Settlement, SettlementWord} from "../types/Settlement.sol";
import {
    Facts,
    OFFER_ACCEPT_DISPUTE,
    OFFER_BUYER,
    OFFER_EXPIRY,
    OFFER_LOCK_TIME,
    OFFER_PRICE,
    OFFER_REPURCHASE_PRICE,
    OFFER_RESERVE,
    OFFER_SELLER,
    OFFER_SIGNER,
    OFFER_TOKEN,
    Offer,
    Reserve,
    Sale,
    SaleStatus,
    createSale,
    unitsOf
} from "../types/Sale.sol";

/// @title Offers and the sales that come of them
abstract contract Sales is SignedActions, IFinancing {
    IReceivables internal immutable RECEIVABLES;
    IParticipants internal immutable PARTICIPANTS;

    mapping(bytes32 id => Sale) private _sales;
    mapping(bytes32 sale => Reserve) internal _reserves;

    constructor(IReceivables receivables, IParticipants participants) {
        RECEIVABLES = receivables;
        PARTICIPANTS = participants;
    }

    /// @inheritdoc IFinancing
    function accept(Offer calldata offer, uint64 minPrice, bytes calldata signature)
        external
        returns (bytes32 sale)
    {
        Parcel[] calldata parcels;
        (sale, parcels) = _open(offer, minPrice);
        _requireSignature(offer.addressAt(OFFER_SIGNER), sale, signature);
        _settle(offer, parcels, sale, address(0), _noPermit());
    }

    /// @inheritdoc IFinancing
    function acceptWith(
        Offer calldata offer,
        uint64 minPrice,
        bytes calldata signature,
        bytes calldata cosignature,
        bytes calldata permit
    ) external returns (bytes32 sale) {
        Parcel[] calldata parcels;
        (sale, parcels) = _open(offer, minPrice);
        _requireSignature(offer.addressAt(OFFER_SIGNER), sale, signature);
        address cosigner;
        if (cosignature.length != 0) {
            cosigner = address(bytes20(cosignature));
            if (cosignature.length < 20) revert SignatureInvalid(cosigner, sale);
            _requireSignature(cosigner, sale, cosignature[20:]);
        }
        _settle(offer, parcels, sale, cosigner, permit);
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

        uint64[] memory sent;
        for (uint256 i = 0; i < offer.parcels.length; ++i) {
            uint64 before = RECEIVABLES.unlock(offer.parcels[i].id, lockOf(id), offer.buyer, true);
            if (before == 0) continue;
            if (sent.length == 0) sent = new uint64[](offer.parcels.length);
            sent[i] = before;
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
        return _digest(offer.hash(offer.parcels));
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
        bool empty = facts.sent.length == 0 && facts.reduced.length == 0;
        if (sale.facts() != (empty ? bytes26(0) : _hashFacts(facts))) revert FactsMismatch(id);
    }

    /// Moves token units, and reverts unless all of them arrive: a token that keeps a fee is nothing to settle in.
    function _pull(address token, address from, address to, uint256 value) internal {
        uint256 received = Cash.pull(token, from, to, value);
        if (received < value) revert TokenDeliveredLess(token, received, value);
    }

    /// The sum of what the parcels are to carry of unpaid face, by which everything about the sale is divided.
    function _basis(Offer calldata offer) internal pure returns (uint256 sum) {
        for (uint256 i = 0; i < offer.parcels.length; ++i) {
            sum += offer.parcels[i].minUnpaid;
        }
    }

    /// An offer that may still be accepted, for that much.
    function _open(Offer calldata offer, uint64 minPrice)
        private
        view
        returns (bytes32 sale, Parcel[] calldata parcels)
    {
        if (!offer.isInRange()) revert OfferInvalid();
        if (block.timestamp > offer.wordAt(OFFER_EXPIRY)) revert OfferExpired(offer.expiry);
        if (offer.wordAt(OFFER_PRICE) < minPrice) revert PriceTooLow(offer.price, minPrice);
        parcels = offer.parcelsOf();
        sale = _digest(offer.hash(parcels));
        Sale stored = _sales[sale];
        if (Sale.unwrap(stored) != 0) revert SaleStatusIs(sale, stored.status());
    }

    /// Claims against cash, now or, with a lock time, later.
    function _settle(
        Offer calldata offer,
        Parcel[] calldata parcels,
        bytes32 sale,
        address cosigner,
        bytes calldata permit
    ) private {
        if (offer.wordAt(OFFER_LOCK_TIME) != 0) {
            _lock(offer, parcels, sale, cosigner);
        } else {
            (address payout, uint256 scale) = _deliver(offer, parcels, sale, cosigner);
            if (permit.length != 0) _usePermit(offer, permit);
            _collectPrice(offer, payout, scale);
        }
    }

    /// @return payout Where the price goes.
    /// @return scale Token units in a minor unit.
    function _deliver(Offer calldata offer, Parcel[] calldata parcels, bytes32 id, address cosigner)
        private
        returns (address payout, uint256 scale)
    {
        Settlement currency;
        uint64[] memory sent;
        (payout, currency, sent) = _sell(offer, parcels, cosigner, _checkOffer(offer, parcels));
        _requireOpen(currency, offer.addressAt(OFFER_TOKEN));
        bytes26 facts;
        if (offer.wordAt(OFFER_RESERVE) != 0) {
            _reserves[id].open = offer.reserve;
            facts = _recordFacts(parcels, offer.buyer, true, id, sent);
        } else if (sent.length != 0) {
            facts = _recordFacts(parcels, offer.buyer, false, id, sent);
        }
        _sales[id] = createSale(SaleStatus.Done, block.timestamp, facts);

        _emitAccepted(offer, id);
        scale = currency.scale();
    }

    function _lock(Offer calldata offer, Parcel[] calldata parcels, bytes32 id, address cosigner) private {
        _authorise(offer, cosigner, _checkOffer(offer, parcels));
        _sales[id] = createSale(SaleStatus.Locked, block.timestamp, 0);
        _emitAccepted(offer, id);

        address lockAccount = lockOf(id);
        for (uint256 i = 0; i < parcels.length; ++i) {
            Settlement currency = RECEIVABLES.lock(parcels[i], offer.seller, lockAccount, offer.acceptDispute);
            _requireOpen(currency, offer.token);
        }
    }

    /// The price is in what the claims are in, whose limits the signers were asked for.
    function _requireOpen(Settlement currency, address token) private pure {
        if (!currency.isOpenIn(token)) revert TokenNotOpen(token);
    }

    /// `PARTICIPANTS.authoriseSale`.
    function _authorise(Offer calldata offer, address cosigner, uint256 given) private view {
        address participants = address(PARTICIPANTS);
        uint256 data = _callWithSides(IParticipants.authoriseSale.selector, offer, cosigner, given);
        assembly ("memory-safe") {
            if iszero(staticcall(gas(), participants, data, 0x124, 0, 0)) {
                returndatacopy(data, 0, returndatasize())
                revert(data, returndatasize())
            }
        }
    }

    /// `RECEIVABLES.sell`, with all that is in the offer passed on as it came: for fifty parcels, reading and writing each
    /// member would cost as much as a storage slot.
    /// @param given What the seller's limit counts.
    function _sell(Offer calldata offer, Parcel[] calldata parcels, address cosigner, uint256 given)
        private
        returns (address payout, Settlement currency, uint64[] memory sent)
    {
        address receivables = address(RECEIVABLES);
        uint256 data = _callWithSides(IReceivablesCore.sell.selector, offer, cosigner, given);
        assembly ("memory-safe") {
            mstore(add(data, 0x124), calldataload(add(offer, OFFER_ACCEPT_DISPUTE)))
            mstore(add(data, 0x144), 0x160)
            mstore(add(data, 0x164), parcels.length)
            let size := mul(parcels.length, 0x60)
            calldatacopy(add(data, 0x184), parcels.offset, size)
            let done := call(gas(), receivables, 0, data, add(size, 0x184), 0, 0)
            size := returndatasize()
            returndatacopy(data, 0, size)
            if iszero(done) { revert(data, size) }
            // The answer: payout, currency, where `sent` is, then `sent` with its length.
            payout := mload(data)
            currency := mload(add(data, 0x20))
            sent := add(data, 0x60)
            mstore(0x40, add(data, size))
        }
    }

    /// The beginning of a call whose first argument is `Sides`, at the free memory: for the caller to use at once.
    function _callWithSides(bytes4 selector, Offer calldata offer, address cosigner, uint256 given)
        private
        view
        returns (uint256 data)
    {
        (address signer, address second) = (_signer(), _cosigner());
        assembly ("memory-safe") {
            data := mload(0x40)
            mstore(data, selector)
            // Seller, its signers; buyer, its signers; currency, and what is given and paid.
            mstore(add(data, 0x04), calldataload(add(offer, OFFER_SELLER)))
            mstore(add(data, 0x24), signer)
            mstore(add(data, 0x44), second)
            mstore(add(data, 0x64), calldataload(add(offer, OFFER_BUYER)))
            mstore(add(data, 0x84), calldataload(add(offer, OFFER_SIGNER)))
            mstore(add(data, 0xa4), cosigner)
            // Its id is the end of its token's address (`SettlementWord.idOf`).
            mstore(add(data, 0xc4), and(calldataload(add(offer, OFFER_TOKEN)), 0xffffffff))
            mstore(add(data, 0xe4), given)
            mstore(add(data, 0x104), calldataload(add(offer, OFFER_PRICE)))
        }
    }

    /// The event's data are nine neighbours in the offer, from `token` to `lockTime`.
    function _emitAccepted(Offer calldata offer, bytes32 id) private {
        bytes32 topic = OfferAccepted.selector;
        assembly ("memory-safe") {
            let data := mload(0x40)
            calldatacopy(data, add(offer, OFFER_TOKEN), 0x120)
            log4(
                data,
                0x120,
                topic,
                id,
                calldataload(add(offer, OFFER_SELLER)),
                calldataload(add(offer, OFFER_BUYER))
            )
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
        bool any = sent.length != 0;
        if (!any && !withReserve) return 0;

        uint256 count = parcels.length;
        Facts memory facts = Facts(any ? sent : new uint64[](count), new uint64[](count));
        if (withReserve) {
            for (uint256 i = 0; i < count; ++i) {
                uint64 reduced = RECEIVABLES.holding(parcels[i].id, buyer).reduced;
                facts.reduced[i] = reduced;
                any = any || reduced != 0;
            }
            if (!any) return 0;
        }
        emit FactsRecorded(id, facts);
        return _hashFacts(facts);
    }

    function _collectPrice(Offer calldata offer, address payout, uint256 scale) private {
        address token = offer.addressAt(OFFER_TOKEN);
        address wallet = offer.addressAt(OFFER_SIGNER);
        uint256 deferred = offer.wordAt(OFFER_RESERVE);
        uint256 price = offer.wordAt(OFFER_PRICE);
        // Of 64 bits, times 10^18 at most; the reserve is no more than the price.
        unchecked {
            if (price != deferred) _pull(token, wallet, payout, (price - deferred) * scale);
            if (deferred != 0) _pull(token, wallet, address(this), deferred * scale);
        }
    }

    function _noPermit() private pure returns (bytes calldata none) {
        assembly ("memory-safe") {
            none.offset := 0
            none.length := 0
        }
    }

    /// Whoever sees a permit can use it first; then the allowance is there, and this one fails to no effect.
    function _usePermit(Offer calldata offer, bytes calldata permit) private {
        (uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) =
            abi.decode(permit, (uint256, uint256, uint8, bytes32, bytes32));
        try IERC20Permit(offer.token).permit(offer.signer, address(this), value, deadline, v, r, s) {}
            catch {}
    }

    function _requireSignature(address signer, bytes32 digest, bytes calldata signature) private view {
        if (!_isSignature(signer, digest, signature)) revert SignatureInvalid(signer, digest);
    }

    /// @return given The larger of what the seller gives in units and what it takes in price, for its limit.
    function _checkOffer(Offer calldata offer, Parcel[] calldata parcels)
        private
        pure
        returns (uint256 given)
    {
        uint256 price = offer.wordAt(OFFER_PRICE);
        uint256 reserve = offer.wordAt(OFFER_RESERVE);
        bool sound;
        (given, sound) = unitsOf(parcels);
        if (!sound || given == 0 || price == 0 || offer.wordAt(OFFER_REPURCHASE_PRICE) == 0) {
            revert OfferInvalid();
        }
        if (reserve != 0 && (reserve > price || offer.wordAt(OFFER_LOCK_TIME) != 0)) revert OfferInvalid();
        if (offer.wordAt(OFFER_BUYER) == offer.wordAt(OFFER_SELLER)) revert OfferInvalid();
        if (price > given) given = price;
    }

    function _hashFacts(Facts memory facts) private pure returns (bytes26) {
        return bytes26(keccak256(abi.encode(facts)));
    }
}
