package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

func TestTail(t *testing.T) {
	var tail Tail
	for i := range 100_000 {
		_, _ = tail.Write([]byte("line " + strconv.Itoa(i) + "\n"))
	}
	if s := tail.String(); len(s) > tailSize || !strings.HasSuffix(s, "line 99999") || !strings.HasPrefix(s, "line ") {
		t.Errorf("%d bytes, %.20q … %.20q", len(s), s, s[len(s)-20:])
	}
	tail = Tail{}
	_, _ = tail.Write([]byte("\x1b[31mred\x07 50%\r100%\r\nhttps://me:s3cret@h/x Authorization: Bearer s3cret\nssh://git@h/x ?access_token=s3cret&a=b\xff"))
	want := "?[31mred? 50%\n100%\nhttps://***@h/x Authorization:***\nssh://git@h/x ?access_token=***&a=b?"
	if s := tail.String(); s != want {
		t.Errorf("%q, want %q", s, want)
	}
}

func TestCommand(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	t.Setenv("GIT_DIR", "/nonexistent")
	t.Setenv("SECRET", "s3cret")
	var a *Account
	if os.Geteuid() == 0 {
		a = &Account{UID: 65534, GID: 65534, Home: "/nonexistent", Name: "nobody"}
	}
	defer syscall.Umask(syscall.Umask(0o007))
	var out strings.Builder
	c := &Command{Account: a, Args: []string{"sh", "-c", "id -u; pwd; umask; env; cat; ps -o tty= -p $$"}, Env: []string{"MORE=1", "LC_ALL=C"}, Stdout: &out}
	if err := c.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	uid := os.Geteuid()
	if a != nil {
		uid = a.UID
	}
	got := out.String()
	if !strings.HasPrefix(got, strconv.Itoa(uid)+"\n/\n0022\n") || strings.Contains(got, "SECRET") || strings.Contains(got, "GIT_DIR") ||
		!strings.Contains(got, "\nMORE=1\n") || !strings.Contains(got, "\nLC_ALL=C\n") || strings.Contains(got, "C.UTF-8") || !strings.HasSuffix(strings.TrimSpace(got), "?") {
		t.Errorf("the command sees\n%s", got)
	}
	err := (&Command{Account: a, Args: []string{"sh", "-c", "echo the reason >&2; exit 3"}}).Run(context.Background())
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(err.Error(), "exit status 3") || e.Output != "the reason" {
		t.Errorf("%v", err)
	}
	err = (&Command{Account: a, Args: []string{"no-such-program"}}).Run(context.Background())
	if err == nil || !strings.Contains(err.Error(), "install it") {
		t.Errorf("%v", err)
	}
	err = (&Command{Account: &Account{}, Args: []string{"true"}}).Run(context.Background())
	if err == nil || !strings.Contains(err.Error(), "root") {
		t.Errorf("%v", err)
	}
}

// What a command has started ends with it.
func TestCommandEndsAsAGroup(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	file := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- (&Command{Args: []string{"sh", "-c", "trap '' TERM; sleep 600 & echo $! >" + file + ".new; mv " + file + ".new " + file + "; wait"}}).Run(ctx)
	}()
	var pid int
	await.True(t, "the command to start", func() bool {
		if b, err := os.ReadFile(file); err == nil {
			pid, _ = strconv.Atoi(strings.TrimSpace(string(b)))
		}
		return pid != 0
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	await.True(t, fmt.Sprintf("the end of process %d", pid), func() bool { return gone(pid) })
}

// What reaches the outside through a proxy is told of it as git and pip are told: by either
// spelling, and by one name for all schemes. Nothing else of our environment goes along.
func TestEnvironHasTheProxies(t *testing.T) {
	t.Setenv("ALL_PROXY", "socks5://p:1")
	t.Setenv("all_proxy", "socks5://p:2")
	t.Setenv("HTTPS_PROXY", "http://p:3")
	t.Setenv("WSGID_SECRET", "x")
	got := strings.Join(Environ(nil), "\n") + "\n"
	for _, want := range []string{"ALL_PROXY=socks5://p:1\n", "all_proxy=socks5://p:2\n", "HTTPS_PROXY=http://p:3\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing of\n%s", want, got)
		}
	}
	if strings.Contains(got, "WSGID_SECRET") {
		t.Error("a variable of ours is handed on")
	}
}
