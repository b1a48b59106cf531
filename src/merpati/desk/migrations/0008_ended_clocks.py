import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_invitations_and_agreements"),
        ("desk", "0007_case_mail"),
    ]

    operations = [
        migrations.AddField(
            model_name="case", name="worked", field=models.DurationField(null=True)
        ),
        migrations.AddField(
            model_name="case", name="waited", field=models.DurationField(null=True)
        ),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(fields=["account", "resolved_at"], name="case_by_resolution"),
        ),
        migrations.RemoveIndex(model_name="case", name="case_by_due"),
        migrations.RemoveIndex(model_name="case", name="case_due"),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(fields=["representative", "due_at", "number"], name="case_by_due"),
        ),
        migrations.AddIndex(
            model_name="case", index=models.Index(fields=["due_at", "number"], name="case_due")
        ),
        migrations.CreateModel(
            name="EndedClock",
            fields=[
                (
                    "update",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        serialize=False,
                        to="desk.caseupdate",
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="ended_clocks",
                        to="desk.case",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
                ("name", models.CharField(max_length=20)),
                ("is_answer", models.BooleanField()),
                ("is_late", models.BooleanField()),
                ("due_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["account", "ended_at"], name="ended_clock_by_account")
                ],
            },
        ),
    ]
