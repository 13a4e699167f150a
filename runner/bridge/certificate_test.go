package bridge

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// served returns the name in the certificate of a new connection.
func (f *fixture) served() string {
	f.t.Helper()
	c, err := tls.Dial("tcp", f.addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		f.t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func (f *fixture) until(what string, ready func() bool) {
	f.t.Helper()
	await.True(f.t, what, ready, func() any { return f.log() })
}

func TestCertificateIsReadAnew(t *testing.T) {
	f := start(t, Limits{}, func(in *Incoming) { ok(in, "") })
	if got := f.served(); got != "first" {
		t.Fatal(got)
	}
	if err := os.WriteFile(f.certFile, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.until("the broken file is noticed", func() bool {
		if got := f.served(); got != "first" {
			t.Fatal(got)
		}
		return strings.Contains(f.log(), "the previous certificate stays in use")
	})
	writePair(t, filepath.Dir(f.certFile), "second")
	f.until("the new certificate", func() bool { return f.served() == "second" })
	want := "certificate " + f.certFile + " was reloaded"
	f.until(want, func() bool { return strings.Contains(f.log(), want) })
}

func TestLoadCertificateErrors(t *testing.T) {
	dir := t.TempDir()
	cert, key := writePair(t, dir, "x")
	other := t.TempDir()
	_, otherKey := writePair(t, other, "y")
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ cert, key, want string }{
		{dir + "/none", key, "cannot read certificate " + dir + "/none: no such file or directory"},
		{cert, dir + "/none", "cannot read key " + dir + "/none: no such file or directory"},
		{cert, otherKey, "cannot use certificate " + cert + " with key " + otherKey + ": tls: private key does not match public key"},
		{empty, key, "cannot use certificate " + empty + " with key " + key + ": tls: failed to find any PEM data in certificate input"},
		{dir, key, "cannot read certificate " + dir + ": is a directory"},
	} {
		if _, err := LoadCertificate(c.cert, c.key, nil); err == nil || err.Error() != c.want {
			t.Errorf("%v\nwant %s", err, c.want)
		}
	}
}
