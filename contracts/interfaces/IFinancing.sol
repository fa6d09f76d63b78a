// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Claim, Facts, Offer, Recourse, Reserve, SaleStatus} from "../types/Sale.sol";
import {ISignedActions} from "./ISignedActions.sol";

/// @title Financing: claims and cash change hands together, or not at all
/// @notice A buyer signs an offer off chain; the seller accepts it here. Price, recourse and the state the offer saw are
/// bound by the buyer's signature, the least the seller takes by its own.
/// @dev Claims move through `IReceivables.sell`, `lock`, `unlock` and `sendBack`, which only recorded versions of this
/// contract may call. Cash moves from the wallet of the offer's signer to the seller's payout address.
/// @dev A sale is known by the EIP-712 digest of its offer. Where a signed action takes an offer, what is signed is
/// `Offer offer`, nested, then the atomic arguments after it; the arguments that follow those are witnesses, which
/// anybody may bring and which are checked: signatures, permits, facts.
/// @dev Warning: a sale against acknowledged cash is not delivery versus payment.
/// @dev Warning: the chain judges no facts. A warranty demand, and the answer to it, are statements of who signed them.
interface IFinancing is ISignedActions {
    /* EVENTS */

    /// @notice Emitted when an offer was accepted: with `lockTime` zero claims and cash changed hands, otherwise the units
    /// are locked for so many seconds. The parcels are in the events of Receivables before it (`TransferSingle`), or after
    /// it (`Locked`).
    event OfferAccepted(
        bytes32 indexed sale,
        address indexed seller,
        address indexed buyer,
        address token,
        uint64 price,
        uint64 reserve,
        Recourse recourse,
        uint64 repurchasePrice,
        bool acceptDispute,
        bytes32 agreement,
        bytes32 law,
        uint32 lockTime
    );
    /// @notice Emitted beside the event of a sale whose facts are not empty.
    event FactsRecorded(bytes32 indexed sale, Facts facts);
    /// @notice Emitted when an offer was taken back.
    event OfferCancelled(bytes32 indexed sale, address indexed buyer);
    /// @notice Emitted when the seller signed for the cash and the units went to the buyer.
    event CashAcknowledged(bytes32 indexed sale, bytes32 indexed paymentReference);
    /// @notice Emitted when the time for cash was up and the units went back to the seller.
    event SaleLapsed(bytes32 indexed sale);
    event WarrantyDemanded(bytes32 indexed sale, uint256 indexed parcel, bytes32 evidence);
    event WarrantyAnswered(bytes32 indexed sale, uint256 indexed parcel, bool admitted, bytes32 answer);
    /// @param units What went back to the seller, for `price`, of which `fromReserve` was the buyer's deposit.
    event RecoursePerformed(
        bytes32 indexed sale,
        uint256 indexed parcel,
        bool warranty,
        uint64 units,
        uint64 price,
        uint64 fromReserve
    );
    /// @notice Emitted when a part of a reserve became due: to the buyer for credit notes and at write-off, to the seller
    /// at settlement.
    event ReserveDue(bytes32 indexed sale, uint64 toBuyer, uint64 toSeller);
    event ReservePaid(bytes32 indexed sale, address indexed account, address payout, uint64 amount);

    /* ERRORS */

    /// @notice Thrown when the offer is accepted after its last second.
    error OfferExpired(uint40 expiry);
    /// @notice Thrown when the price is below what the seller accepts.
    error PriceTooLow(uint64 price, uint64 limit);
    /// @notice Thrown when the offer contradicts itself: no parcels or price, a reserve above the price or without cash,
    /// a repurchase price of nothing, buyer and seller the same, or a parcel whose least unpaid share is zero or above its units.
    error OfferInvalid();
    /// @notice Thrown when the token does not settle these claims, or is closed for new business.
    error TokenNotOpen(address token);
    /// @notice Thrown when the token delivered less than it was asked for.
    error TokenDeliveredLess(address token, uint256 received, uint256 expected);
    /// @notice Thrown when the sale is not in the state the call needs.
    error SaleStatusIs(bytes32 sale, SaleStatus status);
    /// @notice Thrown when the sale's time for cash is not up yet, or up already.
    error CashTime(bytes32 sale, uint40 until);
    /// @notice Thrown when the facts brought along are not those of the sale.
    error FactsMismatch(bytes32 sale);
    /// @notice Thrown when the sale has no such parcel.
    error ParcelUnknown(bytes32 sale, uint256 parcel);
    /// @notice Thrown when recourse has no trigger, was used, or the buyer holds nothing of the parcel since the sale.
    error NoRecourse(bytes32 sale, uint256 parcel);
    /// @notice Thrown when the seller would pay more for recourse than it signed for.
    error RecoursePriceAbove(uint64 price, uint64 limit);
    /// @notice Thrown when there is no open demand to answer, or there is one already.
    error DemandStatusIs(bytes32 sale, uint256 parcel);
    /// @notice Thrown when nothing of the reserve is due to the account.
    error ReserveNotDue(bytes32 sale, address account);

    /* OFFERS */

    /// @notice Accepts an offer; cash and claims change hands, or, with a lock time, the claims are locked.
    /// Signer: seller, SELL, up to the larger of price and units.
    /// @param minPrice The least the seller takes, minor units.
    /// @param signature The signature of the offer by its signer.
    /// @return sale The offer's digest.
    function accept(Offer calldata offer, uint64 minPrice, bytes calldata signature)
        external
        returns (bytes32 sale);

    /// @notice As `accept`, and signed as it, where the buyer's side brings more than one signature.
    /// @param cosignature Empty, or the second signer's address in 20 bytes followed by its signature of the offer.
    /// @param permit Empty, or the ABI-encoded value, deadline, v, r and s of the offer's signer's ERC-2612 permit for
    /// this contract. One that was used ahead of this call does no harm.
    function acceptWith(
        Offer calldata offer,
        uint64 minPrice,
        bytes calldata signature,
        bytes calldata cosignature,
        bytes calldata permit
    ) external returns (bytes32 sale);

    /// @notice Takes an offer back. Signer: whoever signed it, or for the buyer, BUY.
    function cancelOffer(Offer calldata offer) external;

    /// @notice Signs for the cash of a sale against acknowledged cash, before its time is up. Signer: seller, SELL.
    /// @param paymentReference Hash of the payment's reference.
    function acknowledgeCash(Offer calldata offer, bytes32 paymentReference) external;

    /// @notice Gives the units of a sale whose time for cash is up back to the seller. Anybody may.
    function lapse(Offer calldata offer) external;

    /* RECOURSE */

    /// @notice Demands that the seller take a parcel back under its warranty. Signer: buyer, ADJUST.
    /// @param parcel Index of the parcel in the offer.
    /// @param evidence Hash of the evidence for it.
    function demandWarranty(Offer calldata offer, uint256 parcel, bytes32 evidence) external;

    /// @notice Answers an open demand. Signer: seller, ADJUST.
    /// @param answer Hash of the answer.
    function answerWarranty(Offer calldata offer, uint256 parcel, bool admitted, bytes32 answer) external;

    /// @notice Takes back, for cash, what the buyer has held of a parcel ever since; needs nobody's further consent. Once
    /// for each parcel. Signer: seller, PAY; the cash comes from the signer's wallet, after what the reserve holds.
    /// @param warranty Under the warranty, which must have been demanded; otherwise for default, if agreed.
    /// @param maxPrice The most the seller pays.
    function performRecourse(
        Offer calldata offer,
        uint256 parcel,
        bool warranty,
        uint64 maxPrice,
        Facts calldata facts
    ) external;

    /// @notice What performing recourse would take now: units that go back and the price in minor units, of which
    /// `fromReserve` at most comes from the reserve: less if credit notes are not made good out of it yet, which come
    /// first. Zero units if there is nothing to take back.
    function recourseQuote(Offer calldata offer, uint256 parcel, Facts calldata facts)
        external
        view
        returns (uint64 units, uint64 price, uint64 fromReserve);

    /* RESERVE */

    /// @notice Pays an account what is due to it of a reserve: the buyer what credit notes took from its units, and all
    /// that is left at write-off, or once it marked all units it holds so and sent none away since the sale; the seller
    /// what is left once everything is settled or taken back. Anybody may send it.
    /// @dev One note is made good once, and by no sale made after it, in whichever order reserves are released.
    /// @dev Warning: notes are told apart by the sales between them, for one buyer of one receivable up to eight times.
    /// Beyond that the buyer may be made good for less.
    function releaseReserve(Offer calldata offer, Facts calldata facts, address account) external;

    /* QUESTIONS */

    /// @notice Whether the buyer could pay for the offer now: it is open, and the signer's wallet has and allows as much
    /// as is `needed`, all in units of the token. Says nothing of the claims.
    function isFunded(Offer calldata offer)
        external
        view
        returns (bool funded, uint256 balance, uint256 allowance, uint256 needed);

    /// @notice EIP-712 digest of the offer, the id of its sale.
    function offerDigest(Offer calldata offer) external view returns (bytes32);

    /// @param factsHash First 26 bytes of the Keccak-256 hash of the ABI-encoded facts, zero if they are empty.
    function saleOf(bytes32 sale)
        external
        view
        returns (SaleStatus status, uint40 acceptedAt, bytes26 factsHash);

    function claimOf(bytes32 sale, uint256 parcel) external view returns (Claim memory);

    function reserveOf(bytes32 sale) external view returns (Reserve memory);

    /// @notice The keyless account that a sale's units are locked in.
    function lockOf(bytes32 sale) external pure returns (address);
}
