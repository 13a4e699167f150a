#!/usr/bin/env bash
# PasteDeploy 3.0.1, by pserve of Pyramid 2.0 (Debian 12: python3-pastedeploy 3.0.1-5,
# python3-pyramid 2.0+dfsg-2+deb12u1)
#
# Guess: "pserve app.ini http_port=9000" puts 9000 in place of the http_port that [DEFAULT]
# has: what a command line says beats the file.
# What happens: both count at once. %(http_port)s is filled with the value of [DEFAULT],
# and the variables that the application gets, and that "get" reads, have the one of the
# command line. Where [DEFAULT] does not name it, the given one is filled in.
# Who is hurt: who keeps a fallback in [DEFAULT] and gives the port of each instance in its
# unit: all of them listen on the fallback, and what the application says of its port is
# another one.
. "$(dirname "$(readlink -f "$0")")/lib"
debian python3-pastedeploy=3.0.1-5 python3-pyramid=2.0+dfsg-2+deb12u1 python3-plaster=1.0-3 python3-plaster-pastedeploy=0.5-5 python3-hupper=1.10.3-1 \
  python3-webob=1:1.8.6-3 python3-venusian=3.0.0-2 python3-translationstring=1.4-2 python3-zope.deprecation=4.4.0-5 python3-zope.interface=5.5.2-1+b1
cat >app.py <<'PY'
def make(variables, **told):
    return None
def serve(variables, **told):
    print("variable", variables.get("http_port"), "filled in", told["listen"], "get", told["got"], flush=True)
    return lambda app: None
PY
section=$'[app:main]\nuse = call:app:make\n[server:main]\nuse = call:app:serve\nlisten = 127.0.0.1:%(http_port)s\nget got = http_port\n'
printf '[DEFAULT]\nhttp_port = 8000\n%s' "$section" >fallback.ini
printf '%s' "$section" >bare.ini
pserve() { PYTHONPATH=$PYTHONPATH:$WORK /usr/bin/python3 -c 'from pyramid.scripts.pserve import main; main()' "$@" 2>&1 | grep ^variable; }
expect 'nothing given' 'variable 8000 filled in 127.0.0.1:8000 get 8000' "$(pserve fallback.ini)"
expect 'given, and in [DEFAULT]' 'variable 9000 filled in 127.0.0.1:8000 get 9000' "$(pserve fallback.ini http_port=9000)"
expect 'given alone' 'variable 9000 filled in 127.0.0.1:9000 get 9000' "$(pserve bare.ini http_port=9000)"
