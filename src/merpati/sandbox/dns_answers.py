"""What a DNS server says that was told everything: authority and resolver in one, without I/O."""

from __future__ import annotations

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

MOST_REMEMBERED = 10_000  # questions


class DnsAnswers:
    """Answers from `add`ed records; unknown names do not exist.

    broken: names that get SERVFAIL; silent: names that get no answer at all.
    """

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.silent: set[str] = set()
        self.signed: set[str] = set()  # names whose answers are said to be authenticated
        self.ttl = 60  # seconds, of all records
        self.asked: list[tuple[str, str]] = []  # (name, type), in the order of the questions
        self._records: dict[str, dict[str, list[str]]] = {}

    def add(self, name: str, record_type: str, *values: str) -> None:
        """Add records, as in a zone file: `add("a.example", "MX", "10 mx.a.example.")`."""
        self._records.setdefault(name.lower(), {}).setdefault(record_type, []).extend(values)

    def add_txt(self, name: str, text: str) -> None:
        """Add a TXT record, split into strings of 255 characters."""
        parts = [text[at : at + 255] for at in range(0, len(text), 255)]
        self.add(name, "TXT", " ".join(f'"{part}"' for part in parts))

    def remove(self, name: str) -> None:
        """Forget all records of a name."""
        self._records.pop(name.lower(), None)

    def answer(self, wire: bytes) -> bytes | None:
        """Return the answer to a question; None: silence."""
        answer = self.message(wire)
        return None if answer is None else answer.to_wire()

    def message(self, wire: bytes) -> dns.message.Message | None:
        """Return the answer to a question before it is bytes; None: silence."""
        try:
            query = dns.message.from_wire(wire)
            question = query.question[0]
        except (dns.exception.DNSException, IndexError):
            return None  # no question: a stray packet
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if len(self.asked) > MOST_REMEMBERED:
            del self.asked[: MOST_REMEMBERED // 2]
        if name in self.silent:
            return None
        answer = dns.message.make_response(query, recursion_available=True)
        if name in self.signed:
            answer.flags |= dns.flags.AD
        if name in self.broken:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif name not in self._records:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        else:
            self._add_records(answer, question.name, kind)
        return answer

    def _add_records(self, answer: dns.message.Message, name: dns.name.Name, kind: str) -> None:
        records = self._records.get(name.to_text(omit_final_dot=True).lower(), {})
        ttl = self.ttl
        if (alias := records.get("CNAME")) and kind != "CNAME":
            answer.answer.append(dns.rrset.from_text_list(name, ttl, "IN", "CNAME", alias))
            self._add_records(answer, dns.name.from_text(alias[0]), kind)
        elif found := records.get(kind):
            answer.answer.append(dns.rrset.from_text_list(name, ttl, "IN", kind, found))
