"""The docs are part of the product: what they name exists, what exists is named, examples run."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click
import pytest

from merpati.cli.main import COMMANDS, merpati
from merpati.cli.reference import FOLDER, pages
from merpati.settings import NOT_SETTINGS, settings_reference

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", sorted(pages()))
def test_the_reference_is_what_the_code_says(name: str) -> None:
    written = (ROOT / FOLDER / name).read_text()
    assert written == pages()[name], "run `make docs` and commit what it writes"


def test_the_reference_has_no_page_the_code_does_not_write() -> None:
    assert {file.name for file in (ROOT / FOLDER).iterdir()} == set(pages())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []


def test_every_picture_of_the_console_is_shown() -> None:
    shown = {name for page in PAGES for name in re.findall(r"([\w-]+\.png)\)", page.read_text())}
    assert {picture.name for picture in (ROOT / "docs" / "console").iterdir()} - shown == set()


def test_every_file_that_message_flow_names_exists() -> None:
    text = (ROOT / "docs" / "message-flow.md").read_text()
    named = re.findall(r"`([a-z_]+(?:/[a-z_]+)+\.py)`", text)
    assert len(named) > 15
    assert [name for name in named if not (ROOT / "src" / "merpati" / name).exists()] == []


def test_every_room_stands_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    rooms = [f.parent.name for f in (ROOT / "src" / "merpati").glob("*/__init__.py")]
    assert [room for room in rooms if f"| `{room}/` |" not in text] == []


def test_the_readme_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    assert "make demo" in text
    assert "make test" in text


def test_make_help_names_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    shown = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert [target for target in phony.group(1).split() if f"  {target} " not in shown] == []


# A command as it is typed: at the start of a line, after a prompt's blanks, or in a code span.
TYPED = re.compile(r"(?:^ *|`)merpati ([a-z][^`\n;|&>#]*)", re.MULTILINE)


def what_is_wrong_with(typed: str) -> str:
    """Return the word of a command line that does not exist, or nothing."""
    command: click.Command = merpati
    words = typed.split()
    while isinstance(command, click.Group) and words and words[0][0] != "-":
        inner = command.get_command(click.Context(command), words[0])
        if inner is None:
            return words[0]
        command = inner
        del words[0]
    if unnamed := getattr(command, "unnamed", ""):  # `merpati queue --pace` shows
        command = command.commands[unnamed]
    flags = (flag for option in command.params for flag in option.opts + option.secondary_opts)
    known = {*flags, "--help"}
    flags = re.findall(r"(?<!\S)--[a-z-]+", " ".join(words))
    return next((flag for flag in flags if flag not in known), "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    typed = [line for line in TYPED.findall(page.read_text()) if not line.startswith("ready ")]
    wrong = {line: word for line in typed if (word := what_is_wrong_with(line))}
    assert wrong == {}


def test_what_is_wrong_is_found() -> None:
    assert what_is_wrong_with("ip add 192.0.2.1 --acount 1") == "--acount"
    assert what_is_wrong_with("ip ad 192.0.2.1") == "ad"
    assert what_is_wrong_with("tail") == "tail"
    assert [name for name in COMMANDS if what_is_wrong_with(name)] == []
    assert len(TYPED.findall((ROOT / "README.md").read_text())) > 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_variable_that_a_page_names_is_one(page: Path) -> None:
    """Any other MERPATI_ variable is refused as an unknown setting by the commands."""
    known = {variable for *_, variable in settings_reference()} | NOT_SETTINGS
    named = set(re.findall(r"\bMERPATI_[A-Z_]*[A-Z]", page.read_text()))
    assert named - known - {"MERPATI_SECTION__KEY"} == set()
