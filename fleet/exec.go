package fleet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
)

// Exec makes the process of a command that an operator gives for an app, as its workers run:
// with their user, environment, interpreter and release, in the folder with the code. No
// daemon is asked for it, as the environment has secrets; op is of the fleet. It is in a session of its own: what an app
// runs cannot type into the terminal of who gives the command.
func Exec(ctx context.Context, op Operator, o Options, app string, command []string) (*exec.Cmd, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if c, ok := op.(*Client); ok && !c.isOurs() {
		return nil, fs.ErrPermission // an admin, who may not become the users of the apps
	}
	c, err := newCore(o)
	if err != nil {
		return nil, err
	}
	set, setErr := c.Dir.Load()
	rem := c.Store.Load(app)
	w := c.Dir.Wanted(set, setErr, app, &rem, false)
	switch spec := w.Spec; {
	case spec == nil && w.Waiting != "":
		return nil, errors.New(waitsFor(app, w.Waiting))
	case spec == nil && w.Invalid != "":
		return nil, errors.New(w.Invalid)
	case spec == nil:
		return nil, errors.New("it has no spec")
	case spec.Chroot:
		return nil, fmt.Errorf("with chroot = true its files are elsewhere: write a schedule for the command, and run it by: wsgid-fleet trigger %s SCHEDULE", app)
	case spec.Deploy != nil && spec.Release == nil:
		return nil, fmt.Errorf("not deployed yet: wsgid-fleet deploy %s", app)
	}
	return c.program(ctx, w.Spec, command)
}

// isOurs tells whether the daemon is of this process's user.
func (c *Client) isOurs() bool {
	fi, err := os.Stat(filepath.Dir(c.path))
	if err != nil {
		return false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// program is the process of a command for an app.
func (c *core) program(ctx context.Context, spec *appspec.Spec, command []string) (*exec.Cmd, error) {
	owner, err := appdir.ResolveOwner(spec, os.Geteuid() == 0)
	if err != nil {
		return nil, err
	}
	python, err := appdir.ResolvePython(spec)
	if err != nil {
		return nil, err
	}
	venv := spec.Virtualenv
	if venv != "" && !filepath.IsAbs(venv) {
		venv = filepath.Join(spec.Path, venv)
	}
	own, err := deploy.Environment(spec, venv, nil, func() (string, error) {
		user, err := sandbox.ResolveUser(spec)
		if err != nil {
			return "", err
		}
		return sandbox.LayOutStageHost(c.Store.Dir, user)
	})
	if err != nil {
		return nil, err
	}
	host := ""
	if own["WSGID_DJANGO_JSON"] != "" {
		host, own["PYTHONPATH"], _ = strings.Cut(own["PYTHONPATH"], ":")
	}
	argv := append([]string{"/usr/bin/env", "--"}, command...) // found as the app's user, in the virtualenv first
	if command[0] == "python" || command[0] == "python3" {
		argv = append([]string{python}, command[1:]...)
	}
	code, otherwise := filepath.Join(spec.Path, spec.CodeDir()), ""
	if spec.CodeDir() == "" {
		code, otherwise = filepath.Join(spec.Path, appdir.AppDir), spec.Path // that of a checkout
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "/bin/sh", append([]string{"-c", fmt.Sprintf(inCode, spec.Umask), "sh", code, otherwise, host}, argv...)...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var account *child.Account
	if os.Geteuid() == 0 {
		account = &child.Account{UID: owner.UID, GID: owner.GID, Groups: owner.Groups, Home: owner.Home, Name: owner.Name}
		cmd.SysProcAttr.Credential = owner.Credential()
	}
	cmd.Env = child.Environ(account)
	for _, name := range []string{"TERM", "COLORTERM", "NO_COLOR"} {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	for name, value := range own {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Env = cmd.Environ() // each name once, the last one
	return cmd, nil
}

// inCode is what a command is before it is itself: whoever it runs as goes to the folder
// with the code, the first of two that is there, which is on PYTHONPATH as well.
const inCode = `umask %04o
if [ -d "$1" ] || [ -z "$2" ]; then cd "$1"; else cd "$2"; fi || exit 1
PYTHONPATH="$3${3:+:}$PWD${PYTHONPATH:+:$PYTHONPATH}"
export PYTHONPATH
shift 3
exec "$@"`
