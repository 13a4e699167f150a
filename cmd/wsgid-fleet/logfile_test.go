package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// logFolder is an app folder with an empty logs folder.
func logFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func appendLog(t *testing.T, dir, text string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, logName), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// rotate does as the runner's log does.
func rotate(t *testing.T, dir string, keep int) {
	t.Helper()
	name := func(i int) string {
		if i == 0 {
			return filepath.Join(dir, logName)
		}
		return fmt.Sprintf("%s.%d", filepath.Join(dir, logName), i)
	}
	for i := keep - 1; i >= 0; i-- {
		if err := os.Rename(name(i), name(i+1)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
}

// drain reads all lines that are there.
func drain(t *testing.T, l *logFile) (lines []string) {
	t.Helper()
	for {
		line, ok, err := l.next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return lines
		}
		lines = append(lines, line.text)
	}
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("lines %q, want %q", got, want)
	}
}

func TestLogIsFollowedOverRotations(t *testing.T) {
	dir := logFolder(t)
	l, err := openLog("blog", dir, 10, logFilter{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	refresh := func() {
		t.Helper()
		if err := l.refresh(); err != nil {
			t.Fatal(err)
		}
	}
	refresh()
	wantLines(t, drain(t, l)) // no log yet
	appendLog(t, dir, "a\nb\nhal")
	refresh()
	wantLines(t, drain(t, l), "a", "b")
	appendLog(t, dir, "f\nc\n")
	refresh()
	wantLines(t, drain(t, l), "half", "c")

	// Three rotations between two looks lose nothing.
	appendLog(t, dir, "d\n")
	rotate(t, dir, 5)
	appendLog(t, dir, "e\n")
	rotate(t, dir, 5)
	appendLog(t, dir, "f\nno end")
	rotate(t, dir, 5)
	refresh() // in the midst: the new file is not there yet
	wantLines(t, drain(t, l), "d")
	appendLog(t, dir, "g\n")
	refresh()
	wantLines(t, drain(t, l), "e", "f", "no end", "g")

	// Truncated in place.
	if err := os.Truncate(filepath.Join(dir, logName), 0); err != nil {
		t.Fatal(err)
	}
	refresh()
	appendLog(t, dir, "h\n")
	refresh()
	wantLines(t, drain(t, l), "h")

	// Removed, and made again by the writer.
	if err := os.Remove(filepath.Join(dir, logName)); err != nil {
		t.Fatal(err)
	}
	refresh()
	appendLog(t, dir, "i\n")
	refresh()
	wantLines(t, drain(t, l), "i")
}

func TestLogTail(t *testing.T) {
	dir := logFolder(t)
	long := strings.Repeat("x", 100_000)
	appendLog(t, dir, "1\n"+long+"\n")
	rotate(t, dir, 3)
	appendLog(t, dir, "3\n4\nno end")
	for n, want := range map[int]string{
		-1: "1|" + long + "|3|4|no end", 9: "1|" + long + "|3|4|no end", 5: "1|" + long + "|3|4|no end",
		4: long + "|3|4|no end", 3: "3|4|no end", 2: "4|no end", 1: "no end", 0: "",
	} {
		l, err := openLog("blog", dir, n, logFilter{})
		if err != nil {
			t.Fatal(err)
		}
		got := drain(t, l)
		if rest, ok := l.rest(); ok {
			got = append(got, rest.text)
		}
		l.close()
		if strings.Join(got, "|") != want {
			t.Errorf("the last %d lines are %.100q", n, got)
		}
	}
}

// A line without end, as a broken app may write, costs no memory without bound.
func TestLogLineWithoutEnd(t *testing.T) {
	dir := logFolder(t)
	appendLog(t, dir, strings.Repeat("x", 5*maxLogLine))
	l, err := openLog("blog", dir, -1, logFilter{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	for _, line := range drain(t, l) {
		if len(line) > maxLogLine+64<<10 {
			t.Errorf("a piece of %d bytes", len(line))
		}
	}
}

// syncBuffer is a buffer that a test reads while a command writes.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// until waits until the text has this.
func (s *syncBuffer) until(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !strings.Contains(s.String(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q never came; there is:\n%s", text, s)
		}
	}
}

func TestLogsFollowWakesUp(t *testing.T) {
	dir := logFolder(t)
	appendLog(t, dir, "old\n")
	l, err := openLog("blog", dir, 0, logFilter{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	var out syncBuffer
	c := newCLI()
	c.out = &out
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- followLogs(ctx, []*logFile{l}, c.newLogPrinter([]*logFile{l})) }()
	appendLog(t, dir, "new\n")
	out.until(t, "new\n")
	rotate(t, dir, 3)
	appendLog(t, dir, "newer\n")
	out.until(t, "newer\n")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := out.String(); got != "new\nnewer\n" {
		t.Errorf("it printed %q", got)
	}
}
