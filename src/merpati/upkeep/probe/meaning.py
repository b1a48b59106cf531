"""What a reply means for our mail, in words: read as delivery reads it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from merpati.delivery.outcome import Bounced, Deferred, Stage, outcome_of
from merpati.delivery.protocol import reply_of
from merpati.providers.bounce_class import Scope
from merpati.providers.directory import directory
from merpati.providers.replies import Reading
from merpati.sending.smtp_dialogue import Answer
from merpati.upkeep.doctor.finding import Level

_BLAMES = {
    Scope.RECIPIENT: "the recipient",
    Scope.SENDING_IP: "this sending IP",
    Scope.DOMAIN: "the sender's domain",
    Scope.MESSAGE: "what was sent",
    Scope.ORGANISATION: "the recipient's organisation, which does not want it",
    Scope.DESTINATION: "nobody: it is their trouble",
    Scope.PLATFORM: "our own set-up",
}
_REMEDIES = {
    Scope.RECIPIENT: "probe another recipient of the domain",
    Scope.SENDING_IP: "merpati doctor looks at its names; then see whether a blocklist has it",
    Scope.DOMAIN: "see that the sender's domain exists and has SPF, DKIM and DMARC records",
    Scope.ORGANISATION: "ask the recipient's organisation",
    Scope.DESTINATION: "wait; mail is tried again by itself",
    Scope.PLATFORM: "look at the HELO name and the way mail leaves",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that lets us go no further: how bad that is, what it means, what to do."""

    level: Level
    meaning: str
    remedy: str = ""


def refusal(answer: Answer, stage: Stage, provider: str) -> Refusal:
    """Return what an answer means that is not the one hoped for."""
    text = "\n".join(answer.lines).encode()
    match outcome_of(reply_of((answer.code, text)), stage, provider):
        case Bounced(reading=Reading() as reading):
            meaning = f"mail would bounce, class {_said(reading)}"
            return Refusal(Level.FAIL, meaning, _remedy(reading, provider))
        case Deferred(reading=Reading() as reading):
            meaning = f"mail would wait for another attempt, class {_said(reading)}"
            level = Level.FAIL if answer.code // 100 == 5 else Level.WARN
            return Refusal(level, meaning, _remedy(reading, provider))
        case _:
            return Refusal(Level.WARN, "an answer that nobody expects here")


def _said(reading: Reading) -> str:
    words = reading.bounce_class.name.lower().replace("_", " ")
    cause = reading.cause.replace("_", " ")
    return f"{reading.bounce_class.value} ({words}): {cause}; it blames {_BLAMES[reading.scope]}"


def _remedy(reading: Reading, provider: str) -> str:
    """Return what to do: what the field does about this wording, else what the blame suggests."""
    if reading.cause == "greylist":
        return "nothing: delivery comes back from the same IP, and is let in"
    remedy = _REMEDIES.get(reading.scope, "")
    known = directory().get(provider)
    if known is None:
        return remedy
    action = next((r.action for r in known.reply if r.pattern == reading.rule), "")
    remedies = [f"in the field: {action}" if action else remedy]
    if reading.scope is Scope.SENDING_IP and known.mediation.channel != "none":
        remedies.append(f"{known.name} takes requests at {known.mediation.address}")
    return "; ".join(filter(None, remedies))
