"""The tables, and the articles that stand there from the start."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

ARTICLES = {"opening-hours": "From 9 to 17", "lost-key": "Ask at the counter", "moving": "Tell us a week before"}


def write_articles(apps, schema_editor):
    """Three articles."""
    made = apps.get_model("desk", "Article").objects
    for slug, text in ARTICLES.items():
        made.create(slug=slug, title=slug.replace("-", " ").capitalize(), text=text)


class Migration(migrations.Migration):
    """The first one."""

    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel(
            "Article",
            [
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("slug", models.SlugField(unique=True)),
                ("title", models.CharField(max_length=100)),
                ("text", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            "Ticket",
            [
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("owner", models.ForeignKey(settings.AUTH_USER_MODEL, django.db.models.deletion.CASCADE)),
                ("subject", models.CharField(max_length=100)),
                ("text", models.TextField(max_length=2000)),
                ("urgent", models.BooleanField(default=False)),
            ],
        ),
        migrations.RunPython(write_articles, migrations.RunPython.noop),
    ]
