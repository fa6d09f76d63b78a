// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {Financing} from "../../../contracts/Financing.sol";
import {Fingerprints} from "../../../contracts/Fingerprints.sol";
import {Participants} from "../../../contracts/Participants.sol";
import {Receivables} from "../../../contracts/Receivables.sol";
import {ReceivablesExtension} from "../../../contracts/ReceivablesExtension.sol";
import {ReceivablesRemedies} from "../../../contracts/ReceivablesRemedies.sol";
import {IFinancing} from "../../../contracts/interfaces/IFinancing.sol";
import {IFingerprints} from "../../../contracts/interfaces/IFingerprints.sol";
import {IParticipants} from "../../../contracts/interfaces/IParticipants.sol";
import {IReceivables} from "../../../contracts/interfaces/IReceivables.sol";
import {ISignedActions, SignedAction} from "../../../contracts/interfaces/ISignedActions.sol";
import {TestCurrency} from "../../../contracts/mocks/TestCurrency.sol";
import {ROLE_DEBTOR, ROLE_FUNDER, ROLE_SUPPLIER, Sides} from "../../../contracts/types/Account.sol";
import {OperatorState, Parcel} from "../../../contracts/types/Receivable.sol";
import {Facts, Offer, Recourse} from "../../../contracts/types/Sale.sol";
import {Confirmation, PaymentOrder, Terms, Undertaking} from "../../../contracts/types/Terms.sol";
import {Test} from "./Test.sol";
import {vm} from "./Vm.sol";

/// A ledger as it is deployed, with a supplier, a debtor, two banks and a second-tier supplier, each with one key and
/// standing consent, and money in everybody's wallet.
abstract contract LedgerTest is Test {
    struct Actor {
        uint256 key;
        /// The address of the key, which signs and pays.
        address signer;
        /// The party's account, which holds claims.
        address account;
        /// Where cash is paid out.
        address payout;
    }

    uint256 internal constant START = 1_800_000_000;
    uint40 internal constant PAYOUT_DELAY = 2 days;
    uint40 internal constant TAKEOVER_DELAY = 7 days;
    uint64 internal constant FACE = 1_000_000_00;
    uint256 internal constant WEALTH = 1_000_000_000_00;
    bytes3 internal constant EUR = "EUR";

    AccessManager internal manager;
    IParticipants internal participants;
    IFingerprints internal fingerprints;
    IReceivables internal receivables;
    IFinancing internal financing;
    TestCurrency internal euro;

    Actor internal supplier;
    Actor internal debtor;
    Actor internal bank;
    Actor internal otherBank;
    Actor internal subSupplier;
    /// Nobody's key.
    address internal stranger = address(0x57124);

    uint256 private _count;

    function setUp() public virtual {
        vm.warp(START);
        manager = new AccessManager(address(this));
        participants =
            IParticipants(address(new Participants(address(manager), PAYOUT_DELAY, TAKEOVER_DELAY)));
        fingerprints = IFingerprints(address(new Fingerprints(address(manager))));
        receivables = _deployReceivables();
        financing = new Financing(receivables, participants);
        fingerprints.recordWriter(address(receivables));
        bytes32[] memory keys = new bytes32[](1);
        keys[0] = keccak256("VRF key");
        fingerprints.changeKeys(keys);
        receivables.setOperator(address(financing), OperatorState.Active);
        euro = new TestCurrency("Test Euro", "tEUR", 2);
        receivables.admitCurrency(address(euro), EUR, 2, 1);

        supplier = _actor("supplier", ROLE_SUPPLIER);
        debtor = _actor("debtor", ROLE_DEBTOR);
        bank = _actor("bank", ROLE_FUNDER);
        otherBank = _actor("other bank", ROLE_FUNDER);
        subSupplier = _actor("second-tier supplier", ROLE_SUPPLIER);
    }

    /// One contract to its callers, whose code is in three.
    function _deployReceivables() internal returns (IReceivables) {
        address remedies = address(new ReceivablesRemedies(address(manager), participants, fingerprints));
        address extension =
            address(new ReceivablesExtension(address(manager), participants, fingerprints, remedies));
        return IReceivables(address(new Receivables(address(manager), participants, fingerprints, extension)));
    }

    /* ACTORS */

    /// Admits an account with one key, standing consent, cash in the key's wallet and allowances for both contracts.
    function _actor(string memory name, uint16 roles) internal returns (Actor memory actor) {
        actor.key = uint256(keccak256(bytes(name))) >> 8;
        actor.signer = vm.addr(actor.key);
        actor.payout = address(uint160(uint256(keccak256(abi.encode(name, "payout")))));
        actor.account = participants.admit(
            keccak256(abi.encode(name, "salt")),
            roles,
            uint40(block.timestamp + 10 * 365 days),
            actor.payout,
            keccak256("evidence"),
            bytes32(uint256(uint160(actor.signer))),
            false
        );
        vm.label(actor.signer, string.concat(name, " (key)"));
        vm.label(actor.account, string.concat(name, " (account)"));
        vm.label(actor.payout, string.concat(name, " (payout)"));
        vm.prank(actor.signer);
        participants.setStandingConsent(actor.account, true);
        _fund(actor, euro);
    }

    function _fund(Actor memory actor, TestCurrency token) internal {
        token.mint(actor.signer, WEALTH);
        token.mint(actor.payout, 1);
        vm.prank(actor.signer);
        token.approve(address(receivables), type(uint256).max);
        vm.prank(actor.signer);
        token.approve(address(financing), type(uint256).max);
    }

    /* CLAIMS */

    /// Terms that differ from all others handed out before by their fingerprint.
    function _terms() internal returns (Terms memory terms) {
        terms.supplier = supplier.account;
        terms.debtor = debtor.account;
        terms.token = address(euro);
        terms.currency = EUR;
        terms.amount = FACE;
        terms.dueEnd = uint40(block.timestamp + 90 days);
        terms.graceDays = 10;
        terms.undertaking = Undertaking.Acknowledged;
        terms.paymentOrder = PaymentOrder.InterestFirst;
        terms.keySet = fingerprints.currentKeySet();
        terms.fingerprint = keccak256(abi.encode("fingerprint", ++_count));
        terms.documentRoot = keccak256(abi.encode("document", _count));
        terms.rules = keccak256("rules");
    }

    /// The debtor's signature of terms.
    function _confirmation(Terms memory terms) internal returns (Confirmation memory confirmation) {
        return _confirmationBy(debtor, terms, ++_count);
    }

    function _confirmationBy(Actor memory actor, Terms memory terms, uint256 nonce)
        internal
        view
        returns (Confirmation memory confirmation)
    {
        confirmation.signer = actor.signer;
        confirmation.nonce = nonce;
        confirmation.deadline = block.timestamp + 1 days;
        confirmation.signature =
            _signature(actor.key, receivables.confirmationDigest(terms, 0, nonce, confirmation.deadline));
    }

    function _issueAndConfirm(Terms memory terms) internal returns (bytes32 id) {
        Confirmation memory confirmation = _confirmation(terms);
        vm.prank(supplier.signer);
        return receivables.issueAndConfirm(terms, confirmation);
    }

    /// A confirmed receivable of `FACE`, all with its supplier.
    function _claim() internal returns (bytes32 id) {
        return _issueAndConfirm(_terms());
    }

    function _pay(Actor memory actor, bytes32 id, uint64 amount) internal returns (uint64) {
        vm.prank(actor.signer);
        return receivables.pay(id, amount);
    }

    function _redeem(Actor memory actor, bytes32 id) internal returns (uint64 face, uint64 interest) {
        vm.prank(actor.signer);
        return receivables.redeem(id, actor.account);
    }

    function _transfer(Actor memory from, Actor memory to, bytes32 id, uint64 units) internal {
        vm.prank(from.signer);
        receivables.transfer(id, from.account, to.account, units);
    }

    function _units(Actor memory actor, bytes32 id) internal view returns (uint256) {
        return receivables.balanceOf(actor.account, uint256(id));
    }

    /* OFFERS */

    /// An offer by the bank to the supplier for one whole receivable, at 97 % of its face.
    function _offer(bytes32 id) internal returns (Offer memory offer) {
        return _offerOf(supplier, bank, id, FACE, FACE / 100 * 97);
    }

    function _offerOf(Actor memory seller, Actor memory buyer, bytes32 id, uint64 units, uint64 price)
        internal
        returns (Offer memory offer)
    {
        offer.buyer = buyer.account;
        offer.seller = seller.account;
        offer.parcels = new Parcel[](1);
        offer.parcels[0] = Parcel(id, units, units);
        offer.token = address(euro);
        offer.price = price;
        offer.recourse = Recourse.WarrantyOnly;
        offer.repurchasePrice = price;
        offer.agreement = keccak256("master agreement");
        offer.law = keccak256("law");
        offer.expiry = uint40(block.timestamp + 1 days);
        offer.signer = buyer.signer;
        offer.salt = ++_count;
    }

    /// Both sides of a sale, each with its own key.
    function _sides(Actor memory seller, Actor memory buyer) internal view returns (Sides memory sides) {
        (sides.seller, sides.sellerSigner) = (seller.account, seller.signer);
        (sides.buyer, sides.buyerSigner) = (buyer.account, buyer.signer);
        (sides.currency,) = receivables.currencyOf(address(euro));
    }

    function _signed(Actor memory buyer, Offer memory offer) internal view returns (bytes memory) {
        return _signature(buyer.key, financing.offerDigest(offer));
    }

    function _accept(Actor memory seller, Actor memory buyer, Offer memory offer)
        internal
        returns (bytes32 sale)
    {
        bytes memory signature = _signed(buyer, offer);
        vm.prank(seller.signer);
        return financing.accept(offer, 0, signature);
    }

    /// Sells a whole receivable of the supplier to the bank.
    function _sell(bytes32 id) internal returns (Offer memory offer) {
        offer = _offer(id);
        _accept(supplier, bank, offer);
    }

    /// The facts of a sale to a buyer who had sent away nothing and whose units nothing had reduced.
    function _noFacts() internal pure returns (Facts memory) {}

    /* SIGNATURES */

    function _signature(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// Has `actor` sign an action of a contract, good for a day.
    function _signAction(ISignedActions target, Actor memory actor, bytes memory callData, uint256 nonce)
        internal
        view
        returns (SignedAction memory action)
    {
        action.signer = actor.signer;
        action.nonce = nonce;
        action.deadline = block.timestamp + 1 days;
        action.gasFloor = 100_000;
        action.callData = callData;
        action.signature = _signature(actor.key, target.actionDigest(action));
    }

    /// EIP-712 of a struct's hash for one of the contracts.
    function _typed(address target, string memory name, bytes32 structHash) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256(bytes(name)),
                keccak256("1"),
                block.chainid,
                target
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }
}
