"""The reference of commands and settings, written from the code: `python -m merpati.cli.reference`.

A test compares the files with what this module writes, so neither can leave the other behind.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from merpati.cli.main import merpati
from merpati.settings import settings_reference

FOLDER = Path("docs/reference")
PREFACE = "<!-- Written from the code by `make docs`; changes here are lost. -->\n"


def commands_page() -> str:
    """Return the Markdown reference of every command, in the order of `merpati --help`."""
    text = [PREFACE, "# Commands\n"]
    text.append(
        "Each command but `sandbox` takes `--data DIR` (or `MERPATI_DATA`), and each but `run`"
        " takes `--json`: one JSON document on stdout, messages on stderr. Exit codes: 0 done; 1 it"
        " could not be done, stderr says why; 2 the command line is wrong.\n"
    )
    text += [_command_section(context) for context in _commands()]
    return "\n".join(text)


def settings_page() -> str:
    """Return the Markdown reference of every setting."""
    rows = [
        f"| `{name}` | {kind} | {_code(default)} | {description} | `{variable}` |"
        for name, kind, default, description, variable in settings_reference()
    ]
    return "\n".join(
        [
            PREFACE,
            "# Settings\n",
            "Flags come first, then `MERPATI_SECTION__KEY` in the environment (lists comma"
            " separated), then `merpati.toml` in the data folder, then these defaults. An unknown"
            " key is refused with a suggestion. `merpati config show --origin` tells where each"
            " value comes from.\n",
            "| setting | type | default | meaning | environment |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def pages() -> dict[str, str]:
    """Return the reference's files by name."""
    return {"commands.md": commands_page(), "settings.md": settings_page()}


def _commands(context: click.Context | None = None) -> Iterator[click.Context]:
    if context is None:
        context = click.Context(merpati, info_name="merpati")
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from _commands(click.Context(child, info_name=name, parent=context))
    else:
        yield context


def _command_section(context: click.Context) -> str:
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    lines = [f"## `{context.command_path}`\n", f"    {usage}\n", f"{command.help or ''}\n"]
    records = [
        record for p in command.get_params(context) if (record := p.get_help_record(context))
    ]
    if records:
        lines += ["| option | meaning |", "|---|---|"]
        lines += [f"| `{_cell(name)}` | {_cell(meaning)} |" for name, meaning in records]
        lines.append("")
    if examples := getattr(command, "examples", ()):
        lines += ["Examples:\n", *(f"    {example}".rstrip() for example in examples), ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(value: object) -> str:
    return f"`{_cell(str(value))}`" if value not in ("", [], None) else "–"


def main() -> int:
    """Write the pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
