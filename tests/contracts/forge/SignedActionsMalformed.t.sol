// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ISignedActions, SignedAction} from "../../../contracts/interfaces/ISignedActions.sol";
import {Diary, DiaryTest} from "./Diary.sol";
import {Vm, vm} from "./Vm.sol";

/// What is no action at all fails alone. Branches: SignedActions.tree.
contract SignedActionsMalformedTest is DiaryTest {
    /// Where the offsets of several actions begin in the data of `relayMany`, as it lies in memory: behind its length, the
    /// selector, where the list is, and how long.
    uint256 private constant OFFSETS = 0x20 + 4 + 0x40;

    /// A member of bytes, or the action itself, beyond the end, or so far that its place overflows.
    function test_RelayMany_OneThatPointsOutside_FailsAlone(uint256 member, uint256 place, bool far) public {
        bytes memory data = _three();
        member = bound(member, 0, 3);
        place = far ? bound(place, 1 << 64, type(uint256).max) : bound(place, data.length, 1 << 64);
        if (member == 0) _write(data, OFFSETS + 0x20, place);
        else _write(data, OFFSETS + _word(data, OFFSETS + 0x20) + (3 + member) * 0x20, place);

        _checkTwoDone(data);
    }

    /// As does one whose bytes begin inside the call and end outside.
    function test_RelayMany_OneThatEndsOutside_FailsAlone(uint256 member, uint256 length) public {
        bytes memory data = _three();
        uint256 action = OFFSETS + _word(data, OFFSETS + 0x20);
        length = bound(length, data.length, type(uint256).max);
        _write(data, action + _word(data, action + bound(member, 4, 6) * 0x20), length);

        _checkTwoDone(data);
    }

    /// What does not fit an address is cut off, also where it is told who failed.
    function test_RelayMany_OneWithMoreThanAnAddressForItsSigner_FailsAlone(uint256 excess) public {
        bytes memory data = _three();
        uint256 action = OFFSETS + _word(data, OFFSETS + 0x20);
        excess = bound(excess, 1, type(uint96).max) << 160;
        _write(data, action, _word(data, action) | excess);
        _write(data, action + 0x40, 0); // expired

        vm.recordLogs();
        _checkTwoDone(data);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 1, "failures logged");
        assertEq(logs[0].topics[1], bytes32(uint256(uint160(_anna))), "signer");
    }

    /// The call of `relayMany` with three actions of Anna's.
    function _three() private view returns (bytes memory) {
        SignedAction[] memory actions = new SignedAction[](3);
        for (uint256 i = 0; i < 3; ++i) {
            actions[i] = _writing(i + 1, "line", i);
        }
        return abi.encodeCall(ISignedActions.relayMany, (actions));
    }

    /// Sends it; the first and the last are done, and the one between is not.
    function _checkTwoDone(bytes memory data) private {
        (bool success, bytes memory answer) = address(_diary).call(data);
        assertTrue(success, "relayed");
        assertEq(abi.decode(answer, (uint256)), 1, "failures");
        assertEq(_diary.lines(1), "line", "first");
        assertEq(_diary.lines(2), 0, "second");
        assertEq(_diary.lines(3), "line", "third");
        assertEq(_diary.nonceWord(_anna, 0), 5, "nonces");
    }

    function _word(bytes memory data, uint256 place) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(data, place))
        }
    }

    function _write(bytes memory data, uint256 place, uint256 word) private pure {
        assembly ("memory-safe") {
            mstore(add(data, place), word)
        }
    }
}
