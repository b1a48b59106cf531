"""From what a person gives, a CSV or a plan that is kept, to what is rehearsed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from merpati.plans.migration.deciding import AS_USUAL, Ways
from merpati.providers.directory import directory
from merpati.rehearsal.scenario import RehearsalError, Scenario, make_scenario
from merpati.reputation.migration_plan import Pool, Traffic
from merpati.reputation.planning import plan_for
from merpati.reputation.provider_family import SEED
from merpati.reputation.traffic_csv import MOST_BYTES, InvalidTraffic, read_traffic
from merpati.sandbox.providers_file import read_providers_file


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be rehearsed. name: as the result calls it.

    pools: those that are there, None: those that are best; plan_seed: of the plan's range.
    """

    name: str
    traffic: Traffic
    pools: Sequence[Pool] | None = None
    ways: Ways = AS_USUAL
    plan_seed: int = SEED


def read_wanted(path: Path, today: date) -> Wanted:
    """Return what a CSV describes. Raises RehearsalError, with line and field."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        return Wanted(path.name, read_traffic(data, directory(), today))
    except OSError as error:
        raise RehearsalError(f"{path} cannot be read: {error.strerror}") from None
    except InvalidTraffic as error:
        raise RehearsalError(f"{path}: {error}") from None


def scenario_of(
    wanted: Wanted,
    providers: Path,
    starts_on: date,
    today: date,
    *,
    days: int,
    seed: int,
    counts_old: bool = False,
    real_smtp: bool = False,
) -> Scenario:
    """Return a plan against the providers of a file. Raises RehearsalError and TomlFileError.

    The plan is made here as `merpati migration plan` makes it.
    """
    file = read_providers_file(providers)
    try:
        plan = plan_for(
            wanted.traffic,
            starts_on,
            today,
            directory(),
            pools=wanted.pools,
            seed=wanted.plan_seed,
        )
    except InvalidTraffic as error:
        raise RehearsalError(f"{wanted.name}: {error}") from None
    return make_scenario(
        wanted.traffic,
        plan,
        file,
        directory(),
        days=days,
        seed=seed,
        ways=wanted.ways,
        counts_old=counts_old,
        real_smtp=real_smtp,
    )
