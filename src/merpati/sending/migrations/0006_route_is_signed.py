from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sending", "0005_route_tls_and_login")]

    operations = [
        migrations.AddField("staticroute", "is_signed", models.BooleanField(default=True)),
    ]
