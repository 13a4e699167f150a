package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/bridge"
)

// Fleet is what is known of the fleet before anything is looked at.
type Fleet struct {
	Faults           []string // of the specs
	Specs            map[string]*appspec.Spec
	Masters          map[string][]int         // pids, by app
	Managed          map[string][]Certificate // by app: those that the daemon gets
	Daemon           int
	Foreign          string
	AsUser           string // the command line by which its user asks it
	Dir, State, Data string
	System           fs.FS // the root of the file system, for /proc and /sys
}

// Look reads what the checks judge. It changes nothing.
func Look(ctx context.Context, fl Fleet) Facts {
	f := Facts{Daemon: fl.Daemon, Foreign: fl.Foreign, AsUser: fl.AsUser, Root: os.Geteuid() == 0, Clock: time.Now(), StateDir: fl.State, Faults: fl.Faults}
	f.OpenFiles, f.OpenFilesHard, f.Processes = limits(fl.System, fl.Daemon)
	f.Watches = sysctl(fl.System, "fs/inotify/max_user_watches")
	f.Instances = sysctl(fl.System, "fs/inotify/max_user_instances")
	f.Somaxconn = sysctl(fl.System, "net/core/somaxconn")
	f.Listeners = listeners(fl.System)
	if _, err := fs.Stat(fl.System, "run/systemd/system"); err == nil {
		f.Systemd, f.Unit = true, unit(ctx)
	}
	if b, err := fs.ReadFile(fl.System, "sys/fs/cgroup/cgroup.controllers"); err == nil {
		f.Cgroup = strings.Fields(string(b))
	}
	var t unix.Timex // with no mode set it is only read
	if state, err := unix.Adjtimex(&t); err == nil {
		f.Unsynced = state == unix.TIME_ERROR
	}
	f.ZMQ = zmq(fl.System)
	f.state(fl)
	names := make([]string, 0, len(fl.Specs))
	for name := range fl.Specs {
		names = append(names, name)
	}
	slices.Sort(names)
	f.Apps = make([]App, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { f.Apps[i] = app(ctx, fl.Specs[name], fl.Masters[name], f.Root) })
	}
	wg.Wait()
	for i, name := range names {
		f.Apps[i].Certs = append(f.Apps[i].Certs, fl.Managed[name]...)
	}
	f.Disks = diskFacts(fl)
	return f
}

// app looks at what one app needs.
func app(ctx context.Context, s *appspec.Spec, masters []int, root bool) App {
	a := App{Name: s.Name, Masters: masters, Mongrel2: len(s.Sockets.Mongrel2) > 0}
	block := "sockets.http"
	if s.Gate != nil {
		block = "gate.http"
	}
	for i, h := range s.Sockets.HTTP {
		if !strings.HasPrefix(h.Listen, "unix:") && !strings.HasPrefix(h.Listen, "systemd:") {
			a.Listen = append(a.Listen, h.Listen)
		}
		path := appspec.IndexPath(block, i) + ".tls."
		if h.TLS != nil && h.TLS.Cert != "" && !s.IsSensitive(path+"cert") && !s.IsSensitive(path+"key") {
			a.Certs = append(a.Certs, certificate(h.TLS))
		}
	}
	if s.TLS != nil && !s.IsSensitive("tls.cert") && !s.IsSensitive("tls.key") {
		a.Certs = append(a.Certs, certificate(s.TLS))
	}
	for name, set := range map[string]bool{"memory": s.Limits.Memory > 0, "cpu": s.Limits.CPU > 0, "pids": s.Limits.Tasks > 0} {
		if set {
			a.Cgroup = append(a.Cgroup, name)
		}
	}
	slices.Sort(a.Cgroup)
	if s.Gate != nil || !s.Enabled {
		return a
	}
	owner, err := appdir.ResolveOwner(s, root)
	if err != nil {
		a.UserError = err.Error()
		return a
	}
	if python, err := appdir.ResolvePython(s); err != nil {
		a.PythonError = err.Error()
	} else {
		a.Python = python
		if _, err := appdir.PythonVersion(ctx, python, owner); err != nil {
			a.PythonError = err.Error()
		}
	}
	if root || owner.UID == os.Geteuid() {
		code := s.CodeDir()
		if code == "" {
			code = "." // app/ or the folder itself
		}
		if _, err := os.Stat(s.Path); err == nil {
			a.Closed = appdir.ClosedTo(filepath.Join(s.Path, code), owner)
		}
	}
	return a
}

func certificate(t *appspec.TLS) Certificate {
	c := Certificate{File: t.Cert}
	if _, trouble := bridge.CheckCertificate(t.Cert, t.Key, time.Now()); trouble != nil {
		c.Trouble, c.Do, c.Soon, c.Unread = trouble.What, trouble.Next, trouble.Soon, trouble.Unread
	}
	return c
}

// limits are those of the daemon, or of this process where they cannot be read.
func limits(system fs.FS, daemon int) (soft, hard, processes int64) {
	who := "self"
	if daemon > 0 {
		who = strconv.Itoa(daemon)
	}
	b, err := fs.ReadFile(system, "proc/"+who+"/limits")
	if err != nil {
		if b, err = fs.ReadFile(system, "proc/self/limits"); err != nil {
			return -1, -1, -1
		}
	}
	soft, hard = limitOf(string(b), "Max open files")
	processes, _ = limitOf(string(b), "Max processes")
	return soft, hard, processes
}

func limitOf(text, name string) (soft, hard int64) {
	for line := range strings.SplitSeq(text, "\n") {
		rest, ok := strings.CutPrefix(line, name)
		f := strings.Fields(rest)
		if ok && len(f) > 1 {
			return limit(f[0]), limit(f[1])
		}
	}
	return -1, -1
}

func limit(text string) int64 {
	if text == "unlimited" {
		return 1 << 62
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func sysctl(system fs.FS, name string) int64 {
	b, err := fs.ReadFile(system, "proc/sys/"+name)
	if err != nil {
		return -1
	}
	return limit(strings.TrimSpace(string(b)))
}

// unit asks systemd for the properties of the daemon's unit.
func unit(ctx context.Context) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", "show", "wsgid-fleet.service", "--no-pager",
		"-p", "LoadState,ActiveState,Result,Type,UnitFileState").Output()
	if err != nil {
		return nil
	}
	all := map[string]string{}
	for line := range strings.SplitSeq(string(out), "\n") {
		if name, value, ok := strings.Cut(line, "="); ok {
			all[name] = value
		}
	}
	return all
}

// zmq is the file of libzmq where programs find it.
func zmq(system fs.FS) string {
	for _, pattern := range []string{"usr/lib/*/libzmq.so.5", "lib/*/libzmq.so.5", "usr/lib/libzmq.so.5", "usr/lib64/libzmq.so.5", "usr/local/lib/libzmq.so.5"} {
		if found, err := fs.Glob(system, pattern); err == nil && len(found) > 0 {
			return "/" + found[0]
		}
	}
	return ""
}

// state looks at the state directory: what a daemon has left that is gone.
func (f *Facts) state(fl Fleet) {
	fi, err := os.Lstat(fl.State)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		f.StateTrouble = fmt.Sprintf("state directory %s: %v", fl.State, err)
		return
	case !fi.IsDir():
		f.StateTrouble = fmt.Sprintf("state directory %s is not a directory: move it away", fl.State)
		return
	case fi.Mode().Perm()&0o022 != 0:
		f.StateTrouble = fmt.Sprintf("state directory %s lets others write to it (mode %04o): chmod 0711 %s", fl.State, fi.Mode().Perm(), fl.State)
		return
	}
	if fl.Daemon != 0 || fl.Foreign != "" {
		return
	}
	if _, err := os.Lstat(filepath.Join(fl.State, "fleet.sock")); err == nil {
		f.Stale = append(f.Stale, fmt.Sprintf("%s/fleet.sock was left by a daemon that is gone", fl.State))
	}
}

// diskFacts are the file systems that the fleet writes to, each once.
func diskFacts(fl Fleet) (all []Disk) {
	seen := map[unix.Fsid]bool{}
	add := func(path, what string) {
		at := path
		var st unix.Statfs_t
		err := unix.Statfs(at, &st)
		for errors.Is(err, unix.ENOENT) && at != "/" {
			at = filepath.Dir(at)
			err = unix.Statfs(at, &st)
		}
		if err != nil {
			all = append(all, Disk{Path: path, For: what, Error: err.Error()})
			return
		}
		if seen[st.Fsid] && st.Fsid != (unix.Fsid{}) {
			return
		}
		seen[st.Fsid] = true
		d := Disk{Path: path, For: what, Free: int64(st.Bavail) * st.Bsize, Inodes: int64(st.Ffree), ReadOnly: st.Flags&unix.ST_RDONLY != 0}
		if st.Files == 0 {
			d.Inodes = -1
		}
		all = append(all, d)
	}
	add(fl.State, "state")
	add(fl.Data, "data")
	add(os.TempDir(), "temporary files")
	for _, s := range fl.Specs {
		if s.Gate == nil {
			add(s.Path, "app "+s.Name)
		}
	}
	return all
}
