// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {ProvenanceLog} from "../../../contracts/ProvenanceLog.sol";
import {IProvenanceLog} from "../../../contracts/interfaces/IProvenanceLog.sol";
import {ReferenceLog} from "./ReferenceLog.sol";
import {Test} from "./Test.sol";
import {vm} from "./Vm.sol";

contract ProvenanceLogTest is Test {
    uint256 private constant MOST = 33;
    bytes32 private constant MAP = "map root";

    ProvenanceLog private _log;
    bytes32[] private _leaves;
    address private _stranger = address(0x57124);

    function setUp() public {
        vm.warp(1_800_000_000);
        _log = new ProvenanceLog(address(new AccessManager(address(this))));
        _log.setAnchorer(address(this), true);
        _leaves = ReferenceLog.leavesOf(MOST);
    }

    // anchor

    function test_Anchor_FirstHead() public {
        bytes32 root = _root(5);
        bytes32 history = keccak256(abi.encode(bytes32(0), root, 5, MAP, block.timestamp));
        vm.expectEmit(address(_log));
        emit IProvenanceLog.Anchored(5, root, MAP, 0, history);
        _log.anchor(root, 5, new bytes32[](0), MAP);

        IProvenanceLog.Head memory head = _log.head();
        assertEq(head.logRoot, root, "log root");
        assertEq(head.size, 5, "size");
        assertEq(head.mapRoot, MAP, "map root");
        assertEq(head.timestamp, block.timestamp, "timestamp");
        assertEq(_log.history(), history, "history");
    }

    function test_Anchor_FirstHead_WithAProof() public {
        bytes32 root = _root(5);
        vm.expectRevert(IProvenanceLog.ProofInvalid.selector);
        _log.anchor(root, 5, new bytes32[](1), MAP);
    }

    function test_Anchor_EveryExtensionUpToThirtyThreeLeaves() public {
        for (uint64 m = 1; m < MOST; ++m) {
            for (uint64 n = m + 1; n <= MOST; ++n) {
                uint256 before = vm.snapshotState();
                _begin(m);
                _log.anchor(_root(n), n, ReferenceLog.consistency(m, _leaves, n), MAP);
                assertEq(_log.head().size, n, "size");
                assertEq(_log.head().logRoot, _root(n), "log root");
                vm.revertToState(before);
            }
        }
    }

    function test_Anchor_HistoryIsProvableFromStorage() public {
        uint64[4] memory sizes = [uint64(1), 2, 7, 30];
        bytes32 history;
        for (uint256 i = 0; i < sizes.length; ++i) {
            vm.warp(block.timestamp + 1 hours);
            bytes32[] memory proof;
            if (i > 0) proof = ReferenceLog.consistency(sizes[i - 1], _leaves, sizes[i]);
            _log.anchor(_root(sizes[i]), sizes[i], proof, bytes32(i));
            history = keccak256(abi.encode(history, _root(sizes[i]), sizes[i], bytes32(i), block.timestamp));
        }
        assertEq(_log.history(), history, "history");
        assertEq(vm.load(address(_log), bytes32(uint256(1))), history, "storage slot 1");
    }

    function test_Anchor_CannotStandStillOrShrink(uint64 size) public {
        _begin(20);
        size = uint64(bound(size, 0, 20));
        bytes32 root = _root(20);
        vm.expectRevert(abi.encodeWithSelector(IProvenanceLog.NotLarger.selector, size, 20));
        _log.anchor(root, size, new bytes32[](0), MAP);
    }

    function test_Anchor_CannotRewrite(uint64 m, uint64 n, uint64 which, bytes32 other) public {
        m = uint64(bound(m, 1, MOST - 1));
        n = uint64(bound(n, m + 1, MOST));
        which = uint64(bound(which, 0, m - 1));
        vm.assume(other != _leaves[which]);
        _begin(m);

        _leaves[which] = other;
        bytes32[] memory proof = ReferenceLog.consistency(m, _leaves, n);
        bytes32 root = _root(n);
        vm.expectRevert(IProvenanceLog.ProofInvalid.selector);
        _log.anchor(root, n, proof, MAP);
    }

    function test_Anchor_WithAnAlteredProof(uint64 m, uint64 n, uint256 which, bytes32 other, uint256 how)
        public
    {
        m = uint64(bound(m, 1, MOST - 1));
        n = uint64(bound(n, m + 1, MOST));
        _begin(m);
        bytes32[] memory proof = ReferenceLog.consistency(m, _leaves, n);
        how = bound(how, 0, 2);
        bytes32[] memory altered = new bytes32[](how == 0 ? proof.length - 1 : proof.length + how - 1);
        for (uint256 i = 0; i < altered.length; ++i) {
            altered[i] = i < proof.length ? proof[i] : other;
        }
        if (how == 1) {
            which = bound(which, 0, proof.length - 1);
            vm.assume(other != proof[which]);
            altered[which] = other;
        }
        bytes32 root = _root(n);
        vm.expectRevert(IProvenanceLog.ProofInvalid.selector);
        _log.anchor(root, n, altered, MAP);
    }

    function test_Anchor_ForAnotherSize(uint64 m, uint64 n, uint64 claimed) public {
        m = uint64(bound(m, 1, MOST - 1));
        n = uint64(bound(n, m + 1, MOST));
        claimed = uint64(bound(claimed, m + 1, type(uint64).max));
        bytes32[] memory proof = ReferenceLog.consistency(m, _leaves, n);
        // Some trees of other sizes have paths of the same shape; there the roots differ in truth, and nothing is
        // claimed of leaves before `m`. What must not pass is a proof of another length.
        vm.assume(_proofLength(m, claimed) != proof.length);
        _begin(m);
        bytes32 root = _root(n);
        vm.expectRevert(IProvenanceLog.ProofInvalid.selector);
        _log.anchor(root, claimed, proof, MAP);
    }

    function test_Anchor_ByAStranger() public {
        vm.prank(_stranger);
        bytes32 root = _root(1);
        vm.expectRevert(abi.encodeWithSelector(IProvenanceLog.NotAnchorer.selector, _stranger));
        _log.anchor(root, 1, new bytes32[](0), MAP);
    }

    function test_Anchor_ByOneWhoseAppointmentEnded() public {
        _log.setAnchorer(address(this), false);
        bytes32 root = _root(1);
        vm.expectRevert(abi.encodeWithSelector(IProvenanceLog.NotAnchorer.selector, address(this)));
        _log.anchor(root, 1, new bytes32[](0), MAP);
    }

    // setAnchorer

    function test_SetAnchorer() public {
        vm.expectEmit(address(_log));
        emit IProvenanceLog.AnchorerSet(_stranger, true);
        _log.setAnchorer(_stranger, true);
        assertTrue(_log.isAnchorer(_stranger), "appointed");

        vm.expectEmit(address(_log));
        emit IProvenanceLog.AnchorerSet(_stranger, false);
        _log.setAnchorer(_stranger, false);
        assertFalse(_log.isAnchorer(_stranger), "appointed");
    }

    function test_SetAnchorer_ByAStranger() public {
        vm.prank(_stranger);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, _stranger));
        _log.setAnchorer(_stranger, true);
    }

    // isIncluded

    function test_IsIncluded_EveryLeafOfEveryTree() public {
        for (uint64 n = 1; n <= MOST; ++n) {
            uint256 before = vm.snapshotState();
            _begin(n);
            for (uint64 i = 0; i < n; ++i) {
                bytes32[] memory path = ReferenceLog.path(i, _leaves, 0, n);
                assertTrue(_log.isIncluded(_leaves[i], i, path), "included");
                assertFalse(_log.isIncluded(_leaves[(i + 1) % MOST], i, path), "another leaf");
                if (n > 1) assertFalse(_log.isIncluded(_leaves[i], (i + 1) % n, path), "elsewhere");
            }
            vm.revertToState(before);
        }
    }

    function test_IsIncluded_WithAnAlteredPath(uint64 n, uint64 i, bytes32 other, uint256 how) public {
        n = uint64(bound(n, 2, MOST));
        i = uint64(bound(i, 0, n - 1));
        _begin(n);
        bytes32[] memory path = ReferenceLog.path(i, _leaves, 0, n);
        how = bound(how, 0, 2);
        bytes32[] memory altered = new bytes32[](how == 0 ? path.length - 1 : path.length + how - 1);
        for (uint256 k = 0; k < altered.length; ++k) {
            altered[k] = k < path.length ? path[k] : other;
        }
        if (how == 1) {
            vm.assume(other != path[0]);
            altered[0] = other;
        }
        assertFalse(_log.isIncluded(_leaves[i], i, altered), "included");
    }

    function test_IsIncluded_BeyondTheEnd(uint64 index) public {
        assertFalse(_log.isIncluded(_leaves[0], 0, new bytes32[](0)), "in the empty log");
        _begin(1);
        index = uint64(bound(index, 1, type(uint64).max));
        assertFalse(_log.isIncluded(_leaves[0], index, new bytes32[](0)), "beyond the end");
        assertTrue(_log.isIncluded(_leaves[0], 0, new bytes32[](0)), "the only leaf");
    }

    // logId

    function test_LogId_IsOfThisContractOnThisChain() public view {
        assertEq(_log.logId(), keccak256(abi.encode(block.chainid, address(_log))), "log id");
    }

    function _begin(uint64 size) private {
        _log.anchor(_root(size), size, new bytes32[](0), MAP);
    }

    function _root(uint256 size) private view returns (bytes32) {
        return ReferenceLog.root(_leaves, 0, size);
    }

    /// Length of PROOF(m, D[0:n]), counted on the definition without the hashes.
    function _proofLength(uint256 m, uint256 n) private pure returns (uint256 length) {
        bool complete = true;
        while (m != n) {
            uint256 k = 1;
            while (k * 2 < n) k *= 2;
            ++length;
            if (m <= k) {
                n = k;
            } else {
                (m, n, complete) = (m - k, n - k, false);
            }
        }
        if (!complete) ++length;
    }
}
