"""The privacy notice: anybody reads it, whoever is signed in agrees to it, by POST alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language, gettext

from merpati.accounts import privacy
from merpati.accounts.errors import NoticeReplaced
from merpati.accounts.models import PrivacyAcknowledgement, User
from merpati.console.access import Viewer, to_sign_in, viewer_of
from merpati.console.services import services
from merpati.console.sign_in.gates import remember_agreed
from merpati.console.views.preferences import back


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the text, as a page shows it."""

    kind: Literal["heading", "list", "paragraph"]
    lines: list[str]


def show(request: HttpRequest) -> HttpResponse:
    """Show the version in force; POST agrees to it and goes on to where they were going."""
    viewer = viewer_of(request)
    if request.method == "POST":
        return _agree(request, viewer) if viewer else to_sign_in(request)
    notice = privacy.current_notice()
    agreed = (
        PrivacyAcknowledgement.objects.filter(
            user_id=viewer.user_id, version=notice.version
        ).first()
        if viewer
        else None
    )
    wanted = request.GET.get("next", "/")
    is_ours = url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()})
    return render(
        request,
        "console/people/privacy.html",
        {
            "version": notice.version,
            "published_at": notice.published_at,
            "blocks": blocks(notice.texts[_language()]),
            "must_agree": viewer is not None and agreed is None,
            "agreed_at": agreed and agreed.acknowledged_at,
            "next": wanted if is_ours else "/",
        },
    )


def blocks(text: str) -> list[Block]:
    """Return the parts of a notice: "# " begins a heading, "- " an item, the rest is paragraphs."""
    found: list[Block] = []
    for part in text.split("\n\n"):
        for line in part.strip().splitlines():
            if line.startswith("# "):
                found.append(Block("heading", [line[2:]]))
            elif line.startswith("- "):
                _extend(found, "list", line[2:])
            elif found and found[-1].kind == "list" and line.startswith("  "):
                found[-1].lines[-1] += f" {line.strip()}"
            else:
                _extend(found, "paragraph", line)
        found.append(Block("paragraph", []))  # an empty line ends what stands before it
    return [block for block in found if block.lines]


def _extend(found: list[Block], kind: Literal["list", "paragraph"], line: str) -> None:
    if found and found[-1].kind == kind:
        found[-1].lines.append(line)
    else:
        found.append(Block(kind, [line]))


def _agree(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    version = request.POST.get("version", "")
    try:
        privacy.acknowledge(
            User.objects.get(pk=viewer.user_id),
            version,
            _language(),
            by=viewer.actor,
            now=services().now,
        )
    except NoticeReplaced:
        messages.error(request, gettext("The notice changed meanwhile: please read it again."))
        return redirect("privacy")
    remember_agreed(request, version)
    return redirect(back(request))


def _language() -> str:
    return "id" if (get_language() or "").startswith("id") else "en"
