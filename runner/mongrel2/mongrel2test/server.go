// Package mongrel2test starts a real mongrel2 for tests.
package mongrel2test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/componenttest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// Options says what server to start. The zero value has one handler on "/".
type Options struct {
	Handlers []Handler         // default: one on "/" with protocol tnetstring
	Settings map[string]string // mongrel2's settings, by key
	// Chroot makes the server chroot into Server.Dir; it needs root, and the
	// server then runs as the directory's owner.
	Chroot bool
	// NoUploads leaves upload.temp_store unset: big bodies get 413.
	NoUploads bool
}

// Handler is one route with a handler of its own. Empty fields are filled in.
type Handler struct {
	Path     string // route, default "/"
	Protocol string // json or tnetstring, default tnetstring
	// Ident is the send_ident, RecvIdent the recv_ident; default: one of the
	// test's own for both. RecvIdent "*" is an empty one.
	Ident     string
	RecvIdent string
	// Recv and Send are the endpoints as a handler sees them: Recv is the
	// server's send_spec. Default: unix sockets in Server.Dir.
	Recv string
	Send string
}

// Server is a running mongrel2.
type Server struct {
	Addr     string // host:port of its HTTP listener
	URL      string // http://Addr
	Dir      string // holds everything of the server
	Chroot   string // what a handler needs for uploads: Dir in a chroot, else empty
	Handlers []Handler
	UUID     string
	// UploadTemplate is upload.temp_store, as a handler sees it inside Chroot.
	UploadTemplate string

	t    testing.TB
	mu   sync.Mutex
	cmd  *exec.Cmd     // guarded by mu; nil: not running
	done chan struct{} // closed when cmd has ended
}

// Start starts a server and ends it with the test. It returns when the HTTP
// port accepts.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	if testing.Short() {
		t.Skip("starts mongrel2")
	}
	componenttest.Program(t, "mongrel2")
	// Unix sockets have short names.
	dir, err := os.MkdirTemp("", "m2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, sub := range []string{"run", "logs", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := &Server{Dir: dir, t: t, UUID: "m2test-" + filepath.Base(dir)}
	s.Handlers = slices.Clone(o.Handlers)
	if len(s.Handlers) == 0 {
		s.Handlers = []Handler{{}}
	}
	for i := range s.Handlers {
		s.fill(&s.Handlers[i], i)
	}
	if o.Chroot {
		s.Chroot = dir
	}
	if !o.NoUploads {
		s.UploadTemplate = s.inside("/tmp/upload.XXXXXX")
	}
	t.Cleanup(s.Stop)
	s.configure(o)
	if err := s.start(); err != nil {
		t.Fatalf("cannot start mongrel2: %v\n%s", err, s.Log())
	}
	return s
}

// inside is a path of the server's, as it sees it itself.
func (s *Server) inside(p string) string {
	if s.Chroot != "" {
		return p
	}
	return s.Dir + p
}

func (s *Server) fill(h *Handler, i int) {
	if h.Path == "" {
		h.Path = "/"
	}
	if h.Protocol == "" {
		h.Protocol = "tnetstring"
	}
	if h.Ident == "" {
		h.Ident = fmt.Sprintf("%s-handler-%d", s.UUID, i)
	}
	switch h.RecvIdent {
	case "":
		h.RecvIdent = h.Ident
	case "*":
		h.RecvIdent = ""
	}
	if h.Recv == "" {
		h.Recv = fmt.Sprintf("ipc://%s/run/in%d", s.Dir, i)
	}
	if h.Send == "" {
		h.Send = fmt.Sprintf("ipc://%s/run/out%d", s.Dir, i)
	}
}

// configure chooses a port and writes config.sqlite.
func (s *Server) configure(o Options) {
	s.t.Helper()
	port := freeport.Port(s.t, "127.0.0.1")
	s.Addr = "127.0.0.1:" + port
	s.URL = "http://" + s.Addr

	var c bytes.Buffer
	chroot := ""
	if o.Chroot {
		chroot = s.Dir
	}
	for i, h := range s.Handlers {
		spec := func(endpoint string) string {
			if o.Chroot {
				return strings.Replace(endpoint, "ipc://"+s.Dir, "ipc://", 1)
			}
			return endpoint
		}
		fmt.Fprintf(&c, "h%d = Handler(send_spec=%q, send_ident=%q, recv_spec=%q, recv_ident=%q, protocol=%q)\n",
			i, spec(h.Recv), h.Ident, spec(h.Send), h.RecvIdent, h.Protocol)
	}
	fmt.Fprintf(&c, "main = Server(uuid=%q, access_log=%q, error_log=%q, chroot=%q, default_host=\"localhost\", name=\"main\", pid_file=%q, port=%s, bind_addr=\"127.0.0.1\", hosts=[Host(name=\"localhost\", routes={",
		s.UUID, s.inside("/logs/access.log"), s.inside("/logs/error.log"), chroot, s.inside("/run/mongrel2.pid"), port)
	for i, h := range s.Handlers {
		if i > 0 {
			c.WriteString(", ")
		}
		fmt.Fprintf(&c, "%q: h%d", h.Path, i)
	}
	c.WriteString("})])\nservers = [main]\n")
	settings := map[string]string{"server.daemonize": "0", "control_port": "ipc://" + s.inside("/run/control")}
	if s.UploadTemplate != "" {
		settings["upload.temp_store"] = s.UploadTemplate
	}
	maps.Copy(settings, o.Settings)
	c.WriteString("settings = {")
	for i, k := range slices.Sorted(maps.Keys(settings)) {
		if i > 0 {
			c.WriteString(", ")
		}
		fmt.Fprintf(&c, "%q: %q", k, settings[k])
	}
	c.WriteString("}\n")
	conf := filepath.Join(s.Dir, "mongrel2.conf")
	if err := os.WriteFile(conf, c.Bytes(), 0o644); err != nil {
		s.t.Fatal(err)
	}
	db := filepath.Join(s.Dir, "config.sqlite")
	os.Remove(db)
	out, err := exec.CommandContext(s.t.Context(), "m2sh", "load", "-db", db, "-config", conf).CombinedOutput()
	// m2sh ends with 0 even where it could not read the file.
	if st, serr := os.Stat(db); err != nil || serr != nil || st.Size() == 0 || bytes.Contains(out, []byte("[ERROR]")) && bytes.Contains(out, []byte("syntax")) {
		s.t.Fatalf("cannot load mongrel2's configuration: %v\n%s\n%s", err, out, c.Bytes())
	}
}

// start runs the server and waits for its port.
func (s *Server) start() error {
	out, err := os.OpenFile(filepath.Join(s.Dir, "output"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.CommandContext(context.WithoutCancel(s.t.Context()), "mongrel2", "config.sqlite", s.UUID) // Stop ends it
	cmd.Dir = s.Dir
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	s.mu.Lock()
	s.cmd, s.done = cmd, done
	s.mu.Unlock()
	deadline := time.Now().Add(10 * time.Second)
	for {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(s.t.Context(), "tcp", s.Addr)
		if err == nil {
			c.Close()
			return nil
		}
		if time.Now().After(deadline) {
			s.Stop()
			return err
		}
		select {
		case <-done:
			return fmt.Errorf("it ended: %v", cmd.ProcessState)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Stop ends the server as a crash would and waits for it.
func (s *Server) Stop() {
	s.mu.Lock()
	cmd, done := s.cmd, s.done
	s.cmd = nil
	s.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Kill()
	<-done
}

// Restart ends the server and starts it again on the same port and sockets.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	os.Remove(filepath.Join(s.Dir, "run", "mongrel2.pid"))
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := s.start()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("cannot restart mongrel2: %v\n%s", err, s.Log())
		}
	}
}

// PID is the server's process id, 0 where it does not run.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

// Log is what the server wrote.
func (s *Server) Log() string {
	var all []byte
	for _, name := range []string{"output", "logs/error.log"} {
		b, _ := os.ReadFile(filepath.Join(s.Dir, name))
		all = append(all, b...)
	}
	return string(all)
}
