package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

const deployPage = "../../../examples/deploy/README.md"

// deployBlocks are the blocks of the page that show what commands print.
var deployBlocks = regexp.MustCompile("(?s)```console\n(.*?)```")

// TestDeployPage types the page "From the flavor guide to the fleet", from the first
// command to the last, at a fleet that its script runs. UPDATE_SCRIPTS=1 writes what
// is printed now into the page.
func TestDeployPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(deployPage)
	if err != nil {
		t.Fatal(err)
	}
	b := newHarness(t, someone(t))
	b.demo, b.specs = filepath.Join(b.dir, "deploy"), filepath.Join(b.dir, "deploy/wsgid.d")
	b.must(os.Mkdir(b.demo, 0o755))
	if out := b.command("/usr/bin/env", "WSGID_DATABASE=sqlite", kit.guide, "prepare", b.demo); out.code != 0 {
		t.Fatal(out)
	}
	if state, err := os.Readlink(filepath.Join(b.demo, "state")); err == nil {
		t.Cleanup(func() { os.RemoveAll(state) })
	}
	b.rewrite("wsgid.d/wsgiapp.hcl", "127.0.0.1:8600", b.hello)
	b.rewrite("wsgid.d/guestbook.hcl", "127.0.0.1:8601", b.polls)
	b.serveDeployExample()

	update := os.Getenv("UPDATE_SCRIPTS") != ""
	page := deployBlocks.ReplaceAllStringFunc(string(text), func(block string) string {
		out := "```console\n"
		for _, said := range strings.Split(strings.TrimSuffix(block[len("```console\n"):], "```"), "$ ")[1:] {
			command, want, _ := strings.Cut(said, "\n")
			got := b.typed(command)
			if !update && stable(got) != stable(want) {
				t.Errorf("$ %s\nprints:\n%s\nthe page says:\n%s\nwhich is, but for times and ids:\n%s\nand should be:\n%s", command, got, want, stable(got), stable(want))
			}
			out += "$ " + command + "\n" + got
		}
		return out + "```"
	})
	if n := strings.Count(page, "```console\n"); n < 7 {
		t.Errorf("the page has %d blocks", n)
	}
	if update {
		b.must(os.WriteFile(deployPage, []byte(page), 0o644)) //nolint:gosec // a page of the repository
	}
}

// The Django project of the page on a PostgreSQL server, without a daemon: its role
// and its database are made, and migrate has run in it before the app is asked.
func TestDeployExampleOnPostgreSQL(t *testing.T) {
	who := someone(t)
	if !who.root() {
		t.Skip("needs root, who becomes the user postgres for it")
	}
	t.Parallel()
	who.apps = credential(t, "postgres") // whom the server runs as
	b := newHarness(t, who)
	db := b.startPostgres()
	if out := b.command("/usr/bin/psql", "-h", db.dir, "-U", "web", "-c", "create role postgres superuser login", "postgres"); out.code != 0 {
		t.Fatal(out)
	}
	b.demo, b.specs = filepath.Join(b.dir, "deploy"), filepath.Join(b.dir, "deploy/wsgid.d")
	b.must(os.Mkdir(b.demo, 0o755))
	if out := b.command("/usr/bin/env", "WSGID_DATABASE=postgresql", kit.guide, "prepare", b.demo); out.code != 0 {
		t.Fatal(out)
	}
	if state, err := os.Readlink(filepath.Join(b.demo, "state")); err == nil {
		t.Cleanup(func() { os.RemoveAll(state) })
	}
	b.rewrite("wsgid.d/guestbook.hcl", "127.0.0.1:8601", b.polls, `engine = "postgresql"`, "\n    engine = \"postgresql\"\n    server = \"unix:"+db.dir+"\"\n  ")
	if out := b.typed("./fleet deploy guestbook dev"); !strings.Contains(out, "database: completed in ") || !strings.Contains(out, "successfully deployed on http://127.0.0.1:8601\n") {
		t.Fatal(out)
	}
	if out := b.typed("curl -s http://127.0.0.1:8601/healthz"); out != "well\n" {
		t.Error(out)
	}
	if out := b.command("/usr/bin/psql", "-h", db.dir, "-U", "guestbook-dev", "-Atc", "select count(*) from guestbook_entry", "guestbook-dev"); out.stdout != "0\n" {
		t.Error(out)
	}
}

// serveDeployExample runs the example's script until the test ends.
func (b *harness) serveDeployExample() {
	b.t.Helper()
	log, err := os.Create(filepath.Join(b.dir, "script.log"))
	b.must(err)
	script := b.make(context.Background(), kit.guide, "serve", b.demo)
	script.Stdout, script.Stderr = log, log
	script.SysProcAttr.Setpgid = true
	b.must(script.Start())
	ended := make(chan error, 1)
	go func() { ended <- script.Wait() }()
	b.t.Cleanup(func() {
		_ = syscall.Kill(-script.Process.Pid, syscall.SIGINT) // as a terminal sends Ctrl-C
		said, _ := os.ReadFile(log.Name())
		select {
		case err := <-ended:
			if err != nil {
				b.t.Errorf("the script ended with %v:\n%s", err, said)
			}
		case <-time.After(patience):
			_ = syscall.Kill(-script.Process.Pid, syscall.SIGKILL)
			b.t.Errorf("the script did not end on Ctrl-C:\n%s", said)
		}
		_ = log.Close()
		for _, line := range []string{"./fleet deploy wsgiapp dev\n", b.demo + "\n", "examples/deploy/README.md\n"} {
			if !strings.Contains(string(said), line) {
				b.t.Errorf("the script does not print %q:\n%s", line, said)
			}
		}
	})
	eventually(b.t, patience, "the fleet to run", func() error {
		if out := b.typed("./fleet status"); !strings.Contains(out, "2 apps: 2 stopped; daemon") {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
}

// typed is what a command of the page prints; of the page are the addresses in both.
func (b *harness) typed(command string) string {
	b.t.Helper()
	command = strings.NewReplacer("127.0.0.1:8600", b.hello, "127.0.0.1:8601", b.polls).Replace(command)
	out := b.command("/bin/bash", "-c", "exec 2>&1; "+command)
	text := strings.NewReplacer(b.hello, "127.0.0.1:8600", b.polls, "127.0.0.1:8601", b.demo+"/", "", filepath.Dir(filepath.Dir(kit.guide)), "examples").Replace(out.stdout)
	lines := strings.SplitAfter(text, "\n")
	text = ""
	for _, line := range lines {
		// Said to root, whose apps here have one user between them.
		if !strings.Contains(line, "run as the same user") {
			text += line
		}
	}
	return text
}

// changing is what differs from one run to another.
var changing = []struct {
	pattern *regexp.Regexp
	word    string
}{
	{regexp.MustCompile(`\b\d{8}-\d{6}(\.\d{3})?\b`), "ID"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b`), "DATE"},
	{regexp.MustCompile(`\b[0-9a-f]{10}\b`), "COMMIT"},
	{regexp.MustCompile(`, it took \d+s last time`), ""}, // told where a stage takes long
	{regexp.MustCompile(`\b\d+(\.\d+)?(µs|ms|s)\b`), "TIME"},
	{regexp.MustCompile(`\b(you|root|nobody)\b`), "WHO"},
	{regexp.MustCompile(`[ \t]+`), " "},
}

func stable(text string) string {
	for _, c := range changing {
		text = c.pattern.ReplaceAllString(text, c.word)
	}
	return strings.TrimSpace(text)
}
