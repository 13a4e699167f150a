#!/usr/bin/env bash
# gunicorn 20.1.0 (Debian 12: gunicorn and python3-gunicorn 20.1.0-6+deb12u1)
#
# Guess: gunicorn takes https from X-Forwarded-Proto, in letters of either case and from the
# first of several proxies, as others do; other headers of that kind are the application's.
# What happens: three headers tell it, each by one word that is compared letter by letter:
# X-Forwarded-Proto: https, X-Forwarded-Protocol: ssl, X-Forwarded-Ssl: on. "https, http", as two
# proxies make it, and "HTTPS" are http. Where two of the three disagree, the request is
# answered 400 and the application does not see it.
# Who is hurt: who puts a second proxy before the first and has one set X-Forwarded-Ssl: off
# where the other says https: every page is "Bad Request". And who moves an application away
# whose proxy sets one of the other two alone: it makes links with http:// from then on.
. "$(dirname "$(readlink -f "$0")")/lib"
debian gunicorn=20.1.0-6+deb12u1 python3-gunicorn=20.1.0-6+deb12u1
cat >app.py <<'PY'
def app(environ, start_response):
    start_response('200 OK', [])
    return [environ['wsgi.url_scheme'].encode()]
PY
port=$(free_port)
/usr/bin/python3 root/usr/bin/gunicorn -b "127.0.0.1:$port" app:app >gunicorn.log 2>&1 &
trap 'kill %1; wait; rm -rf "$WORK"' EXIT
# of HEADER…: the scheme that the application is told, or the status where that is not 200.
of() {
  local headers=() status
  for header in "$@"; do headers+=(-H "$header"); done
  status=$(get '' -o body -w '%{http_code}' "${headers[@]}")
  if [ "$status" = 200 ]; then cat body; else echo "$status"; fi
}
expect 'version' 'gunicorn (version 20.1.0)' "$(/usr/bin/python3 root/usr/bin/gunicorn --version)"
expect 'X-Forwarded-Proto: https' 'https' "$(of 'X-Forwarded-Proto: https')"
expect 'X-Forwarded-Proto: HTTPS' 'http' "$(of 'X-Forwarded-Proto: HTTPS')"
expect 'X-Forwarded-Proto: https, http' 'http' "$(of 'X-Forwarded-Proto: https, http')"
expect 'X-Forwarded-Ssl: on' 'https' "$(of 'X-Forwarded-Ssl: on')"
expect 'X-Forwarded-Protocol: ssl' 'https' "$(of 'X-Forwarded-Protocol: ssl')"
expect 'X-Forwarded-Proto: https and X-Forwarded-Ssl: off' '400' "$(of 'X-Forwarded-Proto: https' 'X-Forwarded-Ssl: off')"
