package runner

import (
	"bufio"
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
)

// stderrOf gives this process another standard error for the time of a test, and
// returns its lines.
func stderrOf(t *testing.T) *bufio.Scanner {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	was := os.Stderr
	os.Stderr = w
	t.Cleanup(func() {
		os.Stderr = was
		_ = w.Close()
		_ = r.Close()
	})
	_ = r.SetReadDeadline(time.Now().Add(patience))
	return bufio.NewScanner(r)
}

func scanFor(t *testing.T, s *bufio.Scanner, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for s.Scan() {
		if re.MatchString(s.Text()) {
			return
		}
	}
	t.Fatalf("no line like %s: %v", pattern, s.Err())
}

// A daemonized master writes to the standard error of who started it, or handed
// it the spec that asks for that.
func TestMasterLogsToStderr(t *testing.T) {
	lines := stderrOf(t)
	a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Log.Target = "stderr" })
	a.stderr = os.Stderr
	h := a.start(StateReady)
	scanFor(t, lines, `^\S+ \S+ - demo wsgid \[pid=\d+\] - INFO - worker \d+ is ready: `)
	if _, err := os.Stat(filepath.Join(a.spec.Path, applog.FileName)); err == nil {
		t.Error("there is a log file though nobody asked for one")
	}
	// To the file and back, in place.
	a.spec.Log.Target = "file"
	if err := h.Update(a.ctx(), a.spec, 2, false); err != nil {
		t.Fatal(err)
	}
	a.mustLogLine("INFO - updating to generation 2 of its spec in place")
	a.spec.Log.Target, a.spec.Log.Format = "stderr", "json"
	other := stderrOf(t) // as a daemon that was restarted has
	h.Stderr = os.Stderr
	if err := h.Update(a.ctx(), a.spec, 3, false); err != nil {
		t.Fatal(err)
	}
	scanFor(t, other, `^{"time":"[^"]*","level":"INFO","source":"wsgid","app":"demo","pid":\d+,"message":"updating to generation 3 of its spec in place"}$`)
	another := stderrOf(t)
	h.Stderr = os.Stderr
	if err := h.HandStderr(a.ctx()); err != nil {
		t.Fatal(err)
	}
	if err := h.Reload(a.ctx()); err != nil {
		t.Fatal(err)
	}
	scanFor(t, another, `"message":"rolling out generation `)
}

// logrotate's way: the file is moved, the master gets a HUP.
func TestMasterReopensItsLog(t *testing.T) {
	a := newTestApp(t, helloApp, nil)
	h := a.start(StateReady)
	file := filepath.Join(a.spec.Path, applog.FileName)
	for i, again := range []func() error{
		func() error { return syscall.Kill(h.PID, syscall.SIGHUP) },
		func() error { return h.Reload(a.ctx()) },
	} {
		for try, found := 0, true; found; try++ {
			a.wait(h, func(st Status) bool { return len(st.Workers) == 1 && st.Workers[0].State == WorkerIdle })
			text, since := "", time.Now()
			eventually(t, "nothing more to be said", func() bool {
				if now := a.logText(); now != text {
					text, since = now, time.Now()
				}
				return time.Since(since) > 500*time.Millisecond
			})
			if err := os.Rename(file, file+".moved"); err != nil {
				t.Fatal(err)
			}
			if err := again(); err != nil {
				t.Fatal(err)
			}
			a.mustLogLine("rolling out generation")
			// A line that was written in between, as it came late, has found out by itself.
			text = a.logText()
			if found = strings.Contains(text, "the log file was moved"); found && try == 5 || strings.Contains(text, "master of demo starting") {
				t.Fatalf("%d: %s", i, text)
			}
			a.wait(h, func(st Status) bool { return st.State == StateReady && st.Rollout == 0 })
		}
	}
}

// A disk without room, and a log that was removed: the app serves, status tells.
func TestMasterServesOnAFullDisk(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Log.Access = true })
	logs := filepath.Join(a.spec.Path, "logs")
	want := "cannot write log " + a.spec.Path + "/logs/wsgid.log: no space left on device"
	var free func()
	if os.Geteuid() == 0 {
		if err := unix.Mount("tmpfs", logs, "tmpfs", 0, "size=4k,mode=777"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount(logs, unix.MNT_DETACH) })
		if err := os.WriteFile(filepath.Join(logs, "fill"), make([]byte, 4096), 0o644); err != nil {
			t.Fatal(err)
		}
		free = func() { _ = os.Remove(filepath.Join(logs, "fill")) }
	} else {
		// Without a file system of our own: a folder that is no more.
		want = "cannot open log " + a.spec.Path + "/logs/wsgid.log: no such file or directory"
		free = func() { _ = os.Mkdir(logs, 0o755) }
	}
	h := a.start(StateReady)
	if os.Geteuid() != 0 {
		if err := os.RemoveAll(logs); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the loss is in the status", func() bool {
		if code, _ := a.get("/"); code != 200 {
			t.Fatalf("it answers %d", code)
		}
		st, err := h.Status(a.ctx(), 0)
		if err != nil {
			t.Fatal(err)
		}
		return st.LogError == want && st.LogLost > 0 && st.State == StateReady
	})
	free()
	eventually(t, "the log is written again", func() bool {
		a.get("/")
		st, _ := h.Status(a.ctx(), 0)
		return st.LogError == ""
	})
	lost := regexp.MustCompile(` - WARNING - \d+ log lines were lost: ` + regexp.QuoteMeta(want) + "\n")
	eventually(t, "the log tells what was lost", func() bool { return lost.MatchString(a.logText()) })
}

// HTTPS, HTTP/1 and 2, is in the access log like the rest.
func TestAccessLogOfTLS(t *testing.T) {
	files := writeCertificate(t, t.TempDir())
	a := newTestApp(t, helloApp, func(s *appspec.Spec) {
		s.Sockets.HTTP[0].TLS = files
		s.Log.Access = true
	})
	a.start(StateReady)
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: proto == "HTTP/2.0"}
		client := &http.Client{Transport: tr}
		req, _ := http.NewRequest(http.MethodPost, "https://"+a.addr+"/echo?a=b", strings.NewReader("12345"))
		req.Header.Set("User-Agent", "tester")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		tr.CloseIdleConnections()
		a.mustLogLine(`"POST /echo?a=b ` + proto + `" 200 5 "-" "tester" `)
	}
}
