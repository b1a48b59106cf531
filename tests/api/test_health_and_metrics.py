"""What load balancers and Prometheus are told, with and without workers to ask."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from merpati.api import services
from merpati.api.metrics import families
from merpati.api.watch import ClockStatus, NoAnswer, Watch
from merpati.contracts.metrics import DELIVERY_BOUNDS, AttemptCount, QueueGauge, WorkerMetrics
from merpati.spool.shapes import ShardStatus
from tests.api.conftest import Serve

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "watch-with-prometheus.md"
COUNTED = WorkerMetrics(
    accepted=12,
    waiting=3,
    journal_rows=2,
    troubled=[4],
    short=[],
    queues=[QueueGauge("held", "google", "default", 3, 61.5)],
    attempts=[AttemptCount("delivered", "google", "default", 9)],
    delivery_buckets=[9] + [0] * len(DELIVERY_BOUNDS),
    delivery_seconds=0.5,
    uncertain=1,
    connections=2,
    is_held=False,
)


def ready() -> tuple[int, dict[str, Any]]:
    response = Client().get("/readyz")
    return response.status_code, json.loads(response.content)


def well(*numbers: int, **changes: Any) -> dict[str, Any]:
    states = [ShardStatus(number, "", 0, 0, 0, False) for number in numbers]
    return {"status": [ShardStatus(*{**_fields(s), **changes}.values()) for s in states]}


def _fields(status: ShardStatus) -> dict[str, Any]:
    return {name: getattr(status, name) for name in status.__struct_fields__}


def test_ready_when_database_and_workers_answer(db: None, watched: None, serve: Serve) -> None:
    serve("deliver-0.sock", well(0, 2))
    serve("deliver-1.sock", well(1, 3))
    assert ready() == (200, {"status": "ready", "not_ready": []})


def test_not_ready_names_what_is_not_and_recovers(db: None, watched: None, serve: Serve) -> None:
    sick, short = well(0, trouble="disk I/O error"), well(1, below_reserve=True)
    serve("deliver-0.sock", sick)
    serve("deliver-1.sock", short)
    status, document = ready()
    assert status == 503
    assert document == {
        "status": "not ready",
        "not_ready": [
            {"part": "shard 00", "reason": "refuses: disk I/O error"},
            {
                "part": "shard 01",
                "reason": "free disk space is below the reserve (spool.reserve_mb)",
            },
        ],
    }
    sick |= well(0)
    short |= well(1)
    assert ready()[0] == 200


def test_not_ready_without_a_worker(db: None, watched: None, serve: Serve) -> None:
    serve("deliver-0.sock", well(0))
    status, document = ready()
    assert status == 503
    (fault,) = document["not_ready"]
    assert fault["part"] == "worker 1"
    assert fault["reason"].startswith("does not answer: deliver-1.sock")


def test_not_ready_without_disk_even_before_a_shard_exists(
    db: None, watched: None, serve: Serve, run_dir: Path
) -> None:
    for worker in (0, 1):
        serve(f"deliver-{worker}.sock", well(worker))
    services.use(replace(services.services(), watch=Watch(run_dir, 2, run_dir, 1 << 62)))
    status, document = ready()
    assert (status, [fault["part"] for fault in document["not_ready"]]) == (503, ["disk"])


def scrape(**headers: str) -> tuple[int, str]:
    response = Client().get("/metrics", **headers)  # type: ignore[arg-type]
    return response.status_code, response.content.decode()


def test_metrics_join_all_processes_and_keep_workers_apart(watched: None, serve: Serve) -> None:
    serve("deliver-0.sock", {"metrics": COUNTED})
    serve("deliver-1.sock", {"metrics": COUNTED})
    serve("clock.sock", {"status": {"recorded": 40, "trouble": ""}})
    status, text = scrape()
    assert status == 200
    lines = text.splitlines()
    for worker in "01":
        labels = f'worker="{worker}",provider="google",ip_pool="default"'
        assert f'merpati_smtp_attempts_total{{{labels},outcome="delivered"}} 9' in lines
        assert f'merpati_queue_messages{{{labels},state="held"}} 3' in lines
        assert f'merpati_queue_oldest_seconds{{{labels},state="held"}} 61.5' in lines
        assert f'merpati_accepted_messages_total{{worker="{worker}"}} 12' in lines
        assert f'merpati_spool_trouble{{worker="{worker}",kind="sick"}} 1' in lines
        assert f'merpati_delivery_seconds_count{{worker="{worker}"}} 9' in lines
    assert "merpati_events_recorded_total 40" in lines


def test_who_does_not_answer_is_down_and_the_others_are_told(watched: None, serve: Serve) -> None:
    serve("deliver-1.sock", {"metrics": COUNTED})
    status, text = scrape()
    assert status == 200
    assert 'merpati_process_up{process="deliver-0"} 0\n' in text
    assert 'merpati_process_up{process="deliver-1"} 1\n' in text
    assert 'merpati_process_up{process="clock"} 0\n' in text
    assert 'merpati_accepted_messages_total{worker="1"} 12\n' in text
    assert 'merpati_accepted_messages_total{worker="0"}' not in text


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"REMOTE_ADDR": "203.0.113.9"}, id="from elsewhere"),
        pytest.param({"HTTP_X_FORWARDED_FOR": "203.0.113.9"}, id="through a local proxy"),
        pytest.param({"HTTP_FORWARDED": "for=203.0.113.9"}, id="through another one"),
        pytest.param({"REMOTE_ADDR": ""}, id="from nowhere"),
    ],
)
def test_without_a_token_only_local_callers_read(watched: None, headers: dict[str, str]) -> None:
    assert scrape(**headers)[0] == 403
    assert scrape()[0] == 200


def test_with_a_token_only_who_has_it_reads(watched: None) -> None:
    services.use(replace(services.services(), metrics_token="s3cret"))
    assert scrape()[0] == 403
    assert scrape(HTTP_AUTHORIZATION="Bearer s3cre")[0] == 403
    token = {"HTTP_AUTHORIZATION": "Bearer s3cret"}
    assert scrape(**token, REMOTE_ADDR="203.0.113.9", HTTP_X_FORWARDED_FOR="x")[0] == 200


def test_the_how_to_lists_every_metric_and_no_other() -> None:
    exist = {family.name for family in families([COUNTED], ClockStatus(1, ""))}
    table = re.findall(r"^\| `(merpati_[a-z_]+)", HOW_TO.read_text(), re.MULTILINE)
    assert set(table) == exist
    used = set(re.findall(r"merpati_[a-z_]+", HOW_TO.read_text()))
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in used} <= exist


def test_no_answer_at_all_is_still_a_scrape() -> None:
    names = [f.name for f in families([NoAnswer("x")], NoAnswer("y")) if f.samples]
    assert names == ["merpati_build_info", "merpati_process_up"]
