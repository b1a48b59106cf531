"""The long run: `python -m tests.fuzz [--seconds N] [--keep] [TARGET …]`, exit code 1 on a finding.

Inputs that take a way through the program which none took before are changed further; `--keep`
puts those into the corpus at the end. What breaks a target goes there at once, as `crash-…`: commit
it with the change that mends it.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import sys
import time
import traceback
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import django

import merpati

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "merpati.django_settings")
django.setup()

from tests.fuzz.mutation import any_edit, edited  # noqa: E402 - the API's need Django set up
from tests.fuzz.running import TookTooLong, corpus, keep, run  # noqa: E402
from tests.fuzz.targets import TARGETS  # noqa: E402

SOURCE = str(Path(merpati.__file__).parent)
MOST_FINDINGS = 5  # of one target
KEPT_BYTES = 4_000  # no larger input is kept


class Ways:
    """Which steps from line to line were ever taken, and whether the last run took a new one."""

    def __init__(self) -> None:
        self.seen: set[tuple[Any, int, int]] = set()
        self.is_new = False

    def run(self, name: str, data: bytes) -> bool:
        """Run an input; return whether it took a new way. Raises what `run` does."""
        self.is_new = False
        sys.settrace(self._enter)
        try:
            run(name, data)
        except TookTooLong:  # being watched makes it slow: it is judged alone
            sys.settrace(None)
            run(name, data)
        finally:
            sys.settrace(None)
        return self.is_new

    def _enter(self, frame: FrameType, _event: str, _argument: object) -> Any:
        if not frame.f_code.co_filename.startswith(SOURCE):
            return None
        last = 0

        def step(frame: FrameType, event: str, _argument: object) -> Any:
            nonlocal last
            if event == "line":
                way = (frame.f_code, last, frame.f_lineno)
                last = frame.f_lineno
                if way not in self.seen:
                    self.seen.add(way)
                    self.is_new = True
            return step

        return step


def fuzz(name: str, seconds: float, chance: Random, keeps: bool) -> int:
    """Fuzz one target; return how many different findings there were."""
    ways, pool = Ways(), list(corpus(name).values())
    for data in pool:
        ways.run(name, data)
    known = len(pool)
    findings: set[str] = set()
    runs, end = 0, time.monotonic() + seconds
    while time.monotonic() < end and len(findings) < MOST_FINDINGS:
        data = chance.choice(pool)
        for _ in range(1 + int(chance.expovariate(0.5))):
            data = edited(data, any_edit(chance, pool))
        runs += 1
        try:
            if ways.run(name, data) and len(data) <= KEPT_BYTES:
                pool.append(data)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            where = "".join(traceback.format_tb(error.__traceback__)[-1:])
            if where not in findings:
                findings.add(where)
                print(f"{name}: {error!r} by {keep(name, data, 'crash')}")
                traceback.print_exception(error)
    print(f"{name}: {runs} runs, {len(ways.seen)} ways, {len(pool) - known} new inputs", flush=True)
    if keeps:
        keep_shortest(name, pool[known:])
    return len(findings)


def keep_shortest(name: str, found: list[bytes]) -> None:
    """Put those into the corpus that take a way which neither it nor a shorter one takes."""
    ways = Ways()
    for data in corpus(name).values():
        ways.run(name, data)
    for data in sorted(found, key=len):
        if ways.run(name, data):
            keep(name, data, "way")


def main() -> int:
    """Run the targets one after another."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", choices=[[], *TARGETS])
    parser.add_argument("--seconds", type=float, default=600.0, help="for all together")
    parser.add_argument("--seed", type=int, default=None, help="of the changes")
    parser.add_argument("--keep", action="store_true", help="keep inputs that reach new ways")
    options = parser.parse_args()
    faulthandler.enable()
    chance = Random(options.seed)
    names = options.targets or list(TARGETS)
    share = options.seconds / len(names)
    return 1 if sum([fuzz(name, share, chance, options.keep) for name in names]) else 0


if __name__ == "__main__":
    sys.exit(main())
