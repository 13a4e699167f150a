package systemd

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

func TestFDStoreFollowsTheListeners(t *testing.T) {
	m := newManagerSocket(t)
	log, said := fleettest.Log()
	s := newFDStore(&notifier{log: log, present: true}, nil)
	one, two, other := fleettest.Listener(t), fleettest.Listener(t), fleettest.Listener(t)

	s.keep("blog", map[string]*os.File{"127.0.0.1:80": one, "systemd:web": two})
	got, files := m.next()
	if want := "FDSTORE=1\nFDPOLL=0\nFDNAME=wsgid.blog.127.0.0.1%3A80"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	if len(files) != 1 || !fleettest.SameSocket(t, files[0], one) {
		t.Errorf("%d descriptors came, want the listener alone", len(files))
	}
	// The same again: the store has it.
	s.keep("blog", map[string]*os.File{"127.0.0.1:80": one})
	// Another app does not touch the first one's.
	s.keep("blog2", map[string]*os.File{"unix:/run/b.sock": other})
	m.want("FDSTORE=1\nFDPOLL=0\nFDNAME=wsgid.blog2.unix%3A%2Frun%2Fb.sock")
	// Another socket for the same address takes the old one's place.
	s.keep("blog", map[string]*os.File{"127.0.0.1:80": two})
	m.want("FDSTOREREMOVE=1\nFDNAME=wsgid.blog.127.0.0.1%3A80", "FDSTORE=1\nFDPOLL=0\nFDNAME=wsgid.blog.127.0.0.1%3A80")
	// A stopped app leaves nothing.
	s.keep("blog", nil)
	m.want("FDSTOREREMOVE=1\nFDNAME=wsgid.blog.127.0.0.1%3A80")
	// When the daemon stops, what is kept waits for the next one.
	s.freeze()
	s.keep("blog2", nil)
	m.nothing()
	if said.Len() > 0 {
		t.Errorf("it was said: %s", said)
	}
}

// What an earlier daemon kept is known: it is not sent again, and it is removed
// when its app is stopped.
func TestFDStoreKnowsWhatItInherited(t *testing.T) {
	m := newManagerSocket(t)
	log, _ := fleettest.Log()
	f := fleettest.Listener(t)
	s := newFDStore(&notifier{log: log, present: true}, map[string]map[string]*os.File{"blog": {"127.0.0.1:80": f}})
	s.keep("blog", map[string]*os.File{"127.0.0.1:80": f})
	m.nothing()
	s.keep("blog", nil)
	m.want("FDSTOREREMOVE=1\nFDNAME=wsgid.blog.127.0.0.1%3A80")
}

func TestStoreNames(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:8000", "[::1]:80", "unix:/run/a b=%c.sock", "unix:/run/ü.sock"} {
		name, ok := StoreName("my-app_1", listen)
		if !ok || strings.ContainsAny(name, ": \n") {
			t.Errorf("name of %s is %q, ok %t", listen, name, ok)
		}
		if app, back, ok := ParseStoreName(name); !ok || app != "my-app_1" || back != listen {
			t.Errorf("%q was read as app %q, listen %q, ok %t", name, app, back, ok)
		}
	}
	for _, name := range []string{"", "web", "wsgid.", "wsgid.blog", "wsgid.blog.", "wsgid..x", "wsgid.blog.%zz"} {
		if app, listen, ok := ParseStoreName(name); ok {
			t.Errorf("%q was read as app %q, listen %q", name, app, listen)
		}
	}
}

func TestFDStoreNameTooLong(t *testing.T) {
	m := newManagerSocket(t)
	log, said := fleettest.Log()
	s := newFDStore(&notifier{log: log, present: true}, nil)
	s.keep("blog", map[string]*os.File{"unix:/" + strings.Repeat("ü", 50): fleettest.Listener(t)})
	m.nothing()
	if !strings.Contains(said.String(), "cannot keep socket open across a restart of the daemon: its name is too long") {
		t.Errorf("it was said: %s", said)
	}
}

// TestHelperInherited is the process that TestSocketActivation starts.
func TestHelperInherited(t *testing.T) {
	if os.Getenv(fleettest.HelperEnv) != "inherited" {
		return
	}
	in, warnings, err := TakeInherited()
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		println("warning:", w)
	}
	for _, env := range []string{"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", InheritEnv} {
		if os.Getenv(env) != "" {
			println("left:", env)
		}
	}
	for name, f := range in.Activated {
		fleettest.Greet(t, f, "given "+name)
	}
	for app, files := range in.Kept {
		for listen, f := range files {
			fleettest.Greet(t, f, "kept "+app+" "+listen)
		}
	}
}

// A real socket activation: systemd-socket-activate hands a socket by its name,
// that of a .socket unit or one that an earlier daemon had stored.
func TestSocketActivation(t *testing.T) {
	for name, want := range map[string]string{
		"web":                         "given web",
		"wsgid.blog.127.0.0.1%3A8000": "kept blog 127.0.0.1:8000",
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "w")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			path := filepath.Join(dir, "s")
			args := append([]string{"-l", path, "--fdname=" + name, "-E", fleettest.HelperEnv + "=inherited"}, fleettest.Helper("TestHelperInherited")...)
			cmd := exec.CommandContext(t.Context(), "systemd-socket-activate", args...)
			var out strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				if t.Failed() || strings.Contains(out.String(), "left:") || strings.Contains(out.String(), "warning:") {
					t.Errorf("the activated process said:\n%s", out.String())
				}
			}()
			var c net.Conn
			await.Nil(t, fleettest.Patience, "the socket", func() error { c, err = net.Dial("unix", path); return err })
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(fleettest.Patience))
			b := make([]byte, 100)
			n, err := c.Read(b)
			if got := string(b[:n]); got != want {
				t.Errorf("the socket answers %q (%v), want %q", got, err, want)
			}
		})
	}
}

func TestDescriptorsOfNoUse(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	packet, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer packet.Close()
	udp, err := packet.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	take := taker{in: Inherited{Kept: map[string]map[string]*os.File{}, Activated: map[string]*os.File{}}}
	take.add("pipe", r, true)
	take.add("udp", udp, true)
	take.add("web", fleettest.Listener(t), true)
	take.add("web", fleettest.Listener(t), true)
	take.add("what", fleettest.Listener(t), false)
	take.add("wsgid.blog.x", fleettest.Listener(t), false)
	take.add("wsgid.blog.x", fleettest.Listener(t), false)
	want := []string{
		`cannot use descriptor "pipe" of the service manager: not a socket: socket operation on non-socket`,
		`cannot use descriptor "udp" of the service manager: not a stream socket (ListenStream=)`,
		`cannot use every socket named "web": listen = "systemd:web" uses the first one; give each a unit and a FileDescriptorName of its own`,
		`cannot use descriptor "what" of the program before: unknown name`,
	}
	if got := strings.Join(take.warnings, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("warnings:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
	if len(take.in.Activated) != 1 || len(take.in.Kept["blog"]) != 1 {
		t.Errorf("taken: %v %v", take.in.Activated, take.in.Kept)
	}
	if _, err := r.Stat(); err == nil {
		t.Error("a descriptor of no use was not closed")
	}
}
