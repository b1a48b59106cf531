"""The types of problem that our own paths answer with, and what to do about each.

`GET /api/merpati/v1/problems/{slug}` shows them, so that a `type` in an answer leads somewhere.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A kind of refusal: what it is called, and how to get past it."""

    title: str
    what_to_do: str


PROBLEM_TYPES = {
    "invalid-request": ProblemType(
        "The request is not valid",
        "Correct the fields that `errors` points at, and send it again.",
    ),
    "unauthorized": ProblemType(
        "No valid API key",
        "Send an API key of your account in the Authorization header, alone, as `Bearer KEY`, or "
        "as the user name of Basic authentication.",
    ),
    "forbidden": ProblemType(
        "This key may not do that",
        "Use an API key that holds the grant for this call: merpati key create --grant …",
    ),
    "not-found": ProblemType(
        "There is no such thing in this account",
        "Check the path and the identifier; what belongs to another account is not found either.",
    ),
    "method-not-allowed": ProblemType(
        "This path does not take that method", "The Allow header lists the methods it takes."
    ),
    "unsupported-media-type": ProblemType(
        "The body is not JSON", "Send the body as application/json, without Content-Encoding."
    ),
    "too-large": ProblemType(
        "The request is too large", "Split it: fewer recipients or smaller attachments a call."
    ),
    "conflict": ProblemType(
        "The request conflicts with what is there",
        "Read what is there first, then decide which of the two shall hold.",
    ),
    "sending-ip-limit-reached": ProblemType(
        "The account holds six sending IPs, its limit",
        "Remove one that is no longer needed (merpati ip remove ADDRESS), then add the new one.",
    ),
    "case-resolved": ProblemType(
        "Both sides agreed that this case is resolved",
        "Open a new case, and name the number of this one in it.",
    ),
    "case-merged": ProblemType(
        "This case goes on in another one",
        "Read the case, its `merged_into` is the number of the other: write there.",
    ),
    "nothing-proposed": ProblemType(
        "No resolution is proposed",
        "Read the case: a proposal that was disputed or withdrawn cannot be answered any more.",
    ),
    "own-proposal": ProblemType(
        "Nobody answers their own proposal",
        "Wait for the desk's answer, or withdraw the proposal.",
    ),
    "proposal-pending": ProblemType(
        "A resolution is proposed already",
        "Agree or dispute the desk's proposal; withdraw your own before you make another.",
    ),
    "escalation-refused": ProblemType(
        "This case cannot be escalated now",
        "Escalation opens once onboarding is complete; until then write to your Technical Account "
        "Manager, GET /api/merpati/v1/tam.",
    ),
    "slot-not-free": ProblemType(
        "Nobody can call at that time",
        "Read the free times, GET /api/merpati/v1/call-backs/slots, and book one of them.",
    ),
    "unavailable": ProblemType(
        "The service cannot do this at the moment",
        "Nothing was confirmed. Try again after the seconds that Retry-After names.",
    ),
    "internal": ProblemType(
        "Something went wrong on our side",
        "Try again; if it lasts, give the request_id to whoever runs this service.",
    ),
}
