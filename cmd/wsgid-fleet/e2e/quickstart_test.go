package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// The main job, end to end: a directory of specs becomes running apps without
// a daemon, and a daemon that comes later takes them over as they are.
func TestApplyStartsEverythingAndRunTakesItOver(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		b.startMongrel2()
		if out := b.fleet("plan"); out.code != 2 {
			t.Errorf("plan before the first apply: %v", out)
		}
		b.ok("apply")
		if out := b.fleet("plan"); out.code != 0 {
			t.Errorf("plan after apply finds something to do: %v", out)
		}
		b.answersAll()

		before := b.pids()
		d := b.run()
		eventually(t, patience, "every app to be ready under the daemon", b.allReady)
		if after := b.pids(); !slices.Equal(before, after) {
			t.Errorf("the daemon restarted something: pids %v became %v", before, after)
		}
		b.answersAll()

		if code := d.stop(t); code != 0 {
			t.Errorf("the daemon ended with %d:\n%s", code, d.text())
		}
		for _, pid := range before {
			if alive(pid) {
				t.Errorf("process %d outlives the daemon's drain", pid)
			}
		}
	})
}

// answersAll asks each app of the quickstart for what only it can say.
func (b *harness) answersAll() {
	b.t.Helper()
	wantAnswer(b.t, b.hello, "/some/where", "Hello from worker ", "GET /some/where\n")

	// Django: a model from sqlite, a setting from the spec, the admin.
	wantAnswer(b.t, b.polls, "/", "What do you think?", "Who restarts your workers?", "The fleet does")
	wantAnswer(b.t, b.polls, "/static/admin/css/base.css", "DJANGO Admin styles")
	user := newBrowser(b.t, b.polls)
	user.do(http.MethodGet, "/admin/login/", nil)
	admin := user.submit("/admin/login/?next=/admin/polls/poll/", url.Values{
		"username": {"admin"}, "password": {"admin"},
	})
	if !strings.Contains(admin, "Who restarts your workers?") {
		b.t.Errorf("the admin does not list the poll:\n%s", admin)
	}
	user.do(http.MethodGet, "/", nil)
	if page := user.submit("/vote/1/", url.Values{}); !strings.Contains(page, " vote") {
		b.t.Errorf("the vote did not lead back to the page:\n%s", page)
	}

	wantAnswer(b.t, b.m2, "/x?y=1", "request: GET /x\n", "body: 0 bytes\n")
	for _, size := range []int{1000, 300_000} { // in the message; as an upload file
		body := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		status, text, err := send(http.MethodPost, b.m2, "/up", bytes.NewReader(body))
		want := fmt.Sprintf("request: POST /up\nclient: 127.0.0.1\nbody: %d bytes\nsha256: %x\n", size, sha256.Sum256(body))
		if err != nil || status != http.StatusOK || !strings.HasSuffix(text, want) {
			b.t.Errorf("POST of %d bytes through mongrel2: %d %v\n%s\nwant %s", size, status, err, text, want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(b.demo, "mongrel2/tmp/*")); len(left) > 0 {
		b.t.Errorf("upload files were left: %v", left)
	}
}

func (b *harness) allReady() error {
	s, err := b.status()
	if err != nil {
		return err
	}
	if len(s.Apps) == 0 {
		return fmt.Errorf("no apps")
	}
	for _, a := range s.Apps {
		if a.State != "ready" && (a.State != "idle" || a.Desired.Min > 0) {
			return fmt.Errorf("%s is %s (%s)", a.Name, a.State, a.Reason)
		}
	}
	return nil
}

// pids are all masters and workers, sorted.
func (b *harness) pids() []int {
	b.t.Helper()
	s, err := b.status()
	b.must(err)
	var pids []int
	for _, a := range s.Apps {
		pids = append(pids, a.pids()...)
	}
	slices.Sort(pids)
	return pids
}

// What make demo runs: the script itself, from its first line to Ctrl-C.
func TestQuickstartScript(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		gate, secure := freeport.Addr(t), freeport.Addr(t)
		b.must(os.Rename(filepath.Join(b.specs, "gate.off"), filepath.Join(b.specs, "gate.hcl")))
		b.replace("wsgid.d/gate.hcl", "127.0.0.1:8080", gate)
		b.replace("wsgid.d/gate.hcl", "127.0.0.1:8443", secure)
		log, err := os.Create(filepath.Join(b.dir, "script.log"))
		b.must(err)
		defer log.Close()
		script := b.make(context.Background(), kit.run, "serve", b.demo)
		script.Stdout, script.Stderr = log, log
		script.SysProcAttr.Setpgid = true
		b.must(script.Start())
		ended := make(chan struct{})
		go func() {
			script.Wait() // the state is read from ProcessState
			close(ended)
		}()
		t.Cleanup(func() {
			syscall.Kill(-script.Process.Pid, syscall.SIGKILL) // it may have ended
			<-ended
		})
		said := func() string {
			text, _ := os.ReadFile(log.Name())
			return string(text)
		}

		wantAnswer(t, b.hello, "/", "Hello from worker ")
		b.answersAll()
		_, port, _ := strings.Cut(gate, ":")
		for name, says := range map[string]string{"hello": "Hello from worker ", "polls": "What do you think?", "m2": "request: GET /\n"} {
			eventually(t, patience, name+" to answer by its name", func() error {
				resp, err := byName(t, gate, name+".localhost:"+port)
				if err == nil && !strings.Contains(resp, says) {
					err = fmt.Errorf("it answers %q", resp)
				}
				return err
			})
		}
		_, securePort, _ := strings.Cut(secure, ":")
		wantTrusted(t, filepath.Join(b.demo, "ca/ca.pem"), secure, "hello.localhost", "Hello from worker ")
		for _, line := range []string{
			"curl --cacert " + b.demo + "/ca/ca.pem https://hello.localhost:" + securePort + "/",
			"http://" + b.hello + "/", "http://" + b.polls + "/", "http://" + b.polls + "/admin/", "http://" + b.m2 + "/",
			b.specs + "/hello.hcl", b.demo + "/fleet status",
			"http://hello.localhost:" + port + "/", "http://polls.localhost:" + port + "/", "http://m2.localhost:" + port + "/",
		} {
			if !strings.Contains(said(), line) {
				t.Errorf("the script does not print %q:\n%s", line, said())
			}
		}

		// What it says to edit, and the command for the other terminal.
		b.replace("wsgid.d/hello.hcl", `"Hello"`, `"Good evening"`)
		wantAnswer(t, b.hello, "/", "Good evening from worker ")
		// An app answers with its first worker; status has nothing to add once all run.
		eventually(t, patience, "demo/fleet status tells of three apps that are well", func() error {
			out := b.command(filepath.Join(b.demo, "fleet"), "status")
			if out.code != 0 || !strings.Contains(out.stdout, "polls") {
				return fmt.Errorf("%v", out)
			}
			return nil
		})

		state, err := os.Readlink(filepath.Join(b.demo, "state"))
		b.must(err)
		t.Cleanup(func() { os.RemoveAll(state) })
		b.must(syscall.Kill(-script.Process.Pid, syscall.SIGINT)) // as a terminal sends Ctrl-C
		select {
		case <-ended:
		case <-time.After(patience):
			t.Fatalf("the script did not end on Ctrl-C:\n%s", said())
		}
		if code := script.ProcessState.ExitCode(); code != 0 {
			t.Errorf("the script ended with %d:\n%s", code, said())
		}
		for scanner := bufio.NewScanner(strings.NewReader(said())); scanner.Scan(); {
			if strings.Contains(scanner.Text(), "ERROR") || strings.Contains(scanner.Text(), "Traceback") {
				t.Errorf("the script's output has %q", scanner.Text())
			}
		}
		// Who holds the gate's sockets ends when the daemon has.
		eventually(t, patience, "nothing to be left behind after Ctrl-C", func() error {
			if left := processesOf(b.dir); len(left) > 0 {
				return fmt.Errorf("%v", left)
			}
			return nil
		})
	})
}

// byName asks an address for a host's page.
func byName(t *testing.T, addr, host string) (string, error) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		return "", err
	}
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// wantTrusted waits until a host is answered over TLS, as a client sees it that trusts
// one authority.
func wantTrusted(t *testing.T, ca, addr, host, says string) {
	t.Helper()
	text, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, host+" to answer by HTTPS", func() error {
		conn, err := greet(t, addr, trusting(text, host))
		if err != nil {
			return err
		}
		defer conn.Close()
		if status, page := visitOn(t, conn, bufio.NewReader(conn), host); status != http.StatusOK || !strings.Contains(page, says) {
			return fmt.Errorf("it answers %d %q", status, page)
		}
		return nil
	})
}
