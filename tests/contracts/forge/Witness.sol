// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFinancing} from "../../../contracts/interfaces/IFinancing.sol";
import {IParticipants} from "../../../contracts/interfaces/IParticipants.sol";
import {IReceivables} from "../../../contracts/interfaces/IReceivables.sol";
import {ISignedActions, SignedAction} from "../../../contracts/interfaces/ISignedActions.sol";
import {TestCurrency} from "../../../contracts/mocks/TestCurrency.sol";
import {ACCOUNT_SUSPENDED} from "../../../contracts/types/Account.sol";
import {Status} from "../../../contracts/types/Receivable.sol";
import {Offer, Reserve} from "../../../contracts/types/Sale.sol";
import {Terms} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// Looks on while everybody calls: whose units changed, which status followed which, what is held and owed. What must not
/// be is written down in `violation`, for a handler that reverts is a call that Foundry forgets.
abstract contract Witness is LedgerTest {
    string public violation;
    /// What went out of each receivable to holders, minor units.
    mapping(bytes32 id => uint256) public paidOut;
    /// Calls that a stranger sent for their signer, and that did what they were for.
    uint256 public relayed;
    /// Calls that did what they were for.
    mapping(bytes4 => uint256) public successes;

    Actor[5] internal _actors;
    TestCurrency[3] internal _currencies;
    uint256 internal _calls;
    /// While a debtor disputes: its supplier's units go into a lot of the supplier's, suspended or not.
    bool internal _disputing;
    Terms[] internal _claims;
    bytes32[] public ids;
    /// ABI-encoded offers that were accepted.
    bytes[] internal _sales;
    mapping(bytes32 id => Status) internal _lastStatus;
    mapping(bytes32 id => uint256) internal _parent;

    function count() external view returns (uint256) {
        return ids.length;
    }

    function termsOf(uint256 index) external view returns (Terms memory) {
        return _claims[index];
    }

    function claims() external view returns (uint256) {
        return _claims.length;
    }

    function contracts() external view returns (IParticipants, IReceivables, IFinancing, TestCurrency) {
        return (participants, receivables, financing, euro);
    }

    /// What an address has in all three currencies, minor units.
    function held(address account) public view returns (uint256 sum) {
        for (uint256 i = 0; i < 3; ++i) {
            uint256 balance = _currencies[i].balanceOf(account);
            require(balance % _scale(i) == 0, "less than a minor unit");
            sum += balance / _scale(i);
        }
    }

    /// What Financing owes out of the reserves of all sales.
    function reserves() external view returns (uint256 sum) {
        for (uint256 i = 0; i < _sales.length; ++i) {
            bytes32 sale = financing.offerDigest(abi.decode(_sales[i], (Offer)));
            Reserve memory reserve = financing.reserveOf(sale);
            sum += uint256(reserve.open) + reserve.toBuyer + reserve.toSeller;
        }
    }

    function registered(address account, bytes32 fingerprint) external view returns (bytes32) {
        return fingerprints.idOf(account, fingerprint);
    }

    /// Units of all accounts and locks.
    function unitsOf(bytes32 id) public view returns (uint256 sum) {
        for (uint256 i = 0; i < 5; ++i) {
            sum += _units(_actors[i], id);
        }
        for (uint256 i = 0; i < _sales.length; ++i) {
            Offer memory offer = abi.decode(_sales[i], (Offer));
            if (offer.lockTime == 0) continue;
            sum += receivables.balanceOf(financing.lockOf(financing.offerDigest(offer)), uint256(id));
        }
    }

    modifier watched(uint256 allowed) {
        uint256[] memory before = _snapshot();
        _;
        _compare(before, allowed);
    }

    function _watch(uint256 allowed, address sender, address target, bytes memory call)
        internal
        watched(allowed)
        returns (bool)
    {
        return _try(sender, target, call);
    }

    function _try(address sender, address target, bytes memory call) internal returns (bool success) {
        uint256 key = ++_calls % 3 == 0 ? _keyOf(sender) : 0;
        if (key != 0 && ISignedActions(target).actionTypehash(bytes4(call)) != 0) {
            SignedAction memory action;
            (action.signer, action.nonce, action.deadline) = (sender, _calls, block.timestamp);
            action.callData = call;
            action.signature = _signature(key, ISignedActions(target).actionDigest(action));
            (sender, target, call) = (stranger, target, abi.encodeCall(ISignedActions.relay, (action)));
            vm.prank(sender);
            (success,) = target.call(call);
            if (success) ++relayed;
            call = action.callData;
        } else {
            if (sender != address(this)) vm.prank(sender);
            (success,) = target.call(call);
        }
        if (success) ++successes[bytes4(call)];
    }

    /// Units of each actor in each receivable.
    function _snapshot() internal view returns (uint256[] memory units) {
        units = new uint256[](ids.length * 5);
        for (uint256 i = 0; i < units.length; ++i) {
            units[i] = _units(_actors[i % 5], ids[i / 5]);
        }
    }

    /// Only the units of those whose bit is set may have changed; each status may only be one that follows the last.
    function _compare(uint256[] memory before, uint256 allowed) internal {
        for (uint256 i = 0; i < before.length; ++i) {
            if (allowed >> (i % 5) & 1 == 0 && _units(_actors[i % 5], ids[i / 5]) != before[i]) {
                violation = "units changed of somebody who signed nothing";
            }
            if (!_disputing && _units(_actors[i % 5], ids[i / 5]) < before[i] && _isSuspended(_actors[i % 5]))
            {
                violation = "units of a suspended party left it";
            }
        }
        for (uint256 i = 0; i < ids.length; ++i) {
            Status last = _lastStatus[ids[i]];
            Status next = receivables.statusOf(ids[i]);
            bool legal = last == next || last == Status.None
                || (last == Status.Confirmed && (next == Status.Settled || next == Status.WrittenOff))
                || (last == Status.WrittenOff && next == Status.Settled);
            if (!legal) violation = "a forbidden transition";
            _lastStatus[ids[i]] = next;
        }
    }

    function _isSuspended(Actor memory actor) internal view returns (bool) {
        return participants.account(actor.account).flags & ACCOUNT_SUSPENDED != 0;
    }

    function _keyOf(address signer) internal view returns (uint256 key) {
        for (uint256 i = 0; i < 5; ++i) {
            if (_actors[i].signer == signer) key = _actors[i].key;
        }
    }

    /// Token units in a minor unit of the currencies of 2, 6 and 18 decimals.
    function _scale(uint256 currency) internal pure returns (uint256) {
        return currency == 0 ? 1 : currency == 1 ? 1e4 : 1e16;
    }

    function _tokenOf(bytes32 id) internal view returns (address) {
        return receivables.currency(receivables.receivable(id).currency).token;
    }

    function _id(uint256 which) internal view returns (bytes32) {
        return ids[which % ids.length];
    }

    function _sale(uint256 which) internal returns (Offer memory) {
        if (_sales.length == 0) return _offerOf(supplier, bank, ids[0], 1, 1);
        return abi.decode(_sales[which % _sales.length], (Offer));
    }

    function _bit(uint256 who) internal pure returns (uint256) {
        return 1 << (who % 5);
    }

    function _bits(Offer memory offer) internal view returns (uint256 bits) {
        for (uint256 i = 0; i < 5; ++i) {
            if (_actors[i].account == offer.buyer || _actors[i].account == offer.seller) bits |= 1 << i;
        }
    }

    function _signerOf(address account) internal view returns (address signer) {
        for (uint256 i = 0; i < 5; ++i) {
            if (_actors[i].account == account) signer = _actors[i].signer;
        }
    }

    function _lotOf(bytes32 id) internal view returns (uint8 lot, Terms memory terms) {
        uint256 parent = _parent[id];
        for (uint256 i = 0; i < _claims.length; ++i) {
            bytes32 main = receivables.idOf(_claims[i]);
            if (main == id) return (0, _claims[i]);
            if (parent != i + 1) continue;
            for (lot = 1; receivables.lotId(main, lot) != id;) {
                ++lot;
            }
            return (lot, _claims[i]);
        }
    }
}
