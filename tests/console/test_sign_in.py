"""Signing in: invitation, password, second factor, the brake, a forgotten password, sessions."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone

from merpati.accounts import users
from merpati.accounts.models import AuditEntry, PrivacyAcknowledgement, User
from merpati.console.sign_in.mail import invite_by_mail
from merpati.console.sign_in.sessions import device_named, forget_ended
from merpati.sending.models import OutboxMail
from tests.console.conftest import Browser, Clock, add_user
from tests.desk.cases import BY, MONDAY, Desk

PASSWORD = "kopi-tubruk-pagi"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"


@pytest.fixture(autouse=True)
def _settings(desk: Desk, settings: Any) -> None:
    settings.CONSOLE_URL = "https://mail.kirim.example"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # argon2 is slow


@pytest.fixture
def sari(desk: Desk) -> User:
    user = add_user("Sari", desk.account)
    user.set_password(PASSWORD)
    user.save()
    PrivacyAcknowledgement.objects.create(
        user=user, version="1", language="en", acknowledged_at=MONDAY
    )
    return user


def sign_in(client: Client, email: str, password: str = PASSWORD, **more: str) -> Any:
    return client.post("/sign-in", {"login": email, "password": password, **more})


def latest_mail() -> OutboxMail:
    mail = OutboxMail.objects.order_by("-pk").first()
    assert mail is not None
    return mail


def link_in(mail: OutboxMail) -> str:
    (path,) = re.findall(r"https://mail\.kirim\.example(/\S+)", mail.text)
    return str(path)


def code_now(secret: str, step: int = 0) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + step))


# --- invitation ---


def test_an_invitation_leads_to_a_signed_in_user_who_agreed(desk: Desk, client: Client) -> None:
    invite_by_mail(
        "budi@kirim.example",
        "Budi",
        account_id=desk.account.pk,
        role="developer",
        language="id",
        console_url="https://mail.kirim.example",
        by=BY,
        now=MONDAY,
    )
    mail = latest_mail()
    assert mail.to_email == "budi@kirim.example"
    assert mail.subject == f"Anda diundang ke {desk.account.name}"
    link = link_in(mail)
    client.cookies["merpati_zone"] = "Asia/Makassar"
    page = client.get(link).content.decode()
    assert '<option value="Asia/Makassar" selected>' in page
    assert 'autocomplete="new-password"' in page
    given = {"name": "Budi", "language": "id", "time_zone": "Asia/Makassar"}
    weak = client.post(link, {**given, "password": "budi"})
    assert weak.status_code == 400
    assert "error-summary" in weak.content.decode()
    accepted = client.post(link, {**given, "password": PASSWORD})
    assert (accepted.status_code, accepted["Location"]) == (302, "/")
    notice = client.get("/")
    assert notice["Location"] == "/privacy?next=%2F"
    assert "Pemberitahuan privasi" in client.get(notice["Location"]).content.decode()
    again = Client().get(link)
    assert again.status_code == 410


def test_an_invitation_asks_for_a_second_factor_that_there_is(sari: User, client: Client) -> None:
    TOTP.activate(sari, "A" * 32)
    token = users.reset_user(sari.pk, by=BY, now=MONDAY)
    given = {"name": "Sari", "language": "en", "time_zone": "UTC", "password": "nasi-goreng-malam"}
    answer = client.post(f"/invitation/{token}", given)
    assert answer["Location"] == "/sign-in/second-factor"
    assert client.get("/")["Location"].startswith("/sign-in?")


# --- password ---


def test_signing_in_leads_back_and_changes_the_session(sari: User, client: Client) -> None:
    asked = client.get("/me?x=1")
    assert asked["Location"] == "/sign-in?next=%2Fme%3Fx%3D1"
    page = client.get(asked["Location"]).content.decode()
    assert 'autocomplete="username"' in page
    assert 'autocomplete="current-password"' in page
    client.session["before"] = 1
    before = client.session.session_key
    answer = sign_in(client, "Sari@Kirim.example", next="/me?x=1")
    assert answer["Location"] == "/me?x=1"
    assert client.session.session_key != before
    assert client.get("/me").status_code == 200
    out = client.post("/sign-out")
    assert out["Location"] == "/sign-in"
    assert client.get("/me").status_code == 302


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example"])
def test_signing_in_leads_to_no_other_host(sari: User, client: Client, elsewhere: str) -> None:
    assert sign_in(client, sari.email, next=elsewhere)["Location"] == "/"


def test_a_wrong_password_and_an_unknown_address_are_told_alike(sari: User, client: Client) -> None:
    def told(email: str) -> str:
        answer = sign_in(client, email, "wrong")
        assert answer.status_code == 200
        found = re.search(r"<ul><li>.*?</ul>", answer.content.decode())
        assert found is not None
        return found[0]

    assert told(sari.email) == told("nobody@kirim.example")


def test_five_wrong_passwords_pause_and_the_page_says_until_when(
    sari: User, client: Client
) -> None:
    for _ in range(4):
        assert sign_in(client, sari.email, "wrong").status_code == 200
    paused = sign_in(client, sari.email, "wrong")
    assert paused.status_code == 429
    assert re.search(r"You can try again from \d\d:\d\d \(UTC\) on", paused.content.decode())
    assert sign_in(client, sari.email).status_code == 429  # the right one, too
    elsewhere = Client(REMOTE_ADDR="198.51.100.7")
    assert sign_in(elsewhere, sari.email).status_code == 302  # nobody locks out from afar


def test_nobody_signs_up(client: Client) -> None:
    assert client.get("/signup").status_code == 404
    assert client.get("/sign-up").status_code == 404


def test_a_disabled_user_is_out_at_once(sari: User, desk: Desk, client: Client) -> None:
    add_user("Second", desk.account)
    sign_in(client, sari.email)
    assert client.get("/me").status_code == 200
    users.disable_user(sari.pk, by=BY, now=MONDAY)
    assert client.get("/me")["Location"].startswith("/sign-in")
    assert sign_in(client, sari.email)["Location"] == "/sign-in/disabled"


# --- a forgotten password ---


def test_a_forgotten_password_is_chosen_anew_by_mail(sari: User, client: Client) -> None:
    other = Client()
    sign_in(other, sari.email)
    assert client.post("/sign-in/forgotten", {"email": sari.email})["Location"] == (
        "/sign-in/forgotten/sent"
    )
    link = link_in(latest_mail())
    form = client.get(link, follow=True)
    chosen = client.post(
        form.redirect_chain[-1][0],
        {"password1": "nasi-goreng-malam", "password2": "nasi-goreng-malam"},
    )
    assert chosen.status_code == 302, chosen.content.decode()
    assert other.get("/me").status_code == 302  # the other session ended
    assert sign_in(Client(), sari.email, "nasi-goreng-malam").status_code == 302
    assert "password was changed" in latest_mail().subject
    assert AuditEntry.objects.filter(action="change_password").count() == 1
    used = client.get(link, follow=True).content.decode()
    assert "id_password1" not in used


def test_who_is_unknown_gets_the_same_page_and_no_mail(client: Client) -> None:
    answer = client.post("/sign-in/forgotten", {"email": "nobody@kirim.example"})
    assert answer["Location"] == "/sign-in/forgotten/sent"
    assert not OutboxMail.objects.exists()


# --- second factor ---


def set_up_app(client: Client) -> str:
    answer = client.get("/me/two-factor/app")
    assert answer.status_code == 200, answer["Location"]
    page = answer.content.decode()
    assert 'src="data:image/svg+xml;base64,' in page
    secret = str(client.session["mfa.totp.secret"])
    assert secret in page
    answer = client.post("/me/two-factor/app", {"code": code_now(secret)})
    assert answer["Location"] == "/me/two-factor/codes"
    return secret


def test_staff_set_up_a_second_factor_before_anything_else(
    client: Client, django_capture_on_commit_callbacks: Any
) -> None:
    budi = add_user("Budi", staff_role="representative")
    budi.set_password(PASSWORD)
    budi.save()
    sign_in(client, budi.email)
    for path in ("/", "/desk", "/me", "/me/sessions"):
        assert client.get(path)["Location"] == "/me/two-factor"
    assert client.post("/me/sessions", {"session": "all"})["Location"] == "/me/two-factor"
    with django_capture_on_commit_callbacks(execute=True):
        secret = set_up_app(client)
    assert latest_mail().subject == "An authenticator app was set up."
    codes = re.findall(r"\b\d{8}\b", client.get("/me/two-factor/codes").content.decode())
    assert len(codes) == 10
    assert not re.search(r"\b\d{8}\b", client.get("/me/two-factor/codes").content.decode())
    assert client.get("/me")["Location"].startswith("/privacy")  # the next gate
    stored = str(Authenticator.objects.values_list("data", flat=True))
    assert secret not in stored
    page = client.get("/me/two-factor").content.decode()
    assert "An app is set up." in page
    assert "10 codes are left" in page
    # The last second factor stays.
    client.post("/me/two-factor/app/remove")
    assert Authenticator.objects.filter(type="totp").exists()
    # And is asked for from now on: a code, or a recovery code, once.
    for code, status in ((code_now(secret, 1), 302), (codes[0], 302), (codes[0], 200)):
        again = Client()
        assert sign_in(again, budi.email)["Location"] == "/sign-in/second-factor"
        assert again.post("/sign-in/second-factor", {"code": code}).status_code == status


def test_passkeys_are_listed_each_with_its_acts(sari: User, client: Client) -> None:
    sign_in(client, sari.email)
    assert "No passkey yet." in client.get("/me/two-factor/passkeys").content.decode()
    mine, others = (
        Authenticator.objects.create(
            user=user, type="webauthn", data={"name": f"Key of {user.name}"}
        )
        for user in (sari, add_user("Wati"))
    )
    page = client.get("/me/two-factor/passkeys").content.decode()
    assert f"/me/two-factor/passkeys/{mine.pk}/remove" in page
    assert "Key of Wati" not in page
    assert client.get(f"/me/two-factor/passkeys/{others.pk}/remove").status_code == 404


def test_guessing_codes_is_braked(sari: User, client: Client) -> None:
    secret = "A" * 32
    TOTP.activate(sari, secret)
    sign_in(client, sari.email)
    for _ in range(5):
        client.post("/sign-in/second-factor", {"code": "000000"})
    answer = client.post("/sign-in/second-factor", {"code": code_now(secret)})
    assert answer.status_code == 200
    assert client.get("/me").status_code == 302
    with connection.cursor() as cursor:  # so that each process counts all attempts
        cursor.execute("SELECT count(*) FROM rate_limits")
        assert cursor.fetchone()[0] > 0


@pytest.mark.parametrize(("wanted", "status"), [("everybody", 302), ("nobody", 200)])
def test_who_needs_a_second_factor_is_a_setting(
    sari: User, client: Client, settings: Any, wanted: str, status: int
) -> None:
    settings.CONSOLE_SECOND_FACTOR = wanted
    sign_in(client, sari.email)
    assert client.get("/me").status_code == status


# --- sessions ---


def test_sessions_are_listed_and_ended(sari: User, client: Client, clock: Clock) -> None:
    clock.moment = timezone.now()
    client.defaults["HTTP_USER_AGENT"] = FIREFOX
    sign_in(client, sari.email)
    phone = Client(HTTP_USER_AGENT="Mozilla/5.0 (iPhone) AppleWebKit Safari/605.1")
    sign_in(phone, sari.email)
    page = client.get("/me/sessions").content.decode()
    assert "Firefox, Linux" in page
    (number,) = re.findall(r'name="session" value="(\d+)"', page)
    assert f'value="{number}"' not in phone.get("/me/sessions").content.decode()
    assert client.post("/me/sessions", {"session": number}).status_code == 302
    assert phone.get("/me").status_code == 302
    assert client.get("/me").status_code == 200
    assert client.post("/me/sessions", {"session": number}).status_code == 404


def test_somebody_elses_session_is_not_there(
    sari: User, desk: Desk, client: Client, clock: Clock
) -> None:
    clock.moment = timezone.now()
    sign_in(client, sari.email)
    other = add_user("Wati", desk.account)
    mallory = Browser(other)
    from allauth.usersessions.models import UserSession  # noqa: PLC0415

    (number,) = UserSession.objects.filter(user=sari).values_list("pk", flat=True)
    assert mallory.post("/me/sessions", {"session": str(number)}).status_code == 404
    assert client.get("/me").status_code == 200


def test_signing_out_everywhere_ends_all(sari: User, client: Client) -> None:
    other = Client()
    sign_in(client, sari.email)
    sign_in(other, sari.email)
    assert client.post("/me/sessions", {"session": "all"})["Location"] == "/sign-in"
    assert not Session.objects.filter(expire_date__lt=timezone.now()).exists()
    for browser in (client, other):
        assert browser.get("/me").status_code == 302


def test_sessions_that_are_over_are_forgotten(sari: User, client: Client) -> None:
    from allauth.usersessions.models import UserSession  # noqa: PLC0415

    sign_in(client, sari.email)
    forget_ended(timezone.now())
    assert (Session.objects.count(), UserSession.objects.count()) == (1, 1)
    forget_ended(timezone.now() + timedelta(days=15))
    assert (Session.objects.count(), UserSession.objects.count()) == (0, 0)


def test_changing_the_password_ends_the_other_sessions(sari: User, client: Client) -> None:
    other = Client()
    sign_in(client, sari.email)
    sign_in(other, sari.email)
    new = "nasi-goreng-malam"
    done = client.post(
        "/me/password", {"oldpassword": PASSWORD, "password1": new, "password2": new}
    )
    assert done.status_code == 302, done.content.decode()
    assert client.get("/me").status_code == 200
    assert other.get("/me").status_code == 302


def test_the_last_use_is_noted_once_in_five_minutes(
    sari: User, client: Client, clock: Clock
) -> None:
    from allauth.usersessions.models import UserSession  # noqa: PLC0415

    sign_in(client, sari.email)
    client.get("/me")
    clock.moment += timedelta(minutes=4)
    client.get("/me")
    assert UserSession.objects.get().last_seen_at == MONDAY
    clock.moment += timedelta(minutes=2)
    client.get("/me")
    assert UserSession.objects.get().last_seen_at == clock.moment


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (FIREFOX, "Firefox, Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit Chrome/130 Safari/537 Edg/130",
            "Edge, Windows",
        ),
        ("Mozilla/5.0 (Linux; Android 14) Chrome/130 Mobile Safari/537.36", "Chrome, Android"),
        ("curl/8.1", "curl"),
        ("", "Unknown device"),
    ],
)
def test_a_device_is_named_in_a_few_words(agent: str, device: str) -> None:
    assert device_named(agent) == device
