// Package componenttest finds what tests need beside this repository: programs of others. A
// test whose component is missing fails, unless WSGID_TEST_SKIP names it.
package componenttest

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// component is one whose program or package in Debian has another name.
type component struct{ program, packages string }

var components = map[string]component{
	"apache2":         {packages: "apache2-bin and libapache2-mod-wsgi-py3"},
	"etcd":            {packages: "etcd-server"},
	"mongrel2":        {packages: "mongrel2-core"},
	"nginx":           {packages: "nginx-light"},
	"sshd":            {packages: "openssh-server"},
	"supervisord":     {packages: "supervisor"},
	"systemd-analyze": {packages: "systemd"},
	"uwsgi":           {program: "uwsgi-core", packages: "uwsgi-core and uwsgi-plugin-python3"},
}

// Wanted leaves the test out where WSGID_TEST_SKIP names the component.
func Wanted(t testing.TB, name string) {
	t.Helper()
	if skipped(os.Getenv("WSGID_TEST_SKIP"), name) {
		t.Skip("WSGID_TEST_SKIP names " + name)
	}
}

// Program is Wanted, and returns the path of the component's program.
func Program(t testing.TB, name string) string {
	t.Helper()
	Wanted(t, name)
	c := components[name]
	if c.program == "" {
		c.program = name
	}
	if c.packages == "" {
		c.packages = name
	}
	path, err := exec.LookPath(c.program)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + c.program) // where an ordinary user does not look
	}
	if err != nil {
		t.Fatalf("%v: install %s, or name %s in WSGID_TEST_SKIP", err, c.packages, name)
	}
	return path
}

// skipped tells whether a list, by commas or spaces, has the name.
func skipped(list, name string) bool {
	return slices.Contains(strings.Fields(strings.ReplaceAll(list, ",", " ")), name)
}
