package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd/etcdtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// needNamespaces skips a test where the kernel, or the container around it, makes no
// namespaces of processes and mounts, or does not do in them what is asked of it.
func needNamespaces(t *testing.T, what, script string, more ...string) {
	t.Helper()
	args := append(more, "--mount", "--pid", "--fork", "--mount-proc", "sh", "-ec", "mount -t tmpfs none /run; "+script)
	if out, err := exec.Command("unshare", args...).CombinedOutput(); err != nil {
		t.Skipf("needs %s, and this machine makes none: %v: %s", what, err, bytes.TrimSpace(out))
	}
}

func needNetworks(t *testing.T) {
	t.Helper()
	needNamespaces(t, "bridges between namespaces",
		"ip link add name bridge0 type bridge; ip link add name veth0 type veth peer name veth1; ip link set veth0 master bridge0", "--net")
}

// TestTheClusterExample: the three hosts of examples/cluster serve by haproxy; one is
// killed on the page, its app is served by another, one comes back, two are killed, and
// nothing of it is left in the end.
func TestTheClusterExample(t *testing.T) {
	needKit(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root makes namespaces with a network between them")
	}
	etcdtest.Need(t)
	needNetworks(t)
	t.Parallel()
	example, err := filepath.Abs("../../../examples/cluster")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/python3", filepath.Join(example, "run.py"), "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "WSGID_FLEET="+kit.fleet, "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	said := regexp.MustCompile(`(http://\S+/) .* in (\S+);`).FindStringSubmatch(line)
	if said == nil {
		_ = cmd.Wait()
		t.Fatalf("it says %q, %v", line, err)
	}
	page, work := said[1], said[2]
	ended := false
	end := func() {
		if !ended {
			ended = true
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
		}
	}
	t.Cleanup(func() {
		if t.Failed() && !ended {
			for _, pattern := range []string{"*.log", "*.cfg", "h*/fleet.log"} {
				files, _ := filepath.Glob(filepath.Join(work, pattern))
				for _, f := range files {
					b, _ := os.ReadFile(f)
					t.Logf("%s:\n%s", f, b)
				}
			}
		}
		end()
	})
	type state struct {
		Trouble  string
		Machines map[string]string
		Fleet    struct {
			Apps []struct {
				App           string
				Placed, Ready []string
			}
		}
		Answers map[string][]string
		Lost    map[string]int
	}
	client := http.Client{Timeout: time.Minute}
	var now state
	until := func(what string, is func() bool) {
		t.Helper()
		var err error
		seen := await.Until(2*time.Minute, 100*time.Millisecond, func() bool {
			var resp *http.Response
			if resp, err = client.Get(page + "state"); err == nil {
				now = state{}
				err = json.NewDecoder(resp.Body).Decode(&now)
				_ = resp.Body.Close()
			}
			return err == nil && is()
		})
		if !seen {
			t.Fatalf("never seen: %s; %v, %+v", what, err, now)
		}
	}
	press := func(what string) {
		t.Helper()
		req, err := http.NewRequest(http.MethodPost, page+what, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Cluster", "1")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			t.Fatalf("%s: %s", what, resp.Status)
		}
	}
	// served tells whether all last answers of an app came from some of the hosts.
	served := func(app string, by ...string) bool {
		last := now.Answers[app]
		if len(last) < 4 {
			return false
		}
		return !slices.ContainsFunc(last[len(last)-4:], func(who string) bool { return who == "" || len(by) > 0 && !slices.Contains(by, who) })
	}
	until("all apps are served", func() bool {
		for _, a := range now.Fleet.Apps {
			if !slices.Equal(a.Placed, a.Ready) || !served(a.App) {
				return false
			}
		}
		return len(now.Fleet.Apps) == 5
	})
	resp, err := client.Get(page)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the page: %v, %v", resp, err)
	} else {
		_ = resp.Body.Close()
	}
	if resp, err = client.Post(page+"kill/h1", "", nil); err != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("whoever may kill a host: %v, %v", resp, err)
	} else {
		_ = resp.Body.Close()
	}
	solo := now.Answers["solo"][len(now.Answers["solo"])-1]
	others := slices.DeleteFunc([]string{"h1", "h2", "h3"}, func(h string) bool { return h == solo })
	press("kill/" + solo)
	until("another host serves solo", func() bool { return served("solo", others...) })
	until("the others serve what two are to serve", func() bool { return served("pair", others...) && served("duet", others...) })
	press("start/" + solo)
	until("it is back, and serves", func() bool {
		return now.Machines[solo] == "there" && slices.Contains(now.Answers["all"], solo) && served("all")
	})
	// Two of three: no majority. What the third runs goes on.
	left := others[0]
	press("kill/" + solo)
	press("kill/" + others[1])
	until("nobody has a majority", func() bool { return strings.Contains(now.Trouble, "majority") })
	until("the third serves", func() bool { return served("all", left) })
	press("start/" + solo)
	until("the fleet goes on", func() bool { return now.Trouble == "" && served("all", left, solo) })
	end()
	if _, err := os.Stat(work); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", work, err)
	}
	await.Nil(t, await.Patience, "the end of all processes", func() error {
		if rest := naming(work); len(rest) > 0 {
			return fmt.Errorf("there are %v", rest)
		}
		return nil
	})
}

// naming are the processes that name something in their command lines.
func naming(what string) (out []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		b, _ := os.ReadFile(f)
		if strings.Contains(string(b), what) {
			out = append(out, fmt.Sprintf("%s %s", f, strings.ReplaceAll(string(b), "\x00", " ")))
		}
	}
	return out
}
