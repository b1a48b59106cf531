"""`merpati privacy`: the notice that everybody who signs in agrees to."""

from __future__ import annotations

from pathlib import Path

import click

from merpati.cli.actor import actor, now
from merpati.cli.output import Group, common_options, show, table
from merpati.runtime.setup import setup

_TEXT = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(
    cls=Group,
    examples=(
        "merpati privacy show --language id",
        "merpati privacy publish 2027-01 --en notice.en.txt --id notice.id.txt",
        "merpati privacy agreed",
    ),
)
def privacy() -> None:
    """Publish the privacy notice; show who agreed."""


@privacy.command("show", examples=("merpati privacy show", "merpati privacy show --language id"))
@click.option("--language", type=click.Choice(["en", "id"]), default="en", show_default=True)
@common_options
def show_notice(language: str, data: Path, as_json: bool) -> None:
    """Show the version in force."""
    setup(data)
    from merpati.accounts.privacy import current_notice  # noqa: PLC0415 - needs Django set up

    notice = current_notice()
    document = {
        "version": notice.version,
        "published_at": notice.published_at,
        "language": language,
        "text": notice.texts[language],
    }
    show(document, notice.texts[language].rstrip(), as_json)


@privacy.command(
    "publish",
    examples=("merpati privacy publish 2027-01 --en notice.en.txt --id notice.id.txt",),
)
@click.argument("version")
@click.option("--en", "english", type=_TEXT, required=True, help="The text in English, UTF-8.")
@click.option("--id", "indonesian", type=_TEXT, required=True, help="The text in Indonesian.")
@common_options
def publish_notice(
    version: str, english: Path, indonesian: Path, data: Path, as_json: bool
) -> None:
    """Put a new version in force: everybody is asked again before their next page.

    Paragraphs are separated by empty lines; a line that starts with "# " is a heading, with "- " an
    item of a list.
    """
    setup(data)
    from merpati.accounts.privacy import publish  # noqa: PLC0415 - needs Django set up

    texts = {"en": english.read_text("utf-8"), "id": indonesian.read_text("utf-8")}
    notice = publish(version, texts, by=actor(), now=now())
    document = {"version": notice.version, "published_at": notice.published_at}
    show(document, f"Version {version} is in force.", as_json)


@privacy.command("agreed", examples=("merpati privacy agreed", "merpati privacy agreed --json"))
@common_options
def agreed(data: Path, as_json: bool) -> None:
    """List who agreed to which version, when and in which language."""
    setup(data)
    from merpati.accounts.models import PrivacyAcknowledgement  # noqa: PLC0415 - needs Django

    found = PrivacyAcknowledgement.objects.select_related("user").order_by("-pk")
    names = ("email", "version", "language", "acknowledged_at")
    rows = [
        dict(zip(names, (a.user.email, a.version, a.language, a.acknowledged_at), strict=True))
        for a in found
    ]
    empty = "nobody yet: people are asked when they sign in"
    show({"agreed": rows}, table(names, [list(row.values()) for row in rows], empty), as_json)
