package database

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// cluster is a PostgreSQL of the tests' own, which belongs to the user postgres, as
// Debian's do. It tells its log all statements. Whose databases are named peer… are
// let in by the socket only by the user of the role's name; of no-way by nothing.
type cluster struct {
	dir  string
	port string
	as   *syscall.Credential
	err  error
}

const hba = `local all postgres peer
local all opsuser peer
local peer,no-way all peer
local all all scram-sha-256
host no-way all all reject
host all all 127.0.0.1/32 scram-sha-256
`

var (
	theCluster cluster
	once       sync.Once
)

func TestMain(m *testing.M) {
	code := m.Run()
	stopCluster()
	os.Exit(code)
}

var stopCluster = func() {}

func startCluster(port string) (c cluster) {
	c.port = port
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(bins) == 0 {
		c.err = fmt.Errorf("no PostgreSQL is installed (Debian: postgresql)")
		return c
	}
	bin := bins[len(bins)-1]
	if c.dir, c.err = os.MkdirTemp("", "pg"); c.err != nil {
		return c
	}
	_ = os.Chmod(c.dir, 0o755)
	super := ""
	if u, err := user.Current(); err == nil {
		super = u.Username
	}
	if os.Geteuid() == 0 {
		super = "postgres"
		u, err := user.Lookup(super)
		if err != nil {
			c.err = err
			return c
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		c.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		_ = os.Chown(c.dir, uid, gid)
	}
	run := func(args ...string) error {
		cmd := exec.Command(filepath.Join(bin, args[0]), args[1:]...)
		cmd.Dir, cmd.SysProcAttr = c.dir, &syscall.SysProcAttr{Credential: c.as}
		if out, err := cmd.CombinedOutput(); err != nil {
			log, _ := os.ReadFile(c.dir + "/log")
			return fmt.Errorf("%v: %w\n%s%s", args, err, out, log)
		}
		return nil
	}
	data := filepath.Join(c.dir, "data")
	if c.err = run("initdb", "-D", data, "-A", "peer", "-U", super, "-E", "UTF8", "--no-locale", "--no-sync"); c.err != nil {
		return c
	}
	if c.err = os.WriteFile(data+"/pg_hba.conf", []byte(strings.ReplaceAll(hba, "local all postgres", "local all "+super)), 0o600); c.err != nil {
		return c
	}
	if c.err = run("pg_ctl", "start", "-w", "-t", "100", "-D", data, "-l", c.dir+"/log", "-o",
		"-F -p "+c.port+" -c listen_addresses=127.0.0.1 -c log_statement=all -c unix_socket_directories="+c.dir); c.err != nil {
		return c
	}
	stopCluster = func() {
		_ = run("pg_ctl", "stop", "-w", "-D", data, "-m", "immediate")
		_ = os.RemoveAll(c.dir)
	}
	return c
}

func startedCluster(t *testing.T) cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("runs PostgreSQL")
	}
	once.Do(func() { theCluster = startCluster(freeport.Port(t, "127.0.0.1")) })
	if theCluster.err != nil {
		t.Fatal(theCluster.err)
	}
	return theCluster
}

func (c cluster) server() string { return "unix:" + socketOf(c.dir, c.port) }

// app is whom the apps of the tests run as.
func app(t *testing.T) *child.Account {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("www-data")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &child.Account{UID: uid, GID: gid, Name: u.Username}
}

// psql runs statements as the superuser, in a session of its own.
func (c cluster) psql(t *testing.T, statements ...string) string {
	t.Helper()
	cmd := c.session(t, "postgres")
	cmd.Stdin = strings.NewReader(strings.Join(statements, ";\n"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", statements, err, out)
	}
	return strings.TrimSpace(string(out))
}

// begin starts a session that reads statements until its input is closed.
func (c cluster) begin(t *testing.T, db, statements string) (in io.WriteCloser, wait func()) {
	t.Helper()
	cmd := c.session(t, db)
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		_, err = io.WriteString(in, statements)
	}
	if err != nil {
		t.Fatal(err)
	}
	return in, func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
}

func (c cluster) session(t *testing.T, db string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	args := []string{"-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-h", c.dir, "-p", c.port, "-d", db}
	if os.Geteuid() == 0 {
		args = append(args, "-U", "postgres")
	}
	cmd := exec.CommandContext(ctx, "psql", args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Dir, cmd.SysProcAttr = c.dir, &syscall.SysProcAttr{Credential: c.as}
	return cmd
}
