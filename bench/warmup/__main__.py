"""`make bench-warmup`: warm-up policies against a family of simulated providers.

python -m bench.warmup                       both halves, as docs/explanation/warm-up.md shows them
python -m bench.warmup --half tuning         while working on the controller: leave `final` alone
python -m bench.warmup --size 40             a small family: does it work?
python -m bench.warmup --json                one document on stdout, every provider's figures in it
python -m bench.warmup --plots docs/explanation/warm-up

Figures are repeatable: the same seed gives the same ones on every machine.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.progress import track

from bench.warmup import plots
from bench.warmup.policies import POLICIES
from bench.warmup.score import Score, Summary, oracle_course, score, summary
from merpati.reputation.provider_family import FAMILY_SIZE, SEED, Half, Member, family
from merpati.reputation.provider_model import Growth

Scores = dict[str, list[Score]]  # by policy, one for each member of the half
_NICE = 10
MODERATE = 1.7  # growth a day
# days, refused, clean, never: at the bottom of the table
AIMS = Summary(median_days=1.25, refused=0.02, clean=0.4, never=0.03)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what was asked for."""
    wanted = _parser().parse_args(arguments)
    halves: list[Half] = list(get_args(Half)) if wanted.half == "both" else [wanted.half]
    scores = {half: measure(family(half, wanted.size, wanted.seed), half) for half in halves}
    if wanted.json:
        print(json.dumps({half: _document(scores[half]) for half in halves}))
    else:
        print("\n\n".join(table(half, scores[half]) for half in halves))
    if wanted.plots:
        tuning = family("tuning")
        examples = {"ordinary": _ordinary(tuning), "slow": _slow(tuning)}
        plots.write(wanted.plots, scores[halves[-1]], examples)


def measure(members: Sequence[Member], half: str) -> Scores:
    """Let every policy run at every member, on all cores; a bar on stderr says how far it is."""
    with multiprocessing.Pool(initializer=os.nice, initargs=(_NICE,)) as pool:
        each = list(
            track(
                pool.imap(_scores_at, members, chunksize=2),
                f"{half} half",
                len(members),
                console=Console(stderr=True),
            )
        )
    return {name: [scores[name] for scores in each] for name in POLICIES}


def _scores_at(member: Member) -> dict[str, Score]:
    oracle = oracle_course(member)
    return {name: score(member, make(), oracle) for name, make in POLICIES.items()}


def table(half: str, scores: Scores) -> str:
    """Return a half's figures as Markdown."""
    lines = [
        f"**{half} half** ({len(scores['oracle'])} providers)",
        "",
        "| policy | days to the target / oracle's, median | refused, mean | clean mail / oracle's,"
        " mean | never conquered |",
        "|---|--:|--:|--:|--:|",
        *(_row(name, summary(of)) for name, of in scores.items()),
        _row("*aim*", AIMS),
    ]
    return "\n".join(lines)


def _row(name: str, figures: Summary) -> str:
    days = "never" if figures.median_days == float("inf") else f"{figures.median_days:.2f}"
    shares = f"{figures.refused:.1%} | {figures.clean:.0%} | {figures.never:.1%}"
    return f"| {name} | {days} | {shares} |"


def _document(scores: Scores) -> dict[str, object]:
    """Return a half's figures for JSON, which has no infinity: null days are never reached."""
    document: dict[str, object] = {}
    for name, of in scores.items():
        figures = asdict(summary(of))
        if figures["median_days"] == float("inf"):
            figures["median_days"] = None
        document[name] = {**figures, "providers": [asdict(one) for one in of]}
    return document


def _ordinary(members: Sequence[Member]) -> Member:
    """Return the first without peculiarities whose tolerance is earned, and not too fast to see."""
    return next(
        member
        for member in members
        if member.temper.growth is Growth.EARNED
        and member.temper.growth_per_day < MODERATE
        and not member.temper.is_slow
        and member.temper.bucket_hours is None
        and member.mailing.weekend_share == 1.0
    )


def _slow(members: Sequence[Member]) -> Member:
    return next(member for member in members if member.temper.is_slow)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.warmup",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--half", choices=["both", *get_args(Half)], default="both")
    parser.add_argument("--size", type=int, default=FAMILY_SIZE, help="of the family: %(default)s")
    parser.add_argument("--seed", type=int, default=SEED, help="of the family: %(default)s")
    parser.add_argument("--json", action="store_true", help="one document on stdout")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="also write the plots here")
    return parser


if __name__ == "__main__":
    main()
