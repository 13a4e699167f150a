package applog

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// stderrBed is a log for standard error that was given none.
func stderrBed(t *testing.T, journal string) *logBed {
	t.Helper()
	withJournal(t, journal)
	b := newLogBed(t, func(s *appspec.Spec) { s.Log.Target = "stderr" })
	root, err := appdir.Open(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	b.log = Open(Places{Root: root, Stderr: NoStderr}, b.spec, -1, -1, false)
	t.Cleanup(b.log.Close)
	return b
}

// Without a standard error the file takes the log, and that is said once.
func TestLogWithoutStderr(t *testing.T) {
	b := stderrBed(t, filepath.Join(t.TempDir(), "none"))
	b.log.Info("one")
	b.log.Reopen()
	b.log.Info("two")
	text := b.read("wsgid.log")
	want := `log.target is "stderr", but no daemon has passed its standard error; this file receives the log until one does`
	if strings.Count(text, "log.target") != 1 || !strings.Contains(text, "WARNING - "+want+"\n") || !strings.Contains(text, "- INFO - one\n") || !strings.Contains(text, "- INFO - two\n") {
		t.Errorf("%s", text)
	}
	if got, lost := b.log.Status(); got != want || lost != 0 {
		t.Errorf("told: %s, %d lines lost", got, lost)
	}
}

// The journal takes it where one answers; the file does when that ends.
func TestLogWithoutStderrToJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := listenJournal(t, path)
	b := stderrBed(t, path)
	b.log.Info("one")
	if m := j.next()["MESSAGE"]; !strings.HasSuffix(m, "the journal receives the log until one does") {
		t.Errorf("first %q", m)
	}
	if m := j.next(); m["MESSAGE"] != "one" || m["WSGID_APP"] != "blog" {
		t.Errorf("then %q", m)
	}
	_ = j.conn.Close()
	b.log.Info("two")
	if text := b.read("wsgid.log"); !strings.Contains(text, "the journal no longer answers") || !strings.Contains(text, "- INFO - two\n") || strings.Contains(text, "INFO - one") {
		t.Errorf("%s", text)
	}
}
