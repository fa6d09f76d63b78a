// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IFinancing} from "../interfaces/IFinancing.sol";
import {Currency, Holding, Parcel, Status} from "../types/Receivable.sol";
import {Facts, Offer, Reserve} from "../types/Sale.sol";
import {Sales} from "./Sales.sol";

/// @title The deferred part of a price: whose it turns out to be
abstract contract Reserves is Sales {
    using SafeERC20 for IERC20;

    /// What reserves of sales made at the same amount of earlier credit notes made good of later ones.
    struct MadeGood {
        uint64 since;
        uint64 amount;
    }

    /// So that no two sales of the same receivable to the same buyer answer for one note, whichever is asked first.
    mapping(address buyer => mapping(bytes32 id => MadeGood[])) private _madeGood;

    /// @inheritdoc IFinancing
    function releaseReserve(Offer calldata offer, Facts calldata facts, address account) external {
        bytes32 sale = _requireDone(offer, facts);
        Reserve memory reserve = _divided(offer, sale, facts);

        uint64 amount;
        if (account == offer.buyer) (amount, reserve.toBuyer) = (reserve.toBuyer, 0);
        else if (account == offer.seller) (amount, reserve.toSeller) = (reserve.toSeller, 0);
        if (amount == 0) revert ReserveNotDue(sale, account);
        PARTICIPANTS.checkNotSuspended(account);
        address payout = PARTICIPANTS.account(account).payout;
        (, Currency memory currency) = RECEIVABLES.currencyOf(offer.token);
        _reserves[sale] = reserve;
        emit ReservePaid(sale, account, payout, amount);

        IERC20(offer.token).safeTransfer(payout, uint256(amount) * 10 ** currency.exponent);
    }

    /// @inheritdoc IFinancing
    function reserveOf(bytes32 sale) external view returns (Reserve memory) {
        return _reserves[sale];
    }

    /// The reserve, after saying what of the open part is whose by now. The caller stores it.
    function _divided(Offer calldata offer, bytes32 sale, Facts calldata facts)
        internal
        returns (Reserve memory reserve)
    {
        reserve = _reserves[sale];
        if (reserve.open == 0) return reserve;
        (uint64 toBuyer, uint64 toSeller) = (reserve.toBuyer, reserve.toSeller);
        bool ended = true;
        bool lost;
        for (uint256 i = 0; i < offer.parcels.length; ++i) {
            Parcel calldata parcel = offer.parcels[i];
            (uint64 good, uint64 marked) = _makeGood(
                offer.buyer, parcel.id, facts.reduced.length == 0 ? 0 : facts.reduced[i], reserve.open
            );
            reserve.open -= good;
            reserve.toBuyer += good;
            Status status = RECEIVABLES.statusOf(parcel.id);
            if (status == Status.Settled) continue;
            // Another holder's unmarked unit must not keep the reserve from the buyer.
            if (status == Status.WrittenOff || marked >= parcel.units) lost = true;
            else ended = false;
        }
        if (ended) {
            if (lost) reserve.toBuyer += reserve.open;
            else reserve.toSeller += reserve.open;
            reserve.open = 0;
        }
        (toBuyer, toSeller) = (reserve.toBuyer - toBuyer, reserve.toSeller - toSeller);
        if (toBuyer != 0 || toSeller != 0) emit ReserveDue(sale, toBuyer, toSeller);
    }

    /// What credit notes took from the buyer's units since the sale and no reserve made good yet, up to `most`; and how
    /// many of its units are marked as written off.
    function _makeGood(address buyer, bytes32 id, uint64 before, uint64 most)
        private
        returns (uint64 good, uint64 marked)
    {
        Holding memory held = RECEIVABLES.holding(id, buyer);
        marked = held.marked;
        MadeGood[] storage made = _madeGood[buyer][id];
        good = _unmade(made, held.reduced, before);
        if (good > most) good = most;
        if (good == 0) return (0, marked);
        for (uint256 i = 0; i < made.length; ++i) {
            if (made[i].since != before) continue;
            made[i].amount += good;
            return (good, marked);
        }
        made.push(MadeGood(before, good));
    }

    /// What is left to make good for a sale made at `before` of `reduced`. Sales made at any amount or later answer for
    /// no more together than came after it; so what a younger one made good leaves an older one what only it can.
    function _unmade(MadeGood[] storage made, uint64 reduced, uint64 before)
        private
        view
        returns (uint64 left)
    {
        left = reduced - before - _madeSince(made, before);
        for (uint256 i = 0; i < made.length; ++i) {
            uint64 since = made[i].since;
            if (since >= before) continue;
            uint64 there = reduced - since - _madeSince(made, since);
            if (there < left) left = there;
        }
    }

    function _madeSince(MadeGood[] storage made, uint64 since) private view returns (uint64 sum) {
        for (uint256 i = 0; i < made.length; ++i) {
            if (made[i].since >= since) sum += made[i].amount;
        }
    }
}
