package fleet

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
)

// Where the kernel gives no watches a new spec is followed all the same, and the log says
// why that takes longer. The daemon has a user namespace of its own, which is given none.
func TestAKernelWithoutWatches(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a daemon")
	}
	f := newFleetDir(t)
	f.EndMasters()
	f.Real("blog", reconciletest.Count(1))
	cmd := exec.Command("sh", "-c", `echo 0 > /proc/sys/user/max_inotify_instances && exec "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), daemonEnv+"="+f.Dir+"\n"+f.State, tickEnv+"=1h")
	users := []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	groups := []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	if os.Getuid() == 0 { // masters are of other users
		users[0].Size, groups[0].Size = 1<<16, 1<<16
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: users, GidMappings: groups, GidMappingsEnableSetgroups: os.Getuid() == 0}
	log := f.run(cmd)
	eventually(t, "blog is ready", f.is("blog", "ready"))
	eventually(t, "the log says it", func() bool {
		return strings.Contains(log.String(), "cannot watch the spec directory; it is read again every 2 s instead")
	})
	f.Real("news", reconciletest.Count(1))
	eventually(t, "a new app answers", func() bool { body, _ := f.get("news"); return body == "hello" })
}
