"""Settings of the guestbook. What differs from machine to machine comes by the
environment: SECRET_KEY from the spec, DATABASE_URL from its database block."""
import os
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
INSTALLED_APPS = ["django.contrib.staticfiles", "guestbook"]
MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
ROOT_URLCONF = "guestbook.urls"
USE_TZ = True

# collectstatic brings all of it there, in each release anew.
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "collected"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"


def database(url):
    """DATABASES of a DATABASE_URL, as dj-database-url would make it."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": unquote(parts.path)}
    query = parse_qs(parts.query)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.get("host", [unquote(parts.hostname or "")])[0],
        "PORT": query.get("port", [parts.port or ""])[0],
    }


# Started by hand, without the spec's: a file beside the code.
DATABASES = {"default": database(os.environ.get("DATABASE_URL", "sqlite://%s/db.sqlite3" % BASE_DIR))}
