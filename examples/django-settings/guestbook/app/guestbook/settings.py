"""For development; what a machine needs besides is in its django.json."""

SECRET_KEY = "for development only"
DEBUG = True
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "guestbook.urls"
WSGI_APPLICATION = "guestbook.wsgi.application"
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "development.sqlite3"},
}
