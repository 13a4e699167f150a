#!/usr/bin/env bash
# Django 3.2.25, Falcon 3.1.1, Bottle 0.12.23, Flask 2.2.2 with Werkzeug 2.2.2, WebOb 1.8.6, which
# Pyramid reads with (Debian 12, versions below)
#
# Guess: a server that has taken the chunks of a body apart gives frameworks its bytes by
# wsgi.input, says by wsgi.input_terminated that they end by themselves, and they read
# them; a header Transfer-Encoding that is left beside them hurts nobody.
# What happens: Flask and WebOb read. Django, Falcon and Bottle go by CONTENT_LENGTH: without it the
# form is empty, there is no error, and the view answers 200. And Bottle takes chunks apart
# itself where the header says that there are some: what it is given is none any more, so
# it answers 400, also where CONTENT_LENGTH stands beside it.
# Who is hurt: clients that send as they produce, as many programs and some proxies do:
# uploads are lost, and both sides log that all went well. A server has to know the
# length first, or say that it cannot; and leave the header out.
. "$(dirname "$(readlink -f "$0")")/lib"
debian python3-django=3:3.2.25-0+deb12u7 python3-asgiref=3.6.0-1 python3-sqlparse=0.4.2-1+deb12u1 python3-tz=2022.7.1-4 \
  python3-falcon=3.1.1-1+b1 python3-bottle=0.12.23-1.1 python3-webob=1:1.8.6-3 python3-flask=2.2.2-3 python3-werkzeug=2.2.2-3+deb12u1 \
  python3-jinja2=3.1.2-1+deb12u3 python3-markupsafe=2.1.2-1+b1 python3-click=8.1.3-2 python3-itsdangerous=2.1.2-3
cat >forms.py <<'PY'
"""forms.py FRAMEWORK [NAME=VALUE…]: what a view has of the form name=ada, where the environ has the variables."""
import io
import sys


def django():
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import path

    settings.configure(SECRET_KEY='x', ROOT_URLCONF=__name__, ALLOWED_HOSTS=['*'])
    globals()['urlpatterns'] = [path('', lambda request: HttpResponse('name=%s' % request.POST.get('name')))]
    return get_wsgi_application()


def falcon():
    import falcon

    class View:
        def on_post(self, request, response):
            response.text = 'name=%s' % request.get_media().get('name')

    app = falcon.App()
    app.add_route('/', View())
    return app


def bottle():
    from bottle import Bottle, request

    app = Bottle()
    app.post('/')(lambda: 'name=%s' % request.forms.get('name'))
    return app


def flask():
    from flask import Flask, request

    app = Flask('x')
    app.post('/')(lambda: 'name=%s' % request.form.get('name'))
    return app


def webob():
    from webob import Request, Response

    return lambda environ, start: Response('name=%s' % Request(environ).POST.get('name'))(environ, start)


environ = {'REQUEST_METHOD': 'POST', 'PATH_INFO': '/', 'SCRIPT_NAME': '', 'QUERY_STRING': '', 'SERVER_NAME': 'h', 'SERVER_PORT': '80',
           'SERVER_PROTOCOL': 'HTTP/1.1', 'CONTENT_TYPE': 'application/x-www-form-urlencoded', 'wsgi.version': (1, 0), 'wsgi.url_scheme': 'http',
           'wsgi.input': io.BytesIO(b'name=ada'), 'wsgi.input_terminated': True, 'wsgi.errors': io.StringIO(), 'wsgi.multithread': False,
           'wsgi.multiprocess': False, 'wsgi.run_once': False}
environ.update(word.split('=') for word in sys.argv[2:])
status = []
body = b''.join(globals()[sys.argv[1]]()(environ, lambda line, headers, exc=None: status.append(line)))
print(status[0], body.decode() if status[0] == '200 OK' else '', end='')
PY
form() { /usr/bin/python3 forms.py "$@"; }
for framework in django falcon bottle flask webob; do
  expect "$framework, with a length" '200 OK name=ada' "$(form $framework CONTENT_LENGTH=8)"
done
for framework in django falcon bottle; do
  expect "$framework, without" '200 OK name=None' "$(form $framework)"
done
for framework in flask webob; do
  expect "$framework, without" '200 OK name=ada' "$(form $framework)"
done
expect 'bottle, with a length and the header' '400 Bad Request ' "$(form bottle CONTENT_LENGTH=8 HTTP_TRANSFER_ENCODING=chunked)"
