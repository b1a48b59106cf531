"""From an invitation to a passkey: what only a browser can show of signing in."""

from __future__ import annotations

import time

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

from tests.browser.conftest import WIDE, Console

PASSWORD = "kopi-tubruk-pagi"
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def test_an_administrator_comes_in_by_invitation_app_and_passkey(console: Console) -> None:
    """A passkey is bound to a name, so the browser says localhost; its device is a virtual one."""
    context = console.browser.new_context(
        base_url=console.address.replace("127.0.0.1", "localhost"),
        locale="en-GB",
        timezone_id="Asia/Makassar",
        viewport=WIDE,  # type: ignore[arg-type]
    )
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda m: told.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: told.append(str(error)))
    device = context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})

    page.goto("/privacy")  # the script notes the device's zone on any page
    page.goto("/invitation/{staff_invitation}".format(**console.names))
    assert page.get_by_label("Time zone").input_value() == "Asia/Makassar"
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Choose this password").click()

    page.wait_for_url("**/me/two-factor")
    page.goto("/me/two-factor/app")
    assert page.get_by_role("img", name="QR code").evaluate("image => image.naturalWidth") > 100
    secret = page.get_by_label("Authenticator secret").input_value()
    code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Activate").click()
    page.wait_for_url("**/me/two-factor/codes")
    assert len(page.locator("#recovery_codes").input_value().split()) == 10
    page.get_by_label("I have saved").check()

    page.goto("/me/two-factor/passkeys/new")
    page.get_by_label("Name").fill("This laptop")
    page.get_by_label("Passwordless").check()
    page.locator("#mfa_webauthn_add").click()
    page.wait_for_url(lambda url: not url.endswith("/new"))

    page.goto("/privacy")
    page.get_by_role("button", name="I agree").click()
    page.goto("/me")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)
    page.goto("/me")
    assert page.get_by_role("heading", level=1).inner_text() == "Rina"
    assert told == []
    context.close()
