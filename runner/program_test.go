package runner

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/stem"
)

// TestMasterProgramIsFound: beside the program that starts masters or in libexec;
// where it is missing or no program, the error says where it was looked for.
func TestMasterProgramIsFound(t *testing.T) {
	top := t.TempDir()
	exe := filepath.Join(top, "bin/wsgid-fleet")
	beside, libexec := filepath.Join(top, "bin", MasterProgram), filepath.Join(top, "libexec/wsgid-fleet", MasterProgram)
	for _, dir := range []string{filepath.Dir(beside), filepath.Dir(libexec)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(path string, mode os.FileMode, says string) {
		t.Helper()
		if err := os.WriteFile(path, []byte("#!/bin/sh\necho "+says+"\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(err error, parts ...string) {
		t.Helper()
		if err == nil {
			t.Fatal("no error")
		}
		for _, part := range parts {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not say %q", err, part)
			}
		}
	}
	_, err := masterProgramOf(exe)
	refused(err, beside, libexec, "install it next to "+exe)

	write(libexec, 0o755, "wsgid-master 1.0 '(abc)'")
	if path, err := masterProgramOf(exe); err != nil || path != libexec {
		t.Errorf("found %q (%v), want %s", path, err, libexec)
	}
	if err := checkMasterProgram(t.Context(), exe, "1.0 (abc)"); err != nil {
		t.Error(err)
	}
	refused(checkMasterProgram(t.Context(), exe, "1.1 (def)"), libexec+" is 1.0 (abc), and "+exe+", which starts it, is 1.1 (def): replace "+libexec)

	write(beside, 0o644, "nothing")
	_, err = masterProgramOf(exe)
	refused(err, beside, "not an executable file")
	if err := os.Chmod(beside, 0o755); err != nil {
		t.Fatal(err)
	}
	if path, err := masterProgramOf(exe); err != nil || path != beside {
		t.Errorf("found %q (%v), want %s", path, err, beside)
	}
	write(beside, 0o755, "no libpthread >&2; exit 127")
	refused(checkMasterProgram(t.Context(), exe, "1.0 (abc)"), beside+" does not report its version: exit status 127: no libpthread")
}

// TestMasterOfAnotherBuild refuses to serve before it has touched anything, and
// says which file is to be replaced.
func TestMasterOfAnotherBuild(t *testing.T) {
	o := StartOptions{Spec: appspec.Default("blog", t.TempDir()), StateDir: t.TempDir()}
	msg, err := json.Marshal(map[string]any{"starter": "/usr/bin/wsgid-fleet", "build": "0.0.1", "spec": 7})
	if err != nil {
		t.Fatal(err)
	}
	pid, answer, err := execMaster(t.Context(), o, func(*stem.Stem, string) ([]byte, error) { return msg, nil }, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	evloop.Reap(pid)
	if want := "and /usr/bin/wsgid-fleet, which starts it, is 0.0.1: replace "; !answer.OtherBuild || !strings.Contains(answer.Error, want) {
		t.Errorf("it answered %+v, want %q", answer, want)
	}
}
