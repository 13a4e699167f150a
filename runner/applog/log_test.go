package applog

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// logBed is an app folder and a log in it.
type logBed struct {
	t    *testing.T
	dir  string
	spec *appspec.Spec
	log  *Log
}

func newLogBed(t *testing.T, change func(*appspec.Spec)) *logBed {
	t.Helper()
	b := &logBed{t: t, dir: t.TempDir()}
	b.spec = appspec.Default("blog", b.dir)
	if change != nil {
		change(b.spec)
	}
	if err := os.Mkdir(filepath.Join(b.dir, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *logBed) open() {
	b.t.Helper()
	root, err := appdir.Open(b.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = root.Close() })
	b.log = Open(Places{Root: root, Stderr: 2}, b.spec, -1, -1, false)
	b.t.Cleanup(b.log.Close)
}

// settle waits until the writer has done all that it was given.
func (b *logBed) settle() {
	done := make(chan struct{})
	b.log.control(func() {})
	b.log.control(func() { close(done) })
	<-done
}

func (b *logBed) read(name string) string {
	b.t.Helper()
	b.settle()
	text, err := os.ReadFile(filepath.Join(b.dir, "logs", name))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

func TestLogLines(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC)
	for _, c := range []struct {
		entry      entry
		app        string
		text, json string
	}{
		{entry{kind: kindOwn, level: "INFO", pid: 7, text: []byte("hello")}, "",
			"2026-03-04 05:06:07,089 - wsgid [pid=7] - INFO - hello\n",
			`{"time":"2026-03-04T05:06:07.089000Z","level":"INFO","source":"wsgid","app":"blog","pid":7,"message":"hello"}` + "\n"},
		{entry{kind: kindOutput, level: "OUTPUT", pid: 8, text: []byte("Traceback (most recent call last):\n  File \"x\"\nE\n")}, "",
			"2026-03-04 05:06:07,089 - app [pid=8] - OUTPUT - Traceback (most recent call last):\n" +
				"2026-03-04 05:06:07,089 - app [pid=8] - OUTPUT -   File \"x\"\n" +
				"2026-03-04 05:06:07,089 - app [pid=8] - OUTPUT - E\n",
			`{"time":"2026-03-04T05:06:07.089000Z","level":"OUTPUT","source":"app","app":"blog","pid":8,"message":"Traceback (most recent call last):\n  File \"x\"\nE"}` + "\n"},
		{entry{kind: kindRaw, level: "ERROR", pid: 7, text: []byte("Traceback:\n  x")}, "",
			"Traceback:\n  x\n",
			`{"time":"2026-03-04T05:06:07.089000Z","level":"ERROR","source":"wsgid","app":"blog","pid":7,"message":"Traceback:\n  x"}` + "\n"},
		// On a standard error that several apps share, each line names its own.
		{entry{kind: kindOutput, level: "OUTPUT", pid: 8, text: nil}, "blog",
			"2026-03-04 05:06:07,089 - blog app [pid=8] - OUTPUT - \n",
			`{"time":"2026-03-04T05:06:07.089000Z","level":"OUTPUT","source":"app","app":"blog","pid":8,"message":""}` + "\n"},
		{entry{kind: kindOutput, level: "OUTPUT", pid: 8, text: []byte("\xff\x9b\x00\x1b[1m\u00e9\"\\\t\u009b2J\u202eabc\r|")}, "",
			"2026-03-04 05:06:07,089 - app [pid=8] - OUTPUT - \xff\\x9b\\x00\\x1b[1m\u00e9\"\\\t\\x9b2J\\u202eabc\\x0d|\n",
			`{"time":"2026-03-04T05:06:07.089000Z","level":"OUTPUT","source":"app","app":"blog","pid":8,"message":"` + "\uFFFD\uFFFD" + `\u0000\u001b[1m` + "\u00e9" + `\"\\\t\u009b2J\u202eabc\r|"}` + "\n"},
	} {
		c.entry.at = at
		if got := string(c.entry.appendText(nil, c.app)); got != c.text {
			t.Errorf("text:\n%q, want\n%q", got, c.text)
		}
		got := c.entry.appendJSON(nil, "blog")
		if string(got) != c.json {
			t.Errorf("JSON:\n%s, want\n%s", got, c.json)
		}
		if !json.Valid(got) {
			t.Errorf("not JSON: %s", got)
		}
	}
}

func TestTracebacksAreKeptTogether(t *testing.T) {
	for name, c := range map[string]struct{ in, want []string }{
		"plain": {[]string{"a", "", "  b"}, []string{"a", "", "  b"}},
		"one": {
			[]string{"before", "Traceback (most recent call last):", `  File "x", line 1`, "    f()", "ValueError: no", "after"},
			[]string{"before", "Traceback (most recent call last):\n  File \"x\", line 1\n    f()\nValueError: no\n", "after"},
		},
		"two in a row": {
			[]string{"Traceback (most recent call last):", "  x", "A", "Traceback (most recent call last):", "  y", "B"},
			[]string{"Traceback (most recent call last):\n  x\nA\nTraceback (most recent call last):\n  y\nB\n"},
		},
		"chained": {
			[]string{"Traceback (most recent call last):", "  x", "KeyError: 1", "",
				"During handling of the above exception, another exception occurred:", "",
				"Traceback (most recent call last):", "  y", "ValueError: no", "[next]"},
			[]string{"Traceback (most recent call last):\n  x\nKeyError: 1\n\nDuring handling of the above exception, another exception occurred:\n\n" +
				"Traceback (most recent call last):\n  y\nValueError: no\n", "[next]"},
		},
		"faulthandler": {
			[]string{"Fatal Python error: Aborted", "", "Thread 0x00007f (most recent call first):", "  File a", "", "Current thread 0x00007e (most recent call first):",
				"  File b", "", "Extension modules: x (total: 1)", "done"},
			[]string{"Fatal Python error: Aborted\n\nThread 0x00007f (most recent call first):\n  File a\n\nCurrent thread 0x00007e (most recent call first):\n  File b\n\nExtension modules: x (total: 1)\n", "done"},
		},
	} {
		var tr tracer
		var got []string
		for _, line := range c.in {
			held, now := tr.add([]byte(line))
			if held != nil {
				got = append(got, string(held))
			}
			if now != nil {
				got = append(got, string(now))
			}
		}
		if b := tr.take(); b != nil {
			got = append(got, string(b))
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", c.want) {
			t.Errorf("%s:\n%q, want\n%q", name, got, c.want)
		}
	}
}

// A traceback without an end is not held back for ever, nor without bound.
func TestFollowedOutput(t *testing.T) {
	b := newLogBed(t, nil)
	b.open()
	b.log.patience = time.Minute // a slow disk is not what this is about
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 1)
	go func() { done <- b.log.Follow(r, 42) }()
	fmt.Fprint(w, "one\r\nTraceback (most recent call last):\n  File\n")
	await.True(t, "a traceback that does not go on is written", func() bool {
		return strings.Contains(b.read("wsgid.log"), "app [pid=42] - OUTPUT -   File\n")
	})
	fmt.Fprint(w, strings.Repeat("x", 100_000)+"\nTraceback (most recent call last):\n"+strings.Repeat("  y\n", 100_000)+"no end")
	_ = w.Close()
	if last := <-done; last != "no end" {
		t.Errorf("the last line is %q", last)
	}
	text := b.read("wsgid.log")
	if n, lost := strings.Count(text, "OUTPUT -   y\n"), b.log.dropped.Load(); n != 100_000 || lost != 0 {
		t.Errorf("%d lines of the long traceback, %d are said to be lost", n, lost)
	}
	if !strings.HasSuffix(text, "app [pid=42] - OUTPUT - no end\n") || !strings.Contains(text, "OUTPUT - one\n") {
		t.Errorf("begin %q, end %q", text[:100], text[len(text)-100:])
	}
	if n := strings.Count(text, "x"); n != 100_000 {
		t.Errorf("%d bytes of the long line", n)
	}
}

func TestRotation(t *testing.T) {
	b := newLogBed(t, func(s *appspec.Spec) { s.Log.MaxSize, s.Log.Keep = 1000, 3 })
	b.open()
	for i := range 100 {
		b.log.Info(fmt.Sprintf("line %03d", i))
		if i%7 == 0 {
			b.settle()
		}
	}
	b.settle()
	var text string
	for _, name := range []string{"wsgid.log.3", "wsgid.log.2", "wsgid.log.1", "wsgid.log"} {
		part := b.read(name)
		if len(part) > 1000 || len(part) < 900 && name != "wsgid.log" {
			t.Errorf("%s has %d bytes", name, len(part))
		}
		text += part
	}
	if _, err := os.Stat(filepath.Join(b.dir, "logs", "wsgid.log.4")); err == nil {
		t.Error("more files than log.keep says")
	}
	got := regexp.MustCompile(`line (\d+)\n`).FindAllStringSubmatch(text, -1)
	for i, m := range got {
		if want := fmt.Sprintf("%03d", 100-len(got)+i); m[1] != want {
			t.Fatalf("line %s where %s should be", m[1], want)
		}
	}
	if len(got) < 40 {
		t.Errorf("only %d lines are left", len(got))
	}

	// Fewer are kept: the others go with the next rotation. And a line that is
	// longer than a file may be stands in one by itself.
	b.spec.Log.Keep = 1
	b.log.Configure(b.spec)
	b.log.Info(strings.Repeat("z", 3000))
	b.log.Info("after")
	if text := b.read("wsgid.log"); !strings.HasSuffix(text, "after\n") || len(text) > 1000 {
		t.Errorf("after the long line: %q", text)
	}
	if n := len(b.read("wsgid.log.1")); n < 3000 {
		t.Errorf("the long line's file has %d bytes", n)
	}
	if left, _ := filepath.Glob(filepath.Join(b.dir, "logs", "*")); len(left) != 2 {
		t.Errorf("left: %v", left)
	}
	b.spec.Log.Keep = 0
	b.log.Configure(b.spec)
	for range 30 {
		b.log.Info("x")
		b.settle()
	}
	if n := len(b.read("wsgid.log")); n > 1000 {
		t.Errorf("without a rotated file it has %d bytes", n)
	}
}

// A file that cannot be rotated is written on.
func TestRotationThatFails(t *testing.T) {
	b := newLogBed(t, func(s *appspec.Spec) { s.Log.MaxSize, s.Log.Keep = 1000, 1 })
	if err := os.MkdirAll(filepath.Join(b.dir, "logs", "wsgid.log.1", "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	b.open()
	for i := range 30 {
		b.log.Info(fmt.Sprintf("line %03d", i))
		b.settle()
	}
	text := b.read("wsgid.log")
	want := "ERROR - cannot rotate log " + b.dir + "/logs/wsgid.log: is a directory\n"
	if n := strings.Count(text, " - INFO - line "); n != 30 || !strings.Contains(text, want) {
		t.Errorf("%d lines; want %q in\n%s", n, want, text)
	}
}

func TestLogFileMovedRemovedTruncated(t *testing.T) {
	b := newLogBed(t, nil)
	b.open()
	file := filepath.Join(b.dir, "logs", "wsgid.log")
	b.log.Info("first")
	b.settle()
	// logrotate: moved away, then reload or HUP.
	if err := os.Rename(file, file+".old"); err != nil {
		t.Fatal(err)
	}
	b.log.Reopen()
	b.log.Info("second")
	if text := b.read("wsgid.log"); !strings.HasSuffix(text, "INFO - second\n") || strings.Contains(text, "first") {
		t.Errorf("after reopening: %q", text)
	}
	// Nothing has happened to it: nothing is told, and it stays open.
	var open *os.File
	b.log.control(func() { open, b.log.looked = b.log.file, time.Time{} }) // it looks at once
	b.log.Info("looked")
	b.settle()
	b.log.control(func() {
		if b.log.file != open || b.log.looked.IsZero() {
			t.Error("a log that nobody has touched was opened anew, or not looked at")
		}
	})
	if text := b.read("wsgid.log"); strings.Contains(text, "WARNING") {
		t.Errorf("nobody has touched it: %q", text)
	}
	// Without a signal it is noticed within a second or two.
	for what, away := range map[string]func() error{
		"removed":    func() error { return os.Remove(file) },
		"moved away": func() error { return os.Rename(file, file+".old") },
	} {
		if err := away(); err != nil {
			t.Fatal(err)
		}
		await.True(t, "a file that was "+what+" is made anew", func() bool {
			b.log.Info("ping")
			b.settle()
			_, err := os.Stat(file)
			return err == nil
		})
		if text := b.read("wsgid.log"); !strings.Contains(text, "WARNING - the log file was "+what+"; this is a new one\n") {
			t.Errorf("%s: %q", what, text)
		}
	}
	// Truncated in place.
	if err := os.Truncate(file, 0); err != nil {
		t.Fatal(err)
	}
	b.log.Info("third")
	if text := b.read("wsgid.log"); !strings.HasSuffix(text, "INFO - third\n") || text[0] == 0 {
		t.Errorf("after the truncation: %q", text)
	}
	// The whole folder.
	if err := os.RemoveAll(filepath.Join(b.dir, "logs")); err != nil {
		t.Fatal(err)
	}
	await.True(t, "a folder that is gone is told", func() bool {
		b.log.Info("ping")
		text, lost := b.log.Status()
		return text == "cannot open log "+file+": no such file or directory" && lost > 0
	})
	if err := os.Mkdir(filepath.Join(b.dir, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	await.True(t, "the log is there again", func() bool {
		b.log.Info("pong")
		text, _ := b.log.Status()
		return text == ""
	})
	if text := b.read("wsgid.log"); !regexp.MustCompile(`WARNING - \d+ log lines were lost: cannot open log .*: no such file or directory\n`).MatchString(text) {
		t.Errorf("what was lost: %q", text)
	}
}

// A process without a free descriptor goes on with the file that it has: what it says
// of its trouble is not lost.
func TestLogWithoutDescriptors(t *testing.T) {
	b := newLogBed(t, nil)
	b.open()
	b.log.Info("before")
	b.settle()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 3
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	b.log.control(func() { b.log.looked = time.Time{} }) // it looks at once
	b.log.Info("no descriptor is left")
	b.settle()
	problem, lost := b.log.Status()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if problem != "" || lost > 0 {
		t.Errorf("%d lines are lost: %q", lost, problem)
	}
	if text := b.read("wsgid.log"); !strings.HasSuffix(text, "INFO - no descriptor is left\n") || strings.Contains(text, "moved away") {
		t.Errorf("%q", text)
	}
}

// fullDisk checks what a log does on a disk without room; fill takes the room,
// free gives it back.
func fullDisk(t *testing.T, b *logBed, fill, free func()) {
	t.Helper()
	b.open()
	changes := make(chan string, 100)
	b.log.OnStatus(func() {
		text, _ := b.log.Status()
		changes <- text
	})
	b.log.Info("before")
	b.settle()
	fill()
	line := strings.Repeat("x", 200)
	want := "cannot write log " + b.dir + "/logs/wsgid.log: no space left on device"
	await.True(t, "the full disk is told", func() bool {
		b.log.Info(line)
		b.settle()
		return len(changes) > 0
	})
	if got := <-changes; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	if _, lost := b.log.Status(); lost == 0 {
		t.Error("nothing is counted as lost")
	}
	free()
	await.True(t, "it writes again", func() bool {
		b.log.Info("after")
		b.settle()
		text, _ := b.log.Status()
		return text == ""
	})
	text := b.read("wsgid.log")
	if !regexp.MustCompile(`WARNING - \d+ log lines were lost: ` + regexp.QuoteMeta(want) + `\n`).MatchString(text) {
		t.Errorf("what was lost is not told: %q", text)
	}
	for l := range strings.Lines(text) {
		if !regexp.MustCompile(`^[-0-9]{10} [:0-9]{8},\d{3} - wsgid \[pid=\d+\] - [A-Z]+ - .*\n$`).MatchString(l) {
			t.Errorf("a line that is not whole: %q", l)
		}
	}
}

// The kernel's own full device, for everybody.
func TestFullDevice(t *testing.T) {
	b := newLogBed(t, nil)
	fullDisk(t, b, func() {
		b.log.control(func() {
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				panic(err)
			}
			b.log.closeFile()
			b.log.file, b.log.looked = full, time.Now().Add(time.Hour)
		})
	}, func() {})
}

// A real file system without room, where we may mount one.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount; TestFullDevice is the same without a mount")
	}
	b := newLogBed(t, nil)
	logs := filepath.Join(b.dir, "logs")
	if err := unix.Mount("tmpfs", logs, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(logs, unix.MNT_DETACH) })
	fullDisk(t, b, func() {
		fill, err := os.Create(filepath.Join(logs, "fill"))
		if err != nil {
			t.Fatal(err)
		}
		defer fill.Close()
		for {
			if _, err := fill.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	}, func() {
		if err := os.Remove(filepath.Join(logs, "fill")); err != nil {
			t.Fatal(err)
		}
	})
}

// What stands at the log's name is told as what it is, and is no reason not to
// serve: the log goes on when it is gone.
func TestLogThatIsNotAFile(t *testing.T) {
	for _, tt := range []struct {
		what string
		make func(name string) error
	}{
		{"it has 2 names (hard links)", func(name string) error {
			return errors.Join(os.WriteFile(name+".other", nil, 0o644), os.Link(name+".other", name))
		}},
		{"it is a FIFO, not a file", func(name string) error { return unix.Mkfifo(name, 0o644) }},
		{"it is a symbolic link, not a file", func(name string) error {
			return errors.Join(os.WriteFile(name+".other", nil, 0o644), os.Symlink("wsgid.log.other", name))
		}},
		{"it is a socket, not a file", func(name string) error { return unix.Mknod(name, unix.S_IFSOCK|0o644, 0) }},
		{"it is a folder, not a file", func(name string) error { return os.Mkdir(name, 0o755) }},
	} {
		t.Run(tt.what, func(t *testing.T) {
			b := newLogBed(t, nil)
			name := filepath.Join(b.dir, "logs", "wsgid.log")
			if err := tt.make(name); err != nil {
				t.Fatal(err)
			}
			b.open()
			b.log.Info("lost")
			b.settle()
			want := "cannot open log " + name + ": " + tt.what + "; move it away (mv " + name + " " + name + ".old), a new one is then made"
			if got, _ := b.log.Status(); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if there, err := os.ReadFile(name + ".other"); err == nil && len(there) > 0 {
				t.Errorf("written to the file behind it: %s", there)
			}
			if err := os.Rename(name, name+".old"); err != nil {
				t.Fatal(err)
			}
			b.log.Info("kept")
			b.settle()
			if got := b.read("wsgid.log"); !strings.Contains(got, "kept") || !strings.Contains(got, "1 log lines were lost: cannot open log") {
				t.Errorf("the new log holds:\n%s", got)
			}
			if got, _ := b.log.Status(); got != "" {
				t.Errorf("still told: %s", got)
			}
		})
	}
}

// A change of the log block holds from the next line on.
func TestLogChangesLive(t *testing.T) {
	b := newLogBed(t, nil)
	b.open()
	b.log.Info("one")
	b.spec.Log.Format = "json"
	b.log.Configure(b.spec)
	b.log.Info("two")
	b.spec.Log.Format = "text"
	b.log.Configure(b.spec)
	b.log.Info("three")
	lines := strings.Split(strings.TrimSpace(b.read("wsgid.log")), "\n")
	if len(lines) != 3 || !strings.HasSuffix(lines[0], " - INFO - one") || !json.Valid([]byte(lines[1])) || !strings.HasSuffix(lines[2], " - INFO - three") {
		t.Errorf("%q", lines)
	}
}

// A standard error that leads nowhere, or whose reader has gone, is told in the
// file.
func TestLogToStderr(t *testing.T) {
	withJournal(t, filepath.Join(t.TempDir(), "none"))
	b := newLogBed(t, func(s *appspec.Spec) { s.Log.Target = "stderr" })
	b.open()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	use := func(name string, f *os.File) {
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			t.Fatal(name, err)
		}
		b.log.UseStderr(fd)
	}
	use("pipe", w)
	b.log.Info("hello")
	b.settle()
	buf := make([]byte, 1000)
	n, err := r.Read(buf)
	if err != nil || !regexp.MustCompile(`^\S+ \S+ - blog wsgid \[pid=\d+\] - INFO - hello\n$`).Match(buf[:n]) {
		t.Errorf("%q, %v", buf[:n], err)
	}
	_ = w.Close()
	_ = r.Close()
	b.log.Info("nobody reads this")
	want := `WARNING - log.target is "stderr", but standard error cannot be written to: broken pipe; this file receives the log until the spec is applied again`
	if text := b.read("wsgid.log"); !strings.Contains(text, want) || !strings.Contains(text, "INFO - nobody reads this\n") {
		t.Errorf("%q", text)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	use("null", null)
	b.log.Info("into nothing")
	if text := b.read("wsgid.log"); !strings.Contains(text, "standard error cannot be written to: it leads to /dev/null;") || !strings.Contains(text, "INFO - into nothing\n") {
		t.Errorf("%q", text)
	}
}

// The loop never waits for the log: what does not fit is counted.
func TestLogThatStandsStill(t *testing.T) {
	b := newLogBed(t, nil)
	b.open()
	hold := make(chan struct{})
	held := make(chan struct{})
	b.log.control(func() {
		close(held)
		<-hold
	})
	<-held
	for i := range 1000 {
		b.log.Info(fmt.Sprint(i))
	}
	_, lost := b.log.Status()
	if lost != 1000-uint64(cap(b.log.entries)) {
		t.Errorf("%d lines lost", lost)
	}
	close(hold)
	told := regexp.MustCompile(`WARNING - \d{3} log lines were lost: the file did not keep up\n`)
	await.True(t, "the loss is told", func() bool {
		b.log.Info("on")
		return told.MatchString(b.read("wsgid.log"))
	})
}
