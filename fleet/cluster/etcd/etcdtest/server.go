package etcdtest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/componenttest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// Server is one etcd.
type Server struct {
	Endpoint string // host:port
	// Peers stands before this member for the other ones, nil but of Parted: what it
	// tells them goes ToClient.
	Peers *Relay
	t     testing.TB
	args  []string
	cmd   *exec.Cmd
	log   string
	data  string
}

// Start starts etcd on ports of its own and waits until it answers; it ends with the
// test. args are more of its options.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return Cluster(t, 1, args...)[0]
}

// Need skips a test where no etcd is to be started.
func Need(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("it needs real etcd servers")
	}
	componenttest.Wanted(t, "etcd")
}

// Cluster starts members that form one etcd.
func Cluster(t testing.TB, n int, args ...string) []*Server {
	t.Helper()
	Need(t)
	return cluster(t, n, "etcd", false, args...)
}

// Parted starts members that reach each other by relays.
func Parted(t testing.TB, n int) []*Server {
	t.Helper()
	Need(t)
	return cluster(t, n, "etcd", true)
}

// Each runs a test beside the etcd of Debian and beside the newest, which is there where
// make has built it (make etcd).
func Each(t *testing.T, test func(t *testing.T, start func(n int, args ...string) []*Server)) {
	t.Helper()
	Need(t)
	t.Run("debian", func(t *testing.T) {
		t.Parallel()
		test(t, func(n int, args ...string) []*Server { return cluster(t, n, "etcd", false, args...) })
	})
	t.Run("newest", func(t *testing.T) {
		t.Parallel()
		dir, err := os.Getwd()
		for err == nil && dir != "/" {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				break
			}
			dir = filepath.Dir(dir)
		}
		program := filepath.Join(dir, ".cache/bin/etcd-newest")
		if _, err := os.Stat(program); err != nil {
			t.Skip("the newest etcd server is not built: make etcd")
		}
		test(t, func(n int, args ...string) []*Server { return cluster(t, n, program, false, args...) })
	})
}

func cluster(t testing.TB, n int, program string, parted bool, args ...string) []*Server {
	t.Helper()
	program, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("etcd is missing: %v; install the package etcd-server", err)
	}
	// In memory where there is such a place: etcd waits for the disk with each write.
	base, err := os.MkdirTemp("/dev/shm", "etcd")
	if err != nil {
		base = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	scheme := "http"
	for _, a := range args {
		if strings.HasPrefix(a, "--cert-file") {
			scheme = "https"
		}
	}
	var peers []string
	var all []*Server
	for i := range n {
		name := fmt.Sprintf("m%d", i)
		peer, client := freeport.Addr(t), freeport.Addr(t)
		s := &Server{Endpoint: client, t: t, log: filepath.Join(base, name+".log"), data: filepath.Join(base, name)}
		known := "http://" + peer
		if parted {
			s.Peers = NewRelay(t, peer)
			known = "http://" + s.Peers.Endpoint
		}
		peers = append(peers, name+"="+known)
		s.args = append([]string{program, "--name", name, "--data-dir", s.data,
			"--listen-client-urls", scheme + "://" + client, "--advertise-client-urls", scheme + "://" + client,
			"--listen-peer-urls", "http://" + peer, "--initial-advertise-peer-urls", known, "--initial-cluster-token", filepath.Base(base)}, args...)
		all = append(all, s)
	}
	for _, s := range all {
		s.args = append(s.args, "--initial-cluster", strings.Join(peers, ","))
		s.Run()
	}
	if scheme == "http" {
		for _, s := range all {
			s.Wait()
		}
	}
	return all
}

// Another is one more member, to be run by Join when the others know of its peer address.
func (s *Server) Another(name string) (another *Server, peer string) {
	s.t.Helper()
	client := freeport.Addr(s.t)
	peer = "http://" + freeport.Addr(s.t)
	n := &Server{Endpoint: client, t: s.t, log: filepath.Join(filepath.Dir(s.log), name+".log"), data: filepath.Join(filepath.Dir(s.data), name)}
	for flag, value := range map[string]string{"--name": name, "--data-dir": n.data, "--listen-client-urls": "http://" + client, "--advertise-client-urls": "http://" + client,
		"--listen-peer-urls": peer, "--initial-advertise-peer-urls": peer} {
		n.args = append(n.args, flag, value)
	}
	n.args = append([]string{s.args[0]}, n.args...)
	return n, peer
}

// Join runs one that others know, by the names and peer addresses of all: m0=http://…,m1=….
func (s *Server) Join(cluster string) {
	s.t.Helper()
	s.args = append(s.args, "--initial-cluster-state", "existing", "--initial-cluster", cluster)
	s.Run()
	s.Wait()
}

// Run starts the process, again where it was ended.
func (s *Server) Run() {
	s.t.Helper()
	f, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	s.cmd = exec.CommandContext(context.Background(), s.args[0], s.args[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = f, f
	s.cmd.Env = append(os.Environ(), "ETCD_UNSUPPORTED_ARCH=")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.Kill)
}

// Kill ends the process at once.
func (s *Server) Kill() {
	if s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}

// Forget removes what a killed server has stored: the next one starts from nothing.
func (s *Server) Forget() {
	if err := os.RemoveAll(s.data); err != nil {
		s.t.Fatal(err)
	}
}

// PID is that of the process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Signal sends a signal.
func (s *Server) Signal(sig syscall.Signal) { _ = s.cmd.Process.Signal(sig) }

// Wait waits until it has a leader.
func (s *Server) Wait() {
	s.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		resp, err := http.Get("http://" + s.Endpoint + "/health") //nolint:noctx // a test
		if err == nil {
			b, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK && strings.Contains(string(b), "true") {
				return
			}
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(s.log)
			s.t.Fatalf("etcd does not answer: %v\n%s", err, log)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
