"""From the files a person gives to what is rehearsed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from merpati.providers.directory import directory
from merpati.rehearsal.scenario import RehearsalError, Scenario, make_scenario
from merpati.reputation.planning import plan_for
from merpati.reputation.traffic_csv import MOST_BYTES, InvalidTraffic, read_traffic
from merpati.sandbox.providers_file import read_providers_file


def read_scenario(
    plan: Path,
    providers: Path,
    starts_on: date,
    today: date,
    *,
    days: int,
    seed: int,
    real_smtp: bool = False,
) -> Scenario:
    """Return what the files describe. Raises RehearsalError and TomlFileError, with line and field.

    The plan is made here as `merpati migration plan` makes it, with the range of its own seed.
    """
    try:
        with plan.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        traffic = read_traffic(data, directory(), today)
        made = plan_for(traffic, starts_on, today, directory())
    except OSError as error:
        raise RehearsalError(f"{plan} cannot be read: {error.strerror}") from None
    except InvalidTraffic as error:
        raise RehearsalError(f"{plan}: {error}") from None
    file_of_providers = read_providers_file(providers)
    return make_scenario(
        traffic, made, file_of_providers, directory(), days=days, seed=seed, real_smtp=real_smtp
    )
