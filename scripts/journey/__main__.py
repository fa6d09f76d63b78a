"""Takes the journey and shows it; exit status 0 only if the chain showed every step."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from backend.chain.contracts import DeploymentError
from scripts.journey.casting import cast_for
from scripts.journey.chain import Chain
from scripts.journey.paper import choose
from scripts.journey.party import JourneyError, wait_for
from scripts.journey.story import Story
from tasks.console import TaskError
from tasks.networks import Network, network_named

STEPS = (
    "signers",
    "upload",
    "release",
    "capture",
    "draft",
    "confirm",
    "anchored",
    "verify",
    "verify_offline",
    "offers",
    "accept",
    "pass_on",
    "pay",
    "redeem",
    "settled",
    "again",
    "rival",
)


def main() -> int:
    """Goes through the steps; says what each found."""
    options = _options()
    network = network_named(options.network)
    try:
        story = _story(network, options)
        for place, name in enumerate(STEPS, 1):
            step = getattr(story, name)
            began = time.monotonic()
            print(f"{place:>4}. {step.__doc__}", flush=True)
            for line in step():
                if line:
                    print(f"        {line}", flush=True)
            print(f"        ✓ {time.monotonic() - began:.1f} s", flush=True)
            if name == options.until:
                return 0
        print("  ✓ The journey is done; the chain showed every step.")
    except (JourneyError, DeploymentError, TaskError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _story(network: Network, options: argparse.Namespace) -> Story:
    paper = choose(options.invoice, options.number)
    rpc_url = wait_for(f"an answer of the chain {network.name} (`make run` starts one)", network.live_url, 30)
    record = json.loads(network.deployment.read_text())
    journey = f"{record['block_hash']} {record['contracts']['Receivables']['address']} {paper.invoice.number}"
    cast = cast_for(paper, network, Path(options.parties), options.api_url, journey)
    return Story(cast, Chain(rpc_url, network.deployment), paper, network.deployment)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.journey", description=main.__doc__)
    parser.add_argument("api_url", help="where the API answers")
    parser.add_argument("parties", help="the folder of the admitted parties")
    parser.add_argument("--network", default=os.environ.get("NETWORK") or "anvil")
    parser.add_argument("--invoice", type=Path, help="a UBL invoice instead of the usual one")
    parser.add_argument("--number", help="take the journey with a copy under another number")
    parser.add_argument("--until", choices=STEPS, help="end after this step")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
