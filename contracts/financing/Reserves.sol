// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IFinancing} from "../interfaces/IFinancing.sol";
import {Currency, Holding, Status} from "../types/Receivable.sol";
import {Claim, Facts, Offer, Reserve} from "../types/Sale.sol";
import {Sales} from "./Sales.sol";

/// @title The deferred part of a price: whose it turns out to be
abstract contract Reserves is Sales {
    using SafeERC20 for IERC20;

    /// What reserves of sales made at the same amount of earlier credit notes made good of later ones.
    struct MadeGood {
        uint64 since;
        uint64 amount;
    }

    /// As many of them as are kept, for each buyer of a receivable: whoever releases a reserve, or performs recourse, pays
    /// for going through them.
    uint256 private constant MADE_GOOD_MOST = 8;

    /// So that no two sales of the same receivable to the same buyer answer for one note, whichever is asked first.
    mapping(address buyer => mapping(bytes32 id => MadeGood[])) private _madeGood;

    mapping(bytes32 sale => mapping(uint256 parcel => Claim)) internal _claims;

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
            // Taken back, and paid for, with its part of the reserve.
            if (_claims[sale][i].performed) continue;
            bytes32 id = offer.parcels[i].id;
            Holding memory held = RECEIVABLES.holding(id, offer.buyer);
            uint64 before = facts.reduced.length == 0 ? 0 : facts.reduced[i];
            uint64 good = _makeGood(offer.buyer, id, held.reduced, before, reserve.open);
            reserve.open -= good;
            reserve.toBuyer += good;
            Status status = RECEIVABLES.statusOf(id);
            if (status == Status.Settled) continue;
            before = facts.sent.length == 0 ? 0 : facts.sent[i];
            if (status == Status.WrittenOff || _isGivenUp(held, before)) lost = true;
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

    /// Whether the buyer marked all that it holds as written off, and sent nothing away since the sale: another holder's
    /// unmarked unit must not keep the reserve from it, nor a mark on a few units give it that for all it bought.
    function _isGivenUp(Holding memory held, uint64 sentAtSale) private pure returns (bool) {
        // At its largest value the count has stopped, and no longer says how many.
        if (held.sent > sentAtSale || held.sent == type(uint64).max) return false;
        return held.marked != 0 && held.marked == held.units;
    }

    /// What credit notes took from the buyer's units since the sale and no reserve made good yet, up to `most`. Sales made
    /// at any amount or later answer for no more together than came after it; so what a younger one made good leaves an
    /// older one what only it can.
    function _makeGood(address buyer, bytes32 id, uint64 reduced, uint64 before, uint64 most)
        private
        returns (uint64 good)
    {
        MadeGood[] storage made = _madeGood[buyer][id];
        uint256 count = made.length;
        uint256 own = count;
        uint256 last;
        good = _leftSince(made, reduced, before, most);
        for (uint256 i = 0; i < count; ++i) {
            uint64 since = made[i].since;
            if (since < before) good = _leftSince(made, reduced, since, good);
            else if (since == before) own = i;
            if (since > made[last].since) last = i;
        }
        if (good == 0) return 0;
        if (own == count) {
            if (count < MADE_GOOD_MOST) {
                made.push().since = before;
            } else {
                // Counted as if the notes had come later than they did: no sale's reserve pays more for that, and only
                // the buyer, who alone can fill the list, may get less.
                own = last;
                if (made[own].since < before) made[own].since = before;
            }
        }
        made[own].amount += good;
    }

    /// What came after `since` and was not made good, up to `most`.
    function _leftSince(MadeGood[] storage made, uint64 reduced, uint64 since, uint64 most)
        private
        view
        returns (uint64)
    {
        uint256 left = reduced - since;
        for (uint256 i = 0; i < made.length; ++i) {
            if (made[i].since < since) continue;
            if (made[i].amount >= left) return 0;
            left -= made[i].amount;
        }
        return left < most ? uint64(left) : most;
    }
}
