package host_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The files that a zygote has loaded come whole to the daemon, or it says that they are
// too many.
func TestFilesOfTheZygote(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Python")
	}
	t.Parallel()
	host, err := filepath.Abs("py")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		count int
		room  string // of the socket, which the kernel doubles
		want  string
	}{
		{3, "2 * link.MAX_MESSAGE", "3 files"},
		{2400, "2 * link.MAX_MESSAGE", "2400 files"}, // 156,000 bytes
		{3000, "2 * link.MAX_MESSAGE", "it loads 3000 files, whose names take 195001 bytes; 162816 can be watched for changes"},
		{3, "4096", "3 files"},
		{300, "4096", "the names of the 300 files that it loads, 19501 bytes, cannot be sent: Message too long; is the sysctl net.core.wmem_max too low?"},
	} {
		out, err := exec.Command(python, "-c", fmt.Sprintf(`
import json, socket, sys
sys.path.insert(0, %q)
from wsgid import link, zygote
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, %s)
zygote._files = lambda: ["/%%061d" %% i for i in range(%d)]
done = zygote._introduce(theirs)
said = json.loads(ours.recv(link.MAX_MESSAGE)[link.HEADER.size:])
assert done == ("files" in said)
print(said.get("error") or "%%d files" %% len(said["files"]))
`, host, c.room, c.count)).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != c.want {
			t.Errorf("%v: got %q, want %q", err, got, c.want)
		}
	}
}
