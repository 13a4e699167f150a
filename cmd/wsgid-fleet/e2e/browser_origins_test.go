package e2e

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// In a browser that is logged in, pages of others read nothing of the console and do nothing
// with it: under a name that leads to it (rebinding), of another site, and of another port of
// its own address, even with the token of a form.
func TestPagesOfOthersInTheSameBrowser(t *testing.T) {
	t.Parallel()
	needBrowser(t)
	b := newHarness(t, someone(t))
	modules := browserModules(t)
	b.only("hello")
	addr := freeport.Addr(t)
	b.equip = func(cmd *exec.Cmd) error {
		cmd.Args = append(cmd.Args, "--console", addr)
		return nil
	}
	d := b.run()
	b.await("hello", "ready", 2)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>other</title><p>Somebody else's page."))
	}))
	defer other.Close()
	_, port, _ := net.SplitHostPort(other.Listener.Addr().String())
	b.browse("origins.mjs", map[string]func(){"see that hello serves": func() { b.await("hello", "ready", 2) }},
		"MODULES="+modules, "LOGIN="+b.oneTime(), "OTHER="+port)
	if code := d.stop(t); code != 0 {
		t.Errorf("the daemon ended with %d", code)
	}
}
