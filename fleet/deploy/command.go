package deploy

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// account runs commands as the user of an app.
type account struct {
	owner appdir.Owner
	mask  func(string) string // hides secrets in what a command prints; nil: there are none
}

// run runs one command in a folder and returns the last that it printed. One that
// takes longer than limit ends with all of its process group, as does one whose
// context ends.
func (a account) run(ctx context.Context, limit time.Duration, dir string, env map[string]string, argv []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c := child.Command{Account: childOf(a.owner), Args: argv, Dir: dir, Env: pairs(env)}
	cmd, tail, err := c.Prepare(ctx)
	if err != nil {
		return "", err
	}
	err = cmd.Run()
	text := tail.String()
	if a.mask != nil {
		text = a.mask(text)
	}
	switch {
	case errors.Is(err, exec.ErrWaitDelay):
		return text, nil // it ended well, what it left behind goes on without us
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return text, fmt.Errorf("it took longer than %s and was ended", limit)
	case err != nil && ctx.Err() != nil:
		return text, context.Cause(ctx)
	}
	return text, err
}

func pairs(env map[string]string) []string {
	var out []string
	for k, v := range env {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}
