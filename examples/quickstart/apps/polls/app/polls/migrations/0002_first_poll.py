"""A first poll, so that the page has something to show."""

from django.db import migrations


def add(apps, schema_editor):
    poll = apps.get_model("polls", "Poll").objects.create(question="Who restarts your workers?")
    option = apps.get_model("polls", "Option")
    for text in ("The fleet does", "I do, by hand", "Nobody dares"):
        option.objects.create(poll=poll, text=text)


def remove(apps, schema_editor):
    apps.get_model("polls", "Poll").objects.filter(question="Who restarts your workers?").delete()


class Migration(migrations.Migration):
    dependencies = [("polls", "0001_initial")]

    operations = [migrations.RunPython(add, remove)]
