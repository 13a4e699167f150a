package bridge_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/bridge"
)

// validate and status look at a certificate in an app's folder by the door that its
// master uses: they wait for no FIFO and touch no device.
func TestCheckCertificateOfAnApp(t *testing.T) {
	dir := t.TempDir()
	fifo, device := filepath.Join(dir, "fifo.pem"), filepath.Join(dir, "device.pem")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(os.DevNull, device); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{fifo, device} {
		_, trouble := bridge.CheckCertificate(name, name, time.Now())
		if trouble == nil || !strings.Contains(trouble.What, "not a file") {
			t.Errorf("%s: got %+v", filepath.Base(name), trouble)
		}
	}
	if os.Geteuid() != 0 {
		return // links are judged by root alone, who may read what their maker may not
	}
	secret, link := filepath.Join(dir, "secret.pem"), filepath.Join(dir, "link.pem")
	if err := os.WriteFile(secret, []byte("root's own"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(link, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	_, trouble := bridge.CheckCertificate(link, link, time.Now())
	if trouble == nil || !strings.Contains(trouble.What, "symbolic link") {
		t.Errorf("a link of another user to a file of root's: got %+v", trouble)
	}
}
