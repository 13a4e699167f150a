#!/usr/bin/env bash
# SQLAlchemy 1.4.46, peewee 3.14.10, dj-database-url 0.5.0, django-environ 0.4.4 (Debian 12: versions below)
#
# Guess: a DATABASE_URL is a URL: what has to be written as %XX in its path is so written, and all readers
# take the file /srv/my site/db.sqlite3 from sqlite:////srv/my%20site/db.sqlite3, as they take a
# password with %40 in it for one with an @.
# What happens: dj-database-url and django-environ decode the path. SQLAlchemy decodes user and
# password and leaves the path as it stands, peewee decodes nothing: both mean a folder of the name
# "my%20site". A blank that stands as it is all four take. A + means a blank to django-environ alone.
# Who is hurt: whose tool makes the URL, and whose folder has a blank or an umlaut in its name: one
# application finds its database, the next one ends with "unable to open database file", or makes
# a new and empty one where a folder of that name is there.
. "$(dirname "$(readlink -f "$0")")/lib"
debian python3-sqlalchemy=1.4.46+ds1-1 python3-peewee=3.14.10+dfsg-1+b3 python3-dj-database-url=0.5.0-2 python3-django-environ=0.4.4-5 \
  python3-django=3:3.2.25-0+deb12u7 python3-asgiref=3.6.0-1 python3-sqlparse=0.4.2-1+deb12u1 python3-six
cat >read.py <<'PY'
"""read.py READER URL: the file of the database, and the password where there is one."""
import sys

reader, url = sys.argv[1:]
if reader == 'sqlalchemy':
    from sqlalchemy.engine import make_url
    read = make_url(url)
    name, password = read.database, read.password
elif reader == 'peewee':
    from playhouse.db_url import parse
    read = parse(url)
    name, password = read['database'], read.get('password')
elif reader == 'dj_database_url':
    import dj_database_url
    read = dj_database_url.parse(url)
    name, password = read['NAME'], read['PASSWORD']
else:
    import environ
    read = environ.Env.db_url_config(url)
    name, password = read['NAME'], read['PASSWORD']
print(name, password or '', sep=' ' if password else '')
PY
# What the four make of a URL.
all() { for reader in sqlalchemy peewee dj_database_url environ; do /usr/bin/python3 read.py $reader "$1" 2>/dev/null; done | paste -sd'|'; }
expect 'versions' '1.4.46 3.14.10' "$(/usr/bin/python3 -c 'import peewee, sqlalchemy; print(sqlalchemy.__version__, peewee.__version__)')"
expect 'a password' 'blog p@w|blog p%40w|blog p@w|blog p@w' "$(all postgresql://blog:p%40w@db.example/blog)"
expect '%20' '/srv/my%20site/db.sqlite3|/srv/my%20site/db.sqlite3|/srv/my site/db.sqlite3|/srv/my site/db.sqlite3' "$(all sqlite:////srv/my%20site/db.sqlite3)"
expect 'a blank' '/srv/my site/db.sqlite3|/srv/my site/db.sqlite3|/srv/my site/db.sqlite3|/srv/my site/db.sqlite3' "$(all 'sqlite:////srv/my site/db.sqlite3')"
expect 'a +' '/srv/a+b/db.sqlite3|/srv/a+b/db.sqlite3|/srv/a+b/db.sqlite3|/srv/a b/db.sqlite3' "$(all sqlite:////srv/a+b/db.sqlite3)"
