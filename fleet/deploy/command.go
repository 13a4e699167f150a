package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// account runs commands as the user of an app.
type account struct {
	owner appdir.Owner
	mask  func(string) string // hides secrets in what a command prints; nil: there are none
}

// run runs one command in a folder. One that takes longer than limit ends with all
// that it has started, as does one whose context ends.
func (a account) run(ctx context.Context, limit time.Duration, c child.Command) (child.Ended, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c.Account = childOf(a.owner)
	ended, err := c.Do(ctx)
	if a.mask != nil {
		ended.Output = a.mask(ended.Output)
	}
	switch failed, is := errors.AsType[*child.Error](err); {
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return ended, fmt.Errorf("it took longer than %s and was terminated", limit)
	case err != nil && ctx.Err() != nil:
		return ended, context.Cause(ctx)
	case is:
		return ended, failed.Err // its output is the stage's
	}
	return ended, err
}

// leftNote says of a command that has ended well what it had left running.
func leftNote(left []string) string {
	if len(left) == 0 {
		return ""
	}
	return "processes that it left running were terminated: " + strings.Join(left, ", ")
}

func pairs(env map[string]string) []string {
	var out []string
	for k, v := range env {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}
