package sockets

import (
	"fmt"
	"net"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
)

func TestActivator(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	came := make(chan string, 10)
	d, err := NewActivator(func(app string) { came <- app })
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.Run()
	}()
	files := map[string]*os.File{"a": fleettest.Listener(t), "b": fleettest.Listener(t)}
	dial := func(f *os.File) {
		t.Helper()
		at, err := BoundTo(f)
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
	for range 2 { // what waits already counts
		if err := d.Arm("blog", files); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(d.Listens("blog")); got != "[a b]" && got != "[]" {
			t.Errorf("watched: %s", got)
		}
		dial(files["b"])
		if app := <-came; app != "blog" {
			t.Errorf("%q", app)
		}
		if got := d.Listens("blog"); got != nil {
			t.Errorf("still watched: %v", got)
		}
	}
	if err := d.Arm("shop", map[string]*os.File{"c": files["a"]}); err != nil {
		t.Fatal(err)
	}
	d.Forget("shop")
	dial(files["a"])
	d.Expect("wiki", []string{"d"})
	if got := fmt.Sprint(d.Listens("wiki")); got != "[d]" {
		t.Errorf("expected: %s", got)
	}
	d.Close()
	<-done
	if len(came) > 0 {
		t.Errorf("told of %s", <-came)
	}
}
