package runner

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// procStatus reads the fields of /proc/PID/status.
func procStatus(t *testing.T, pid int) map[string]string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for l := range strings.SplitSeq(string(b), "\n") {
		k, v, _ := strings.Cut(l, ":")
		m[k] = strings.TrimSpace(v)
	}
	return m
}

// What a worker is, as the kernel tells: its user, its groups, what it may not
// gain, its limits, and nothing of its master's.
func TestWorkerProcess(t *testing.T) {
	t.Setenv("WSGID_TEST_SECRET", "of the daemon")
	t.Setenv("PYTHONPATH", "/nonexistent")
	for _, c := range []struct {
		name    string
		threads int
		preload bool
	}{{"plain", 1, false}, {"threads", 3, false}, {"preload", 2, true}} {
		t.Run(c.name, func(t *testing.T) {
			a := newTestApp(t, helloApp, func(s *appspec.Spec) {
				s.Workers.Threads, s.Workers.Preload = c.threads, c.preload
				s.Limits = appspec.Limits{OpenFiles: 321, Processes: 4321, AddressSpace: 3 << 30}
				s.Env = map[string]string{"WORD": "of the spec"}
			})
			h := a.start(StateReady)
			pid := a.workerPID(t, h)
			checkIdentity(t, pid)
			checkDescriptors(t, pid, h.PID, c.threads, c.preload)
			limits := procLimits(t, pid)
			for name, want := range map[string]string{"Max open files": "321 321", "Max processes": "4321 4321", "Max address space": "3221225472 3221225472", "Max core file size": "0 0"} {
				if limits[name] != want {
					t.Errorf("%s is %q, want %q", name, limits[name], want)
				}
			}
			env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
			if err != nil {
				t.Fatal(err)
			}
			vars := strings.Split(string(env), "\x00")
			if !slices.Contains(vars, "WORD=of the spec") {
				t.Errorf("environment %q", vars)
			}
			for _, v := range vars {
				for _, no := range []string{"WSGID_TEST_SECRET=", "PYTHONPATH=", "TMPDIR=", "SUDO_", "NOTIFY_SOCKET=", "LISTEN_"} {
					if strings.HasPrefix(v, no) {
						t.Errorf("the environment holds %q", v)
					}
				}
			}
			if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err != nil || cwd != a.spec.Path {
				t.Errorf("it works in %s, %v", cwd, err)
			}
		})
	}
}

// procLimits reads /proc/PID/limits: the soft and the hard one.
func procLimits(t *testing.T, pid int) map[string]string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for l := range strings.SplitSeq(string(b), "\n") {
		if len(l) > 26 {
			if f := strings.Fields(l[26:]); len(f) > 1 {
				m[strings.TrimSpace(l[:26])] = f[0] + " " + f[1]
			}
		}
	}
	return m
}

// checkIdentity: the primary group need not stand among the others too.
func checkIdentity(t *testing.T, pid int) {
	t.Helper()
	st := procStatus(t, pid)
	uid, gid := os.Getuid(), os.Getgid()
	var groups []string
	if os.Geteuid() == 0 {
		u, err := user.Lookup(testUser())
		if err != nil {
			t.Fatal(err)
		}
		uid, _ = strconv.Atoi(u.Uid)
		gid, _ = strconv.Atoi(u.Gid)
		if groups, err = u.GroupIds(); err != nil {
			t.Fatal(err)
		}
		if caps := st["CapEff"] + st["CapPrm"] + st["CapAmb"]; strings.Trim(caps, "0") != "" {
			t.Errorf("capabilities %s", caps)
		}
	} else {
		own, err := os.Getgroups()
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range own {
			groups = append(groups, strconv.Itoa(g))
		}
	}
	four := func(n int) string { return strings.TrimSuffix(strings.Repeat(strconv.Itoa(n)+"\t", 4), "\t") }
	if st["Uid"] != four(uid) || st["Gid"] != four(gid) {
		t.Errorf("Uid %q, Gid %q; want %d, %d", st["Uid"], st["Gid"], uid, gid)
	}
	primary := strconv.Itoa(gid)
	groups = append(groups, primary)
	got := append(strings.Fields(st["Groups"]), primary)
	slices.Sort(got)
	slices.Sort(groups)
	if !slices.Equal(slices.Compact(got), slices.Compact(groups)) {
		t.Errorf("groups %v, want %v", got, groups)
	}
	if st["NoNewPrivs"] != "0" { // set-user-ID programs work for it, as they do under its user
		t.Errorf("NoNewPrivs %s", st["NoNewPrivs"])
	}
}

// checkDescriptors: /dev/null, the log's pipe twice, the shared memory, a slot
// for each thread, and nothing else; none is one of the listening sockets.
func checkDescriptors(t *testing.T, pid, master, threads int, preload bool) {
	t.Helper()
	want := []string{"/dev/null", "pipe", "pipe", "wsgid-shared"}
	for range threads {
		want = append(want, "socket")
	}
	if preload {
		want = append(want, "pipe") // by which it dies with its master
	}
	slices.Sort(want)
	var got []string
	var slots map[string]bool
	defer func() {
		if t.Failed() {
			t.Logf("descriptors %q, want %q", got, want)
		}
	}()
	// It may still be importing.
	eventually(t, "the worker to hold its own descriptors alone", func() bool {
		got, slots = descriptors(t, pid)
		return slices.Equal(got, want)
	})
	// The master holds the same ends of its slots, and sockets that the worker
	// must not have.
	mine, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", master))
	if err != nil {
		t.Fatal(err)
	}
	held := 0
	for _, e := range mine {
		target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", master, e.Name()))
		if slots[target] {
			held++
		}
	}
	if held != threads {
		t.Errorf("the master holds %d of the worker's sockets, want its %d slots", held, threads)
	}
}

// descriptors lists what a process has open, by kind, and its sockets.
func descriptors(t *testing.T, pid int) (kinds []string, sockets map[string]bool) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	sockets = map[string]bool{}
	for _, e := range all {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			continue // closed meanwhile
		}
		kind, _, _ := strings.Cut(target, ":[")
		if kind == "socket" {
			sockets[target] = true
		}
		kinds = append(kinds, strings.TrimSuffix(strings.TrimPrefix(kind, "/memfd:"), " (deleted)"))
	}
	slices.Sort(kinds)
	return kinds, sockets
}

// What the master itself is: a daemon without a terminal, in a session of its
// own, with nothing that its starter left open.
func TestMasterProcess(t *testing.T) {
	a := newTestApp(t, helloApp, nil)
	left := filepath.Join(a.spec.Path, "left")
	fd, err := unix.Open(left, unix.O_CREAT|unix.O_RDWR, 0o600) // not closed on exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	h := a.start(StateReady)
	for _, pid := range []int{h.PID, a.workerPID(t, h)} {
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range fds {
			if target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, e.Name())); target == left {
				t.Errorf("process %d has inherited descriptor %s", pid, e.Name())
			}
		}
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", h.PID))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	pid := strconv.Itoa(h.PID)
	if f[2] != pid || f[3] != pid || f[4] != "0" {
		t.Errorf("process group %s, session %s, terminal %s; want %s, %s, 0", f[2], f[3], f[4], pid, pid)
	}
	for _, n := range []string{"0", "1", "2"} {
		if target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", h.PID, n)); err != nil || target != "/dev/null" {
			t.Errorf("descriptor %s is %s, %v", n, target, err)
		}
	}
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", h.PID)); err != nil || cwd != "/" {
		t.Errorf("it works in %s, %v", cwd, err)
	}
}

// A program that is not a Python ends without a word; what it is, is told all the
// same.
func TestNoPython(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Python = "/bin/true" })
	h := a.start(StateBackoff)
	const want = `cannot use python /bin/true: it is not a Python interpreter: asked for its version, it wrote ""`
	a.wait(h, func(st Status) bool { return strings.HasPrefix(st.Reason, want+"; ") })
	a.mustLogLine(want)
}
