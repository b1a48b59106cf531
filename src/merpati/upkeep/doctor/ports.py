"""Our own ports: whether they answer, and that a stranger cannot send mail to others through them.

The dialogue ends before DATA, so the test never sends anything, whatever it finds.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl

from merpati.runtime.addresses import accepts
from merpati.sending.smtp_dialogue import Dialogue, DialogueFailed, dialogue
from merpati.settings import HostPort
from merpati.upkeep.doctor.finding import Finding, fail, ok, warn
from merpati.upkeep.doctor.scene import ANSWER_SECONDS, Scene
from merpati.upkeep.running import Running

LISTENING, RELAY = "ports.listening", "ports.relay"
SMTP_PORTS = ("submission", "submission_tls", "inbound")
SENDER, STRANGER = "doctor@sender.example", "somebody@elsewhere.example"


async def check(scene: Scene) -> list[Finding]:
    """Connect to each port; try to relay through those that speak SMTP."""
    running = scene.running
    if running is None:
        text = "Merpati is stopped, so its ports were not tested"
        return [warn(LISTENING, "", text, "start it (merpati run), then look again")]
    named = running.addresses.items()
    listening = await asyncio.gather(*(_listening(name, at) for name, at in named))
    workers = await asyncio.gather(*(_worker(scene, n) for n in range(running.workers)))
    relays = await asyncio.gather(*(_relay(scene, name, at) for name, at in _smtp(running)))
    return [*listening, *workers, *relays]


def _smtp(running: Running) -> list[tuple[str, HostPort]]:
    return [(name, at) for name, at in running.addresses.items() if name in SMTP_PORTS]


def _near(at: HostPort) -> HostPort:
    """Return where to connect to something that listens on every address."""
    try:
        address = ipaddress.ip_address(at.host)
    except ValueError:
        return at
    if not address.is_unspecified:
        return at
    return HostPort("::1" if address.version == 6 else "127.0.0.1", at.port)


def _own_address(at: HostPort) -> str:
    """Return the address we come from when we connect to an address of this host."""
    try:
        return str(ipaddress.ip_address(at.host))
    except ValueError:
        return "127.0.0.1"


async def _listening(name: str, at: HostPort) -> Finding:
    if await accepts(_near(at)):
        return ok(LISTENING, name, f"{at} takes connections")
    text = f"{at} takes no connections"
    return fail(LISTENING, name, text, "look at the service's log; a process may not start")


async def _worker(scene: Scene, number: int) -> Finding:
    name = f"deliver-{number}"
    if await accepts(scene.folder.deliver_socket(number)):
        return ok(LISTENING, name, "the worker takes calls")
    text = "the worker takes no calls: its share of the mail waits"
    return fail(LISTENING, name, text, "look at the service's log; a process may not start")


async def _relay(scene: Scene, name: str, at: HostPort) -> Finding:
    hostname = scene.settings.mail.hostname
    if name != "inbound" and (key := scene.trusted.identity(_own_address(_near(at)))) is not None:
        text = f"{at} could not be tested: this host is in a network that key {key.key_id} trusts"
        return warn(
            RELAY,
            name,
            text,
            f"try from elsewhere: swaks --server HOST:{at.port} --to {STRANGER} --quit-after RCPT",
        )
    try:
        async with dialogue(_near(at), ANSWER_SECONDS, tls=_tls(name)) as talk:
            accepted = await _try_to_relay(talk, hostname)
    except DialogueFailed as error:
        if error.is_silent:
            text = f"{at} could not be tested: {error.reason}"
            return warn(RELAY, name, text, "look at the service's log")
        accepted = ""  # it hung up on us
    if accepted:
        text = f"{at} takes mail from strangers to strangers: it accepted {accepted}"
        return fail(RELAY, name, text, "shut the port to the world at once, and report this defect")
    return ok(RELAY, name, f"{at} takes no mail from strangers to strangers")


def _tls(name: str) -> ssl.SSLContext | None:
    if not name.endswith("_tls"):
        return None
    context = ssl.create_default_context()
    context.check_hostname = False  # we ask ourselves, and say nothing that is secret
    context.verify_mode = ssl.CERT_NONE
    return context


async def _try_to_relay(talk: Dialogue, hostname: str) -> str:
    """Return the first recipient that is accepted though it must not be, "" when none is."""
    local, _, domain = STRANGER.partition("@")
    recipients = (
        f"<{STRANGER}>",
        f"<{local}%{domain}@{hostname}>",  # the old ways to ask for relaying
        f"<@{hostname}:{STRANGER}>",
        f'<"{STRANGER}">',
    )
    if (await talk.answer()).code != 220:
        return ""
    await talk.ask("EHLO doctor.example")
    if (await talk.ask(f"MAIL FROM:<{SENDER}>")).code // 100 != 2:
        return ""
    for recipient in recipients:
        if (await talk.ask(f"RCPT TO:{recipient}")).code // 100 == 2:
            return recipient
    await talk.ask("QUIT")
    return ""
