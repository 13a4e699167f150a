#!/usr/bin/env bash
# uWSGI 2.0.21 (Debian 12: uwsgi-core and uwsgi-plugin-python3 2.0.21-5.1)
#
# Guess: uWSGI's http-socket takes nothing from the headers of proxies unless an option
# says so; it has no option that does, but for the one that writes X-Forwarded-For into
# the log.
# What happens: wsgi.url_scheme is what X-Forwarded-Proto says, with no option set for it.
# X-Forwarded-For beside it does nothing: REMOTE_ADDR stays the proxy's.
# Who is hurt: who moves an app to a server that believes nobody unasked: the proxy's
# configuration is the same, uWSGI's said nothing of it, and the app makes links with
# http:// from then on, and its logins over https fail.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >app.py <<'PY'
def application(environ, start_response):
    start_response('200 OK', [])
    return [('%s %s' % (environ['wsgi.url_scheme'], environ['REMOTE_ADDR'])).encode()]
PY
uwsgi_serves
expect 'without the header' 'http 127.0.0.1' "$(get '')"
expect 'X-Forwarded-Proto: https' 'https 127.0.0.1' "$(get '' -H 'X-Forwarded-Proto: https' -H 'X-Forwarded-For: 198.51.100.7')"
