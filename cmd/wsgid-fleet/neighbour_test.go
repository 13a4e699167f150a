package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// besideRoot is what an ordinary user is told beside root's fleet. It runs where
// /run and /var/lib are empty directories of its own.
const besideRoot = `set -u
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
if [ -n "$GROUP" ]; then
  cp /etc/group $BASE/group && echo "$GROUP" >> $BASE/group && mount --bind $BASE/group /etc/group
fi
install -d -m 755 $BASE/specs $BASE/apps/blog/app
echo 'def application(e, s): s("200 OK", []); return [b"ok"]' > $BASE/apps/blog/app/blog.py
chown -R www-data: $BASE/apps
cat > $BASE/specs/blog.hcl <<END
app "blog" {
  path     = "$BASE/apps/blog"
  wsgi_app = "blog:application"
  sockets {
    http { listen = "unix:$BASE/blog.sock" }
  }
}
END
wsgid-fleet run --dir $BASE/specs > $BASE/log 2>&1 &
daemon=$!
for i in $(seq 600); do wsgid-fleet status > /dev/null 2>&1 && break; sleep 0.1; done
wsgid-fleet status blog | head -n 1
if [ -n "$GROUP" ]; then
  admin() { setpriv --reuid=nobody --regid=nogroup --groups 54321 env -u XDG_RUNTIME_DIR wsgid-fleet "$@"; echo "exit $?"; }
  admin status blog
  admin stop blog
  admin start blog
  mkdir $BASE/nowhere
  admin plan --dir $BASE/nowhere
  printf '%s' "$COMMANDS" | while read -r line; do
    echo "admin> $line"
    admin $line < /dev/null 2>&1
  done
  echo "admin>"
  admin start blog
fi
me() { setpriv --reuid=nobody --regid=nogroup --clear-groups env -u XDG_RUNTIME_DIR wsgid-fleet "$@"; echo "exit $?"; }
me status
me apply
me stop blog
me plan --dir $BASE/specs
me logs blog
me run --dir $BASE/specs
printf '%s' "$COMMANDS" | while read -r line; do
  echo "> $line"
  me $line < /dev/null
done
kill $daemon; wait $daemon
echo "daemon $daemon"
me status --dir $BASE/specs
`

func TestOrdinaryUserBesideRootsFleet(t *testing.T) {
	base, text := runBesideRoot(t, "")
	_, pid, _ := strings.Cut(text, "\ndaemon ")
	pid, _, _ = strings.Cut(pid, "\n")
	says := func(command string) string {
		return "wsgid-fleet: cannot reach the fleet of user root: its daemon (pid " + pid + ") runs here on " + base + "/specs (state directory /run/wsgid), " +
			"and this program runs as nobody, who may not speak to it; ask as that user: sudo wsgid-fleet " + command +
			"; for a fleet of your own name its specs with --dir\nexit 1\n"
	}
	_, told, _ := strings.Cut(text, "\n> ")
	text = strings.Replace(text, "\n> "+strings.TrimSuffix(told[:strings.Index(told, "\ndaemon ")], "\n"), "", 1)
	everyCommandTells(t, base, strings.Split(told[:strings.Index(told, "\ndaemon ")], "\n> "))
	want := "blog  ready\n" + says("status") + says("apply") + says("stop blog") + says("plan --dir "+base+"/specs") + says("logs blog") +
		says("run --dir "+base+"/specs") + "daemon " + pid + "\n"
	if !strings.HasPrefix(text, want) {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	// Without root's daemon and masters it is a fleet of one's own.
	if rest := strings.TrimPrefix(text, want); !strings.Contains(rest, "it is not running, and no daemon is running to start it") {
		t.Errorf("after the end of root's fleet:\n%s", rest)
	}
}

// besideRootsFleet are all commands, as somebody types them who does not know whose
// fleet runs; those with ! speak of files or of the program alone.
var besideRootsFleet = map[string]string{
	"run": "run", "plan": "plan", "apply": "apply", "deploy": "deploy blog", "deploys": "deploys", "rollback": "rollback blog",
	"status": "status -o json", "start": "start blog", "stop": "stop --all", "restart": "restart blog", "reload": "reload blog",
	"scale": "scale blog=2", "trigger": "trigger blog nightly", "exec": "exec blog true", "logs": "logs blog", "doctor": "doctor", "new": "new shop /nonexistent",
	"validate": "!validate", "fmt": "!fmt -check", "import": "!import /nonexistent", "completion": "!completion bash", "version": "!version", "help": "!help",
	"console": "console", "push": "!push", "pull": "!pull", "hosts": "!hosts", "cordon": "!cordon", "uncordon": "!uncordon", "thaw": "!thaw", "endpoints": "!endpoints",
}

// everyCommandTells goes through what all commands have answered.
func everyCommandTells(t *testing.T, base string, answers []string) {
	t.Helper()
	for _, sub := range newCLI().root().Commands() {
		if !sub.Hidden && besideRootsFleet[sub.Name()] == "" {
			t.Errorf("nothing is known of what %s says beside root's fleet", sub.Name())
		}
	}
	if want := len(commandLines()); len(answers) != want {
		t.Errorf("%d commands have answered, of %d", len(answers), want)
	}
	for _, a := range answers {
		line, text, _ := strings.Cut(a, "\n")
		switch {
		case strings.Contains(text, "chown"), strings.Contains(text, "not running"):
			t.Errorf("%s: a falsehood or a bad advice:\n%s", line, text)
		case !strings.Contains(text, "the fleet of user root: its daemon") || !strings.Contains(text, base+"/specs") || !strings.Contains(text, "sudo wsgid-fleet"):
			t.Errorf("%s does not say whose fleet runs and how to reach it:\n%s", line, text)
		}
	}
}

// commandLines are those that speak of the fleet, one a line.
func commandLines() (lines []string) {
	for _, line := range besideRootsFleet {
		if !strings.HasPrefix(line, "!") {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return lines
}

// adminsAreTold is why a command of besideRootsFleet does nothing, be it asked by root
// or by an admin, or what it does not do for an admin.
var adminsAreTold = map[string]string{
	"console": "the daemon serves none", "deploy blog": "it has no deploy block", "rollback blog": "it has no deploy block",
	"new shop /nonexistent": "there is no such folder", "trigger blog nightly": "start it first",
	"logs blog":      "permission denied; it is for the user of the app and for root: sudo wsgid-fleet logs blog",
	"run":            "who may use that daemon, by group wsgid-admin, but not run another one in its place; ask as that user: sudo wsgid-fleet run",
	"doctor":         "the daemon runs",
	"exec blog true": "permission denied; it is for the user of the fleet: sudo wsgid-fleet exec blog true",
}

// Members of the group wsgid-admin use root's fleet, wherever they say nothing of
// another one; others are told of the group.
func TestAdminsOfRootsFleet(t *testing.T) {
	_, text := runBesideRoot(t, "wsgid-admin:x:54321:")
	all := text
	want := "blog  ready\n"
	if !strings.HasPrefix(text, want) {
		t.Fatalf("got\n%s", text)
	}
	before, told, _ := strings.Cut(text, "\nadmin> ")
	told, after, _ := strings.Cut(told, "\nadmin>\n")
	text = before + "\n" + after
	answers := strings.Split(told, "\nadmin> ")
	if want := len(commandLines()); len(answers) != want {
		t.Errorf("%d commands have answered an admin, of %d", len(answers), want)
	}
	for _, a := range answers {
		line, says, _ := strings.Cut(a, "\n")
		for _, bad := range []string{"may not speak to it", "not in group", "chown", "not running"} {
			if strings.Contains(says, bad) {
				t.Errorf("an admin is told %q by %s:\n%s", bad, line, says)
			}
		}
		if part := adminsAreTold[line]; !strings.Contains(says, part) || part == "" && strings.Contains(says, "cannot") {
			t.Errorf("an admin is not told %q by %s:\n%s", part, line, says)
		}
	}
	for _, part := range []string{
		"master    pid ", "exit 0\n", "blog  stopped\nexit 0\n", "blog  ready\nexit 0\n",
		"Nothing to do for 0 apps.\nexit 0\n", // of another directory: a fleet of one's own
		"this program runs as nobody, who is not in group wsgid-admin; ask as that user: sudo wsgid-fleet status",
	} {
		_, rest, found := strings.Cut(text, part)
		if !found {
			t.Fatalf("no %q in\n%s\nof\n%s", part, text, all)
		}
		text = rest
	}
}

// runBesideRoot runs besideRoot, with another group in the machine.
func runBesideRoot(t *testing.T, group string) (base, text string) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts masters and Python workers")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: it runs root's fleet")
	}
	base, err := os.MkdirTemp("/tmp", "w")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	// A program that nobody may execute, too.
	self, err := exec.LookPath("wsgid-fleet")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base, "wsgid-fleet"), b, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "-m", "--propagation", "private", "sh", "-c", besideRoot)
	cmd.Env = append(os.Environ(), "BASE="+base, "GROUP="+group, "COMMANDS="+strings.Join(commandLines(), "\n")+"\n", "PATH="+base+":"+os.Getenv("PATH"), "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return base, string(out)
}
