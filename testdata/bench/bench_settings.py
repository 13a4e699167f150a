"""The quickstart's Django project as a production server would run it."""

from pollsite.settings import *  # noqa: F401,F403

DEBUG = False
ALLOWED_HOSTS = ["*"]
