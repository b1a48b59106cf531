"""What every command shares: examples in its help, `--data` and `--json`, one way to print.

Results go to stdout, everything said to the person at the keyboard goes to stderr; with `--json`
stdout is exactly one JSON document. Colour only on a terminal, never with NO_COLOR.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from merpati.adapters.codec import json_bytes

Function = TypeVar("Function", bound=Callable[..., Any])


class Command(click.Command):
    """A command whose help ends with examples: `@group.command("add", examples=("…",))`."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples below the options."""
        write_examples(self.examples, formatter)
        super().format_epilog(ctx, formatter)


class Group(click.Group):
    """A group of commands; without a command it prints its help, which ends with examples."""

    command_class = Command

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples below the list of commands."""
        write_examples(self.examples, formatter)
        super().format_epilog(ctx, formatter)


Group.group_class = Group


def write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    """Write command lines as they are typed, one a line, never re-wrapped."""
    if not examples:
        return
    with formatter.section("Examples"):
        for line in examples:
            formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def data_option(function: Function) -> Function:
    """Add `--data DIR`, passed as `data: Path`; required unless MERPATI_DATA is set."""
    return click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="MERPATI_DATA",
        show_envvar=True,  # in the help, and where the option is missing
        required=True,
        metavar="DIR",
        help="The data folder; made at first use.",
        callback=_remember,
    )(function)


def _remember(_ctx: click.Context, _param: click.Parameter, data: Path) -> Path:
    """Make the path absolute and tell the rest of this process, Django's settings among it."""
    data = data.absolute()
    os.environ["MERPATI_DATA"] = str(data)
    return data


def json_option(function: Function) -> Function:
    """Add `--json`, passed as `as_json: bool`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document on stdout."
    )(function)


def common_options(function: Function) -> Function:
    """Add `--data` and `--json`, passed as `data: Path` and `as_json: bool`."""
    return data_option(json_option(function))


def show(document: Any, text: str, as_json: bool) -> None:
    """Print a result on stdout: the document as JSON, or the text written for people."""
    click.echo(_indented(document) if as_json else text)


def line(document: Any) -> str:
    """Return a document as one line of JSON."""
    return json_bytes(document).decode()


def say(text: str) -> None:
    """Tell the person at the keyboard something that is not the result: on stderr."""
    click.echo(text, err=True)


def _indented(document: Any) -> str:
    return json.dumps(json.loads(json_bytes(document)), indent=2, ensure_ascii=False)


def table(head: Sequence[str], rows: Sequence[Sequence[object]], empty: str = "") -> str:
    """Return rows as aligned columns under a bold head; numbers to the right.

    empty: what is said instead when there are no rows: that there are none, and how to make one.
    """
    if empty and not rows:
        return empty
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max([len(name), *(len(row[i]) for row in cells)]) for i, name in enumerate(head)]
    to_the_right = [
        bool(rows) and all(isinstance(row[i], int | float | None) for row in rows)
        for i in range(len(head))
    ]

    def joined(row: Sequence[str]) -> str:
        return "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, to_the_right, strict=True)
        ).rstrip()

    return "\n".join([style(joined(list(head)), bold=True), *(joined(row) for row in cells)])


def _cell(value: object) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        case _:
            return printable(str(value))


def printable(text: str) -> str:
    """Return untrusted text on one line, without the control characters a terminal obeys."""
    return "".join(char if char.isprintable() else " " for char in text)


def style(text: str, **how: Any) -> str:
    """Return text in colour or bold, or as it is when the user set NO_COLOR.

    click itself strips colour where stdout is no terminal.
    """
    return text if os.environ.get("NO_COLOR") else click.style(text, **how)
