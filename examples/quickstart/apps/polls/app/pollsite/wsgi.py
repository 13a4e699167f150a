"""The WSGI entry point, named by WSGI_APPLICATION."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pollsite.settings")

application = get_wsgi_application()
