package database

import (
	"encoding/json"
	"maps"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
)

// odd holds what readers of URLs disagree about.
const odd = `p@+#?/% :&=;'"[]\é`

func TestURL(t *testing.T) {
	for want, c := range map[string]Connection{
		"sqlite:////srv/a%3Fb%25%23%2B/shared/x.db": {Engine: SQLite, Name: "/srv/a?b%#+/shared/x.db"},
		// As it stands for SQLAlchemy 1.4.46 and peewee 3.14.10, which decode nothing here, and for
		// dj-database-url and django-environ, which do.
		"sqlite:////srv/my site/shared/é@:'&.db":                     {Engine: SQLite, Name: "/srv/my site/shared/é@:'&.db"},
		"postgresql://u:a%2Bb%20c@[::1]:5432/n":                      {Engine: PostgreSQL, Name: "n", User: "u", Password: "a+b c", Host: "::1", Port: "5432"},
		"postgresql://u%40x:p%2F@/n%23?host=%2Fvar%2Frun%2Fpostgres": {Engine: PostgreSQL, Name: "n#", User: "u@x", Password: "p/", Host: "/var/run/postgres"},
		"postgresql://u:p@/n?host=%2Frun&port=5433":                  {Engine: PostgreSQL, Name: "n", User: "u", Password: "p", Host: "/run", Port: "5433"},
	} {
		if got := c.URL(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// What readers make of the URL is what DATABASES says: psycopg2 by
// libpq's parser, and dj-database-url, whose ?host= becomes an option that
// Django gives to the driver; and pgx, the reader of Go's programs.
func TestReadersOfURL(t *testing.T) {
	if testing.Short() {
		t.Skip("runs Python")
	}
	const script = `
import json, sys
import dj_database_url
from psycopg2.extensions import parse_dsn
url = sys.argv[1]
d = dj_database_url.parse(url)
names = ("NAME", "USER", "PASSWORD", "HOST", "PORT")
dj = {k: str(d.get(k) or "") for k in names}
for k in ("HOST", "PORT"):
    dj[k] = dj[k] or d.get("OPTIONS", {}).get(k.lower(), "")
out = [dj]
if not url.startswith("sqlite"):
    p = parse_dsn(url)
    out.append({k: p.get(w, "") for k, w in zip(names, ("dbname", "user", "password", "host", "port"))})
print(json.dumps(out))
`
	for _, c := range []Connection{
		{Engine: PostgreSQL, Name: "blog", User: "blog", Password: odd, Host: "/var/run/a b+c", Port: ""},
		{Engine: PostgreSQL, Name: "blog", User: "blog", Password: odd, Host: "/var/run/postgresql", Port: "5433"},
		{Engine: PostgreSQL, Name: `n"a/me?`, User: "u@s:er", Password: odd, Host: "127.0.0.1", Port: "5433"},
		{Engine: PostgreSQL, Name: "blog", User: "blog", Password: odd, Host: "::1", Port: "5432"},
		{Engine: SQLite, Name: "/srv/blog/shared/db.sqlite3"},
		{Engine: SQLite, Name: "/srv/my site/shared/é" + odd},
	} {
		out, err := exec.Command("/usr/bin/python3", "-c", script, c.URL()).Output()
		if err != nil {
			t.Fatalf("%s: %v (Debian: python3-dj-database-url python3-psycopg2)", c.URL(), err)
		}
		var read []map[string]any
		if err := json.Unmarshal(out, &read); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"NAME": "", "USER": "", "PASSWORD": "", "HOST": "", "PORT": ""}
		maps.Copy(want, c.Django())
		delete(want, "ENGINE")
		if c.Engine == PostgreSQL {
			read = append(read, pgxReads(t, c.URL()))
		}
		for i, got := range read {
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("reader %d of %s:\n%s", i, c.URL(), d)
			}
		}
	}
}

// pgx 5.7.6 reads URLs by net/url, and not as libpq does, as from 5.13.0 on: a raw +
// of ?host= is a space to it, a raw ? or # in the password no URL at all. A program
// has one version of pgx; what a program with that one has printed for ParseConfig
// of each URL stands here, and ours are these URLs to the letter.
func TestOlderReaderOfURL(t *testing.T) {
	const secret = `p%40%2B%23%3F%2F%25%20%3A%26%3D%3B%27%22%5B%5D%5C%C3%A9`
	for url, read := range map[string]Connection{
		"postgresql://blog:" + secret + "@/blog?host=%2Fvar%2Frun%2Fa%20b%2Bc&port=5433": {Name: "blog", User: "blog", Host: "/var/run/a b+c", Port: "5433"},
		"postgresql://u%40s%3Aer:" + secret + "@127.0.0.1:5433/n%22a%2Fme%3F":            {Name: `n"a/me?`, User: "u@s:er", Host: "127.0.0.1", Port: "5433"},
		"postgresql://blog:" + secret + "@[::1]:5432/blog":                               {Name: "blog", User: "blog", Host: "::1", Port: "5432"},
		"postgresql://n%2Bm:" + secret + "@db.example.org:5432/n%2Bm%20x":                {Name: "n+m x", User: "n+m", Host: "db.example.org", Port: "5432"},
	} {
		read.Engine, read.Password = PostgreSQL, odd
		if got := read.URL(); got != url {
			t.Errorf("%s was never asked about, %s was", got, url)
		}
	}
}

// pgxReads is what pgx makes of a URL.
func pgxReads(t *testing.T, url string) map[string]any {
	t.Helper()
	c, err := pgconn.ParseConfig(url)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	port := strconv.Itoa(int(c.Port))
	if c.Port == 5432 && !strings.Contains(url, "5432") {
		port = "" // its default
	}
	return map[string]any{"NAME": c.Database, "USER": c.User, "PASSWORD": c.Password, "HOST": c.Host, "PORT": port}
}
