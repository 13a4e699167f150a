package e2e

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/certtest"
)

// certificate makes a certificate for 127.0.0.1 with its key in one file, and what
// trusts it.
func certificate(t *testing.T, dir string, who account) (path string, trust *tls.Config) {
	t.Helper()
	c := certtest.SelfSigned(t)
	path = filepath.Join(dir, "secure.pem")
	c.Write(t, path, path)
	if who.cred != nil {
		if err := os.Chown(path, int(who.cred.Uid), int(who.cred.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return path, &tls.Config{RootCAs: c.Pool(), ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
}
