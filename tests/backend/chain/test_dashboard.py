"""The dashboard asks only for metrics that exist."""

import json
import re

from backend.chain.metrics import Metrics
from backend.kit.loops import Loop, Loops
from tests.backend.chain.conftest import ROOT


async def test_every_metric_of_the_dashboard_is_served(database, contracts):
    async def step() -> bool:
        return False

    metrics = Metrics(database, contracts.ledger_id, Loops([Loop("one", step)]))
    metrics.requests.labels("GET", "/", "200").observe(1)
    served = (await metrics.read()).decode()

    panels = json.loads((ROOT / "docs/grafana.json").read_text())["panels"]
    asked = {
        name
        for panel in panels
        for each in panel["targets"]
        for name in re.findall(r"tallystick_\w+", each["expr"])
    }
    assert len(asked) > 8
    assert [
        name
        for name in sorted(asked)
        if f"\n# TYPE {name.removesuffix('_bucket').removesuffix('_count')} " not in served
    ] == []
