"""All parts of which pages are made, on one page: to look at, and for the browser's tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext

from merpati.console.services import services

Example = tuple[str, str, dict[str, Any]]
"""A component's name, its template, and what it is given."""


def show(request: HttpRequest) -> HttpResponse:
    """Show every component with an example."""
    now = services().now
    context = {
        "groups": [
            (gettext("To read"), _to_read()),
            (gettext("To find one's way"), _to_find_ones_way()),
            (gettext("To fill in"), _to_fill_in()),
            (gettext("What goes on"), _what_goes_on()),
        ],
        "now": now,
        "soon": now + timedelta(hours=3),
        "desk_zone": ZoneInfo("Europe/London"),
    }
    return render(request, "console/parts.html", context)


def _example(name: str, /, **given: Any) -> Example:
    return name, f"console/components/{name}.html", given


def _to_read() -> list[Example]:
    case, open_ = gettext("Case"), gettext("Open")
    return [
        *(
            _example("banner", look=look, text=gettext("Support is open"))
            for look in ("", "success", "warning", "error")
        ),
        *(
            _example("badge", look=look, text=open_)
            for look in ("", "accent", "good", "warn", "bad", "internal")
        ),
        _example("copyable", text="kirim.example"),
        _example("code_block", id="example-code", code="merpati hours status --zone uk"),
        _example("key", name="Ctrl"),
        _example("tooltip", id="tip", text=case, tip=gettext("Both sides close it")),
        _example("sr_text", text=gettext("Late")),
        _example(
            "table",
            caption=gettext("Cases"),
            columns=[case, gettext("Status")],
            rows=[[(case, "#7"), (gettext("Status"), open_)]],
        ),
        _example("drawer", title=gettext("How the clock counts"), text="Mon 09:00-13:00"),
    ]


def _to_find_ones_way() -> list[Example]:
    cases = gettext("Cases")
    tabs = [(gettext("Open"), "/parts", True), (gettext("Resolved"), "/parts?tab=2", False)]
    steps = [
        (gettext("Opened"), "done"),
        (gettext("First answer"), "current"),
        (gettext("Resolved"), "next"),
    ]
    return [
        _example("tabs", label=cases, tabs=tabs),
        _example("tag", text=gettext("Urgent"), href="/parts"),
        _example("pager", first="/parts", next="/parts?before=7"),
        _example("stepper", steps=steps),
        _example(
            "empty_state",
            icon_name="inbox",
            title=gettext("No case matches"),
            text=gettext("Words are found whole; end one with * to find what begins with it."),
            href="/parts",
            action=gettext("Clear filters"),
        ),
    ]


def _to_fill_in() -> list[Example]:
    subject, wrong = gettext("Subject"), gettext("Choose one of those offered.")
    return [
        _example("error_summary", title=gettext("Nothing was changed"), field="f2", error=wrong),
        _example("field", name="f1", label=subject, hint=gettext("Words, an address, #7")),
        _example("field", name="f2", label=gettext("Kind"), value="?", error=wrong),
        _example("field", name="f3", label=gettext("Text"), multiline=3),
        _example(
            "combo_box",
            name="f4",
            label=gettext("Domain"),
            options=["kirim.example", "penerima.example"],
        ),
        _example("choice_filter", name="f5", label=gettext("Status"), options={"a": subject}),
        _example("date_range", since="", until=""),
        _example("files_field"),
        _example("toggle", name="f6", label=gettext("Keyboard shortcuts"), is_on=True),
    ]


def _what_goes_on() -> list[Example]:
    return [
        _example("progress", id="p1", label=gettext("Search"), done=40, total=100),
        _example("skeleton"),
        _example("snackbar", text=gettext("Nothing was changed"), action="/theme"),
        _example("copy", text="7", label=gettext("Copy number")),
    ]
