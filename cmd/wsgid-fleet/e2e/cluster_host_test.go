package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd/etcdtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// stormHost is one machine: a namespace of processes that die and stand still together,
// with a relay of its own to each member of etcd.
type stormHost struct {
	t      *testing.T
	id     string
	dir    string
	relays []*etcdtest.Relay
	cmd    *exec.Cmd

	mu    sync.Mutex
	epoch int // grows when something is done to its processes
	still bool
	since time.Time // of the epoch
}

// recovery is how long what was done to processes may show: workers that stood still are
// killed and come back.
const recovery = 10 * time.Second

// life is the host's first process: it starts the next daemon where one was killed.
const life = `while :; do "$0" "$@"; echo "the daemon ended with $?"; sleep 0.2; done`

// start boots it.
func (h *stormHost) start() {
	h.t.Helper()
	log, err := os.OpenFile(h.dir+"/log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		h.t.Fatal(err)
	}
	defer log.Close()
	var members []string
	for _, r := range h.relays {
		members = append(members, r.Endpoint)
	}
	h.cmd = exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", "mount -t tmpfs none /run; "+life,
		kit.fleet, "--state-dir", h.dir+"/s", "--data-dir", h.dir+"/data", "run",
		"--source", "etcd://"+strings.Join(members, ",")+"/wsgid/storm", "--host-id", h.id, "--region", "eu1")
	h.cmd.Env = append(os.Environ(), "MACHINE="+h.dir)
	h.cmd.Stdout, h.cmd.Stderr = log, log
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.changed(false)
}

// log is the end of what its daemons have written.
func (h *stormHost) log() string {
	b, _ := os.ReadFile(h.dir + "/log")
	return string(b[max(0, len(b)-8000):])
}

// changed notes that something was done to the processes.
func (h *stormHost) changed(still bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.epoch++
	h.still, h.since = still, time.Now()
}

// healthy tells whether nothing was done to its processes for a while.
func (h *stormHost) healthy() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.still && time.Since(h.since) > recovery
}

func (h *stormHost) now() (epoch int, still bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.epoch, h.still
}

// kill ends all its processes at once, as a power failure does.
func (h *stormHost) kill() {
	h.changed(true)
	space := h.space()
	_ = h.cmd.Process.Kill()
	_ = h.cmd.Wait()
	await.True(h.t, "the end of all processes of the host", func() bool { return len(within(space)) == 0 }) // the kernel takes its time
}

// space names the host's namespace of processes; empty: it has none.
func (h *stormHost) space() string {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", h.cmd.Process.Pid))
	if err != nil || len(strings.Fields(string(children))) == 0 {
		return ""
	}
	space, err := os.Readlink("/proc/" + strings.Fields(string(children))[0] + "/ns/pid")
	if err != nil {
		return ""
	}
	return space
}

func (h *stormHost) processes() []int { return within(h.space()) }

// within are the processes of a namespace, but for those that are dead and wait for
// somebody to collect them: they have no command line any more.
func within(space string) (pids []int) {
	if space == "" {
		return nil
	}
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, e := range entries {
		if ns, err := os.Readlink(e + "/ns/pid"); err == nil && ns == space {
			if args, _ := os.ReadFile(e + "/cmdline"); len(args) == 0 {
				continue
			}
			if pid, err := strconv.Atoi(filepath.Base(e)); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// stop has all its processes stand still, cont lets them go on.
func (h *stormHost) stop() {
	h.changed(true)
	for range 2 { // one may have begun meanwhile
		for _, pid := range h.processes() {
			_ = syscall.Kill(pid, syscall.SIGSTOP)
		}
	}
}

func (h *stormHost) cont() {
	for _, pid := range h.processes() {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	h.changed(false)
}

// daemons are its daemons' pids: one, but while one follows another.
func (h *stormHost) daemons() (pids []int) {
	for _, pid := range h.processes() {
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.HasPrefix(string(args), kit.fleet+"\x00--state-dir") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// killDaemon kills the daemon alone: its masters go on.
func (h *stormHost) killDaemon() {
	for _, pid := range h.daemons() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// ask says which master serves the app on this host; empty: none does.
func (h *stormHost) ask(app string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	go func() { // nobody waits for a host that dies or stands still meanwhile
		epoch, _ := h.now()
		for ctx.Err() == nil {
			if now, _ := h.now(); now != epoch {
				cancel()
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", h.dir+"/"+app+".sock")
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/", nil)
	if err != nil {
		h.t.Error(err)
		return ""
	}
	resp, err := client.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}
