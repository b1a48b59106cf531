"""A rehearsal's result as one HTML page that needs nothing else, in English or Indonesian."""

from __future__ import annotations

import gettext as catalogues
from collections.abc import Callable, Sequence
from datetime import date
from functools import cache
from html import escape
from importlib import resources
from pathlib import Path

from merpati.rehearsal.chart import Chart, Line, draw
from merpati.rehearsal.result import PlayedDay, PlayedStream, Result
from merpati.reputation.reason import Kind, Reason
from merpati.reputation.reason_words import in_words
from merpati.reputation.share_decision import in_words as share_words
from merpati.reputation.words import Language, in_digits

Gettext = Callable[[str], str]

_LOCALE = Path(__file__).parent.parent / "locale"
_MOST_TURNS = 6  # told of one day


def report(result: Result, language: Language) -> str:
    """Return the page."""
    gettext = _texts(language)
    title = gettext("Rehearsal of a migration")
    note = gettext(
        "The providers are played: what they bear, defer and block are guesses from the providers"
        " file, not facts. Engine, queue, pacing and warm-up are the real ones."
    )
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{_about(result, language)}</p>",
        f"<p class=note>{escape(note)}</p>",
        f"<h2>{escape(gettext('All mail'))}</h2>",
        draw(_whole(result, language)),
        _summary(result, language),
        *(_section(stream, language) for stream in result.streams),
    ]
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_style()}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


@cache
def _texts(language: Language) -> Gettext:
    return catalogues.translation("django", _LOCALE, [language], fallback=True).gettext


@cache
def _style() -> str:
    return resources.files(__package__).joinpath("report.css").read_text(encoding="utf-8")


def _about(result: Result, language: Language) -> str:
    gettext = _texts(language)
    text = gettext(
        "%(plan)s against %(providers)s: %(days)s days from %(starts_on)s, seed %(seed)s, "
        "%(messages)s messages, played in %(seconds)s seconds."
    )
    facts = {
        "plan": result.plan,
        "providers": result.providers,
        "days": in_digits(result.days, language),
        "starts_on": result.starts_on,
        "seed": result.seed,
        "messages": in_digits(result.messages, language),
        "seconds": in_digits(round(result.seconds), language),
    }
    return escape(text % facts)


def _whole(result: Result, language: Language) -> Chart:
    gettext = _texts(language)
    columns = list(zip(*(stream.days for stream in result.streams), strict=True))
    here = [sum(day.delivered for day in days) for days in columns]
    old = [sum(day.wanted - day.moved for day in days) for days in columns]
    planned = [sum(day.planned for day in days) for days in columns]
    hints = [
        f"{days[0].day}: {in_digits(here[n], language)} {gettext('delivered from here')}, "
        f"{in_digits(old[n], language)} {gettext('by the old provider')}"
        for n, days in enumerate(columns)
    ]
    return Chart(
        gettext("All mail, day by day"),
        [Line(gettext("planned from here"), "planned", planned)],
        [
            Line(gettext("delivered from here"), "here", here),
            Line(gettext("by the old provider"), "old", old),
        ],
        hints,
        gettext("day"),
        lambda value: in_digits(value, language),
    )


def _summary(result: Result, language: Language) -> str:
    gettext = _texts(language)
    head = (
        gettext("Pool"), gettext("Provider"), gettext("Messages a day"), gettext("All here on day"),
        gettext("Delivered"), gettext("Deferred"), gettext("Blocked"),
    )  # fmt: skip
    first = date.fromisoformat(result.starts_on)
    rows = []
    for stream in result.streams:
        attempted = max(1, sum(day.attempted for day in stream.days))
        deferred = sum(day.deferred for day in stream.days)
        blocked = sum(day.blocked for day in stream.days)
        done = stream.done_on
        rows.append(
            (
                stream.pool,
                stream.provider,
                in_digits(stream.messages_per_day, language),
                str((date.fromisoformat(done) - first).days + 1) if done else "–",
                in_digits(sum(day.delivered for day in stream.days), language),
                _share(deferred, attempted, language),
                _share(blocked, attempted, language),
            )
        )
    return _table(head, rows)


def _section(stream: PlayedStream, language: Language) -> str:
    gettext = _texts(language)
    name = f"{stream.pool} → {stream.provider}"
    days = stream.days
    chart = Chart(
        name,
        [
            Line(gettext("would be borne"), "borne", _capped(stream)),
            Line(gettext("allowed"), "allowed", [day.allowance for day in days]),
            Line(gettext("planned"), "planned", [day.planned for day in days]),
            Line(gettext("delivered"), "here", [day.delivered for day in days]),
        ],
        [
            Line(gettext("deferred"), "deferred", [day.deferred for day in days]),
            Line(gettext("blocked"), "blocked", [day.blocked for day in days]),
        ],
        [f"{day.day}: {_why(day, language)}" for day in days],
        gettext("day"),
        lambda value: in_digits(value, language),
    )
    head = (
        gettext("Day"), gettext("Share here"), gettext("Planned"), gettext("Allowed"),
        gettext("Attempted"), gettext("Delivered"), gettext("Deferred"), gettext("Blocked"),
        gettext("Complaints"), gettext("Waiting"), gettext("Why"),
    )  # fmt: skip
    rows = [
        (
            day.day,
            f"{day.share / 100:.0f} %",
            *(
                in_digits(value, language)
                for value in (
                    day.planned, day.allowance, day.attempted, day.delivered, day.deferred,
                    day.blocked, day.complaints, day.waiting,
                )
            ),
            _why(day, language),
        )
        for day in days
    ]  # fmt: skip
    return (
        f"<h2>{escape(name)}</h2><p class=note>{escape(', '.join(stream.sending_ips))}</p>"
        f"{draw(chart)}<details><summary>{escape(gettext('Day by day, with reasons'))}</summary>"
        f"{_table(head, rows)}</details>"
    )


def _capped(stream: PlayedStream) -> list[int]:
    """Return what would be borne, no further up than the chart is of interest."""
    most = max(max(day.allowance, day.planned, day.delivered) for day in stream.days)
    return [min(day.tolerance, most) for day in stream.days]


def _why(day: PlayedDay, language: Language) -> str:
    """Return why a day's allowance was what it was, and what changed within the day."""
    if not day.kind:
        return "–"
    words = [in_words(Reason(Kind(day.kind), day.facts), language)]
    told: dict[str, None] = {}
    for turn in day.turns:
        if turn.kind != day.kind:
            at = f"{turn.at // 3_600_000 % 24:02}:{turn.at // 60_000 % 60:02}"
            told[f"{at} {in_words(Reason(Kind(turn.kind), turn.facts), language)}"] = None
    words.append(share_words(day.share_kind, day.share_facts, language))
    return " ".join([*words, *list(told)[:_MOST_TURNS]])


def _share(part: int, whole: int, language: Language) -> str:
    percent = f"{100 * part / whole:.1f}"
    if language == "id":
        percent = percent.replace(".", ",")
    return f"{in_digits(part, language)} ({percent} %)"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    first = "".join(f"<th scope=col>{escape(cell)}</th>" for cell in head)
    rest = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return (
        f'<div class="wide" tabindex="0"><table><thead><tr>{first}</tr></thead>'
        f"<tbody>{rest}</tbody></table></div>"
    )
