package fleet

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// NeighbourError tells that the fleet that is asked for runs here, but belongs to
// another user: what this process knows of it would be wrong, and what it did
// would go against it.
type NeighbourError struct {
	User     string // "root"
	StateDir string
	PID      int    // of the daemon; 0: none runs, its masters do
	Dir      string // the daemon's spec directory; empty: not known
	Asks     string // who asks
}

func (e *NeighbourError) Error() string {
	what := "its apps run here without a daemon"
	if e.PID > 0 {
		what = fmt.Sprintf("its daemon (pid %d) runs here on %s", e.PID, e.Dir)
	}
	who := "who may not speak to it"
	if gid, ok := adminGroup(); ok && e.PID > 0 && e.User == "root" {
		sock := (&state.Store{Dir: e.StateDir}).SocketPath()
		switch {
		case !inGroup(gid):
			who = "who is not in group " + AdminGroup
		case unix.Access(sock, unix.W_OK) == nil:
			who = "who may use that daemon, by group " + AdminGroup + ", but not run another one in its place"
		}
	}
	return fmt.Sprintf("cannot reach the fleet of user %s: %s (state directory %s), and this program runs as %s, %s",
		e.User, what, e.StateDir, e.Asks, who)
}

// notice is what a daemon lets every user of the machine know of it.
type notice struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // of the process, in the kernel's ticks since boot
	Dir   string `json:"dir"`
}

const (
	noticeFile    = "daemon.json"
	maxNotice     = 64 << 10
	maxMasterName = 64
)

// putNotice tells other users who serves this state directory. Without it they
// would only know less, so an error is none of the daemon's.
func putNotice(s *state.Store, dir string) error {
	start, err := appdir.StartTime(os.Getpid())
	if err != nil {
		return err
	}
	b, err := json.Marshal(notice{PID: os.Getpid(), Start: start, Dir: dir})
	if err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(s.Dir, noticeFile), b, 0o644, renameio.IgnoreUmask(), renameio.WithTempDir(s.Dir))
}

func removeNotice(s *state.Store) { _ = os.Remove(filepath.Join(s.Dir, noticeFile)) }

// neighbourOf tells of the fleet of another user on a state directory; nil: the
// directory is ours, or nothing of a fleet runs there.
func neighbourOf(stateDir string) *NeighbourError {
	var st unix.Stat_t
	if unix.Lstat(stateDir, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR || int(st.Uid) == os.Geteuid() {
		return nil
	}
	e := &NeighbourError{User: appdir.UserName(int(st.Uid)), StateDir: stateDir, Asks: appdir.UserName(os.Geteuid())}
	if n, ok := readNotice(stateDir, st.Uid); ok {
		e.PID, e.Dir = n.PID, n.Dir
		return e
	}
	if !mastersOf(st.Uid) {
		return nil
	}
	return e
}

// readNotice reads the notice of a daemon that lives and is that user's.
func readNotice(stateDir string, uid uint32) (n notice, ok bool) {
	f, err := os.OpenFile(filepath.Join(stateDir, noticeFile), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return n, false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxNotice))
	if err != nil || json.Unmarshal(b, &n) != nil || n.PID <= 0 {
		return n, false
	}
	owner, ok := ownerOf(n.PID)
	return n, ok && owner == uid && appdir.ProcAlive(n.PID, n.Start)
}

// mastersOf tells whether a master of a user runs on this machine.
func mastersOf(uid uint32) bool {
	es, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, e := range es {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if owner, ok := ownerOf(pid); !ok || owner != uid {
			continue
		}
		f, err := os.Open("/proc/" + e.Name() + "/cmdline")
		if err != nil {
			continue
		}
		head, err := io.ReadAll(io.LimitReader(f, maxMasterName))
		f.Close()
		if err == nil && bytes.HasPrefix(head, []byte(runner.MasterTitle)) {
			return true
		}
	}
	return false
}

func ownerOf(pid int) (uid uint32, ok bool) {
	fi, err := os.Stat("/proc/" + strconv.Itoa(pid))
	if err != nil {
		return 0, false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return st.Uid, true
}

// neighbour refuses to speak for the fleet of root. named tells whether the
// caller has named a spec directory or a state directory, or has a fleet of his
// own: then that is meant, unless the spec directory is root's.
func (o Options) neighbour(named bool) error {
	if o.StateDir == o.systemDir {
		return nil // the caller asks for that one: check says whose it is
	}
	e := neighbourOf(o.systemDir)
	if e == nil || named && !samePlace(cmp.Or(e.Dir, DefaultDir), o.Dir) {
		return nil
	}
	return e
}
