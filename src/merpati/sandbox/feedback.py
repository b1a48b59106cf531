"""Complaints as a provider's feedback loop reports them: ARF, an abuse report with the mail in it.

Source: RFC 5965 (multipart/report; report-type=feedback-report), section 3.1 and 3.2 (its fields).
"""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.policy import SMTP, compat32
from email.utils import format_datetime, make_msgid

from merpati.sandbox.seen import Try

_ROLE = "feedback@{domain}"


def report(seen: Try, data: bytes, provider: str, to: str, now: datetime) -> bytes:
    """Return the report about a mail as it is sent; data: the mail as it was taken."""
    domain = seen.rcpt_to.rpartition("@")[2]
    sender = _ROLE.format(domain=domain)
    whole = Message(policy=compat32)
    whole["From"] = f"{provider} feedback loop <{sender}>"
    whole["To"] = to
    whole["Date"] = format_datetime(now)
    whole["Message-ID"] = make_msgid(domain=domain)
    whole["Subject"] = f"Complaint about mail from {seen.from_ip}"
    whole["MIME-Version"] = "1.0"
    whole.add_header("Content-Type", "multipart/report", report_type="feedback-report")
    whole.attach(_words(seen, provider))
    whole.attach(_fields(seen, now))
    whole.attach(_original(data))
    return whole.as_bytes(policy=SMTP)


def sender_of(seen: Try) -> str:
    """Return who sends the report of a mail."""
    return _ROLE.format(domain=seen.rcpt_to.rpartition("@")[2])


def _words(seen: Try, provider: str) -> Message:
    part = EmailMessage(policy=SMTP)
    part.set_content(
        f"This is an abuse report of {provider} for a mail received from {seen.from_ip}.\n"
        f"The sandbox wrote it: nobody was bothered.\n"
    )
    return part


def _fields(seen: Try, now: datetime) -> Message:
    part = Message(policy=compat32)
    part["Content-Type"] = "message/feedback-report"
    part.set_payload(
        "Feedback-Type: abuse\r\n"
        "User-Agent: Merpati-Sandbox/1.0\r\n"
        "Version: 1\r\n"
        f"Original-Mail-From: <{seen.mail_from}>\r\n"
        f"Original-Rcpt-To: <{seen.rcpt_to}>\r\n"
        f"Arrival-Date: {format_datetime(now)}\r\n"
        f"Source-IP: {seen.from_ip}\r\n"
        f"Reporting-MTA: dns; {seen.host}\r\n"
    )
    return part


def _original(data: bytes) -> Message:
    part = Message(policy=compat32)
    part["Content-Type"] = "message/rfc822"
    part.attach(BytesParser(policy=compat32).parsebytes(data))
    return part
