package applog

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

// fakeJournal takes entries as journald does.
type fakeJournal struct {
	t    *testing.T
	conn *net.UnixConn
}

func listenJournal(t *testing.T, path string) *fakeJournal {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &fakeJournal{t: t, conn: c}
}

// next is the fields of the next entry.
func (j *fakeJournal) next() map[string]string {
	j.t.Helper()
	_ = j.conn.SetReadDeadline(time.Now().Add(time.Minute))
	buf, oob := make([]byte, 1<<20), make([]byte, 1000)
	n, oobn, _, _, err := j.conn.ReadMsgUnix(buf, oob)
	if err != nil {
		j.t.Fatal(err)
	}
	b := buf[:n]
	if oobn > 0 {
		msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
		if err != nil {
			j.t.Fatal(err)
		}
		fds, err := unix.ParseUnixRights(&msgs[0])
		if err != nil {
			j.t.Fatal(err)
		}
		if seals, err := unix.FcntlInt(uintptr(fds[0]), unix.F_GET_SEALS, 0); err != nil || seals&unix.F_SEAL_WRITE == 0 {
			j.t.Errorf("the file is not sealed: %x, %v", seals, err)
		}
		f := os.NewFile(uintptr(fds[0]), "entry")
		defer f.Close()
		if b, err = io.ReadAll(io.NewSectionReader(f, 0, 1<<30)); err != nil {
			j.t.Fatal(err)
		}
	}
	fields := map[string]string{}
	for len(b) > 0 {
		line, rest, _ := strings.Cut(string(b), "\n")
		if name, value, ok := strings.Cut(line, "="); ok {
			fields[name] = value
			b = []byte(rest)
			continue
		}
		size := binary.LittleEndian.Uint64([]byte(rest))
		fields[line] = rest[8 : 8+size]
		b = []byte(rest[8+size+1:])
	}
	return fields
}

// journalBed is a log whose journal is at a socket of the test's.
// withJournal has the journal listen elsewhere.
func withJournal(t *testing.T, path string) {
	was := logJournal
	logJournal = path
	t.Cleanup(func() { logJournal = was })
}

func journalBed(t *testing.T, path string) *logBed {
	t.Helper()
	withJournal(t, path)
	b := newLogBed(t, func(s *appspec.Spec) { s.Log.Target = "journal" })
	b.open()
	return b
}

func TestJournal(t *testing.T) {
	dir := shortdir.New(t)
	path := filepath.Join(dir, "socket")
	j := listenJournal(t, path)
	b := journalBed(t, path)
	trace := "Traceback (most recent call last):\n  File \"x\"\nValueError: no"
	long := strings.Repeat("long ", 500_000)
	for _, c := range []struct {
		say  func()
		want map[string]string
	}{
		{func() { b.log.Warn("careful") },
			map[string]string{"PRIORITY": "4", "MESSAGE": "careful", "WSGID_SOURCE": "wsgid"}},
		{func() { b.log.Raw(trace + "\n") },
			map[string]string{"PRIORITY": "3", "MESSAGE": trace, "WSGID_SOURCE": "wsgid"}},
		{func() { b.log.put(&entry{kind: kindOutput, level: "OUTPUT", pid: 42, text: []byte("printed")}) },
			map[string]string{"PRIORITY": "6", "MESSAGE": "printed", "WSGID_SOURCE": "app", "WSGID_WORKER": "42"}},
		{func() { b.log.put(&entry{kind: kindOutput, level: "OUTPUT", pid: 42, text: []byte(trace + "\n")}) },
			map[string]string{"PRIORITY": "3", "MESSAGE": trace, "WSGID_SOURCE": "app", "WSGID_WORKER": "42"}},
		{func() {
			b.log.put(&entry{kind: kindAccess, text: []byte("one line\n"), ends: []accessEnd{{at: 9, worker: 43}}})
		},
			map[string]string{"PRIORITY": "6", "MESSAGE": "one line", "WSGID_SOURCE": "access", "WSGID_WORKER": "43"}},
		{func() { b.log.Info(long) },
			map[string]string{"PRIORITY": "6", "MESSAGE": strings.TrimRight(long, "\n"), "WSGID_SOURCE": "wsgid"}},
	} {
		c.say()
		c.want["WSGID_APP"], c.want["SYSLOG_IDENTIFIER"] = "blog", "wsgid-blog"
		got := j.next()
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%.300v, want %.300v", got, c.want)
		}
	}
	// journald is restarted.
	_ = j.conn.Close()
	_ = os.Remove(path)
	j = listenJournal(t, path)
	b.log.Info("again")
	if got := j.next()["MESSAGE"]; got != "again" {
		t.Errorf("after a restart of the journal: %q", got)
	}
	if text, lost := b.log.Status(); text != "" || lost != 0 {
		t.Errorf("trouble: %q, %d", text, lost)
	}
}

// Without a journal the file takes the log, says so, and the journal gets it
// back when it answers.
func TestNoJournal(t *testing.T) {
	dir := shortdir.New(t)
	path := filepath.Join(dir, "socket")
	b := journalBed(t, path)
	b.log.Info("first")
	b.log.Info("second")
	lines := strings.SplitAfter(b.read("wsgid.log"), "\n")
	why := `log.target is "journal", but no journal answers at /run/systemd/journal/socket: no such file or directory; this file receives the log until one does`
	if len(lines) != 4 || !strings.HasSuffix(lines[0], " - WARNING - "+why+"\n") ||
		!strings.HasSuffix(lines[1], " - INFO - first\n") || !strings.HasSuffix(lines[2], " - INFO - second\n") {
		t.Errorf("%q", lines)
	}
	if text, lost := b.log.Status(); text != why || lost != 0 {
		t.Errorf("trouble: %q, %d", text, lost)
	}
	j := listenJournal(t, path)
	b.log.control(b.log.retry) // what the writer does every few seconds
	if got := j.next()["MESSAGE"]; got != "the journal is available again; lines from the meantime are in logs/wsgid.log" {
		t.Errorf("%q", got)
	}
	b.log.Info("third")
	if got := j.next()["MESSAGE"]; got != "third" {
		t.Errorf("%q", got)
	}
	if text, _ := b.log.Status(); text != "" {
		t.Errorf("trouble: %q", text)
	}
}

// A journal that takes nothing holds nobody up for long.
func TestJournalThatHangs(t *testing.T) {
	dir := shortdir.New(t)
	path := filepath.Join(dir, "socket")
	listenJournal(t, path)
	b := journalBed(t, path)
	await.True(t, "lines are lost", func() bool {
		b.log.Info("x")
		text, lost := b.log.Status()
		return text == "cannot write to the journal: it does not accept messages" && lost > 0
	})
}
