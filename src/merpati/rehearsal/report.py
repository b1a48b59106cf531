"""A rehearsal's result as one HTML page that needs nothing else, in English or Indonesian."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache
from html import escape
from importlib import resources
from itertools import pairwise

from merpati.rehearsal.chart import Chart, Line, draw
from merpati.rehearsal.day_words import notable, texts, who, why
from merpati.rehearsal.result import PlayedDay, PlayedStream, Result
from merpati.reputation.words import Language, in_digits

_MOST_TOLD = 6  # days of a stream, before the table


def report(result: Result, language: Language) -> str:
    """Return the page."""
    gettext = texts(language)
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
def _style() -> str:
    return resources.files(__package__).joinpath("report.css").read_text(encoding="utf-8")


def _about(result: Result, language: Language) -> str:
    gettext = texts(language)
    text = gettext(
        "%(plan)s against %(providers)s: %(days)s days from %(starts_on)s, seed %(seed)s, "
        "%(messages)s messages."
    )
    facts = {
        "plan": result.plan,
        "providers": result.providers,
        "days": in_digits(result.days, language),
        "starts_on": result.starts_on,
        "seed": result.seed,
        "messages": in_digits(result.messages, language),
    }
    return escape(text % facts)


def _whole(result: Result, language: Language) -> Chart:
    gettext = texts(language)
    columns = list(zip(*(stream.days for stream in result.streams), strict=True))
    here = [sum(day.delivered for day in days) for days in columns]
    old = [sum(day.old for day in days) for days in columns]
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
        gettext("messages"),
        gettext("day"),
        lambda value: in_digits(value, language),
    )


def _summary(result: Result, language: Language) -> str:
    gettext = texts(language)
    head = (
        gettext("Pool"), gettext("Provider"), gettext("Messages a day"), gettext("All here on day"),
        gettext("Delivered"), gettext("By the old provider"), gettext("Deferred"),
        gettext("Blocked"),
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
                in_digits(sum(day.old for day in stream.days), language),
                _share(deferred, attempted, language),
                _share(blocked, attempted, language),
            )
        )
    table = _table(head, rows)
    if all(stream.done_on for stream in result.streams):
        return table
    never = gettext("–: on no day that was played did nearly all of its mail leave from here.")
    return f"{table}<p class=note>{escape(never)}</p>"


def _section(stream: PlayedStream, language: Language) -> str:
    gettext = texts(language)
    name = f"{stream.pool} → {stream.provider}"
    days = stream.days
    marked = notable(days)
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
        [f"{day.day}: {why(day, language)}" for day in days],
        gettext("messages"),
        gettext("day"),
        lambda value: in_digits(value, language),
        marked,
    )
    ips = gettext("Sending IPs: %(ips)s.") % {"ips": ", ".join(stream.sending_ips)}
    note = f"{ips} {who(days, language)}"
    return (
        f"<h2>{escape(name)}</h2><p class=note>{escape(note)}</p>{draw(chart)}"
        f"{_told(days, marked, language)}"
        f"<details><summary>{escape(gettext('Day by day, with reasons'))}</summary>"
        f"{_days(days, language)}</details>"
    )


def _told(days: Sequence[PlayedDay], marked: Sequence[int], language: Language) -> str:
    """Return the days that are marked in the chart, in words; the first of many."""
    gettext = texts(language)
    if not marked:
        words = gettext("Nothing held it up: no refusal changed a day's allowance, share or pace.")
        return f"<p>{escape(words)}</p>"
    items = [
        f"<li><b>{escape(gettext('Day %(number)s') % {'number': number + 1})}</b> "
        f"{escape(why(days[number], language))}</li>"
        for number in marked[:_MOST_TOLD]
    ]
    more = ""
    if len(marked) > _MOST_TOLD:
        words = gettext("%(count)s more such days stand in the table.")
        more = f"<p class=note>{escape(words % {'count': len(marked) - _MOST_TOLD})}</p>"
    return (
        f"<h3><i class=mark></i>{escape(gettext('What held it up'))}</h3>"
        f"<ul class=told>{''.join(items)}</ul>{more}"
    )


def _days(days: Sequence[PlayedDay], language: Language) -> str:
    """Return a table of all days; a reason stands below the first day that it is true of."""
    gettext = texts(language)
    head = (
        gettext("Day"), gettext("Share here"), gettext("Planned"), gettext("Allowed"),
        gettext("Attempted"), gettext("Delivered"), gettext("Deferred"), gettext("Blocked"),
        gettext("Complaints"), gettext("By the old provider"), gettext("Waiting"),
    )  # fmt: skip
    rows = [
        (
            f"{number}. {day.day}",
            f"{day.share / 100:.0f} %",
            *(
                in_digits(value, language)
                for value in (
                    day.planned, day.allowance, day.attempted, day.delivered, day.deferred,
                    day.blocked, day.complaints, day.old, day.waiting,
                )
            ),
        )
        for number, day in enumerate(days, 1)
    ]  # fmt: skip
    reasons = [why(day, language) for day in days]
    changed = [
        reasons[0],
        *(after if after != before else "" for before, after in pairwise(reasons)),
    ]
    return _table(head, rows, changed)


def _capped(stream: PlayedStream) -> list[int]:
    """Return what would be borne, no further up than the chart is of interest."""
    most = max(max(day.allowance, day.planned, day.delivered) for day in stream.days)
    return [min(day.tolerance, most) for day in stream.days]


def _share(part: int, whole: int, language: Language) -> str:
    percent = f"{100 * part / whole:.1f}"
    if language == "id":
        percent = percent.replace(".", ",")
    return f"{in_digits(part, language)} ({percent} %)"


def _table(
    head: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] | None = None
) -> str:
    """Return a table. notes: what stands below each row, "" for nothing."""
    first = "".join(f"<th scope=col>{escape(cell)}</th>" for cell in head)
    rest = []
    for number, row in enumerate(rows):
        note = notes[number] if notes is not None else ""
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in row)
        rest.append(f"<tr{' class=noted' if note else ''}>{cells}</tr>")
        if note:
            rest.append(
                f"<tr><td class=why colspan={len(head)}><span>{escape(note)}</span></td></tr>"
            )
    return (
        f'<div class="wide" tabindex="0"><table><thead><tr>{first}</tr></thead>'
        f"<tbody>{''.join(rest)}</tbody></table></div>"
    )
