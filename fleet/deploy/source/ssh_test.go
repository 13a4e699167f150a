package source

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/componenttest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

// sshd is a real one on loopback that takes one key.
type sshd struct {
	t         *testing.T
	program   string
	dir, port string
	user      string
}

func newSSHD(t *testing.T) *sshd {
	t.Helper()
	program := componenttest.Program(t, "sshd")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := &sshd{t: t, program: program, dir: shortdir.New(t), user: me.Username}
	s.keygen("host")
	s.keygen("key")
	if a := account(); a != nil {
		if err := os.Chown(filepath.Join(s.dir, "key"), a.UID, a.GID); err != nil {
			t.Fatal(err)
		}
	}
	s.port = freeport.Port(t, "127.0.0.1")
	if os.Geteuid() == 0 {
		_ = os.Mkdir("/run/sshd", 0o755) // where sshd is not a service that has run
	}
	s.start()
	return s
}

func (s *sshd) keygen(name string) {
	s.t.Helper()
	file := filepath.Join(s.dir, name)
	_ = os.Remove(file)
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file).CombinedOutput(); err != nil {
		s.t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
}

func (s *sshd) start() {
	s.t.Helper()
	config := filepath.Join(s.dir, "sshd_config")
	text := fmt.Sprintf("ListenAddress 127.0.0.1:%s\nHostKey %s/host\nAuthorizedKeysFile %s/key.pub\nPidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n", s.port, s.dir, s.dir)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(s.program, "-D", "-e", "-f", config)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
	})
	await.True(s.t, "sshd to listen", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+s.port)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, func() any { b, _ := os.ReadFile(log.Name()); return string(b) })
}

func (s *sshd) url(path string) string {
	return fmt.Sprintf("ssh://%s@127.0.0.1:%s%s", s.user, s.port, path)
}

func TestFetchOverSSH(t *testing.T) {
	u := newUpstream(t)
	d, s := newSSHD(t), newSite(t)
	one := u.commit("main", u.files(map[string]string{"v": "1"}), "first", false)
	two := u.commit("main", u.files(map[string]string{"v": "2"}), "second", false)
	known := filepath.Join(d.dir, "known hosts")
	r := Repository{URL: d.url(u.dir), SSHKey: filepath.Join(d.dir, "key"), KnownHosts: known}

	// Nobody knows the host: the error has the line, and the fingerprint as
	// ssh-keygen shows it.
	_, err := s.store.Fetch(s.ctx(), r)
	out, fail := exec.Command("ssh-keygen", "-l", "-f", filepath.Join(d.dir, "host.pub")).Output()
	if fail != nil {
		t.Fatal(fail)
	}
	public, fail := os.ReadFile(filepath.Join(d.dir, "host.pub"))
	if fail != nil {
		t.Fatal(fail)
	}
	line := fmt.Sprintf("[127.0.0.1]:%s %s", d.port, strings.Join(strings.Fields(string(public))[:2], " "))
	wants(t, err, "is not in "+known, "its fingerprint is "+strings.Fields(string(out))[1], "\n  "+line+"\n")
	if err := os.WriteFile(known, []byte(line+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}

	// This sshd takes no GIT_PROTOCOL, as most: ids are not given out.
	for _, c := range []struct{ branch, commit, id string }{{"", "", two}, {"main", one, one}, {"", one, one}, {"main", one[:7], one}, {"main", two, two}} {
		r.Branch, r.Commit = c.branch, c.commit
		if got := s.fetch(r); got.ID != c.id {
			t.Errorf("%+v: %s", c, got.ID)
		}
	}
	r.Branch, r.Commit = "main", strings.Repeat("12", 20)
	_, err = s.store.Fetch(s.ctx(), r)
	wants(t, err, "branch main has no commit 1212", "was it pushed")
	r.Branch, r.Commit = "", ""
	_, err = s.store.Fetch(s.ctx(), Repository{URL: d.url("/nonexistent.git"), SSHKey: r.SSHKey, KnownHosts: known})
	wants(t, err, "does not appear to be a git repository")

	other := r
	d.keygen("other")
	other.SSHKey = filepath.Join(d.dir, "other")
	if a := account(); a != nil {
		_, err = s.store.Fetch(s.ctx(), other)
		wants(t, err, "ssh_key "+other.SSHKey+" cannot be read by nobody, the user that git runs as: user nobody may not read it (mode 0600, owner root): chown nobody "+other.SSHKey+" && chmod 600 "+other.SSHKey)
		closed := filepath.Join(d.dir, "closed")
		if err := os.Mkdir(closed, 0o700); err != nil {
			t.Fatal(err)
		}
		inside := other
		inside.SSHKey = filepath.Join(closed, "key")
		if err := os.WriteFile(inside.SSHKey, mustRead(t, other.SSHKey), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(inside.SSHKey, a.UID, a.GID); err != nil {
			t.Fatal(err)
		}
		_, err = s.store.Fetch(s.ctx(), inside)
		wants(t, err, "user nobody may not enter folder "+closed+" (mode 0700, owner root): chmod o+x "+closed+", or move it to a folder that the user may enter")
		if err := os.Chown(other.SSHKey, a.UID, a.GID); err != nil {
			t.Fatal(err)
		}
	}
	half := strings.Join(strings.Fields(string(mustRead(t, other.SSHKey+".pub")))[:2], " ")
	_, err = s.store.Fetch(s.ctx(), other)
	wants(t, err, "the server rejects our key: add the public half of ssh_key to it: "+half)
	other.SSHKey += "-not"
	_, err = s.store.Fetch(s.ctx(), other)
	wants(t, err, "is not there")

	// Another host in its place.
	if err := os.WriteFile(known, []byte(strings.Replace(line, strings.Fields(line)[2], strings.Fields(string(mustRead(t, filepath.Join(d.dir, "other.pub"))))[1], 1)+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = s.store.Fetch(s.ctx(), r)
	wants(t, err, "a different host key than the one in known_hosts", known+":1")
}

// A key that cannot be used is told of as what is wrong with its files: ssh itself says
// nothing of most of it.
func TestRejectedKeys(t *testing.T) {
	u := newUpstream(t)
	d, s := newSSHD(t), newSite(t)
	u.commit("main", u.files(map[string]string{"v": "1"}), "first", false)
	host := strings.Fields(string(mustRead(t, filepath.Join(d.dir, "host.pub"))))
	known := filepath.Join(d.dir, "known")
	d.keygen("other")
	key, foreign := string(mustRead(t, filepath.Join(d.dir, "key"))), string(mustRead(t, filepath.Join(d.dir, "other.pub")))
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if a := account(); a != nil && mode == 0o600 {
			if err := os.Chown(name, a.UID, a.GID); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(known, fmt.Sprintf("[127.0.0.1]:%s %s %s\n", d.port, host[0], host[1]), 0o644)
	at := filepath.Join(d.dir, "tried")
	r := Repository{URL: d.url(u.dir), SSHKey: at, KnownHosts: known}
	for _, c := range []struct{ name, key, public, want string }{
		{"as it is", key, "", ""},
		{"without the end of its last line", strings.TrimSuffix(key, "\n"), "", "ssh cannot read ssh_key, as where the end of its last line was lost"},
		{"with Windows' ends of lines", strings.ReplaceAll(key, "\n", "\r\n"), "", "ssh cannot read ssh_key"},
		{"beside the public half of another one", key, foreign, "ssh offers the server what is in " + at + ".pub, and that is the public half of another key: ssh-keygen -y -f " + at},
		{"beside its own", key, string(mustRead(t, filepath.Join(d.dir, "key.pub"))), ""},
	} {
		write(at, c.key, 0o600)
		write(at+".pub", c.public, 0o644)
		if c.public == "" {
			_ = os.Remove(at + ".pub")
		}
		if _, err := s.store.Fetch(s.ctx(), r); c.want != "" {
			wants(t, err, c.want)
		} else if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	write(at, key, 0o600)
	if err := os.Chmod(at, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := s.store.Fetch(s.ctx(), r)
	wants(t, err, "others than its owner may read it: chmod 600 "+at)
	if err := os.Chmod(at, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", at).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	write(at, string(mustRead(t, at)), 0o600)
	_, err = s.store.Fetch(s.ctx(), r)
	wants(t, err, "ssh_key has a passphrase, and nobody is there to type it")
}

func mustRead(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
