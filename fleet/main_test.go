package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	masterprogram "github.com/wsgid-fleet/wsgid-fleet/runner/master"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/sockets"
)

// daemonEnv makes the test binary a daemon: "<spec dir>\n<state dir>".
const daemonEnv = "WSGID_TEST_DAEMON"

// tickEnv is the Tick of that daemon; without it, it has its own.
const tickEnv = "WSGID_TEST_TICK"

func TestMain(m *testing.M) {
	masterprogram.Main() // the test binary is what masters are executed from
	sockets.Main()
	if dir, state, ok := cutLine(os.Getenv(daemonEnv)); ok {
		_ = os.Unsetenv(daemonEnv)
		d := NewDaemon(Options{Dir: dir, StateDir: state, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
		d.Tick, _ = time.ParseDuration(os.Getenv(tickEnv))
		d.Hooks.Ready = func() { fmt.Fprintln(os.Stdout, "READY") }
		if err := d.Run(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}
