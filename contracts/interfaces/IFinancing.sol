// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Offer, SaleStatus} from "../types/Sale.sol";
import {ISignedActions} from "./ISignedActions.sol";

/// @title Financing: claims and cash change hands together, or not at all
/// @notice A buyer signs an offer off chain; the seller accepts it here. Price, recourse and the state the offer saw are
/// bound by the buyer's signature, the least the seller takes by its own.
/// @dev Claims move through `IReceivables.sell`, `lock`, `unlock` and `sendBack`, which only recorded versions of this
/// contract may call. Cash moves from the offer's signer to the seller's payout address.
/// @dev Warning: a sale against acknowledged cash is not delivery versus payment.
interface IFinancing is ISignedActions {
    event Sold(
        bytes32 indexed sale,
        address indexed seller,
        address indexed buyer,
        bytes32 offer,
        address token,
        uint64 price,
        uint64 reserve
    );
    /// @notice Emitted for each parcel of a sale: all that recourse needs.
    event ParcelSold(bytes32 indexed sale, bytes32 indexed id, uint64 units, uint64 sent);
    event AwaitsCash(
        bytes32 indexed sale, address indexed seller, address indexed buyer, bytes32 offer, uint40 until
    );
    event CashAcknowledged(bytes32 indexed sale, bytes32 paymentReference);
    event SaleLapsed(bytes32 indexed sale);
    event WarrantyDemanded(bytes32 indexed sale, bytes32 indexed id, uint64 units, bytes32 evidence);
    event WarrantyAnswered(bytes32 indexed sale, bytes32 indexed id, bool admitted, bytes32 answer);
    event RecoursePerformed(
        bytes32 indexed sale, bytes32 indexed id, uint64 units, uint64 price, bool warranty
    );
    event ReserveReleased(bytes32 indexed sale, uint64 toSeller, uint64 toBuyer);

    /// @notice Thrown when the offer is no longer open.
    error OfferExpired(uint40 expiry);
    /// @notice Thrown when the price is below what the seller accepts.
    error PriceTooLow(uint64 price, uint64 limit);
    /// @notice Thrown when the offer contradicts itself.
    error OfferInvalid();
    /// @notice Thrown when the sale is not in the state the call needs.
    error SaleStatusIs(bytes32 sale, SaleStatus status);
    /// @notice Thrown when recourse has no trigger, was used, or reaches further than the buyer still holds.
    error NoRecourse(bytes32 sale, bytes32 id);
    /// @notice Thrown when there is no demand to answer, or one was made already.
    error DemandInvalid(bytes32 sale, bytes32 id);
    /// @notice Thrown when nothing of the reserve can be released yet.
    error ReserveNotDue(bytes32 sale);

    /// @notice Accepts an offer; cash and claims change hands. Signer: seller, SELL.
    /// @param signature The offer's signature; `cosignature` as in `SignedAction`.
    /// @param minPrice The least the seller takes, minor units.
    function accept(
        Offer calldata offer,
        bytes calldata signature,
        bytes calldata cosignature,
        uint64 minPrice
    ) external returns (bytes32 sale);

    /// @notice Signs for the cash of a sale against acknowledged cash. Signer: seller, SELL.
    function acknowledgeCash(Offer calldata offer, bytes32 paymentReference) external;

    /// @notice Gives back the units of a sale whose time for cash is up. Anybody may.
    function lapse(Offer calldata offer) external;

    /// @notice Whether the offer would settle now, and what the buyer's wallet lacks, in units of the token.
    function isFunded(Offer calldata offer)
        external
        view
        returns (bool funded, uint256 balance, uint256 allowance, uint256 needed);

    /// @notice EIP-712 digest of the offer.
    function offerDigest(Offer calldata offer) external view returns (bytes32);
}
