"""The app's entry in Django's registry."""

from django.apps import AppConfig


class PollsConfig(AppConfig):
    name = "polls"
    default_auto_field = "django.db.models.AutoField"
