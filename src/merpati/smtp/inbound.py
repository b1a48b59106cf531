"""The inbound door: for bounces to our return paths, and for nothing else.

It relays nothing: an address that is not a return path signed by this instance gets 550. For one
that is, the sender is asked to come back later (421) and keeps its report: reading reports comes
with a later version. Test case R1.
"""

from __future__ import annotations

from merpati.message import return_path


def recipient_refusal(address: str, bounce_domain: str, key: bytes) -> str:
    """Return the answer to RCPT. key: the one that signs return paths."""
    domain = address.rpartition("@")[2].lower()
    if domain != bounce_domain:
        return "550 5.7.1 Relaying denied"
    if return_path.read(key, address) is None:
        return "550 5.1.1 No such return path here"
    return "421 4.3.2 Reports are not taken yet: try again later"
