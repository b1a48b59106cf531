"""An unmodified SparkPost client and plain HTTP, through `merpati run`, to Debian's Postfix.

Postfix hands each message to OpenDKIM, which verifies it with the record that `merpati domain`
says to publish. Clauses C1 and C10.
"""

from __future__ import annotations

import re
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path

import pytest

from harness.customer import SENDING_IPS, sign_up
from harness.service import Merpati, wait_until
from tests.support.http_calls import send, transmission
from tests.support.postfix import missing, postfix
from tests.support.prepared import prepared
from tests.support.sink import sink

MESSAGES = 40
CLIENT = """
import sys
from sparkpost import SparkPost
client = SparkPost(sys.argv[1], base_uri=sys.argv[2])
answer = client.transmissions.send(
    recipients=[
        {"address": {"email": f"user{n}@receiver.example", "name": f"User {n}"},
         "substitution_data": {"order": f"A{n:04d}"}}
        for n in range(int(sys.argv[3]))
    ],
    from_email="Toko Kirim <halo@kirim.example>",
    subject="Parcel {{order}} — sudah dikirim",
    text="Halo {{address.name}}, parcel {{order}}.\\n.\\n..two dots",
    html="<p>Halo {{address.name}}, parcel <b>{{order}}</b> — terima kasih</p>",
    attachments=[{"name": "a.txt", "type": "text/plain", "filename": sys.argv[4]}],
)
assert answer["total_accepted_recipients"] == int(sys.argv[3]), answer
assert answer["total_rejected_recipients"] == 0, answer
assert answer["id"].isdigit(), answer
"""


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_mail_arrives_signed_from_both_ips_with_their_helo_names(tmp_path: Path) -> None:
    merpati = Merpati(prepared(tmp_path / "data"), "--https", "127.0.0.1:0", "--workers", "1")
    merpati.start()
    try:
        customer = sign_up(merpati)
        name, record = customer.dkim_record
        with postfix("receiver.example", {name: record}) as receiver:
            merpati.command("route", "add", "receiver.example", f"127.0.0.1:{receiver.port}")
            attachment = tmp_path / "a.txt"
            attachment.write_text("isi lampiran")
            done = subprocess.run(
                [
                    *(sys.executable, "-c", CLIENT, customer.api_key),
                    *(merpati.addresses["https"], str(MESSAGES), str(attachment)),
                ],
                env={"REQUESTS_CA_BUNDLE": str(merpati.data / "tls" / "ca.pem")},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            body = transmission("plain@receiver.example", subject="Over plain HTTP")
            status, answer = send(merpati.addresses["http"], customer.api_key, body)
            assert (status, answer["results"]["total_accepted_recipients"]) == (200, 1)
            wait_until(
                lambda: len(receiver.messages()) > MESSAGES,
                lambda: f"the mail at Postfix:\n{receiver.log()}\n{merpati.command('queue')}",
            )
            received = receiver.messages()
    finally:
        assert merpati.stop() == 0
    assert len(received) == MESSAGES + 1
    for message in received:
        assert "dkim=pass" in message["Authentication-Results"], message.as_string()
    senders = {sender_of(message) for message in received}
    assert senders == {(helo, address) for address, helo in SENDING_IPS.items()}
    subjects = {str(message["Subject"]) for message in received}
    assert subjects == {f"Parcel A{n:04d} — sudah dikirim" for n in range(MESSAGES)} | {
        "Over plain HTTP"
    }
    first = next(m for m in received if m["To"] and "user7@" in m["To"])
    assert first["To"] == "User 7 <user7@receiver.example>"
    text = first.get_body(("plain",))
    assert text is not None
    assert text.get_content().splitlines() == ["Halo User 7, parcel A0007.", ".", "..two dots"]
    html = first.get_body(("html",))
    assert html is not None
    assert html.get_content().strip() == ("<p>Halo User 7, parcel <b>A0007</b> — terima kasih</p>")
    (attached,) = first.iter_attachments()
    assert attached.get_filename() == "a.txt"
    assert attached.get_content() == "isi lampiran"


def test_the_example_in_the_docs_runs(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "send-with-the-sparkpost-client.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    merpati = Merpati(prepared(tmp_path / "data"), "--https", "127.0.0.1:0", "--workers", "1")
    merpati.start()
    try:
        with sink(tmp_path) as receiver:
            customer = sign_up(merpati)
            merpati.command("route", "add", "*", f"127.0.0.1:{receiver.port}")
            done = subprocess.run(
                [sys.executable, "-c", example],
                env={
                    "REQUESTS_CA_BUNDLE": str(merpati.data / "tls" / "ca.pem"),
                    "SPARKPOST_API_KEY": customer.api_key,
                    "SPARKPOST_HOST": merpati.addresses["https"],
                },
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert re.fullmatch(r"\d{17,20} 2\n", done.stdout)
            wait_until(lambda: len(receiver.recipients()) == 2, "both messages")
            assert set(receiver.recipients()) == {"sari@receiver.example", "budi@receiver.example"}
    finally:
        assert merpati.stop() == 0


def sender_of(message: EmailMessage) -> tuple[str, str]:
    """Return HELO name and address that Postfix wrote into its Received header."""
    found = re.match(r"from (\S+) \(unknown \[([\d.]+)\]\)", message["Received"])
    assert found, message["Received"]
    return found.group(1), found.group(2)
