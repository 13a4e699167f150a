package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// A command that is started before its input is known does with it what Run does, and
// is gone when it gets none.
func TestCommandThatWaitsForItsInput(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	t.Parallel()
	script := func(text string) *Command {
		return &Command{Args: []string{"/bin/sh", "-c", text}, Single: true}
	}
	if w := script("cat").Ahead(context.Background()); w != nil {
		w.Drop()
		t.Error("it was started where it would need a keeper")
	}
	Aside(Nicer(context.Background(), 1), func(ctx context.Context) {
		w := script(`read x; echo "it was told $x"; exit 3`).Ahead(ctx)
		if !w.Is("/bin/sh") || w.Is("/bin/true") {
			t.Error("it does not know what waits")
		}
		err := w.Give("word\n")
		failed, is := errors.AsType[*Error](err)
		if !is || strings.TrimSpace(failed.Output) != "it was told word" || !strings.Contains(err.Error(), "exit status 3") {
			t.Errorf("with its input it ended with %v", err)
		}
		if w.Is("/bin/sh") {
			t.Error("it still waits")
		}
		w.Drop()

		w = script(`trap "" TERM; read x; sleep 60`).Ahead(ctx)
		pid := w.cmd.Process.Pid
		w.Drop()
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil || w.Is("/bin/sh") {
			t.Error("it is still there without input")
		}
		if w := (&Command{Args: []string{"/nowhere/program"}, Single: true}).Ahead(ctx); w != nil {
			t.Error("what cannot be started waits")
		}
		var none *Waiting
		none.Drop()
		if none.Is("/bin/sh") {
			t.Error("nothing is a program")
		}
	})
}
