"""What can go wrong in this room; each edge maps these to its own protocol in one place.

`message` is for people: what was wrong and what to do. `field` names the input that was wrong, as
the action's parameter, or is empty. Texts that SparkPost's clients compare are kept verbatim.
"""

from __future__ import annotations

from collections.abc import Sequence

RECIPIENTS_SHOWN = 20  # of those that are invalid


class SendingError(Exception):
    """Base of this room's errors."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidValue(SendingError):
    """A value has a shape that cannot be used."""


class SendingIpLimitReached(SendingError):
    """The account holds six sending IPs already (mission clause C1)."""

    def __init__(self, account: str) -> None:
        super().__init__(
            f"Account {account} has six dedicated sending IPs already, and six is the limit "
            "(service description, clause C1). Remove one first: merpati ip remove ADDRESS",
            "address",
        )
        self.account = account


class SendingIpInUse(SendingError):
    """The address is a sending IP already, of this account or of another."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"{address} is assigned already; an address serves one account. Choose another "
            "address, or remove it where it is assigned.",
            "address",
        )
        self.address = address


class SendingIpNotFound(SendingError):
    """The account has no such sending IP."""

    def __init__(self, address: str) -> None:
        super().__init__("Sending IP does not exist", "address")
        self.address = address


class PoolNotFound(SendingError):
    """The account has no such pool."""

    def __init__(self, pool: str, message: str = "IP pool not found.") -> None:
        super().__init__(message, "pool")
        self.pool = pool


class PoolExists(SendingError):
    """The account has a pool whose name gives the same id."""

    def __init__(self, slug: str) -> None:
        super().__init__(f"IP Pool {slug} already exists.", "name")
        self.slug = slug


class PoolReserved(SendingError):
    """`default` cannot be changed so, or deleted."""


class OverflowRefused(SendingError):
    """The named overflow pool cannot serve as one."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "auto_warmup_overflow_pool")


class WarmupStageRefused(SendingError):
    """The wanted warm-up stage is not allowed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "auto_warmup_stage")


class DomainExists(SendingError):
    """The account has this sending domain already (SparkPost code 1602)."""

    def __init__(self, domain: str) -> None:
        super().__init__(
            f"Domain '{domain}' is already a sending domain of this account.", "domain"
        )
        self.domain = domain


class DomainOfAnotherAccount(SendingError):
    """Another account sends from this domain (SparkPost code 7004)."""

    def __init__(self, domain: str) -> None:
        super().__init__(
            f"Domain '{domain}' is used by another account. If it is yours, ask your TAM.", "domain"
        )
        self.domain = domain


class DomainNotFound(SendingError):
    """The account has no such sending domain (SparkPost code 1600)."""

    def __init__(self, domain: str) -> None:
        super().__init__(f"Domain '{domain}' does not exist", "domain")
        self.domain = domain


class DkimKeyWaits(SendingError):
    """The domain has a new key of this kind already, whose record is not published yet."""

    def __init__(self, domain: str, selector: str) -> None:
        super().__init__(
            f"The key {selector}._domainkey.{domain} waits for its DNS record already. Publish "
            f"that (merpati domain keys {domain} shows it), or remove the key: merpati domain "
            f"remove-key {domain} {selector}",
            "domain",
        )
        self.selector = selector


class DkimKeyNotFound(SendingError):
    """The domain has no key with this selector."""

    def __init__(self, domain: str, selector: str) -> None:
        super().__init__(
            f"Domain {domain} has no DKIM key with the selector {selector!r}; merpati domain keys "
            f"{domain} shows them all.",
            "selector",
        )
        self.selector = selector


class DkimKeyInUse(SendingError):
    """The key signs mail, or mail signed with it may still be on its way."""


class DnsLookupFailed(SendingError):
    """DNS could not be asked; that says nothing about the record (SparkPost code 1404)."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"DNS could not be asked for {name}: {reason}. Try again later.", "domain")
        self.name = name
        self.reason = reason


class RouteExists(SendingError):
    """There is a route for this pattern."""

    def __init__(self, pattern: str) -> None:
        super().__init__(
            f"There is a route for {pattern} already: give --replace to put this one in its place",
            "pattern",
        )
        self.pattern = pattern


class RouteNotFound(SendingError):
    """There is no route for this pattern."""

    def __init__(self, pattern: str) -> None:
        super().__init__(
            f"There is no route for {pattern}; merpati route list shows them all", "pattern"
        )
        self.pattern = pattern


class EgressExists(SendingError):
    """The account has an egress of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is an egress {name} already; change it, or choose another name", "name"
        )
        self.name = name


class EgressNotFound(SendingError):
    """The account has no egress of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no egress {name}; merpati egress list shows them all", "egress")
        self.name = name


class EgressInUse(SendingError):
    """Mail of a migration goes by this egress."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"A migration sends by {name}. End it first: merpati migration cut-over or roll-back",
            "name",
        )
        self.name = name


class CheckBusy(SendingError):
    """As many old providers are being checked as can be at once."""

    def __init__(self) -> None:
        super().__init__("Other old providers are being checked just now. Try again in a minute.")


class ShareWouldFall(SendingError):
    """A share of those who have moved would fall, which only a roll-back does."""

    def __init__(self, provider: str, before: int, share: int) -> None:
        super().__init__(
            f"{provider or 'all others'}: {before / 100:g} % of the recipients have moved, and "
            f"{share / 100:g} % are fewer; who has moved stays moved unless it is rolled back",
            "share",
        )
        self.provider, self.before, self.share = provider, before, share


class PoolSplit(SendingError):
    """The pool's mail is split by another migration."""

    def __init__(self, pool: str) -> None:
        super().__init__(f"Pool {pool} is split by a migration that is not over yet.", "pool")
        self.pool = pool


class SuppressionRefused(SendingError):
    """An entry cannot be put on the suppression list as it was given."""


class RecipientsInvalid(SuppressionRefused):
    """Some of the recipients are no email addresses; nothing was put on the list."""

    def __init__(self, recipients: Sequence[str]) -> None:
        shown = ", ".join(recipient[:100] for recipient in recipients[:RECIPIENTS_SHOWN])
        more = ", …" if len(recipients) > RECIPIENTS_SHOWN else ""
        super().__init__(
            f"PUT body contains {len(recipients)} invalid or malformed recipient(s): {shown}{more}",
            "recipients",
        )
        self.recipients = recipients


class SuppressionNotFound(SendingError):
    """The account's suppression list has no such entry."""

    def __init__(self, recipient: str) -> None:
        super().__init__("Recipient could not be found", "recipient")
        self.recipient = recipient


class SuppressionForCompliance(SendingError):
    """An entry made for compliance is not the account's to remove."""

    def __init__(self, recipient: str) -> None:
        super().__init__("Recipient could not be removed - Compliance", "recipient")
        self.recipient = recipient


class EngagementNotFound(SendingError):
    """Nothing is known of when a recipient engaged."""

    def __init__(self, recipient: str) -> None:
        super().__init__("Nothing is known of this recipient's engagement.", "recipient")
        self.recipient = recipient


class EngagementFileInvalid(SendingError):
    """A line of an import cannot be used; nothing was imported."""

    def __init__(self, line: int, column: str, why: str) -> None:
        where = f"line {line}, {column}" if column else f"line {line}"
        super().__init__(f"{where}: {why}", column)
        self.line = line
        self.column = column
