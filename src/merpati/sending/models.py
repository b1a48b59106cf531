"""What an account sends with: IPs in pools, domains with their keys, routes, suppressions.

The database holds the rules too, so that no race and no second program can break them: six
numbered slots for sending IPs per account, one address and one domain per instance. Only the
actions of this room write these models.

Source: mission clause C1; sparkpost-api 9 (suppression), 10 (domains), 13 (pools, IPs, warm-up).
"""

from __future__ import annotations

from django.db import models

from merpati.accounts.models import Account
from merpati.contracts.sending_policy import OnBlock, OnOldFailure, OnSpent, TlsMode

SENDING_IPS_PER_ACCOUNT = 6
DEFAULT_POOL = "default"


class IpPool(models.Model):
    """A group of sending IPs of one account; `default` is made with the account."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="ip_pools")
    slug = models.CharField(max_length=100)  # SparkPost's id of it, from the name
    name = models.CharField(max_length=100)
    overflow_pool = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="overflows_of"
    )
    signing_domain = models.CharField(max_length=253, blank=True, default="")
    fbl_signing_domain = models.CharField(max_length=253, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        """An account names a pool once."""

        constraints = (
            models.UniqueConstraint(fields=["account", "slug"], name="pool_slug_per_account"),
        )

    def __str__(self) -> str:
        return self.name


class SendingIp(models.Model):
    """A dedicated address that connections leave from, and the name it says in EHLO.

    It warms up by SparkPost's stages, by provider, by both (then both limits hold) or not at all.
    auto_warmup_stage: kept when off; auto_warmup_stage_on: the UTC day since which it stands, None
    until the clock process has seen it. engaged_within_days: only who engaged so lately is mailed
    from here while it warms up; None: everybody.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="sending_ips")
    pool = models.ForeignKey(IpPool, on_delete=models.PROTECT, related_name="sending_ips")
    address = models.GenericIPAddressField(protocol="IPv4", unique=True)
    hostname = models.CharField(max_length=253)
    slot = models.PositiveSmallIntegerField()  # 1 to 6, one of each per account: the limit itself
    auto_warmup_enabled = models.BooleanField(default=False)
    auto_warmup_stage = models.PositiveSmallIntegerField(null=True, blank=True)
    auto_warmup_stage_on = models.DateField(null=True, blank=True)
    warms_by_provider = models.BooleanField(default=False)
    engaged_within_days = models.PositiveSmallIntegerField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        """Six numbered slots, each taken once: no race makes a seventh."""

        constraints = (
            models.CheckConstraint(
                condition=models.Q(slot__gte=1, slot__lte=SENDING_IPS_PER_ACCOUNT),
                name="sending_ip_slot_1_to_6",
            ),
            models.UniqueConstraint(fields=["account", "slot"], name="sending_ip_slot_per_account"),
            models.CheckConstraint(
                condition=models.Q(auto_warmup_stage__isnull=True)
                | models.Q(auto_warmup_stage__gte=1, auto_warmup_stage__lte=30),
                name="sending_ip_warmup_stage_1_to_30",
            ),
            models.CheckConstraint(
                condition=models.Q(auto_warmup_enabled=False)
                | models.Q(auto_warmup_stage__isnull=False),
                name="sending_ip_warming_has_stage",
            ),
            models.CheckConstraint(
                condition=models.Q(engaged_within_days__isnull=True)
                | models.Q(engaged_within_days__gte=1),
                name="sending_ip_engaged_within_a_day",
            ),
        )

    def __str__(self) -> str:
        return self.address


class ProviderAllowance(models.Model):
    """What a warming IP may send to one provider on one UTC day, and why; kept as its history.

    reason: `reputation.reason.Reason` as {"kind", "facts"}. The same of the pace within the day:
    messages_per_hour, None for evenly; paused_until, None for no pause; pace_reason, None for none.
    """

    sending_ip = models.ForeignKey(
        SendingIp, on_delete=models.CASCADE, related_name="provider_allowances"
    )
    provider = models.CharField(max_length=253)  # as events name it
    day = models.DateField()
    messages = models.PositiveIntegerField()
    reason = models.JSONField()
    messages_per_hour = models.PositiveIntegerField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)
    pace_reason = models.JSONField(null=True, blank=True)
    decided_at = models.DateTimeField()  # of what changed last

    class Meta:
        """One for each IP, provider and day: of two who decide it, the first does."""

        constraints = (
            models.UniqueConstraint(
                fields=["sending_ip", "provider", "day"], name="allowance_per_ip_provider_day"
            ),
        )

    def __str__(self) -> str:
        return f"{self.messages} to {self.provider} on {self.day}"


class CheckStatus(models.TextChoices):
    """Result of the latest DNS check, in SparkPost's words."""

    UNVERIFIED = "unverified"
    VALID = "valid"
    INVALID = "invalid"


class SendingDomain(models.Model):
    """A domain that mail may come from; `DkimKey`s sign for it."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="sending_domains")
    domain = models.CharField(max_length=253, unique=True)  # lower case, ASCII (IDNA)
    dkim_status = models.CharField(
        max_length=20, choices=CheckStatus, default=CheckStatus.UNVERIFIED
    )
    verified_at = models.DateTimeField(null=True, blank=True)  # None: nothing may be sent from it
    checked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.domain

    @property
    def default_key(self) -> DkimKey:
        """The RSA key that signs; of a domain that was never verified the one that is to."""
        order = list(KeyState)
        rsa = (key for key in self.dkim_keys.all() if key.algorithm == KeyAlgorithm.RSA)
        return min(rsa, key=lambda key: order.index(KeyState(key.state)))


class KeyAlgorithm(models.TextChoices):
    """Kinds of DKIM keys, as the record's k= names them (RFC 6376, RFC 8463)."""

    RSA = "rsa"
    ED25519 = "ed25519"


class KeyState(models.TextChoices):
    """What a DKIM key is there for; see `dkim_keys.py`. The more it counts, the earlier."""

    ACTIVE = "active"
    PUBLISHED = "published"
    NEW = "new"
    RETIRING = "retiring"


class DkimKey(models.Model):
    """A key that signs a domain's mail, did so, or is to."""

    domain = models.ForeignKey(SendingDomain, on_delete=models.CASCADE, related_name="dkim_keys")
    algorithm = models.CharField(max_length=10, choices=KeyAlgorithm)
    selector = models.CharField(max_length=63)
    private_key = models.BinaryField()  # PEM, encrypted with the instance's secret key
    public_key = models.TextField()  # as in the DNS record's p=
    state = models.CharField(max_length=10, choices=KeyState)
    created_at = models.DateTimeField()
    state_since = models.DateTimeField()

    class Meta:
        """At most one key of a kind signs, and one waits to."""

        constraints = (
            models.UniqueConstraint(fields=["domain", "selector"], name="dkim_selector_per_domain"),
            models.UniqueConstraint(
                fields=["domain", "algorithm"],
                condition=models.Q(state="active"),
                name="dkim_one_active_key",
            ),
            models.UniqueConstraint(
                fields=["domain", "algorithm"],
                condition=models.Q(state__in=["new", "published"]),
                name="dkim_one_waiting_key",
            ),
        )

    def __str__(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"


class StaticRoute(models.Model):
    """Where mail for matching recipient domains goes instead of their MX: a smart host."""

    pattern = models.CharField(max_length=255, unique=True)  # "*", "domain" or "*.domain"
    host = models.CharField(max_length=253)  # name or address, IPv6 without brackets
    port = models.PositiveIntegerField()
    connections = models.PositiveIntegerField(null=True, blank=True)
    messages_per_minute = models.PositiveIntegerField(null=True, blank=True)
    tls = models.CharField(
        max_length=16,
        choices=[(mode.value, mode.value) for mode in TlsMode],
        default=TlsMode.OPPORTUNISTIC.value,
    )
    username = models.CharField(max_length=255, blank=True, default="")
    password = models.BinaryField(default=b"")  # sealed by adapters/crypto.py
    is_signed = models.BooleanField(default=True)  # by us; else the smart host signs
    created_at = models.DateTimeField()

    class Meta:
        """Only what a connection can be made with."""

        constraints = (
            models.CheckConstraint(
                condition=models.Q(tls__in=[mode.value for mode in TlsMode]),
                name="route_tls_mode",
            ),
            models.CheckConstraint(
                condition=models.Q(username="", password=b"")
                | (~models.Q(username="") & ~models.Q(password=b"")),
                name="route_user_with_password",
            ),
            models.CheckConstraint(
                condition=models.Q(port__gte=1, port__lte=65535), name="route_port_1_to_65535"
            ),
            models.CheckConstraint(
                condition=models.Q(connections__isnull=True) | models.Q(connections__gte=1),
                name="route_connections_positive",
            ),
            models.CheckConstraint(
                condition=models.Q(messages_per_minute__isnull=True)
                | models.Q(messages_per_minute__gte=1),
                name="route_rate_positive",
            ),
        )

    def __str__(self) -> str:
        return f"{self.pattern} via {self.host}:{self.port}"


class Egress(models.Model):
    """An account's old provider: an SMTP relay that takes the mail which has not moved here yet.

    checked_at: when it was looked at last as it is now, None: never; trouble, trouble_detail,
    is_slow: what was found then, as `egress_check.Found` says it, "" when mail can go.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="egresses")
    name = models.CharField(max_length=100)  # how people call it
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField()
    tls = models.CharField(max_length=16, choices=[(mode.value, mode.value) for mode in TlsMode])
    username = models.CharField(max_length=255, blank=True, default="")
    password = models.BinaryField(default=b"")  # sealed by adapters/crypto.py
    connections = models.PositiveIntegerField()
    messages_per_minute = models.PositiveIntegerField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    trouble = models.CharField(max_length=20, blank=True, default="")
    trouble_detail = models.CharField(max_length=200, blank=True, default="")
    is_slow = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        """An account names an egress once; only what a connection can be made with."""

        constraints = (
            models.UniqueConstraint(fields=["account", "name"], name="egress_name_per_account"),
            models.CheckConstraint(
                condition=models.Q(tls__in=[mode.value for mode in TlsMode]),
                name="egress_tls_mode",
            ),
            models.CheckConstraint(
                condition=models.Q(username="", password=b"")
                | (~models.Q(username="") & ~models.Q(password=b"")),
                name="egress_user_with_password",
            ),
            models.CheckConstraint(
                condition=models.Q(port__gte=1, port__lte=65535), name="egress_port_1_to_65535"
            ),
            models.CheckConstraint(
                condition=models.Q(connections__gte=1), name="egress_connections_positive"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.host}:{self.port})"


class Split(models.Model):
    """How the mail of a pool is split between an old provider and our IPs; see `splits.py`."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="splits")
    pool = models.OneToOneField(IpPool, on_delete=models.PROTECT, related_name="split")
    egress = models.ForeignKey(Egress, on_delete=models.PROTECT, related_name="splits")
    on_spent = models.CharField(max_length=8, choices=[(way.value, way.value) for way in OnSpent])
    on_block = models.CharField(max_length=8, choices=[(way.value, way.value) for way in OnBlock])
    when_old_fails = models.CharField(
        max_length=8, choices=[(way.value, way.value) for way in OnOldFailure]
    )
    paused = models.CharField(max_length=500, blank=True, default="")  # why, "": it is not
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"pool {self.pool_id} and egress {self.egress_id}"


class SplitShare(models.Model):
    """How many of 10,000 recipients at a provider go our way, "" for every other provider."""

    split = models.ForeignKey(Split, on_delete=models.CASCADE, related_name="shares")
    provider = models.CharField(max_length=253, blank=True)
    share = models.PositiveIntegerField()

    class Meta:
        """One share a provider, of 10,000."""

        constraints = (
            models.UniqueConstraint(fields=["split", "provider"], name="share_per_provider"),
            models.CheckConstraint(condition=models.Q(share__lte=10_000), name="share_of_10000"),
        )

    def __str__(self) -> str:
        return f"{self.provider or 'all others'}: {self.share}"


class QueueOrder(models.Model):
    """Mail that somebody ordered to wait, until a moment; see `contracts.sending_policy.Order`.

    by_account: the account's own, which it may end itself.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, null=True, blank=True)
    pool = models.ForeignKey(IpPool, on_delete=models.CASCADE, null=True, blank=True)
    provider = models.CharField(max_length=253, blank=True, default="")
    sending_ip = models.CharField(max_length=45, blank=True, default="")
    drains = models.BooleanField(default=False)
    by_account = models.BooleanField(default=False)
    by = models.CharField(max_length=200)
    reason = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField()
    until_at = models.DateTimeField()

    class Meta:
        """Every order ends."""

        constraints = (
            models.CheckConstraint(
                condition=models.Q(until_at__gt=models.F("created_at")), name="queue_order_ends"
            ),
        )

    def __str__(self) -> str:
        return f"{self.provider or 'all mail'} until {self.until_at}"


class SuppressionType(models.TextChoices):
    """Which mail a suppression stops; SparkPost's words."""

    TRANSACTIONAL = "transactional"
    NON_TRANSACTIONAL = "non_transactional"


class SuppressionSource(models.TextChoices):
    """What put an address on the list; SparkPost's words, shown in the bounce it causes."""

    SPAM_COMPLAINT = "Spam Complaint"
    LIST_UNSUBSCRIBE = "List Unsubscribe"
    BOUNCE_RULE = "Bounce Rule"
    UNSUBSCRIBE_LINK = "Unsubscribe Link"
    MANUALLY_ADDED = "Manually Added"
    COMPLIANCE = "Compliance"


class Suppression(models.Model):
    """An address an account does not send one type of mail to."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="suppressions")
    recipient = models.CharField(max_length=320)  # lower case, trimmed
    type = models.CharField(max_length=20, choices=SuppressionType)
    list_id = models.CharField(max_length=255, blank=True, default="")  # "": the whole account
    source = models.CharField(max_length=20, choices=SuppressionSource)
    description = models.TextField(blank=True, default="")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        """One entry for each recipient, type and list; listed by when they last changed."""

        constraints = (
            # Also the index that `suppression.suppressed_among` reads.
            models.UniqueConstraint(
                fields=["account", "recipient", "type", "list_id"], name="suppression_entry"
            ),
        )
        indexes = (
            models.Index(fields=["account", "updated_at", "id"], name="suppression_by_update"),
        )

    def __str__(self) -> str:
        return f"{self.recipient} ({self.type})"


class Engagement(models.Model):
    """The last UTC day on which a recipient opened or clicked something of an account's."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="engagements")
    recipient = models.CharField(max_length=320)  # lower case, trimmed
    engaged_on = models.DateField()

    class Meta:
        """One day for each recipient: the latest."""

        constraints = (
            # Also the index that `engagement.tiers_of` reads.
            models.UniqueConstraint(fields=["account", "recipient"], name="engagement_recipient"),
        )

    def __str__(self) -> str:
        return f"{self.recipient} on {self.engaged_on}"


class BounceRulePosition(models.Model):
    """How far the bounces of a shard have been looked at; changes with the entries they made."""

    shard = models.PositiveSmallIntegerField(primary_key=True)
    nonce = models.CharField(max_length=32)  # of the shard's file: another one counts anew
    event = models.BigIntegerField()  # number of the last event looked at

    def __str__(self) -> str:
        return f"shard {self.shard} up to {self.event}"


class OutboxMail(models.Model):
    """An email of Merpati's own, to one address: written with what it tells of (`own_mail.py`)."""

    key = models.CharField(max_length=200, unique=True)  # a repeat is the same mail
    message_key = models.CharField(max_length=64)  # left side of its Message-ID
    to_email = models.CharField(max_length=320)
    to_name = models.CharField(max_length=200, blank=True)
    from_name = models.CharField(max_length=200, blank=True)
    reply_to = models.CharField(max_length=320, blank=True)  # "": the address it comes from
    subject = models.CharField(max_length=300)
    text = models.TextField()
    html = models.TextField(blank=True)
    headers = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)  # accepted by injection; events tell the rest
    failed_at = models.DateTimeField(null=True)
    trouble = models.CharField(max_length=500, blank=True)  # why it failed, for people
    transmission_id = models.CharField(max_length=20, blank=True)

    class Meta:
        """It waits, was sent or failed; what waits is found at once."""

        constraints = (
            models.CheckConstraint(
                condition=models.Q(sent_at=None) | models.Q(failed_at=None),
                name="outbox_mail_ends_once",
            ),
        )
        indexes = (
            models.Index(
                fields=["id"],
                condition=models.Q(sent_at=None, failed_at=None),
                name="outbox_mail_waits",
            ),
        )

    def __str__(self) -> str:
        return f"{self.key} to {self.to_email}"


class OutboxFile(models.Model):
    """A file of such an email; goes with it."""

    mail = models.ForeignKey(OutboxMail, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(max_length=255)
    type = models.CharField(max_length=200)
    data = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.mail_id} {self.name}"


class PolicyVersion(models.Model):
    """The one row that counts changes to the sending policy; see `policy.py`."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    version = models.PositiveBigIntegerField()

    class Meta:
        """One row."""

        constraints = (
            models.CheckConstraint(condition=models.Q(id=1), name="policy_version_one_row"),
        )

    def __str__(self) -> str:
        return str(self.version)
