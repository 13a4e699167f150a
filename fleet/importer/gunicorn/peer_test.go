package gunicorn

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// gunicornHere are the settings of a command line as the reader sees them.
func gunicornHere(t *testing.T, dir string, env map[string]string, args ...string) map[string]string {
	t.Helper()
	a := &facts.App{Name: "x"}
	if err := Command((facts.Options{}), a, facts.Command{Argv: append([]string{"gunicorn"}, args...), Dir: dir, Env: env, At: facts.Position{File: "command"}}); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range a.Facts {
		switch f.Set {
		case facts.SetListen:
			got["bind"] += f.Value + " "
		case "workers.count":
			got["workers"] = f.Value
		case "workers.threads":
			got["threads"] = f.Value
		case "workers.request_timeout":
			got["timeout"] = strings.TrimSuffix(f.Value, "s")
		case "workers.max_requests":
			got["max_requests"] = f.Value
		case facts.SetEnv:
			got["raw_env"] += f.Key + "=" + f.Value + " "
		case facts.SetDirectory:
			got["chdir"] = f.Value
		}
	}
	return got
}

// A command line of gunicorn, its file and its variable mean what gunicorn says.
func TestGunicornMeansWhatGunicornDoes(t *testing.T) {
	peertest.Need(t, "gunicorn")
	t.Parallel()
	const file = `import multiprocessing, os
workers = 1 + len([1, 2])
bind = ["127.0.0.1:9001", "127.0.0.1:9002"]
timeout = 40
threads = int(os.environ.get("THREADS", "2"))
raw_env = ["A=1", "B=2"]
_private = 1
def on_starting(server): pass
`
	for name, c := range map[string]struct {
		files map[string]string
		env   map[string]string
		args  []string
	}{
		"a file in the working directory": {files: map[string]string{"gunicorn.conf.py": file}},
		"lists replace each other":        {files: map[string]string{"gunicorn.conf.py": file}, args: []string{"--env", "C=3", "-e", "D=4", "-b", "127.0.0.1:9003"}},
		"the variable, then the line":     {files: map[string]string{"other.py": file}, env: map[string]string{"GUNICORN_CMD_ARGS": "-c other.py --workers=7 --timeout 50"}, args: []string{"-w", "8"}},
		"names are completed":             {env: map[string]string{"WEB_CONCURRENCY": "5", "PORT": "9009"}, args: []string{"--thread", "3", "--max-requests=5"}},
		"names that two begin are not":    {args: []string{"--worker=3"}},
		"the file of chdir is not read":   {files: map[string]string{"site/gunicorn.conf.py": file}, args: []string{"--chdir", "site", "--threads=3"}},
		"joined":                          {files: map[string]string{"gunicorn.conf.py": file}, env: map[string]string{"THREADS": "6"}, args: []string{"-w4", "--chdir", "/tmp"}},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "names that two begin are not" {
				if err := Command((facts.Options{}), &facts.App{}, facts.Command{Argv: append([]string{"gunicorn"}, c.args...), Dir: "/"}); err == nil {
					t.Error("no error")
				}
				return
			}
			if c.files == nil {
				c.files = map[string]string{"x": ""}
			}
			dir := peertest.WriteFiles(t, c.files)
			var env []string
			for k, v := range c.env {
				env = append(env, k+"="+v)
			}
			out := peertest.RunPeer(t, dir, env, "gunicorn", append(c.args, "--print-config", "wsgiref.simple_server:demo_app")...)
			want := map[string]string{}
			for line := range strings.SplitSeq(out, "\n") {
				key, value, _ := strings.Cut(line, "=")
				key, value = strings.TrimSpace(key), strings.TrimSpace(value)
				switch key {
				case "bind", "raw_env":
					want[key] = strings.NewReplacer("[", "", "]", " ", "'", "", ",", "").Replace(value)
					if want[key] = strings.TrimSpace(want[key]); want[key] != "" {
						want[key] += " "
					}
				case "workers", "threads", "timeout", "max_requests", "chdir":
					want[key] = value
				}
			}
			if want["threads"] != "1" { // findings/gunicorn-threads-know-no-timeout.sh
				want["timeout"] = "24h"
			}
			got := gunicornHere(t, dir, c.env, c.args...)
			for key, value := range map[string]string{"workers": "1", "threads": "1", "max_requests": "0", "raw_env": ""} {
				if _, ok := got[key]; !ok {
					got[key] = value
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-gunicorn +here):\n%s\n%s", diff, out)
			}
		})
	}
}

// A configuration that waits for ever is ended.
func TestGunicornFileThatHangs(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"gunicorn.conf.py": "import time\nwhile True:\n    time.sleep(100)\n"})
	began := time.Now()
	_, err := evaluate(filepath.Join(dir, "gunicorn.conf.py"), nil, time.Second)
	if err == nil || !strings.Contains(err.Error(), "it takes longer than 1s") {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}
