"""`python -m bench`: measure, print Markdown tables on stdout, keep JSON lines in bench/results.

python -m bench                                   every row, as docs/performance.md shows them
python -m bench --rows bulk --rounds 5            one row, more rounds
python -m bench --quick                           everything small, two minutes: does it work?
python -m bench --rows bulk --no-peer --profile   where the CPU goes, by part and thread
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import machine, profile
from bench.options import Figures, Options, say
from bench.report import markdown
from bench.rows import accept_bulk, accept_one, bulk, depth, desk, providers, recovery, relay

ROWS: dict[str, Callable[[Options], list[Figures]]] = {
    "bulk": bulk.measure,
    "accept-one": accept_one.measure,
    "accept-bulk": accept_bulk.measure,
    "depth": depth.measure,
    "recovery": recovery.measure,
    "relay": partial(relay.measure, row="relay"),
    "relay-tls": partial(relay.measure, row="relay-tls"),
    "bulk-dns": partial(providers.measure, row="bulk-dns"),
    "dead-mx": partial(providers.measure, row="dead-mx"),
    "desk": desk.measure,
}
RESULTS = Path(__file__).parent / "results"
QUICK = {
    "rounds": 1,
    "messages": 1_000,
    "per_call": 1_000,
    "depth_messages": 5_000,
    "accept_seconds": 2,
    "accept_calls": 3,
    "backlog": 3_000,
    "relay_messages": 500,
    "dns_messages": 3_000,
    "cases": 200,
}


def main() -> None:
    """Run what was asked for."""
    wanted = _parser().parse_args()
    options = _options(wanted)
    options.scratch.mkdir(parents=True, exist_ok=True)
    options.scratch.chmod(0o755)  # sink and peer run as other users
    machine.adopt_orphans()
    about = machine.describe(options.scratch)
    say(", ".join(f"{name}: {value}" for name, value in about.items()))
    lines: list[Figures] = []
    for row in options.rows:
        say(f"{row} …")
        lines += _measured(row, options)
    if not wanted.keep:
        options.clear()
    _keep(lines, about, wanted.json)
    print(markdown(lines, about))
    if wanted.profile:
        print(profile.report(Path(options.environment[profile.FOLDER_VARIABLE])))
    if any("error" in line for line in lines):
        sys.exit(1)


def _measured(row: str, options: Options) -> list[Figures]:
    try:
        return ROWS[row](options)
    except Exception as failure:  # one row that fails must not cost the figures of the others
        say(f"{row} failed: {failure!r}")
        return [{"row": row, "variant": "all", "round": 0, "error": repr(failure)}]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", default=",".join(ROWS), help="comma separated: %(default)s")
    parser.add_argument("--rounds", type=int, help="of bulk and the accept rows (3)")
    parser.add_argument("--messages", type=int, help="of one bulk round (10,000)")
    parser.add_argument("--relay-messages", type=int, help="of one relay round (5,000)")
    parser.add_argument("--dns-messages", type=int, help="of one round by DNS (30,000)")
    parser.add_argument("--depth-messages", type=int, help="of the deep queue (1,000,000)")
    parser.add_argument("--cases", type=int, help="of the desk, with ten entries each (100,000)")
    parser.add_argument("--accept-seconds", type=int, help="of one stretch under wrk (10)")
    parser.add_argument("--workers", type=int, help="delivery workers (0: Merpati's own choice)")
    parser.add_argument("--quick", action="store_true", help="everything small")
    parser.add_argument("--no-peer", action="store_true", help="leave Postfix out")
    parser.add_argument(
        "--profile",
        nargs="?",
        const="samples",
        choices=["samples", "calls"],
        help="of Merpati: samples of all threads (default), or all calls of the event loops",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the lines here")
    parser.add_argument("--keep", action="store_true", help="keep data folders and logs")
    parser.add_argument(
        "--scratch",
        type=Path,
        default=Path(tempfile.gettempdir(), "merpati-bench"),
        help="folder on the disk to be measured: %(default)s",
    )
    return parser


def _options(wanted: argparse.Namespace) -> Options:
    rows = tuple(wanted.rows.split(","))
    if unknown := set(rows) - set(ROWS):
        sys.exit(f"unknown row {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    given = {
        field.name: value
        for field in dataclasses.fields(Options)
        if (value := getattr(wanted, field.name, None)) is not None
    }
    values = {**(QUICK if wanted.quick else {}), **given, "rows": rows}
    scratch = wanted.scratch.resolve()
    environment = profile.environment(scratch / "profile", wanted.profile) if wanted.profile else {}
    values |= {"with_peer": not wanted.no_peer, "scratch": scratch, "environment": environment}
    return Options(**values)


def _keep(lines: list[Figures], about: dict[str, str], also: Path | None) -> None:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    text = "".join(json.dumps({"at": at, **line, "machine": about}) + "\n" for line in lines)
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{at.replace(':', '')}.jsonl"
    file.write_text(text)
    if also is not None:
        also.write_text(text)
    say(f"figures kept in {file}")


if __name__ == "__main__":
    main()
