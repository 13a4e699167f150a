package host_test

import (
	"net"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// What an application has open when its template would fork is named and refused:
// its workers would share it.
func TestPreloadSharesNothing(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	const app = "\ndef application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'ok']\n"
	peer := ln.Addr().(*net.TCPAddr)
	connect := "import os, select, socket, wsgid\nc = socket.create_connection(('127.0.0.1', " + strings.Split(peer.String(), ":")[1] + "))\n"
	const database = "import os, sqlite3, wsgid\nc = sqlite3.connect(os.path.join(os.path.dirname(__file__), 'x.db'))\n" +
		"c.execute('create table t(x)')\nc.commit()\n"
	for name, c := range map[string]struct{ code, want string }{
		"socket":     {connect, "a TCP socket connected to " + peer.String() + " (web.c, a socket.socket)"},
		"pipe":       {"import os\nr, w = os.pipe()\n", "a pipe"},
		"epoll":      {"import select\np = select.epoll()\n", "an epoll (web.p, a select.epoll)"},
		"inotify":    {"import ctypes\ni = ctypes.CDLL(None).inotify_init()\n", "an inotify"},
		"pair":       {"import socket\na, b = socket.socketpair()\n", "a unix socket connected to a process of its own choice (web.a, a socket.socket)"},
		"raises":     {connect + "@wsgid.prefork\ndef close():\n    raise OSError('no way')\n", "OSError: no way"},
		"prefork":    {connect + "@wsgid.prefork\ndef close():\n    c.close()\n", ""},
		"on purpose": {connect + "wsgid.shared(c)\n", ""},
		"file":       {"f = open('/dev/null')\n", ""},
		// findings/sqlite-forked-connection-holds-no-lock.sh
		"SQLite with a WAL":    {database + "c.execute('pragma journal_mode=wal')\n", "an SQLite database with a WAL open, /"},
		"SQLite":               {database, ""},
		"SQLite, closed again": {database + "c.execute('pragma journal_mode=wal')\nwsgid.prefork(c.close)\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := options{config: wsgi.Config{WSGIApp: "web:application", Preload: true}}
			if c.want == "" {
				w, _ := startReady(t, webApp(t, c.code+app), o)
				f := w.fork(1)
				f.slots[0].ready()
				if r := f.slots[0].do(map[string]any{"PATH_INFO": "/"}, ""); r.String() != "200 OK ok" {
					t.Errorf("got %s", r)
				}
				return
			}
			f := startFailing(t, webApp(t, c.code+app), o)
			if !strings.Contains(f.Reason, c.want) {
				t.Errorf("reason %q, want %q", f.Reason, c.want)
			}
			if shares := name != "raises"; f.Shares != shares || shares && !strings.Contains(f.Hint, "@wsgid.postfork") {
				t.Errorf("shares %v, hint %q", f.Shares, f.Hint)
			}
		})
	}
}
