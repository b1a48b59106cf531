"""The example of the how-to is a plan: its CSV is read, and asks for what the page says."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from merpati.providers.directory import directory
from merpati.reputation.migration_plan import StepKind
from merpati.reputation.planning import plan_for
from merpati.reputation.traffic_csv import COLUMNS, read_traffic

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "move-from-your-old-provider.md"
TODAY = date(2026, 12, 1)


def test_the_example_of_the_page_is_a_plan() -> None:
    found = re.search(r"```csv\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    traffic = read_traffic(found[1].encode(), directory(), TODAY)
    plan = plan_for(traffic, date(2027, 1, 11), TODAY, directory())
    assert {pool.name: pool.ips for pool in plan.pools} == {"receipts": 1, "news": 1}
    assert StepKind.REGISTER in {step.kind for step in plan.steps}
    assert plan.whole.late is not None


def test_the_page_explains_every_column() -> None:
    explained = PAGE.read_text()
    # engaged_30d and _60d lie between the two that the page names.
    named = [name for name in COLUMNS if name not in {"engaged_30d", "engaged_60d"}]
    assert [name for name in named if f"`{name}`" not in explained] == []
