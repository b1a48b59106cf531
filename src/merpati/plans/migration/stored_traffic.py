"""A plan's traffic as it is kept with it, and as an API takes and gives it."""

from __future__ import annotations

from datetime import date
from typing import Any

from merpati.reputation.migration_plan import Engaged, Flow, Traffic


def as_data(traffic: Traffic) -> list[dict[str, Any]]:
    """Return traffic as plain data, one object a flow."""
    return [_flow_data(flow) for flow in traffic.flows]


def traffic_of(data: list[dict[str, Any]]) -> Traffic:
    """Return traffic that was kept."""
    return Traffic(tuple(_flow(flow) for flow in data))


def _flow_data(flow: Flow) -> dict[str, Any]:
    engaged = flow.engaged
    return {
        "stream": flow.stream,
        "provider": flow.provider,
        "messages_per_day": flow.messages_per_day,
        "target_per_day": flow.target_per_day,
        "starts_on": flow.starts_on.isoformat() if flow.starts_on else None,
        "engaged": [engaged.within_7, engaged.within_30, engaged.within_60, engaged.within_90]
        if engaged
        else None,
        "weekdays": list(flow.weekdays) if flow.weekdays else None,
    }


def _flow(data: dict[str, Any]) -> Flow:
    starts_on, engaged = data["starts_on"], data["engaged"]
    weekdays = data.get("weekdays")  # plans from before they were known have none
    return Flow(
        stream=data["stream"],
        provider=data["provider"],
        messages_per_day=data["messages_per_day"],
        target_per_day=data["target_per_day"],
        starts_on=date.fromisoformat(starts_on) if starts_on else None,
        engaged=Engaged(*engaged) if engaged else None,
        weekdays=tuple(weekdays) if weekdays else None,
    )
