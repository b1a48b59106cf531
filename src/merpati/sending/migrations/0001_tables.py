"""Sending IPs, domains, routes, egresses, suppressions and the service's own mail."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    replaces = [
        ("sending", "0001_initial"),
        ("sending", "0002_suppression_resource"),
        ("sending", "0003_queue_orders"),
        ("sending", "0004_dkim_keys"),
        ("sending", "0005_route_tls_and_login"),
        ("sending", "0006_route_is_signed"),
        ("sending", "0007_own_mail"),
        ("sending", "0008_warmup_by_provider"),
        ("sending", "0009_egresses"),
        ("sending", "0010_egress_checks"),
    ]

    initial = True

    dependencies = [
        ("accounts", "0001_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="IpPool",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="ip_pools",
                        to="accounts.account",
                    ),
                ),
                ("slug", models.CharField(max_length=100)),
                ("name", models.CharField(max_length=100)),
                (
                    "overflow_pool",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="overflows_of",
                        to="sending.ippool",
                    ),
                ),
                ("signing_domain", models.CharField(blank=True, default="", max_length=253)),
                ("fbl_signing_domain", models.CharField(blank=True, default="", max_length=253)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "slug"), name="pool_slug_per_account"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SendingIp",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sending_ips",
                        to="accounts.account",
                    ),
                ),
                (
                    "pool",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sending_ips",
                        to="sending.ippool",
                    ),
                ),
                ("address", models.GenericIPAddressField(protocol="IPv4", unique=True)),
                ("hostname", models.CharField(max_length=253)),
                ("slot", models.PositiveSmallIntegerField()),
                ("auto_warmup_enabled", models.BooleanField(default=False)),
                ("auto_warmup_stage", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("auto_warmup_stage_on", models.DateField(blank=True, null=True)),
                ("warms_by_provider", models.BooleanField(default=False)),
                ("engaged_within_days", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("slot__gte", 1), ("slot__lte", 6)),
                        name="sending_ip_slot_1_to_6",
                    ),
                    models.UniqueConstraint(
                        fields=("account", "slot"), name="sending_ip_slot_per_account"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("auto_warmup_stage__isnull", True),
                            models.Q(("auto_warmup_stage__gte", 1), ("auto_warmup_stage__lte", 30)),
                            _connector="OR",
                        ),
                        name="sending_ip_warmup_stage_1_to_30",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("auto_warmup_enabled", False),
                            ("auto_warmup_stage__isnull", False),
                            _connector="OR",
                        ),
                        name="sending_ip_warming_has_stage",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("engaged_within_days__isnull", True),
                            ("engaged_within_days__gte", 1),
                            _connector="OR",
                        ),
                        name="sending_ip_engaged_within_a_day",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ProviderAllowance",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "sending_ip",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="provider_allowances",
                        to="sending.sendingip",
                    ),
                ),
                ("provider", models.CharField(max_length=253)),
                ("day", models.DateField()),
                ("messages", models.PositiveIntegerField()),
                ("reason", models.JSONField()),
                ("messages_per_hour", models.PositiveIntegerField(blank=True, null=True)),
                ("paused_until", models.DateTimeField(blank=True, null=True)),
                ("pace_reason", models.JSONField(blank=True, null=True)),
                ("decided_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("sending_ip", "provider", "day"),
                        name="allowance_per_ip_provider_day",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SendingDomain",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sending_domains",
                        to="accounts.account",
                    ),
                ),
                ("domain", models.CharField(max_length=253, unique=True)),
                (
                    "dkim_status",
                    models.CharField(
                        choices=[
                            ("unverified", "Unverified"),
                            ("valid", "Valid"),
                            ("invalid", "Invalid"),
                        ],
                        default="unverified",
                        max_length=20,
                    ),
                ),
                ("verified_at", models.DateTimeField(blank=True, null=True)),
                ("checked_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="DkimKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "domain",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="dkim_keys",
                        to="sending.sendingdomain",
                    ),
                ),
                (
                    "algorithm",
                    models.CharField(
                        choices=[("rsa", "Rsa"), ("ed25519", "Ed25519")], max_length=10
                    ),
                ),
                ("selector", models.CharField(max_length=63)),
                ("private_key", models.BinaryField()),
                ("public_key", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("active", "Active"),
                            ("published", "Published"),
                            ("new", "New"),
                            ("retiring", "Retiring"),
                        ],
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("state_since", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("domain", "selector"), name="dkim_selector_per_domain"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "active")),
                        fields=("domain", "algorithm"),
                        name="dkim_one_active_key",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ["new", "published"])),
                        fields=("domain", "algorithm"),
                        name="dkim_one_waiting_key",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="StaticRoute",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("pattern", models.CharField(max_length=255, unique=True)),
                ("host", models.CharField(max_length=253)),
                ("port", models.PositiveIntegerField()),
                ("connections", models.PositiveIntegerField(blank=True, null=True)),
                ("messages_per_minute", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "tls",
                    models.CharField(
                        choices=[
                            ("none", "none"),
                            ("opportunistic", "opportunistic"),
                            ("required", "required"),
                            ("verify", "verify"),
                            ("implicit", "implicit"),
                        ],
                        default="opportunistic",
                        max_length=16,
                    ),
                ),
                ("username", models.CharField(blank=True, default="", max_length=255)),
                ("password", models.BinaryField(default=b"")),
                ("is_signed", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("tls__in", ["none", "opportunistic", "required", "verify", "implicit"])
                        ),
                        name="route_tls_mode",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("password", b""), ("username", "")),
                            models.Q(
                                models.Q(("username", ""), _negated=True),
                                models.Q(("password", b""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="route_user_with_password",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("port__gte", 1), ("port__lte", 65535)),
                        name="route_port_1_to_65535",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("connections__isnull", True), ("connections__gte", 1), _connector="OR"
                        ),
                        name="route_connections_positive",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("messages_per_minute__isnull", True),
                            ("messages_per_minute__gte", 1),
                            _connector="OR",
                        ),
                        name="route_rate_positive",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Egress",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="egresses",
                        to="accounts.account",
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("host", models.CharField(max_length=253)),
                ("port", models.PositiveIntegerField()),
                (
                    "tls",
                    models.CharField(
                        choices=[
                            ("none", "none"),
                            ("opportunistic", "opportunistic"),
                            ("required", "required"),
                            ("verify", "verify"),
                            ("implicit", "implicit"),
                        ],
                        max_length=16,
                    ),
                ),
                ("username", models.CharField(blank=True, default="", max_length=255)),
                ("password", models.BinaryField(default=b"")),
                ("connections", models.PositiveIntegerField()),
                ("messages_per_minute", models.PositiveIntegerField(blank=True, null=True)),
                ("checked_at", models.DateTimeField(blank=True, null=True)),
                ("trouble", models.CharField(blank=True, default="", max_length=20)),
                ("trouble_detail", models.CharField(blank=True, default="", max_length=200)),
                ("is_slow", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "name"), name="egress_name_per_account"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("tls__in", ["none", "opportunistic", "required", "verify", "implicit"])
                        ),
                        name="egress_tls_mode",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("password", b""), ("username", "")),
                            models.Q(
                                models.Q(("username", ""), _negated=True),
                                models.Q(("password", b""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="egress_user_with_password",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("port__gte", 1), ("port__lte", 65535)),
                        name="egress_port_1_to_65535",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("connections__gte", 1)),
                        name="egress_connections_positive",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Split",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="splits",
                        to="accounts.account",
                    ),
                ),
                (
                    "pool",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="split",
                        to="sending.ippool",
                    ),
                ),
                (
                    "egress",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="splits",
                        to="sending.egress",
                    ),
                ),
                (
                    "on_spent",
                    models.CharField(
                        choices=[("old", "old"), ("wait", "wait"), ("pool", "pool")], max_length=8
                    ),
                ),
                (
                    "on_block",
                    models.CharField(choices=[("wait", "wait"), ("old", "old")], max_length=8),
                ),
                (
                    "when_old_fails",
                    models.CharField(choices=[("wait", "wait"), ("move", "move")], max_length=8),
                ),
                ("paused", models.CharField(blank=True, default="", max_length=500)),
                ("created_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="SplitShare",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "split",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="shares",
                        to="sending.split",
                    ),
                ),
                ("provider", models.CharField(blank=True, max_length=253)),
                ("share", models.PositiveIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("split", "provider"), name="share_per_provider"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("share__lte", 10000)), name="share_of_10000"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="QueueOrder",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="accounts.account",
                    ),
                ),
                (
                    "pool",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="sending.ippool",
                    ),
                ),
                ("provider", models.CharField(blank=True, default="", max_length=253)),
                ("sending_ip", models.CharField(blank=True, default="", max_length=45)),
                ("drains", models.BooleanField(default=False)),
                ("by_account", models.BooleanField(default=False)),
                ("by", models.CharField(max_length=200)),
                ("reason", models.CharField(blank=True, default="", max_length=500)),
                ("created_at", models.DateTimeField()),
                ("until_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("until_at__gt", models.F("created_at"))),
                        name="queue_order_ends",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Suppression",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="suppressions",
                        to="accounts.account",
                    ),
                ),
                ("recipient", models.CharField(max_length=320)),
                (
                    "type",
                    models.CharField(
                        choices=[
                            ("transactional", "Transactional"),
                            ("non_transactional", "Non Transactional"),
                        ],
                        max_length=20,
                    ),
                ),
                ("list_id", models.CharField(blank=True, default="", max_length=255)),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("Spam Complaint", "Spam Complaint"),
                            ("List Unsubscribe", "List Unsubscribe"),
                            ("Bounce Rule", "Bounce Rule"),
                            ("Unsubscribe Link", "Unsubscribe Link"),
                            ("Manually Added", "Manually Added"),
                            ("Compliance", "Compliance"),
                        ],
                        max_length=20,
                    ),
                ),
                ("description", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["account", "updated_at", "id"], name="suppression_by_update"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "recipient", "type", "list_id"), name="suppression_entry"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Engagement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="engagements",
                        to="accounts.account",
                    ),
                ),
                ("recipient", models.CharField(max_length=320)),
                ("engaged_on", models.DateField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "recipient"), name="engagement_recipient"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="BounceRulePosition",
            fields=[
                ("shard", models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ("nonce", models.CharField(max_length=32)),
                ("event", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="OutboxMail",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=200, unique=True)),
                ("message_key", models.CharField(max_length=64)),
                ("to_email", models.CharField(max_length=320)),
                ("to_name", models.CharField(blank=True, max_length=200)),
                ("from_name", models.CharField(blank=True, max_length=200)),
                ("reply_to", models.CharField(blank=True, max_length=320)),
                ("subject", models.CharField(max_length=300)),
                ("text", models.TextField()),
                ("html", models.TextField(blank=True)),
                ("headers", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                ("failed_at", models.DateTimeField(null=True)),
                ("trouble", models.CharField(blank=True, max_length=500)),
                ("transmission_id", models.CharField(blank=True, max_length=20)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("failed_at", None), ("sent_at", None)),
                        fields=["id"],
                        name="outbox_mail_waits",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("sent_at", None), ("failed_at", None), _connector="OR"),
                        name="outbox_mail_ends_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="OutboxFile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "mail",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="files",
                        to="sending.outboxmail",
                    ),
                ),
                ("name", models.CharField(max_length=255)),
                ("type", models.CharField(max_length=200)),
                ("data", models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            name="PolicyVersion",
            fields=[
                ("id", models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ("version", models.PositiveBigIntegerField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="policy_version_one_row"
                    )
                ],
            },
        ),
    ]
