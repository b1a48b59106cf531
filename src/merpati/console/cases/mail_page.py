"""A whole mail as it came in: its head, all its text, and its HTML where nothing of it can run.

The HTML is cleaned, and shown in a frame of its own with a sandbox and a policy that loads
nothing: what gets past one of them meets the next. Pictures from elsewhere are not fetched, so that
no sender learns who read their mail and when.
"""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage

import nh3
from django.http import Http404, HttpResponse

from merpati.desk.attachments import file_store
from merpati.desk.case_states import Side
from merpati.desk.models import Case, ReceivedMail

SHOWN_BYTES = 30 * 1024 * 1024  # of a mail; a longer one shows its text alone
HTML_CHARACTERS = 1_000_000
DEEPEST = 1_000  # cleaning takes the square of the depth: 50,000 would take it minutes
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
# These hold nothing, or end where the next one begins: mails often leave them open.
_NEVER_NEST = frozenset(
    [
        "br",
        "hr",
        "img",
        "input",
        "meta",
        "link",
        "col",
        "wbr",
        "p",
        "li",
        "dt",
        "dd",
        "tr",
        "td",
        "th",
        "option",
    ]
)
_TAGS = nh3.ALLOWED_TAGS - {"img", "map", "area"}
_PAGE = """<!doctype html><html><head><meta charset="utf-8"><title>{title}</title><style>
body{{font:16px/1.5 system-ui,sans-serif;margin:1rem;color:#16222a;overflow-wrap:anywhere}}
table{{max-width:100%}}</style></head><body>{body}</body></html>"""
# Scripts, forms, links that open something: the sandbox forbids all. Only our own style applies.
POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"


def mail_of(case: Case, mail_id: int, *, for_customer: bool) -> ReceivedMail:
    """Return a mail of a case; for_customer: none of an internal note. Raises Http404."""
    found = ReceivedMail.objects.filter(case=case, pk=mail_id)
    if for_customer:
        found = found.filter(update__is_internal=False, update__side=Side.CUSTOMER)
    mail = found.first()
    if mail is None:
        raise Http404
    return mail


def html_of(mail: ReceivedMail) -> str:
    """Return the cleaned HTML of a mail; "" when it has none, or is too long to be shown."""
    if mail.size_bytes > SHOWN_BYTES:
        return ""
    try:
        parsed = message_from_bytes(file_store().read(mail.digest), policy=policy.default)
        return cleaned(_html_part(parsed))
    except (OSError, LookupError, ValueError):  # not on disk; a charset or structure nobody knows
        return ""


def cleaned(html: str) -> str:
    """Return HTML without scripts, styles, pictures and forms; "" when it nests too deep. Pure."""
    if _nests_deeper(html[:HTML_CHARACTERS], DEEPEST):
        return ""
    return nh3.clean(html[:HTML_CHARACTERS], tags=_TAGS, clean_content_tags={"script", "style"})


def framed(case: Case, mail_id: int, *, for_customer: bool) -> HttpResponse:
    """Return the document for the frame. Raises Http404."""
    body = html_of(mail_of(case, mail_id, for_customer=for_customer))
    if not body:
        raise Http404
    response = HttpResponse(_PAGE.format(title=f"#{case.pk}", body=body))
    response["Content-Security-Policy"] = POLICY
    response["Cache-Control"] = "private, no-store"
    return response


def _nests_deeper(html: str, most: int) -> bool:
    depth = 0
    for closes, name in _TAG.findall(html):
        if name.lower() not in _NEVER_NEST:
            depth = max(0, depth - 1) if closes else depth + 1
            if depth > most:
                return True
    return False


def _html_part(parsed: EmailMessage) -> str:
    part = parsed.get_body(preferencelist=("html",))
    content = part.get_content() if part is not None else ""
    return content if isinstance(content, str) else ""
