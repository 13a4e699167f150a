#!/usr/bin/env bash
# CherryPy 18.8.0 (Debian 12: python3-cherrypy3 18.8.0-2)
#
# Guess: a server that takes a prefix off the path and tells it by SCRIPT_NAME, as WSGI has it, has the
# application find /x as its x: Django, Flask, Falcon, Bottle and Pyramid look at PATH_INFO.
# What happens: CherryPy puts the two together again and goes by the place that the program mounted
# itself at. One that is mounted at "", which is what all do that know of no prefix, takes /blog/x
# for a page "blog": 404, or the method default with ("blog", "x"). Mounted at None it goes
# by SCRIPT_NAME; mounted at "/blog" it is right with the prefix taken off and without.
# Who is hurt: who moves an application below a prefix by the server's setting alone: each page is
# missing, and where a method default answers everything, each page is the wrong one, with 200.
. "$(dirname "$(readlink -f "$0")")/lib"
debian python3-cherrypy3=18.8.0-2 python3-cheroot python3-portend python3-tempora python3-more-itertools python3-zc.lockfile python3-jaraco.collections python3-jaraco.functools \
  python3-jaraco.classes python3-jaraco.text python3-jaraco.context python3-tz python3-inflect python3-pydantic python3-typing-extensions python3-six
cat >ask.py <<'PY'
"""ask.py: what an application says to /blog/x, by the place that it is mounted at."""
import io
import sys

import cherrypy

cherrypy.config.update({'environment': 'embedded', 'log.screen': False})


class Root:
    @cherrypy.expose
    def x(self):
        return 'x, other pages at ' + cherrypy.url('/y')


def ask(app, script_name, path_info):
    said = []
    environ = {'REQUEST_METHOD': 'GET', 'SCRIPT_NAME': script_name, 'PATH_INFO': path_info, 'QUERY_STRING': '', 'SERVER_NAME': 'a.example', 'SERVER_PORT': '80',
               'HTTP_HOST': 'a.example', 'REMOTE_ADDR': '192.0.2.1', 'SERVER_PROTOCOL': 'HTTP/1.1', 'wsgi.version': (1, 0), 'wsgi.url_scheme': 'http',
               'wsgi.input': io.BytesIO(), 'wsgi.errors': sys.stderr, 'wsgi.multithread': False, 'wsgi.multiprocess': False, 'wsgi.run_once': False}
    body = b''.join(app(environ, lambda status, headers, exc_info=None: said.append(status)))
    return said[0] + (', ' + body.decode() if said[0] == '200 OK' else '')


print('version:', cherrypy.__version__)
for place in '', None, '/blog':
    print('Application at %r: %s' % (place, ask(cherrypy.Application(Root(), place), '/blog', '/x')))
print('at \'/blog\', nothing taken off: %s' % ask(cherrypy.Application(Root(), '/blog'), '', '/blog/x'))
cherrypy.tree.mount(Root())
print('tree.mount(Root()): %s' % ask(cherrypy.tree, '/blog', '/x'))
PY
expect 'CherryPy' "version: 18.8.0
Application at '': 404 Not Found
Application at None: 200 OK, x, other pages at http://a.example/blog/y
Application at '/blog': 200 OK, x, other pages at http://a.example/blog/y
at '/blog', nothing taken off: 200 OK, x, other pages at http://a.example/blog/y
tree.mount(Root()): 404 Not Found" "$(/usr/bin/python3 ask.py)"
