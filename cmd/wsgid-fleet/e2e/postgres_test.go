package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// database is a PostgreSQL of the test's own, on a unix socket and nowhere else.
type database struct {
	dir    string // holds the socket
	socket string
}

// startPostgres makes a cluster that lets everybody in, and serves it as the apps'
// user: it refuses root.
func (b *harness) startPostgres() database {
	b.t.Helper()
	return b.startCluster(b.who.apps, "web", "local all all trust\n")
}

// startCluster makes a cluster and serves it as a user.
func (b *harness) startCluster(as *syscall.Credential, superuser, hba string) database {
	b.t.Helper()
	programs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(programs) == 0 {
		b.t.Fatal("no PostgreSQL is installed (Debian: postgresql)")
	}
	bin := programs[len(programs)-1]
	db := database{dir: filepath.Join(b.dir, "pg")}
	db.socket = filepath.Join(db.dir, ".s.PGSQL.5432")
	b.must(os.Mkdir(db.dir, 0o755))
	if as != nil {
		b.must(os.Chown(db.dir, int(as.Uid), int(as.Gid)))
	}
	data := filepath.Join(db.dir, "data")
	run := func(program string, args ...string) {
		b.t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, filepath.Join(bin, program), args...)
		cmd.Dir, cmd.Env = db.dir, b.env()
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
		if out, err := cmd.CombinedOutput(); err != nil {
			log, _ := os.ReadFile(filepath.Join(db.dir, "log"))
			b.t.Fatalf("%s: %v\n%s%s", program, err, out, log)
		}
	}
	run("initdb", "-D", data, "-A", "peer", "-U", superuser, "-E", "UTF8", "--no-locale", "--no-sync")
	b.must(os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(hba), 0o600))
	run("pg_ctl", "start", "-w", "-t", "100", "-D", data, "-l", filepath.Join(db.dir, "log"),
		"-o", fmt.Sprintf("-F -c listen_addresses= -c unix_socket_directories=%s", db.dir))
	b.t.Cleanup(func() { run("pg_ctl", "stop", "-w", "-D", data, "-m", "immediate") })
	return db
}

// What both applications answer: the number that was asked for, the worker, and the
// server process of its connection. The query takes long enough that others come
// in between.
const (
	djangoQuery = `
import os
import django
from django.conf import settings
settings.configure(
    DEBUG=False, SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, INSTALLED_APPS=[],
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "web",
                           "HOST": os.environ["PGDIR"], "CONN_MAX_AGE": None}})
django.setup()
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpResponse
from django.urls import path

def view(request, number):
    with connection.cursor() as cursor:
        cursor.execute("select %s::int, %s::int, pg_backend_pid() from pg_sleep(0.005)", [number, os.getpid()])
        return HttpResponse("%d %d %d" % cursor.fetchone(), content_type="text/plain")

urlpatterns = [path("<int:number>", view)]
application = get_wsgi_application()
with connection.cursor() as at_import:
    at_import.execute("select 1")
`
	rawQuery = `
import os
import psycopg2
db = psycopg2.connect(host=os.environ["PGDIR"], user="web", dbname="postgres")

def application(environ, start_response):
    with db.cursor() as cursor:
        cursor.execute("select %s::int, %s::int, pg_backend_pid() from pg_sleep(0.005)",
                       [environ["PATH_INFO"][1:], os.getpid()])
        row = cursor.fetchone()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d %d %d" % row]
`
)

// With preload, workers are forked from one process. A database connection that was
// opened before is none that they may share: each would read the others' answers.
func TestPreloadAndPostgreSQL(t *testing.T) {
	t.Parallel()
	who := account{name: "user"}
	if os.Geteuid() == 0 {
		who = account{name: "root", apps: credential(t, "www-data")}
	}
	b := newHarness(t, who)
	b.only()
	db := b.startPostgres()
	addr := map[string]string{}
	for name, code := range map[string]string{"framework": djangoQuery, "raw": rawQuery} {
		folder := filepath.Join(b.demo, "apps", name)
		b.must(os.CopyFS(folder, os.DirFS(filepath.Join(b.demo, "apps/hello"))))
		if who.apps != nil {
			b.must(os.Chown(folder, int(who.apps.Uid), int(who.apps.Gid)))
		}
		b.write("apps/"+name+"/app/query.py", code)
		addr[name] = freeport.Addr(t)
		b.write("wsgid.d/"+name+".hcl", fmt.Sprintf(`app %q {
  wsgi_app = "query:application"
  env      = { PGDIR = %q }
  sockets {
    http {
      listen = %q
    }
  }
  workers {
    count   = 4
    preload = true
  }
}
`, name, db.dir, addr[name]))
	}
	applied := b.ok("apply")

	for name, a := range addr {
		b.askDatabase(name, a)
	}

	// Django's connection was closed before the fork; of the other one it is said what
	// it is, whose, and what to do.
	words := []string{"workers.preload", "a unix socket connected to " + db.socket, "query.db, a psycopg2.extensions.connection",
		"@wsgid.prefork", "@wsgid.postfork", "wsgid.shared"}
	status := b.fleet("status")
	log, err := os.ReadFile(filepath.Join(b.demo, "apps/raw/logs/wsgid.log"))
	b.must(err)
	for where, text := range map[string]string{"apply": applied.stderr, "status": status.stdout, "status raw": b.fleet("status", "raw").stdout,
		"its log": string(log)} {
		for _, word := range words {
			if !strings.Contains(text, word) {
				t.Errorf("%s does not say %q:\n%s", where, word, text)
			}
		}
		if strings.Contains(text, "framework: ") {
			t.Errorf("%s warns of the other app:\n%s", where, text)
		}
	}
	if status.code != 0 {
		t.Errorf("%v", status)
	}
	raw, framework := b.await("raw", "ready", 4), b.await("framework", "ready", 4)
	if len(raw.Warnings) != 1 || len(framework.Warnings) != 0 || raw.Restarts+framework.Restarts != 0 {
		t.Errorf("raw %+v, framework %+v", raw, framework)
	}
	log, err = os.ReadFile(filepath.Join(b.demo, "apps/framework/logs/wsgid.log"))
	b.must(err)
	if !strings.Contains(string(log), "workers are forked from it") {
		t.Errorf("the app with Django is not preloaded:\n%s", log)
	}
}

// askDatabase asks 400 questions, eight at a time, and until all four workers have
// answered some.
func (b *harness) askDatabase(name, addr string) {
	b.t.Helper()
	var mu sync.Mutex
	servers := map[int]int{} // the server process of each worker
	asked := 0
	next := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		return asked, asked <= 400 || len(servers) < 4 && asked < 20_000
	}
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for {
				want, more := next()
				if !more {
					return
				}
				status, body, err := get(addr, fmt.Sprintf("/%d", want))
				var got, worker, server int
				if _, scan := fmt.Sscan(body, &got, &worker, &server); err != nil || status != http.StatusOK || scan != nil || got != want {
					b.t.Errorf("%s: asked for %d, got %d %q, %v", name, want, status, body, err)
					return
				}
				mu.Lock()
				servers[worker] = server
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	seen := map[int]bool{}
	for _, server := range servers {
		seen[server] = true
	}
	if len(servers) != 4 || len(seen) != 4 {
		b.t.Errorf("%s: workers and their server processes: %v, want four of each", name, servers)
	}
}
