package main

import (
	"os"
	"testing"
)

// Whoever became root by sudo is named in what other hosts read, as in the logbook of
// deploys, and not root.
func TestPushNamesWhoAskedSudo(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	c := &cli{getenv: func(name string) string { return map[string]string{"SUDO_USER": "ann"}[name] }}
	if got, want := c.whoWhere(), "ann@"+host; got != want {
		t.Errorf("a push is by %q, want %q", got, want)
	}
}
