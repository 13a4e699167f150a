package gunicorn

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"sort"
	"strings"
	"syscall"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

//go:embed config.py
var readerProgram string

// timeLimit is how long a configuration may take: long enough for a machine that is busy.
const timeLimit = 30 * time.Second

// nobody is whom a configuration is evaluated as, where we are root.
const nobody = 65534

// evaluate evaluates a configuration file in a child: with its text by standard
// input, without the folder that the app is imported from, as nobody where we are
// root, and never longer than limit.
func evaluate(path string, env map[string]string, limit time.Duration) (map[string]facts.Setting, error) {
	text, err := facts.ReadFile(path)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/usr/bin/python3", "-I", "-B", "-c", readerProgram, path)
	cmd.Args = append(cmd.Args, numbered...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"}
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	sort.Strings(cmd.Env)
	cmd.Stdin = bytes.NewReader(text)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &limited{to: &out}, &limited{to: &said}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left running
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("it takes longer than %v", limit)
	}
	if err != nil && out.Len() == 0 {
		return nil, fmt.Errorf("%w: %s", err, facts.OneLine(strings.TrimSpace(said.String())))
	}
	return parse(path, out.Bytes())
}

// limited is a buffer that takes no more than a MiB.
type limited struct{ to *bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.to.Len() < 1<<20 {
		l.to.Write(p)
	}
	return len(p), nil
}
