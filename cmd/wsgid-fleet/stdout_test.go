package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// A command whose answer cannot be written says so and fails, as on a full disk.
func TestAnswerThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	text := "app \"blog\" {\n  path = \"/var/wsgid/blog\"\n  sockets {\n    http {\n      listen = \"127.0.0.1:8000\"\n    }\n  }\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "blog.hcl"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"version"}, {"validate"}, {"plan"}, {"status"}, {"deploys"}, {"--help"}} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer full.Close()
		var told bytes.Buffer
		c := newCLI()
		c.out, c.err = full, &told
		code := c.execute(t.Context(), append(args, "--dir", dir, "--state-dir", filepath.Join(dir, "state")))
		if want := "wsgid-fleet: cannot write to standard output: no space left on device\n"; code != exitFailed || !bytes.HasSuffix(told.Bytes(), []byte(want)) {
			t.Errorf("%q: code %d, told %q", args, code, told.String())
		}
	}
}
