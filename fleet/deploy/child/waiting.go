package child

import (
	"context"
	"io"
	"os/exec"
)

// Waiting is a Single command that has started and waits for its input.
type Waiting struct {
	command *Command
	ctx     context.Context //nolint:containedctx // of the process
	cmd     *exec.Cmd
	tail    *Tail
	input   io.WriteCloser
}

// Ahead starts a Single command whose input is not known yet, while something else is
// done. It is nil where the command would need a keeper or does not start: who has the
// input runs it then. Whoever has begun it calls Drop in the end.
func (c *Command) Ahead(ctx context.Context) *Waiting {
	if !c.Single || !isAside(ctx) {
		return nil
	}
	cmd, tail, err := c.Prepare(ctx)
	if err != nil {
		return nil
	}
	w := &Waiting{command: c, ctx: ctx, cmd: cmd, tail: tail}
	if w.input, err = cmd.StdinPipe(); err != nil {
		return nil
	}
	if Start(ctx, cmd) != nil {
		return nil
	}
	return w
}

// Is tells whether the program that waits is that one.
func (w *Waiting) Is(program string) bool {
	return w != nil && w.cmd != nil && w.command.Args[0] == program
}

// Give passes the input and waits for the end of the command, as Run does.
func (w *Waiting) Give(input string) error {
	_, _ = io.WriteString(w.input, input) // one that has ended says why below
	_ = w.input.Close()
	err := w.cmd.Wait()
	w.cmd = nil
	return w.command.Failure(w.ctx, err, w.tail)
}

// Drop ends a command that got no input.
func (w *Waiting) Drop() {
	if w == nil || w.cmd == nil {
		return
	}
	_ = w.cmd.Cancel()
	_ = w.cmd.Wait()
	w.cmd = nil
}
