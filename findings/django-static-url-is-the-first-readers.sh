#!/usr/bin/env bash
# Django 3.2.25 (Debian 12: python3-django 3:3.2.25-0+deb12u7)
#
# Guess: STATIC_URL = 'static/', without a slash before it, is /blog/static/ for an
# application below SCRIPT_NAME /blog, as its manual says, whoever asks for it.
# What happens: the prefix is that of the moment in which somebody asks first, and stays so
# for the life of the process. Where a module asks at its import, as urls.py does for static()
# and some applications do for their widgets, that is /static/, in all pages, for FORCE_SCRIPT_NAME
# too. Where nobody did, it is the prefix of whoever's request came first, be it a health
# check that has none. MEDIA_URL alike; links by reverse() follow each request.
# Who is hurt: an application behind a proxy that tells its prefix by a header: a worker
# whose first request is one by another way makes pages without styles until it ends, and
# its neighbour does not. An absolute STATIC_URL is what it says.
. "$(dirname "$(readlink -f "$0")")/lib"
debian python3-django=3:3.2.25-0+deb12u7 python3-asgiref=3.6.0-1 python3-sqlparse=0.4.2-1+deb12u1 python3-tz=2022.7.1-4
cat >pages.py <<'PY'
"""pages.py [import|force] PREFIX…: the urls of static files in pages below the prefixes, one after another."""
import io
import sys

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.templatetags.static import static
from django.urls import path, reverse

how, prefixes = sys.argv[1], sys.argv[2:]
more = {'FORCE_SCRIPT_NAME': '/blog'} if how == 'force' else {}
settings.configure(SECRET_KEY='x', ROOT_URLCONF=__name__, ALLOWED_HOSTS=['*'], STATIC_URL='static/', **more)
urlpatterns = [path('page', lambda request: HttpResponse('%s of %s' % (static('a.css'), reverse('page'))), name='page')]
if how in ('import', 'force'):
    settings.STATIC_URL
app = get_wsgi_application()
pages = []
for prefix in prefixes:
    environ = {'REQUEST_METHOD': 'GET', 'PATH_INFO': '/page', 'SCRIPT_NAME': prefix.strip('-'), 'SERVER_NAME': 'h', 'SERVER_PORT': '80', 'wsgi.input': io.BytesIO(), 'wsgi.url_scheme': 'http'}
    pages.append(b''.join(app(environ, lambda *_: None)).decode())
print(', '.join(pages))
PY
pages() { /usr/bin/python3 pages.py "$@"; }
expect 'version' '3.2.25' "$(/usr/bin/python3 -c 'import django; print(django.__version__)')"
expect 'nobody asked before' '/blog/static/a.css of /blog/page' "$(pages '' /blog)"
expect 'a request without the prefix came first' '/static/a.css of /page, /static/a.css of /blog/page' "$(pages '' - /blog)"
expect 'a module asked at its import' '/static/a.css of /blog/page' "$(pages import /blog)"
expect 'with FORCE_SCRIPT_NAME' '/static/a.css of /blog/page' "$(pages force /blog)"
