#!/usr/bin/env bash
# uWSGI 2.0.21 (Debian 12: uwsgi-core 2.0.21-5.1)
#
# Guess: in an ini file, "ini = F", "include = F" and "inherit = F" take the options of
# another file in, and differ at most in whose value wins; F may name a section of the
# file behind a colon, as on the command line.
# What happens: only "ini" knows sections: "include = F:section" and "inherit =
# F:section" end uWSGI, "unable to load configuration from F:section", as if the file
# were not there. And placeholders are filled in what "ini" and "include" bring, not in
# what "inherit" brings: %(name) stays as text, nobody is told, and a pid file or a
# socket of that very name is made.
# Who is hurt: who moves what several vassals share into a file that they inherit: all
# of them write to one literal "%(name).pid", and each overwrites the others'.
. "$(dirname "$(readlink -f "$0")")/lib"
uwsgi
printf '[uwsgi]\npidfile = %s/%%(name).pid\n[web]\npidfile = %s/%%(name)-web.pid\n' "$WORK" "$WORK" >shared.ini
# What becomes of the pid file, or why it does not start.
resolved() {
  printf '[uwsgi]\nname = blog\n%s\n' "$1" >app.ini
  timeout 20 root/usr/bin/uwsgi-core --ini app.ini --show-config --no-server 2>&1 | sed -n "s|^unable to load.* from \(.*\)|refused: \1|p; s|^pidfile = $WORK/||p"
}
expect 'version' '2.0.21-debian' "$(root/usr/bin/uwsgi-core --version)"
expect 'ini =' 'blog.pid' "$(resolved 'ini = shared.ini')"
expect 'include =' 'blog.pid' "$(resolved 'include = shared.ini')"
expect 'inherit =' '%(name).pid' "$(resolved 'inherit = shared.ini')"
expect 'it is written to' '%(name).pid' "$(ls ./*'(name)'* | sed 's|./||')"
expect 'ini = with a section' 'blog-web.pid' "$(resolved 'ini = shared.ini:web')"
expect 'include = with a section' 'refused: shared.ini:web' "$(resolved 'include = shared.ini:web')"
expect 'inherit = with a section' 'refused: shared.ini:web' "$(resolved 'inherit = shared.ini:web')"
