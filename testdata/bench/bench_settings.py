"""The quickstart's Django project as a production server would run it, with one
view more that does nothing: what Django itself costs, all its middleware on."""

from pollsite.settings import *  # noqa: F401,F403

DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "bench_urls"
