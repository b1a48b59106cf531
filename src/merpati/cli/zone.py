"""`--zone`: which Service Time Zone a command is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

ZONES = ("us-eastern", "us-pacific", "uk")  # accounts.models has them too, but needs Django

Function = TypeVar("Function", bound=Callable[..., Any])


def zone_option(function: Function) -> Function:
    """Add `--zone`, passed as `zone: str`."""
    return click.option(
        "--zone", type=click.Choice(ZONES), required=True, help="The Service Time Zone."
    )(function)
