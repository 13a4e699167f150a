package logfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
)

// drain reads all lines that are there.
func drain(t *testing.T, l *File) (lines []string) {
	t.Helper()
	for {
		line, ok, err := l.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return lines
		}
		lines = append(lines, line.Text)
	}
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("lines %q, want %q", got, want)
	}
}

func TestLogIsFollowedOverRotations(t *testing.T) {
	dir := fleettest.LogFolder(t)
	l, err := Open("blog", dir, 10, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	refresh := func() {
		t.Helper()
		if err := l.Refresh(); err != nil {
			t.Fatal(err)
		}
	}
	refresh()
	wantLines(t, drain(t, l)) // no log yet
	fleettest.AppendLog(t, dir, "a\nb\nhal")
	refresh()
	wantLines(t, drain(t, l), "a", "b")
	fleettest.AppendLog(t, dir, "f\nc\n")
	refresh()
	wantLines(t, drain(t, l), "half", "c")

	// Three rotations between two looks lose nothing.
	fleettest.AppendLog(t, dir, "d\n")
	fleettest.RotateLog(t, dir, 5)
	fleettest.AppendLog(t, dir, "e\n")
	fleettest.RotateLog(t, dir, 5)
	fleettest.AppendLog(t, dir, "f\nno end")
	fleettest.RotateLog(t, dir, 5)
	refresh() // in the midst: the new file is not there yet
	wantLines(t, drain(t, l), "d")
	fleettest.AppendLog(t, dir, "g\n")
	refresh()
	wantLines(t, drain(t, l), "e", "f", "no end", "g")

	// Truncated in place.
	if err := os.Truncate(filepath.Join(dir, Name), 0); err != nil {
		t.Fatal(err)
	}
	refresh()
	fleettest.AppendLog(t, dir, "h\n")
	refresh()
	wantLines(t, drain(t, l), "h")

	// Removed, and made again by the writer.
	if err := os.Remove(filepath.Join(dir, Name)); err != nil {
		t.Fatal(err)
	}
	refresh()
	fleettest.AppendLog(t, dir, "i\n")
	refresh()
	wantLines(t, drain(t, l), "i")
}

func TestLogTail(t *testing.T) {
	dir := fleettest.LogFolder(t)
	long := strings.Repeat("x", 100_000)
	fleettest.AppendLog(t, dir, "1\n"+long+"\n")
	fleettest.RotateLog(t, dir, 3)
	fleettest.AppendLog(t, dir, "3\n4\nno end")
	for n, want := range map[int]string{
		-1: "1|" + long + "|3|4|no end", 9: "1|" + long + "|3|4|no end", 5: "1|" + long + "|3|4|no end",
		4: long + "|3|4|no end", 3: "3|4|no end", 2: "4|no end", 1: "no end", 0: "",
	} {
		l, err := Open("blog", dir, n, Filter{})
		if err != nil {
			t.Fatal(err)
		}
		got := drain(t, l)
		if rest, ok := l.Rest(); ok {
			got = append(got, rest.Text)
		}
		l.Close()
		if strings.Join(got, "|") != want {
			t.Errorf("the last %d lines are %.100q", n, got)
		}
	}
}

// A line without end, as a broken app may write, costs no memory without bound.
func TestLogLineWithoutEnd(t *testing.T) {
	dir := fleettest.LogFolder(t)
	fleettest.AppendLog(t, dir, strings.Repeat("x", 5*maxLine))
	l, err := Open("blog", dir, -1, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, line := range drain(t, l) {
		if len(line) > maxLine+64<<10 {
			t.Errorf("a piece of %d bytes", len(line))
		}
	}
}
