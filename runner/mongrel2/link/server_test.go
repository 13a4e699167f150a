package link_test

import (
	"fmt"
	"strings"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/link"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/link/lazyzmq"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/mongrel2test"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

func TestServerRestart(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	m := newMailbox()
	l := open(t, s, 0, m.events())
	alice := dial(t, s).send("GET /alice HTTP/1.1\r\n\r\n")
	late := receive(t, "alice's request", m.in)
	aliceID := string(late.Message.ClientID)
	s.Stop()
	if r := receive(t, "news of the stop", m.gone); r != late.Reply {
		t.Fatal("another request is gone")
	}
	await.True(t, "the loss", func() bool { return l.State().Phase == link.PhaseLost })
	if got, want := l.State().Reason, "nothing answers at "+s.Handlers[0].Send+" (send, the handler's recv_spec)"; got != want {
		t.Errorf("reason %q, want %q", got, want)
	}
	s.Restart()
	await.True(t, "the link", func() bool { return l.State().Phase == link.PhaseReady })
	if e := l.State().Epoch; e != 2 {
		t.Errorf("epoch %d", e)
	}
	alice.Close()

	// Connection ids begin anew: one of these is what Alice's was.
	for i := range 10 {
		bob := dial(t, s).send("GET /bob HTTP/1.1\r\nHost: h\r\n\r\n")
		in := receive(t, "bob's request", m.in)
		same := string(in.Message.ClientID) == aliceID
		if same {
			late.Reply.Head(head("200 OK", -1), []byte("for alice only"), true)
		}
		echo(in)
		if _, body := bob.get("GET"); body != "GET |/bob?|h|" {
			t.Fatalf("bob got %q", body)
		}
		if same {
			late.Release()
			return
		}
		if i == 9 {
			t.Fatal("mongrel2 did not give Alice's id again: nothing is shown")
		}
	}
}

func TestRequestsWaitForAHandler(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	c := dial(t, s).send("GET /early HTTP/1.1\r\nHost: h\r\n\r\n")
	open(t, s, 0, link.Events{Request: echo})
	if _, body := c.get("GET"); body != "GET |/early?|h|" {
		t.Fatal(body)
	}
}

func TestLinkWaitsForAServer(t *testing.T) {
	t.Parallel()
	dir := shortdir.New(t)
	h := mongrel2test.Handler{Recv: "ipc://" + dir + "/in", Send: "ipc://" + dir + "/out"}
	l, err := link.Open(link.Config{Recv: h.Recv, Send: h.Send}, link.Events{Request: echo})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	if s := l.State(); s.Phase != link.PhaseConnecting || s.Reason != "nothing answers at "+h.Send+" (send, the handler's recv_spec)" {
		t.Errorf("state %+v", s)
	}
	s := mongrel2test.Start(t, mongrel2test.Options{Handlers: []mongrel2test.Handler{h}})
	c := dial(t, s).send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if _, body := c.get("GET"); body != "GET |/?|h|" {
		t.Fatal(body)
	}
}

// TestServerThatStandsStill: mongrel2 wants to tell a handler that a
// connection is dead, and there is none.
func TestServerThatStandsStill(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	if err := lazyzmq.Load(); err != nil {
		t.Fatal(err)
	}
	ctx, err := zmq.NewContext()
	if err != nil {
		t.Fatal(err)
	}
	defer ctx.Term()
	pub, err := ctx.NewSocket(zmq.XPUB)
	if err != nil {
		t.Fatal(err)
	}
	defer pub.Close()
	pub.SetLinger(0)
	pub.SetRcvtimeo(patience)
	if err := pub.Connect(s.Handlers[0].Send); err != nil {
		t.Fatal(err)
	}
	if _, err := pub.RecvBytes(0); err != nil {
		t.Fatalf("no subscription: %v", err)
	}
	if _, err := pub.Send(s.Handlers[0].Ident+" 4:4711, x", 0); err != nil {
		t.Fatal(err)
	}
	await.True(t, "mongrel2 to stand still", func() bool { return strings.Contains(s.Log(), "No handler to notify") })
	open(t, s, 0, link.Events{Request: echo})
	c := dial(t, s).send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if _, body := c.get("GET"); body != "GET |/?|h|" {
		t.Fatal(body)
	}
}

func TestConfigMistakes(t *testing.T) {
	t.Parallel()
	_, err := link.Open(link.Config{Recv: "tcp:127.0.0.1:1", Send: "ipc:///tmp/x"}, link.Events{Request: echo})
	if want := `cannot connect to the mongrel2 handler's send_spec (recv) "tcp:127.0.0.1:1": invalid argument`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	_, err = link.Open(link.Config{Recv: "ipc:///tmp/x", Send: "carrier://pigeon"}, link.Events{Request: echo})
	if want := `cannot connect to the mongrel2 handler's recv_spec (send) "carrier://pigeon": protocol not supported`; err == nil || strings.ToLower(err.Error()) != want {
		t.Errorf("error %v, want %s", err, want)
	}

	s := mongrel2test.Start(t, mongrel2test.Options{Handlers: []mongrel2test.Handler{
		{Path: "/", Ident: "one", RecvIdent: "other"}, {Path: "/u", Ident: "my_app"},
	}})
	for _, test := range []struct {
		name       string
		recv, send string
		path       string
		want       string
	}{
		{"swapped", s.Handlers[0].Send, s.Handlers[0].Recv, "", "what answers at " + s.Handlers[0].Recv + " (send) is not a mongrel2 handler's recv_spec: are recv and send swapped?"},
		{"recv", s.Handlers[1].Send, s.Handlers[0].Send, "", "what answers at " + s.Handlers[1].Send + " (recv) is not a mongrel2 handler's send_spec: are recv and send swapped?"},
		{"no zmq", "tcp://" + s.Addr, "tcp://" + s.Addr, "", "what answers at tcp://" + s.Addr + " (send) is not a mongrel2 handler's recv_spec: are recv and send swapped?"},
		{"idents", s.Handlers[0].Recv, s.Handlers[0].Send, "/", `the handler's send_ident "one" does not begin with its recv_ident "other": no response can arrive`},
		{"underscore", s.Handlers[1].Recv, s.Handlers[1].Send, "/u", `the handler's send_ident "my_app" has characters other than letters, digits and -: mongrel2 cannot read responses to it`},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, err := link.Open(link.Config{Recv: test.recv, Send: test.send}, link.Events{Request: echo})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(l.Close)
			if test.path != "" {
				dial(t, s).send("GET " + test.path + " HTTP/1.1\r\n\r\n")
			}
			await.TrueIn(t, patience, fmt.Sprintf("%q", test.want), func() bool { return l.State().Reason == test.want },
				func() any { return l.State() })
		})
	}
}
