from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_account_states_and_retries")]

    operations = [
        migrations.AddField("apikey", "trusted_networks", models.JSONField(default=list)),
    ]
