package gunicorn

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// gunicornSays prints what the real gunicorn makes of cases, a map of settings each; null:
// it does not start. Its defaults are made of the environment when it is imported: that is
// done once for each environment, and each case has a process of its own.
const gunicornSays = `
import json, os, sys

def forked(work):
    """What work returns in a child."""
    r, w = os.pipe()
    if os.fork() == 0:
        os.close(r)
        with os.fdopen(w, "w") as out:
            json.dump(work(), out)
        os._exit(0)
    os.close(w)
    with os.fdopen(r) as f:
        said = json.load(f)
    os.wait()
    return said

def one(case):
    from gunicorn.app.wsgiapp import WSGIApplication
    try:
        os.chdir(case["Dir"])
        import gunicorn.config
        gunicorn.config.Chdir.default = case["Dir"]  # as it is where gunicorn is started there
        os.environ.update(case["Env"])
        sys.argv = ["gunicorn"] + case["Args"]
        app = WSGIApplication("%(prog)s")
        answer = {name: app.cfg.settings[name].get() for name in "bind workers threads timeout graceful_timeout max_requests raw_env chdir preload_app accesslog worker_class".split()}
        return dict(answer, app=app.app_uri, user=app.cfg.uid, group=app.cfg.gid)
    except BaseException:
        return None

def group(defaults, cases):
    os.environ.update(defaults)
    import gunicorn.app.wsgiapp
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    return [[i, forked(lambda: one(case))] for i, case in cases]

groups = {}
for i, case in enumerate(json.load(sys.stdin)):
    defaults = {name: case["Env"][name] for name in ("WEB_CONCURRENCY", "PORT") if name in case["Env"]}
    groups.setdefault(json.dumps(defaults, sort_keys=True), []).append((i, case))
said = []
for defaults, cases in groups.items():
    said += forked(lambda: group(json.loads(defaults), cases))
print(json.dumps([answer for _, answer in sorted(said, key=lambda one: one[0])]))
`

type gunicornCase struct {
	Dir  string
	Env  map[string]string
	Args []string
	file string
}

// Command lines, files and variables made by chance mean what the real gunicorn says.
func TestGunicornMeansWhatGunicornDoesByChance(t *testing.T) {
	peertest.Need(t, "gunicorn")
	t.Parallel()
	rng := rand.New(rand.NewPCG(20, 13))
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	words := func() (args []string) {
		for range rng.IntN(5) {
			args = append(args, strings.Split(pick("-w 3", "-w4", "--workers=5", "--workers 6", "-b 127.0.0.1:9101", "--bind=:9102", "-b unix:/tmp/x.sock", "-b [::1]:9103", "--bind 127.0.0.1", "-e A=1", "--env A=2", "--env=B=x=y",
				"-t 5", "--timeout=0", "--graceful-timeout 7", "--thread 2", "--threads=3", "--max-requests 9", "--max-requests=0", "--preload", "-k gthread", "-k sync", "--chdir sub", "--chdir=/tmp", "--pythonpath a,/b", "--pythonpath=/c",
				"--limit-request-line 100", "--limit-request-fields=50", "--forwarded-allow-ips=10.0.0.1,10.0.0.2", "--forwarded-allow-ips *", "-u daemon", "-g 2", "--access-logfile -", "-m 022", "-c other.py", "--config=file:other.py", "-n name", "--reuse-port", "--work 3", "-D",
				"--log-level debug", "-p pid"), " ")...)
		}
		return args
	}
	const count = 120
	files := map[string]string{"a/x": ""}
	cases := make([]*gunicornCase, count)
	for i := range cases {
		c := &gunicornCase{Env: map[string]string{}, Args: words()}
		if rng.IntN(2) == 0 {
			c.Env["GUNICORN_CMD_ARGS"] = strings.Join(words(), " ") + pick("", "", " --env 'C=d e'", " -b \"127.0.0.1:9104\"")
		}
		if rng.IntN(4) == 0 {
			c.Env["WEB_CONCURRENCY"] = pick("5", "2")
		}
		if rng.IntN(4) == 0 {
			c.Env["PORT"] = "9009"
		}
		c.Args = append(c.Args, pick("site:app", "site:app", "site", "site.wsgi:make()"))
		for range rng.IntN(6) {
			c.file += pick("workers = 2\n", "workers = '3'\n", "workers = 1 + 1 * 3\n", "import os\nworkers = int(os.environ.get('WEB_CONCURRENCY', '7'))\n", "bind = '127.0.0.1:9001'\n", "bind = ['127.0.0.1:9002', ':9003']\n", "bind = '127.0.0.1:9004,127.0.0.1:9005'\n",
				"timeout = 40\n", "timeout = '41'\n", "threads = 4\n", "raw_env = ['A=9', 'D=1']\n", "raw_env = ['E=a b']\n", "preload_app = True\n", "preload_app = 'false'\n", "chdir = '/usr'\n", "pythonpath = '/d'\n", "wsgi_app = 'other:app'\n",
				"def on_starting(server):\n    pass\n", "_x = 1\nWorkers = 8\n", "for i in range(3):\n    threads = i + 1\n", "max_requests = 100\n", "graceful_timeout = 8\n", "user = 'daemon'\n", "group = 'daemon'\n", "unknown = 1\n", "worker_class = 'gthread'\n",
				"limit_request_line = 0\n", "forwarded_allow_ips = '*'\n", "accesslog = '-'\n", "accesslog = None\n", "workers = None\n", "umask = 0o27\n")
		}
		name := fmt.Sprintf("%d/", i)
		files[name+pick("gunicorn.conf.py", "gunicorn.conf.py", "unread.py")] = c.file
		files[name+"other.py"] = "workers = 11\ntimeout = 50\nraw_env = ['O=1']\n"
		files[name+"sub/gunicorn.conf.py"] = "workers = 12\n"
		cases[i] = c
	}
	dir := peertest.WriteFiles(t, files)
	for i, c := range cases {
		c.Dir = filepath.Join(dir, fmt.Sprint(i))
	}
	in, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", gunicornSays)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var said []map[string]any
	if err := json.Unmarshal(out, &said); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for i, c := range cases {
		a := &facts.App{Name: "x"}
		err := Command(facts.Options{}, a, facts.Command{Argv: append([]string{"gunicorn"}, c.Args...), Dir: c.Dir, Env: c.Env, At: facts.Position{File: "command"}})
		text := fmt.Sprintf("%q %v\n%s", c.Args, c.Env, c.file)
		if said[i] == nil {
			if err == nil && !facts.HasFact(a, facts.SetLost) {
				t.Errorf("gunicorn does not start with it, and nothing is said: %s", text)
			}
			continue
		}
		if err != nil {
			t.Errorf("gunicorn starts with it: %v: %s", err, text)
			continue
		}
		compared++
		if diff := cmp.Diff(gunicornSeen(said[i]), gunicornFacts(a)); diff != "" {
			t.Errorf("(-gunicorn +here):\n%s\n%s", diff, text)
		}
	}
	t.Logf("%d of %d start", compared, count)
	if compared < count/2 {
		t.Errorf("%d were compared", compared)
	}
}

// gunicornSeen is what gunicorn says in the words of a spec.
func gunicornSeen(said map[string]any) map[string]string {
	seen := map[string]string{"app": fmt.Sprint(said["app"]), "workers": fmt.Sprint(said["workers"]), "threads": fmt.Sprint(said["threads"]), "chdir": fmt.Sprint(said["chdir"]),
		"preload": fmt.Sprint(said["preload_app"]), "max_requests": fmt.Sprint(said["max_requests"]), "timeout": fmt.Sprint(said["timeout"]) + "s", "access": fmt.Sprint(said["accesslog"] != nil), "stop": ""}
	// With threads no request is ended by it (findings/gunicorn-threads-know-no-timeout.sh).
	if said["timeout"].(float64) == 0 || said["worker_class"] == "gthread" || said["threads"].(float64) > 1 {
		seen["timeout"] = "24h"
	}
	if said["graceful_timeout"].(float64) != 30 {
		seen["stop"] = fmt.Sprint(said["graceful_timeout"]) + "s"
	}
	binds, _ := said["bind"].([]any)
	if one, ok := said["bind"].(string); ok {
		for part := range strings.SplitSeq(one, ",") {
			binds = append(binds, part)
		}
	}
	for _, b := range binds {
		for one := range strings.SplitSeq(b.(string), ",") {
			seen["bind"] += addressOf(one) + " "
		}
	}
	env := map[string]string{}
	list, _ := said["raw_env"].([]any)
	for _, kv := range list {
		key, value, _ := strings.Cut(kv.(string), "=")
		env[key] = value
	}
	seen["env"] = fmt.Sprint(env)
	seen["user"], seen["group"] = fmt.Sprint(said["user"]), fmt.Sprint(said["group"])
	return seen
}

// gunicornFacts is what import says in the same words.
func gunicornFacts(a *facts.App) map[string]string {
	got := map[string]string{"app": "", "workers": "1", "threads": "1", "preload": "false", "max_requests": "0", "access": "false", "stop": "", "user": "0", "group": "0"}
	env := map[string]string{}
	for _, f := range a.Facts {
		switch f.Set {
		case facts.SetModule:
			got["app"] = f.Value
		case facts.SetListen:
			got["bind"] += f.Value + " "
		case facts.SetDirectory:
			got["chdir"] = f.Value
		case facts.SetEnv:
			env[f.Key] = f.Value
		default:
			if name := map[string]string{"workers.count": "workers", "workers.threads": "threads", "workers.preload": "preload", "workers.max_requests": "max_requests",
				"workers.request_timeout": "timeout", "workers.stop_timeout": "stop", "log.access": "access", "user": "user", "group": "group"}[f.Set]; name != "" {
				got[name] = f.Value
			}
		}
	}
	for _, name := range []string{"user", "group"} {
		if id, ok := map[string]string{"daemon": "1", "bin": "2", "root": "0"}[got[name]]; ok {
			got[name] = id
		}
	}
	got["env"] = fmt.Sprint(env)
	return maps.Clone(got)
}
