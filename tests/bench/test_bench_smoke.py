"""A tiny bulk round of the benchmark against the real service; no timing is judged."""

from pathlib import Path

import pytest

from bench import machine
from bench.options import Options
from bench.report import markdown
from bench.rows import bulk
from bench.sink import SMTP_SINK

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(SMTP_SINK is None, reason="smtp-sink (Debian: postfix) is missing"),
]


def test_a_bulk_round_yields_its_row(tmp_path: Path) -> None:
    options = Options(
        rows=("bulk",), scratch=tmp_path, rounds=1, messages=40, per_call=20, with_peer=False
    )
    (line,) = bulk.measure(options)
    assert "error" not in line, line
    assert line["arrived"] == 40
    assert line["messages_per_second"] > 0
    assert line["cpu_per_1000_system"] > 0
    assert 10_000 < line["size_bytes"] < 13_000
    assert {"web", "deliver", "clock"} <= line["cpu_per_1000_by_part"].keys()
    text = markdown([line], machine.describe(tmp_path))
    assert "| Merpati | 1 |" in text
