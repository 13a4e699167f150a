package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/logfile"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// syncBuffer is a buffer that a test reads while a command writes.
type syncBuffer struct{ fleettest.Buffer }

// until waits until the text has this.
func (s *syncBuffer) until(t *testing.T, text string) {
	t.Helper()
	await.True(t, fmt.Sprintf("%q", text), func() bool { return strings.Contains(s.String(), text) }, func() any { return s })
}

func TestLogsFollowWakesUp(t *testing.T) {
	dir := fleettest.LogFolder(t)
	fleettest.AppendLog(t, dir, "old\n")
	l, err := logfile.Open("blog", dir, 0, logfile.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sources := []*logSource{{File: l}}
	var out syncBuffer
	c := newCLI()
	c.out = &out
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- followLogs(ctx, sources, c.newLogPrinter(sources)) }()
	fleettest.AppendLog(t, dir, "new\n")
	out.until(t, "new\n")
	fleettest.RotateLog(t, dir, 3)
	fleettest.AppendLog(t, dir, "newer\n")
	out.until(t, "newer\n")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := out.String(); got != "new\nnewer\n" {
		t.Errorf("it printed %q", got)
	}
}
