// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Book, Late, Money, Pot, Rare, Totals} from "../types/Book.sol";
import {HOLDER_WAIVES, Holder} from "../types/Holder.sol";
import {Status} from "../types/Receivable.sol";
import {STATE_ACCOUNTED, STATE_FACE_FIRST, STATE_INTEREST, State} from "../types/State.sol";
import {Lifecycle} from "./Lifecycle.sol";

/// @title Who owns the money that came in, exact to the unit
/// @dev With F face, U live units, P paid in, X closed outside, R reduced, Q = F − P − X − R unpaid and S = 2^64, for
/// every receivable and each of its two pots, at all times:
///
///     Σ money + Σ units · (pot index − holder index) + pool = S · (paid in − redeemed)
///
/// A payment moves an index; a holder is counted when its units change or it redeems. What does not divide waits in the
/// pool and goes to whoever redeems after the last payment. Casts below cut nothing off: amounts fit 64 bits, money and
/// pools 128 (`S` times 64 bits), indexes 96 (see `Pot`).
library Accounting {
    uint256 internal constant ONE = 1 << 64;
    /// Millionths times seconds in the 365 days of a year.
    uint256 internal constant INTEREST_UNIT = 1e6 * 365 days;
    /// Whose money waived interest is until it goes back to the debtor: no account's.
    address internal constant DEBTOR_SHARE = address(0);

    /// Begins the sums of a receivable on the first event that needs them.
    function open(Book storage book, bytes32 id) internal returns (Totals storage totals) {
        State state = book.states[id].load();
        totals = book.totals[id];
        if (state.flags() & STATE_ACCOUNTED == 0) {
            book.states[id].store(state.withFlags(state.flags() | STATE_ACCOUNTED));
            totals.unpaid = state.face();
            totals.units = state.face();
        }
    }

    /// Counts a holder's money up to now. To be called before its units change.
    function count(Book storage book, bytes32 id, address account) internal {
        uint8 flags = book.states[id].load().flags();
        if (flags & STATE_ACCOUNTED == 0) return;
        Holder holder = book.holder(id, account);
        uint256 units = holder.units();
        uint96 index = book.facePots[id].index;
        if (holder.index() != index) {
            if (units != 0) book.money[id][account].face += uint128(units * (index - holder.index()));
            book.setHolder(id, account, holder.withIndex(index));
        }
        if (flags & STATE_INTEREST == 0) return;
        Rare storage rare = book.rare[id][account];
        index = book.interestPots[id].index;
        if (rare.interestIndex != index) {
            if (units != 0) {
                address owner = holder.flags() & HOLDER_WAIVES == 0 ? account : DEBTOR_SHARE;
                book.money[id][owner].interest += uint128(units * (index - rare.interestIndex));
            }
            rare.interestIndex = index;
        }
    }

    /// Gives to the pool what is less than a minor unit of a holder's money, once it has no units and the fraction can
    /// never grow. To be called after a holder's units changed.
    function sweep(Book storage book, bytes32 id, address account) internal {
        uint8 flags = book.states[id].load().flags();
        if (flags & STATE_ACCOUNTED == 0 || book.holder(id, account).units() != 0) return;
        Money storage money = book.money[id][account];
        uint128 fraction = uint128(money.face % ONE);
        if (fraction != 0) {
            money.face -= fraction;
            book.facePots[id].pool += fraction;
        }
        if (flags & STATE_INTEREST == 0) return;
        fraction = uint128(money.interest % ONE);
        if (fraction != 0) {
            money.interest -= fraction;
            book.interestPots[id].pool += fraction;
        }
    }

    /// Takes a payment of up to `amount` into the books.
    /// @return face What of it pays the face, `interest` the late interest; `unpaid` the face that is left, and whether
    /// nothing is owed any more.
    function pay(Book storage book, bytes32 id, uint64 amount)
        internal
        returns (uint64 face, uint64 interest, uint64 unpaid, bool settled)
    {
        Totals storage totals = open(book, id);
        uint64 owed = accrue(book, id);
        unpaid = totals.unpaid;
        State state = book.states[id].load();
        if (state.flags() & STATE_FACE_FIRST != 0) {
            face = _min(amount, unpaid);
            interest = _min(amount - face, owed);
        } else {
            interest = _min(amount, owed);
            face = _min(amount - interest, unpaid);
        }
        if (face != 0) {
            unpaid -= face;
            totals.unpaid = unpaid;
            totals.paid += face;
            _share(book.facePots[id], face, totals.units);
        }
        if (interest != 0) {
            book.late[id].paid += interest;
            book.states[id].store(state.withFlags(state.flags() | STATE_INTEREST));
            _share(book.interestPots[id], interest, totals.units);
        }
        settled = unpaid == 0 && interest == owed;
    }

    /// Extinguishes units of a holder that carry `amount` of what is unpaid, and their share of unpaid interest.
    /// The caller checked `amount` against `carried`.
    /// @return units How many units that takes, and the late interest cancelled with them, as it is accrued.
    function extinguish(Book storage book, bytes32 id, address account, uint64 amount)
        internal
        returns (uint64 units, uint128 interest)
    {
        Totals storage totals = open(book, id);
        accrue(book, id);
        count(book, id, account);
        uint256 live = totals.units;
        units = uint64((amount * live + totals.unpaid - 1) / totals.unpaid);

        Late storage late = book.late[id];
        uint256 unpaidInterest = late.accrued - late.paid * INTEREST_UNIT;
        if (unpaidInterest != 0) {
            interest = uint128((unpaidInterest * units + live - 1) / live);
            late.accrued -= interest;
        }
        Holder holder = book.holder(id, account);
        book.setHolder(id, account, holder.withUnits(holder.units() - units));
        totals.units -= units;
        totals.unpaid -= amount;
    }

    /// Takes out what an account can redeem now, whole minor units. The fraction stays, unless nothing more can come: then
    /// it joins the pool, and what the pool holds in whole units goes out with it.
    function collect(Book storage book, bytes32 id, address account, bool settled)
        internal
        returns (uint64 face, uint64 interest)
    {
        count(book, id, account);
        Money storage money = book.money[id][account];
        (face, money.face) = _whole(book.facePots[id], money.face, settled);
        if (book.states[id].load().flags() & STATE_INTEREST != 0) {
            (interest, money.interest) = _whole(book.interestPots[id], money.interest, settled);
        }
    }

    /// Takes out the interest that holders waived; `had` says whether there was any, if only a fraction.
    function collectWaived(Book storage book, bytes32 id, bool settled)
        internal
        returns (uint64 interest, bool had)
    {
        Money storage money = book.money[id][DEBTOR_SHARE];
        if (money.interest < ONE && (!settled || money.interest == 0)) return (0, false);
        had = true;
        (interest, money.interest) = _whole(book.interestPots[id], money.interest, settled);
    }

    /// Brings late interest up to now.
    /// @return owed What of it is unpaid, whole minor units.
    function accrue(Book storage book, bytes32 id) internal returns (uint64 owed) {
        uint256 accrued = accruedNow(book, id);
        if (accrued == 0) return 0;
        Late storage late = book.late[id];
        late.accrued = uint128(accrued);
        late.since = uint40(block.timestamp);
        return _owed(accrued, late.paid);
    }

    /// Late interest up to now, in millionths times seconds of minor units, including what was paid.
    function accruedNow(Book storage book, bytes32 id) internal view returns (uint256) {
        State state = book.states[id].load();
        (uint256 dueEnd, uint256 rate) = (state.dueEnd(), state.lateRate());
        if (rate == 0 || block.timestamp <= dueEnd) return 0;
        Late storage late = book.late[id];
        uint256 since = late.since;
        if (since < dueEnd) since = dueEnd;
        return late.accrued + unpaidOf(book, id) * rate * (block.timestamp - since);
    }

    /// Late interest owed now, whole minor units.
    function interestOwed(Book storage book, bytes32 id) internal view returns (uint64) {
        return _owed(accruedNow(book, id), book.late[id].paid);
    }

    /// The face that is unpaid, of a receivable that is owed.
    function unpaidOf(Book storage book, bytes32 id) internal view returns (uint256) {
        State state = book.states[id].load();
        return state.flags() & STATE_ACCOUNTED != 0 ? book.totals[id].unpaid : state.face();
    }

    /// What of the unpaid amount so many units carry, rounded down.
    function carried(Book storage book, bytes32 id, uint64 units) internal view returns (uint64) {
        if (book.states[id].load().flags() & STATE_ACCOUNTED == 0) return units;
        Totals storage totals = book.totals[id];
        uint256 live = totals.units;
        return live == 0 ? 0 : uint64(uint256(units) * totals.unpaid / live);
    }

    /// Unpaid, paid, closed outside, and live units.
    function sums(Book storage book, bytes32 id)
        internal
        view
        returns (uint64 unpaid, uint64 paid, uint64 closed, uint64 units)
    {
        State state = book.states[id].load();
        uint64 face = state.face();
        if (state.flags() & STATE_ACCOUNTED != 0) {
            Totals memory totals = book.totals[id];
            return (totals.unpaid, totals.paid, totals.closed, totals.units);
        }
        // Settled without sums: paid in full and at once.
        if (state.status() == Status.Settled) return (0, face, 0, face);
        if (Lifecycle.isOwed(state)) return (face, 0, 0, face);
    }

    /// What `collect` would take out now.
    function redeemable(Book storage book, bytes32 id, address account, bool settled)
        internal
        view
        returns (uint64 face, uint64 interest)
    {
        Holder holder = book.holder(id, account);
        uint256 units = holder.units();
        uint8 flags = book.states[id].load().flags();
        if (flags & STATE_ACCOUNTED == 0) return (settled ? holder.units() : 0, 0);
        Money memory money = book.money[id][account];
        if (units == 0 && money.face == 0 && money.interest == 0) return (0, 0);
        Pot memory pot = book.facePots[id];
        face = _wholeOf(money.face + units * (pot.index - holder.index()), pot.pool, settled);
        if (flags & STATE_INTEREST == 0) return (face, 0);
        pot = book.interestPots[id];
        uint256 sum = money.interest;
        if (holder.flags() & HOLDER_WAIVES == 0) {
            sum += units * (pot.index - book.rare[id][account].interestIndex);
        }
        interest = _wholeOf(sum, pot.pool, settled);
    }

    function _share(Pot storage pot, uint64 amount, uint64 units) private {
        uint256 scaled = uint256(amount) << 64;
        pot.index += uint96(scaled / units);
        pot.pool += uint128(scaled % units);
    }

    function _whole(Pot storage pot, uint128 money, bool settled)
        private
        returns (uint64 whole, uint128 fraction)
    {
        uint256 sum = money;
        if (settled) {
            sum += pot.pool;
            pot.pool = uint128(sum % ONE);
        } else {
            fraction = uint128(sum % ONE);
        }
        whole = uint64(sum >> 64);
    }

    /// A settled receivable's pool goes out with its fractions, as far as it is whole.
    function _wholeOf(uint256 sum, uint256 pool, bool settled) private pure returns (uint64) {
        return uint64((settled ? sum + pool : sum) >> 64);
    }

    function _owed(uint256 accrued, uint256 paid) private pure returns (uint64) {
        uint256 whole = accrued / INTEREST_UNIT;
        if (whole <= paid) return 0;
        whole -= paid;
        uint256 most = type(uint64).max - paid;
        return uint64(whole < most ? whole : most);
    }

    function _min(uint64 a, uint64 b) private pure returns (uint64) {
        return a < b ? a : b;
    }
}
