package database

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

// maker is one of an app; kept is what it was told to keep.
func maker(t *testing.T, c cluster, name, owner string, kept *string) *Maker {
	t.Helper()
	return &Maker{
		Spec: appspec.Database{Engine: PostgreSQL, Name: name, Owner: owner, Server: c.server()},
		App:  app(t), Remembered: *kept,
		Save: func(password string) error {
			*kept = password
			return nil
		},
	}
}

func failure(t *testing.T, m *Maker, words ...string) {
	t.Helper()
	_, err := m.Make(context.Background())
	if err == nil {
		t.Errorf("no error, want %q", words)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%v\ndoes not say %q", err, w)
		}
	}
	if m.Remembered != "" && strings.Contains(err.Error(), m.Remembered) || strings.Contains(err.Error(), "\n") {
		t.Errorf("an error with the password, or of several lines: %v", err)
	}
}

// Names of any bytes; what was made is used by the app's own reader of the URL, for
// tables in public; a second time changes nothing; nobody hears of the password, and
// nothing of the environment counts.
func TestPostgreSQLIsMadeOnce(t *testing.T) {
	c := startedCluster(t)
	for k, v := range map[string]string{"PGHOST": "nowhere", "PGPORT": "1", "PGUSER": "nobody", "PGPASSWORD": "x", "PGSSLMODE": "verify-full",
		"PGDATABASE": "nothing", "PGOPTIONS": "-c role=nobody", "PGTARGETSESSIONATTRS": "standby", "PGAPPNAME": "x"} {
		t.Setenv(k, v)
	}
	var kept string
	m := maker(t, c, `b"lo'g x`, `o"w'\ner`, &kept)
	made, err := m.Make(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if made.Password != kept || len(kept) < 20 || made.Note != `created the role o"w'\ner, created the database b"lo'g x` {
		t.Errorf("%q, kept %q", made.Note, kept)
	}
	const script = `
import sys, dj_database_url, psycopg2
url = sys.argv[1]
with psycopg2.connect(url) as db, db.cursor() as c:
    c.execute("create table t (i int)")
    c.execute("insert into t values (42)")
d = dj_database_url.parse(url)
with psycopg2.connect(dbname=d["NAME"], user=d["USER"], password=d["PASSWORD"], **d["OPTIONS"]) as db, db.cursor() as c:
    c.execute("select i from public.t")
    print(c.fetchone()[0])
`
	cmd := exec.Command("/usr/bin/python3", "-c", script, made.URL())
	cmd.Env = []string{}
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "42\n" {
		t.Fatalf("%v: %s", err, out)
	}
	before := c.psql(t, "select * from pg_authid order by oid", "select oid, datdba, datacl from pg_database order by oid")
	again, err := maker(t, c, `b"lo'g x`, `o"w'\ner`, &kept).Make(context.Background())
	if err != nil || again.Connection != made.Connection || again.Note != "" {
		t.Errorf("%+v, %v", again, err)
	}
	if after := c.psql(t, "select * from pg_authid order by oid", "select oid, datdba, datacl from pg_database order by oid"); before != after {
		t.Errorf("the second time changed\n%s\nto\n%s", before, after)
	}
	log, err := os.ReadFile(c.dir + "/log")
	if err != nil || !strings.Contains(string(log), "CREATE ROLE") || strings.Contains(string(log), kept) {
		t.Errorf("the server's log holds the password: %v\n%s", err, log)
	}
	if text := fmt.Sprintf("%v %+v %#v", made.Connection, made, made); strings.Contains(text, kept) {
		t.Errorf("printed: %s", text)
	}
	statuses, _ := filepath.Glob("/proc/self/task/*/status")
	for _, name := range statuses {
		text, err := os.ReadFile(name)
		if id := fmt.Sprintf("\nUid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\n", os.Getuid()); err == nil && !strings.Contains(string(text), id) {
			t.Errorf("a thread is left as somebody else:\n%s", text)
		}
	}
}

// What is somebody else's is an error that says so, and stays as it is.
func TestPostgreSQLOfSomebodyElse(t *testing.T) {
	c := startedCluster(t)
	c.psql(t, "create role theirs login password 'x'", "create database theirs owner theirs", "create role locked nologin")
	roles := c.psql(t, "select rolname, rolpassword from pg_authid where rolname in ('theirs', 'locked')")
	var kept string
	failure(t, maker(t, c, "theirs", "ours", &kept), `cannot make database "theirs" on unix:`, `belongs to the role "theirs", not to "ours"`, "ALTER DATABASE")
	failure(t, maker(t, c, "ours", "theirs", &kept), `the role "theirs" is there, and its password is not known`, "another name")
	kept = "something"
	failure(t, maker(t, c, "theirs", "theirs", &kept), `the role "theirs" rejects the password`, "another name")
	failure(t, maker(t, c, "locked", "locked", &kept), "may not log in", "ALTER ROLE")
	if now := c.psql(t, "select rolname, rolpassword from pg_authid where rolname in ('theirs', 'locked')"); now != roles {
		t.Errorf("the roles were %s, are %s", roles, now)
	}
	if there := c.psql(t, "select rolname from pg_roles where rolname = 'ours'", "select datname from pg_database where datname in ('ours', 'locked')"); there != "" {
		t.Errorf("made: %s", there)
	}
}

// The password is kept before the server hears of it: no end in between loses it.
func TestPostgreSQLPasswordIsKeptFirst(t *testing.T) {
	c := startedCluster(t)
	var kept string
	m := maker(t, c, "early", "early", &kept)
	m.Save = func(string) error { return errors.New("no space left on device") }
	failure(t, m, "cannot keep the password", "no space left")
	if there := c.psql(t, "select 1 from pg_roles where rolname = 'early'"); there != "" {
		t.Fatal("the role was made all the same")
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	m = maker(t, c, "early", "early", &kept)
	save := m.Save
	m.Save = func(password string) error {
		cancel(errors.New("it was ended"))
		return save(password)
	}
	if _, err := m.Make(ctx); err == nil || !strings.Contains(err.Error(), "it was ended") {
		t.Errorf("%v", err)
	}
	first := kept
	made, err := maker(t, c, "early", "early", &kept).Make(context.Background())
	if err != nil || made.Password != first {
		t.Errorf("%v, %v", made, err)
	}
	// The database was not made yet: the role is.
	c.psql(t, "drop database early")
	if made, err = maker(t, c, "early", "early", &kept).Make(context.Background()); err != nil || made.Note != "created the database early" {
		t.Errorf("%q, %v", made.Note, err)
	}
}

// Two at once: what PostgreSQL says to the loser (23505 of the catalogue's index, and
// not that the role is there) is said in our words.
func TestPostgreSQLRaces(t *testing.T) {
	c := startedCluster(t)
	in, done := c.begin(t, "postgres", "begin;\ncreate role raced login;\nselect pg_advisory_lock(7);\n")
	answered(t, c, "select 1 from pg_locks where locktype = 'advisory' and objid = 7")
	var kept string
	lost := make(chan error, 1)
	go func() {
		_, err := maker(t, c, "raced", "raced", &kept).Make(context.Background())
		lost <- err
	}()
	answered(t, c, "select 1 from pg_stat_activity where application_name = 'wsgid-fleet' and wait_event = 'transactionid'")
	_, _ = io.WriteString(in, "commit;\n")
	done()
	if err := <-lost; err == nil || !strings.Contains(err.Error(), `the role "raced" is there, and its password is not known`) {
		t.Errorf("%v", err)
	}

	// A session in template1 is in nobody's way, nor are others that make the same.
	_, done = c.begin(t, "template1", "select 1;\n")
	answered(t, c, "select 1 from pg_stat_activity where datname = 'template1'")
	c.psql(t, "create role twice login password 'known'")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			kept := "known"
			if _, err := maker(t, c, "twice", "twice", &kept).Make(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	done()
}

func answered(t *testing.T, c cluster, question string) {
	t.Helper()
	await.True(t, question, func() bool { return c.psql(t, question) != "" })
}

// Debian's server lets a role in by its socket only by the user of its name: then it
// is reached by the loopback, as from a chroot.
func TestPostgreSQLByLoopback(t *testing.T) {
	c := startedCluster(t)
	var kept, other, third string
	made, err := maker(t, c, "peer", "peer", &kept).Make(context.Background())
	if err != nil || made.Host != "127.0.0.1" || made.Port != c.port || !strings.Contains(made.Note, "reached at 127.0.0.1:") {
		t.Errorf("%v, %q, %v", made.Connection, made.Note, err)
	}
	m := maker(t, c, "chrooted", "chrooted", &other)
	m.Chroot = true
	if made, err = m.Make(context.Background()); err != nil || made.Host != "127.0.0.1" || !strings.Contains(made.Note, "chroot") {
		t.Errorf("%v, %q, %v", made.Connection, made.Note, err)
	}
	failure(t, maker(t, c, "no-way", "no-way", &third), "does not accept", "pg_hba.conf", "local no-way no-way scram-sha-256", "nor by a loopback address")
}

// A server by host:port, with an administrator who is not a superuser.
func TestPostgreSQLByAdmin(t *testing.T) {
	c := startedCluster(t)
	c.psql(t, "create role boss login createrole createdb password 'p:w''\\x @'", "create role poor login password 'poor'")
	var kept string
	m := maker(t, c, "remote", "remote", &kept)
	m.Spec.Server, m.Spec.Admin = "127.0.0.1:"+c.port, `boss:p:w'\x @`
	made, err := m.Make(context.Background())
	if err != nil || made.Host != "127.0.0.1" || made.Port != c.port || !strings.Contains(made.Note, "created the database") {
		t.Errorf("%v, %q, %v", made.Connection, made.Note, err)
	}
	// From PostgreSQL 16 on who makes a role has its ADMIN option, which the server gives.
	if left := c.psql(t, "select 1 from pg_auth_members where member = 'boss'::regrole and grantor = 'boss'::regrole"); left != "" {
		t.Error("the administrator is left a member of the role")
	}
	m.Spec.Admin = "boss:wrong-secret"
	failure(t, m, "rejects the administrator of admin", "correct its user:password")
	if _, err := m.Make(context.Background()); strings.Contains(err.Error(), "wrong-secret") {
		t.Errorf("%v", err)
	}
	var none string
	m = maker(t, c, "poor-one", "poor-one", &none)
	m.Spec.Server, m.Spec.Admin = "127.0.0.1:"+c.port, "poor:poor"
	failure(t, m, "the administrator lacks a privilege", "CREATEROLE CREATEDB")
}

// An administrator to whom the server gives each role that he makes, as createrole_self_grant
// of PostgreSQL 16 has it, keeps it.
func TestMembership(t *testing.T) {
	for held, want := range map[bool][2]string{
		false: {`GRANT "blog" TO CURRENT_USER`, `REVOKE "blog" FROM CURRENT_USER`},
		true:  {`GRANT "blog" TO CURRENT_USER WITH SET TRUE`, `REVOKE SET OPTION FOR "blog" FROM CURRENT_USER`},
	} {
		if grant, revoke := membership("blog", held); grant != want[0] || revoke != want[1] {
			t.Errorf("held %v: %s, %s", held, grant, revoke)
		}
	}
}

// A server that was made for de_DE@euro, as PostgreSQL 15.20 and 18.4 answer.
func TestServerOfAnotherEncoding(t *testing.T) {
	s := &server{name: "blog", owner: "blog"}
	got := explain(s.ofLocale(&pgconn.PgError{Code: "22023", Message: `encoding "UTF8" does not match locale "de_DE@euro"`,
		Detail: `The chosen LC_CTYPE setting requires encoding "LATIN9".`}, "CREATE DATABASE x"))
	const want = `the server was made for a locale whose texts are not UTF-8: encoding "UTF8" does not match locale "de_DE@euro"; ` +
		`The chosen LC_CTYPE setting requires encoding "LATIN9".; make the database by hand, with a locale that has UTF-8 ` +
		`(C.UTF-8, or one of your language: locale -a), and deploy again: CREATE DATABASE x LOCALE 'C.UTF-8'`
	if got.Error() != want {
		t.Error(got)
	}
	full := &pgconn.PgError{Code: "53100"}
	if err := s.ofLocale(full, "CREATE DATABASE x"); !errors.Is(err, full) || strings.Contains(err.Error(), "locale") {
		t.Error(err)
	}
}

// Whatever is wrong with the server ends in a clear error within the limit.
func TestPostgreSQLServerIsNot(t *testing.T) {
	c := startedCluster(t)
	var kept string
	limit := time.Minute
	try := func(server string, words ...string) {
		t.Helper()
		m := maker(t, c, "none", "none", &kept)
		m.Spec.Server, m.Connect = server, limit
		if !strings.HasPrefix(server, "unix:") {
			m.Spec.Admin = "boss:x"
		}
		failure(t, m, append(words, `cannot make database "none" on `+server+": ")...)
	}
	try("unix:"+filepath.Dir(c.dir)+"/nothing-there", "no server listens at ", "systemctl start postgresql", "correct server")
	try("unix:"+c.dir, "no server listens at ", `server = "unix:`+socketOf(c.dir, c.port)+`"`)
	try("nowhere.invalid:5432", "the host nowhere.invalid is not found")

	short := shortdir.New(t)
	serve := func(answer func(net.Conn)) (port string) {
		l, err := net.Listen("unix", filepath.Join(short, ".s.PGSQL.5432"))
		if err != nil {
			t.Fatal(err)
		}
		_ = os.Chmod(filepath.Join(short, ".s.PGSQL.5432"), 0o777)
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go answer(conn)
			}
		}()
		return "unix:" + short
	}
	first := serve(func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	limit = 300 * time.Millisecond
	try(first, "the server does not answer within 300ms", "is it a PostgreSQL server")
	limit = time.Minute
	replace := func(answer func(net.Conn)) {
		_ = os.Remove(filepath.Join(short, ".s.PGSQL.5432"))
		serve(answer)
	}
	replace(func(conn net.Conn) {
		_, _ = io.WriteString(conn, "220 mail.example.org ESMTP\r\n")
		_ = conn.Close()
	})
	try(first, "is it a PostgreSQL server")
	replace(func(conn net.Conn) { conn.Close() })
	try(first, "is it a PostgreSQL server")
	answer := func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		body := "SFATAL\x00VFATAL\x00C57P03\x00Mthe database system is starting up\x00\x00"
		_, _ = conn.Write(append([]byte{'E', 0, 0, 0, byte(4 + len(body))}, body...))
		_ = conn.Close()
	}
	replace(answer)
	limit = 5 * time.Second
	try(first, "accepts no connections yet", "starting up")
	// The time is over while it answers once more.
	var asked atomic.Bool
	replace(func(conn net.Conn) {
		if asked.Swap(true) {
			_, _ = io.Copy(io.Discard, conn)
		}
		answer(conn)
	})
	try(first, "accepts no connections yet", "starting up")
	limit = time.Minute

	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(short, ".s.PGSQL.1"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if os.Geteuid() == 0 {
		_ = os.Chmod(filepath.Join(short, ".s.PGSQL.1"), 0o777)
	}
	try("unix:"+short+"/.s.PGSQL.1", "connection refused", "systemctl start postgresql")
}

// To a server that runs as anybody no password goes.
func TestPostgreSQLServerOfAnybody(t *testing.T) {
	c := startedCluster(t)
	d := dialer{owners: []int{54321}}
	_, err := d.dial(context.Background(), "unix", socketOf(c.dir, c.port))
	if err == nil || !strings.Contains(err.Error(), "and not the user postgres") {
		t.Errorf("%v", err)
	}
	m := maker(t, c, "x", "x", new(string))
	l, err := m.admin()
	if err != nil || !slices.Contains(l.dialer.owners, 0) || len(l.dialer.owners) > 3 {
		t.Errorf("%v, %v", l.dialer.owners, err)
	}
}
