package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// bench is one run of the whole.
type bench struct {
	root     string // the checkout
	fleet    string // our program
	before   string // the same of an earlier build; empty: there is none to compare with
	dir      string // scratch, readable by all
	memory   string // the same on tmpfs, where state directories lie as a rule
	uid, gid int    // who runs the apps
	seconds  time.Duration
	rounds   int
	apps     int // in the comparison of fleets
	// deployments is how many there are in a row, under load.
	deployments int
	apart       bool // see onCores
	only        *regexp.Regexp
	children    *children
	table       table
	console     table // of what its page costs
	outage      time.Duration
}

func main() {
	// See children: what we start must die with the main thread, not with
	// another one of the runtime's.
	runtime.LockOSThread()
	if err := realMain(); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func realMain() error {
	b := &bench{}
	var readme, only, endpoints string
	var many bool
	flag.StringVar(&b.root, "root", ".", "the checkout")
	flag.StringVar(&b.fleet, "fleet", "bin/wsgid-fleet", "the program to measure")
	flag.StringVar(&b.before, "before", "", "the program of an earlier build, for the rows that compare with it")
	flag.DurationVar(&b.seconds, "time", 3*time.Second, "of one measurement, whole seconds")
	flag.IntVar(&b.rounds, "rounds", 5, "how often each is measured; the median counts")
	flag.IntVar(&b.apps, "apps", 100, "in the comparison of fleets")
	flag.IntVar(&b.deployments, "deploys", 100, "in a row, under load")
	flag.StringVar(&readme, "readme", "", "write the table between this file's bench markers")
	flag.StringVar(&only, "only", "", "a regular expression: run these scenarios alone, and write no table but that of the console, if it is among them")
	flag.BoolVar(&many, "cluster", false, "measure a fleet of many machines, and nothing else; -only chooses of hosts, daemons and outage")
	flag.DurationVar(&b.outage, "outage", 10*time.Minute, "how long etcd is away in the outage of -cluster")
	flag.StringVar(&endpoints, "noop", "", "run as the no-op mongrel2 handler on RECV,SEND")
	flag.Parse()
	if endpoints != "" {
		return noop(endpoints)
	}
	var err error
	if b.only, err = regexp.Compile(only); err != nil {
		return fmt.Errorf("cannot read -only: %w", err)
	}
	if b.seconds < time.Second || b.rounds < 1 {
		return fmt.Errorf("cannot measure for %v in %d rounds: at least 1s and 1", b.seconds, b.rounds)
	}
	if b.root, err = filepath.Abs(b.root); err != nil {
		return err
	}
	if b.fleet, err = filepath.Abs(b.fleet); err != nil {
		return err
	}
	if b.before != "" {
		if b.before, err = filepath.Abs(b.before); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	defer os.RemoveAll(b.memory)
	defer b.children.endAll()
	if many {
		return b.measureCluster(ctx, readme)
	}
	if err := b.measure(ctx); err != nil {
		return err
	}
	text := b.table.markdown(b.head(ctx))
	if len(b.table.rows) > 0 {
		fmt.Print("\n" + text)
	}
	if readme == "" {
		return nil
	}
	if len(b.console.rows) > 0 {
		text := b.console.values(fmt.Sprintf("Measured on %s by `make bench`: wsgid-fleet and Chromium on %d cores.", time.Now().UTC().Format(time.DateOnly), runtime.NumCPU()))
		if err := putBetweenMarkers(readme, "console", text); err != nil {
			return err
		}
	}
	if only == "" {
		return putBetweenMarkers(readme, "bench", text)
	}
	return nil
}

// install puts a program, and the one beside it that its masters are, where it is run from, by
// what make install uses: of a file that the linker has just written an idle app has 4 MB more
// in memory, as it lies in larger pieces in the page cache.
func (b *bench) install(ctx context.Context, program, as string) (string, error) {
	dir := filepath.Join(b.dir, as)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	if out, err := exec.CommandContext(ctx, "install", program, filepath.Join(filepath.Dir(program), "wsgid-master"), dir).CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot install %s: %w: %s", program, err, out)
	}
	return filepath.Join(dir, filepath.Base(program)), nil
}

func (b *bench) prepare(ctx context.Context) error {
	// Apps and peers run as another user where we are root; that user must be
	// able to read our program and the apps.
	dir, err := os.MkdirTemp("/tmp", "wb")
	if err != nil {
		return err
	}
	b.dir = dir
	if b.memory, err = os.MkdirTemp("/dev/shm", "wb"); err != nil {
		return err
	}
	if err := os.Chmod(b.memory, 0o755); err != nil {
		return err
	}
	if b.fleet, err = b.install(ctx, b.fleet, "fleet"); err != nil {
		return err
	}
	if b.before != "" {
		if b.before, err = b.install(ctx, b.before, "before"); err != nil {
			return err
		}
	}
	b.uid, b.gid = os.Getuid(), os.Getgid()
	if b.uid == 0 {
		u, err := user.Lookup("www-data")
		if err != nil {
			return fmt.Errorf("cannot find a user for the apps: %w", err)
		}
		if b.uid, err = strconv.Atoi(u.Uid); err != nil {
			return err
		}
		if b.gid, err = strconv.Atoi(u.Gid); err != nil {
			return err
		}
	}
	if b.children, err = newChildren(dir); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755)
}

// temp makes a folder that every user can enter.
func (b *bench) temp(prefix string) (string, error) {
	dir, err := os.MkdirTemp(b.dir, prefix)
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

// state is the state directory of the fleet in a scratch folder.
func (b *bench) state(dir string) string { return filepath.Join(b.memory, filepath.Base(dir)) }

// give makes a folder the property of whoever runs the apps.
func (b *bench) give(folder string) error {
	return filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if err := os.Chmod(path, 0o755); err != nil {
				return err
			}
		}
		return os.Lchown(path, b.uid, b.gid)
	})
}

// data is a file of testdata/bench.
func (b *bench) data(name string) string { return filepath.Join(b.root, "testdata/bench", name) }

// fill writes a configuration of testdata/bench into dir, its words replaced.
func (b *bench) fill(name, dir string, oldnew ...string) (string, error) {
	text, err := os.ReadFile(b.data(name))
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	return path, os.WriteFile(path, []byte(strings.NewReplacer(oldnew...).Replace(string(text))), 0o644)
}

// head says when and with what the table was made.
func (b *bench) head(ctx context.Context) string {
	ask := func(name string, args ...string) string {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		out, _ := exec.CommandContext(ctx, name, args...).CombinedOutput()
		line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return line
	}
	version := func(pkg string) string { return ask("dpkg-query", "-W", "-f", "${Version}", pkg) }
	return fmt.Sprintf("Measured on %s by `make bench`: %s on %d cores (%s), %s, uWSGI %s, gunicorn %s, mongrel2 %s, nginx %s, haproxy %s, Django %s; %d rounds of %v, one worker each.",
		time.Now().UTC().Format(time.DateOnly), ask(b.fleet, "version"), runtime.NumCPU(), runtime.Version(),
		ask("/usr/bin/python3", "--version"), version("uwsgi-core"), version("gunicorn"), version("mongrel2-core"),
		version("nginx"), version("haproxy"), version("python3-django"), b.rounds, b.seconds)
}
