"""Both systems get equal source; this holds that both make equal mail of it."""

import email
import email.policy

import jinja2
import pytest

from bench import message
from merpati.contracts.batch import Content, Mailbox, Recipient
from merpati.message.compose import Stamp, compile_content, compose


@pytest.mark.parametrize("number", [0, 7, 12_345])
def test_jinja2_and_merpati_render_the_same(number: int) -> None:
    data = message.personal_data(number)
    content = Content(
        account_id=1,
        transmission_id="1",
        injected_at=0,
        pool_id=1,
        ip_pool="default",
        sending_domain=message.SENDING_DOMAIN,
        sender=Mailbox(message.SENDER["email"], message.SENDER["name"]),
        subject=message.SUBJECT,
        text=message.TEXT,
        html=message.HTML,
    )
    recipient = Recipient(message.address(number), substitution_data=data)
    stamp = Stamp("key", "example.com", 0, "bounce@example.com", "")
    composed = compose(compile_content(content), recipient, stamp, None)
    mail = email.message_from_bytes(composed.data, policy=email.policy.default)
    plain, escaping = jinja2.Environment(), jinja2.Environment(autoescape=True)
    assert mail["Subject"] == plain.from_string(message.SUBJECT).render(data)
    for kind, environment, source in (
        ("plain", plain, message.TEXT),
        ("html", escaping, message.HTML),
    ):
        part = mail.get_body((kind,))
        assert part is not None
        ours = part.get_content().replace("\r\n", "\n")
        assert ours.strip() == environment.from_string(source).render(data).strip()
