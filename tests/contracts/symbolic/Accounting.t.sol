// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Accounting} from "../../../contracts/libraries/Accounting.sol";
import {Book, Pot} from "../../../contracts/types/Book.sol";
import {Holder} from "../../../contracts/types/Holder.sol";
import {Status} from "../../../contracts/types/Receivable.sol";
import {STATE_ACCOUNTED, State} from "../../../contracts/types/State.sol";

/// The accounting identity of `Accounting`, proved by halmos for one step from any state: what is paid in comes to it,
/// what is redeemed leaves it, and a transfer changes nothing of it.
///
/// Bounds: two holders; the units are the numbers given below, for the product of two unknowns is beyond the solvers; an
/// unpaid amount of up to the units, as the contract keeps it; indexes below 4, money and pools below 64 minor units, any
/// of them; no late interest, whose pot is the same code. Any sequence of other sizes is fuzzed, not proved.
contract AccountingSymbolic {
    using Accounting for Book;

    /// No constants: the optimizer would hash those at compile time, and halmos take the hash for another slot.
    bytes32 private _id = "id";
    address private _a = address(0xA);
    address private _b = address(0xB);

    Book private _book;

    struct Start {
        uint64 a;
        uint64 b;
        uint64 unpaid;
        uint96 index;
        uint96 indexA;
        uint96 indexB;
        uint128 pool;
        uint128 moneyA;
        uint128 moneyB;
    }

    /// Any state that could have come to be: indexes never run backwards, and sums fit.
    function _begin(Start memory s) private returns (bool) {
        if (s.indexA > s.index || s.indexB > s.index || s.index >> 66 != 0) return false;
        if (s.unpaid > s.a + s.b) return false;
        if (s.moneyA >> 70 != 0 || s.moneyB >> 70 != 0 || s.pool >> 70 != 0) return false;
        uint64 face = type(uint64).max;
        State state = State.wrap(0).withFlags(STATE_ACCOUNTED).withFace(face).withStatus(Status.Confirmed);
        _book.states[_id].store(state);
        _book.totals[_id].unpaid = s.unpaid;
        _book.totals[_id].units = s.a + s.b;
        _book.facePots[_id] = Pot(s.pool, s.index);
        _book.holders[_id][_a].store(Holder.wrap(s.a).withIndex(s.indexA));
        _book.holders[_id][_b].store(Holder.wrap(s.b).withIndex(s.indexB));
        _book.money[_id][_a].face = s.moneyA;
        _book.money[_id][_b].face = s.moneyB;
        return true;
    }

    /// Σ money + Σ units · (pot index − holder index) + pool.
    function _sum() private view returns (uint256) {
        Pot memory pot = _book.facePots[_id];
        return uint256(pot.pool) + _of(_a, pot.index) + _of(_b, pot.index);
    }

    function _of(address account, uint256 index) private view returns (uint256) {
        Holder holder = _book.holders[_id][account].load();
        return _book.money[_id][account].face + uint256(holder.units()) * (index - holder.index());
    }

    function _pay(uint64 a, uint64 b, Start memory s, uint64 amount) private {
        (s.a, s.b) = (a, b);
        if (!_begin(s)) return;
        uint256 before = _sum();
        (uint64 face, uint64 interest, uint64 unpaid, bool settled) = _book.pay(_id, amount);
        assert(face <= amount && face <= s.unpaid && interest == 0);
        assert(unpaid == s.unpaid - face && settled == (unpaid == 0));
        assert(_book.totals[_id].unpaid == unpaid && _book.totals[_id].paid == face);
        assert(_sum() == before + (uint256(face) << 64));
    }

    function check_Pay_OneUnit(Start memory s, uint64 amount) external {
        _pay(1, 0, s, amount);
    }

    /// As `Units._move` does it: both are counted, then the units change.
    function _transfer(uint64 a, uint64 b, Start memory s, uint64 units) private {
        (s.a, s.b) = (a, b);
        if (!_begin(s)) return;
        uint256 before = _sum();
        _book.count(_id, _a);
        _book.count(_id, _b);
        Holder holder = _book.holders[_id][_a].load();
        _book.holders[_id][_a].store(holder.withUnits(holder.units() - units));
        _book.sweep(_id, _a);
        holder = _book.holders[_id][_b].load();
        _book.holders[_id][_b].store(holder.withUnits(holder.units() + units));
        assert(_book.holders[_id][_a].load().units() == a - units);
        assert(_book.holders[_id][_b].load().units() == b + units);
        assert(_sum() == before);
    }

    /// To somebody who has no units and no money.
    function check_Transfer_TheOnlyUnit(Start memory s) external {
        (s.indexB, s.moneyB) = (s.index, 0);
        _transfer(1, 0, s, 1);
    }

    function _redeem(uint64 a, uint64 b, Start memory s, bool settled) private {
        (s.a, s.b) = (a, b);
        if (!_begin(s)) return;
        uint256 before = _sum();
        (uint64 face,) = _book.collect(_id, _a, settled);
        assert(_book.holders[_id][_b].load().units() == b && _book.money[_id][_b].face == s.moneyB);
        assert(_book.money[_id][_a].face >> 64 == 0);
        assert(_sum() + (uint256(face) << 64) == before);
    }

    function check_Redeem_WithoutUnits(Start memory s) external {
        _redeem(0, 5, s, false);
    }

    function check_Redeem_TheOnlyUnit(Start memory s) external {
        (s.indexB, s.moneyB) = (s.index, 0);
        _redeem(1, 0, s, false);
    }

    function check_Redeem_TheOnlyUnit_Settled(Start memory s) external {
        (s.indexB, s.moneyB) = (s.index, 0);
        _redeem(1, 0, s, true);
    }
}
