"""Where the CPU of Merpati's processes goes: turns the samples of `profiling/` into a report."""

from __future__ import annotations

import io
import json
import pstats
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

FOLDER_VARIABLE = "BENCH_PROFILE_FOLDER"
_SAMPLER = Path(__file__).parent / "profiling"
_TOP = 25
_WORTH_SECONDS = 0.5  # a process that used less is not shown


def environment(folder: Path, kind: str = "samples") -> dict[str, str]:
    """Return the variables that have every Python process below write a profile to a folder.

    kind: "samples" or "calls", as in `profiling/sitecustomize.py`.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    variables = {FOLDER_VARIABLE: str(folder), "PYTHONPATH": str(_SAMPLER)}
    return variables | ({"BENCH_PROFILE_CALLS": "1"} if kind == "calls" else {})


def report(folder: Path) -> str:
    """Return each busy process's threads, hottest lines and hottest functions with callees."""
    found = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    busy = [one for one in found if one["process_seconds"] >= _WORTH_SECONDS]
    busy.sort(key=lambda one: -one["process_seconds"])
    return "\n".join([*map(_process, busy), *map(_calls, sorted(folder.glob("*.pstats")))])


def _process(found: dict[str, Any]) -> str:
    total = found["process_seconds"]
    lines = [f"### {found['command'].strip()}", "", f"{total:.2f} s CPU. Threads:", ""]
    for name, spent in sorted(found["threads"].items(), key=lambda item: -item[1])[:12]:
        lines.append(f"- {name}: {spent:.2f} s ({spent / total:.0%})")
    itself: Counter[str] = Counter()
    below: Counter[str] = Counter()
    for (thread, *calls), spent in found["stacks"]:
        if not calls:
            continue
        itself[f"{thread}: {calls[-1]}"] += spent
        for function in {call.rsplit(":", 1)[0] for call in calls}:
            below[function] += spent
    lines += ["", "Lines, by their own time:", "", *_shares(itself, total)]
    lines += ["", "Functions, with all they call:", "", *_shares(below, total), ""]
    return "\n".join(lines)


def _calls(file: Path) -> str:
    written = io.StringIO()
    stats = pstats.Stats(str(file), stream=written)
    if stats.total_tt < _WORTH_SECONDS:  # type: ignore[attr-defined]  # missing in typeshed
        return ""
    stats.strip_dirs().sort_stats("tottime").print_stats(_TOP)
    return f"### main thread of {file.stem}\n\n{written.getvalue()}"


def _shares(spent: Counter[str], total: float) -> list[str]:
    return [f"    {s / total:6.1%} {s:7.2f} s  {place}" for place, s in spent.most_common(_TOP)]
