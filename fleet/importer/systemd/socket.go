package systemd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// socketKnown are settings of a .socket that are carried, or are about the unit alone.
var socketKnown = strings.Fields("ListenStream SocketMode SocketUser SocketGroup Service FileDescriptorName RemoveOnStop Backlog")

// spokenByUWSGI is what uWSGI does with a socket that it is handed.
const spokenByUWSGI = "uWSGI listened there beside its own addresses, and spoke its own protocol whatever http-socket says (HTTP with protocol = http); HTTP is spoken now: "

// socket takes the addresses of the .socket beside a service. uWSGI listens on them and on
// its own (2.0.21; findings/uwsgi-adds-the-socket-of-its-unit.sh), others in place of their own.
func socket(a *facts.App, service string, added bool) error {
	path := strings.TrimSuffix(service, ".service") + ".socket"
	u, err := readBeside(filepath.Dir(path), filepath.Base(path))
	if errors.Is(err, os.ErrNotExist) {
		return nil // there is none
	}
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	list := slices.DeleteFunc(slices.Clone(u.values["Socket.ListenStream"]), func(v unitValue) bool {
		address, err := u.filled(v.text)
		bad := err != nil || quoted(address)
		if bad {
			a.Lost(v.at, "ListenStream="+v.text, "systemd passes over it: an address has no quotes, and a percent sign in it is written twice")
		}
		return bad
	})
	if len(list) == 0 {
		return nil
	}
	a.Facts = slices.DeleteFunc(a.Facts, func(f facts.Fact) bool {
		return !added && (f.Set == facts.SetListen || f.Set == facts.SetSocketMode) || f.Set == facts.SetLost && strings.Contains(f.Was, "fd://")
	})
	for _, v := range list {
		address := u.specifiers(v.text)
		switch {
		case strings.HasPrefix(address, "/"):
			address = "unix:" + address
		case !strings.Contains(address, ":"):
			address = "*:" + address
		}
		f := facts.Fact{Set: facts.SetListen, Value: address, Was: "ListenStream=" + v.text, At: v.at}
		if added {
			f.Key = spokenByUWSGI + facts.InPlaceOf("uwsgi_pass", strings.Replace(address, "*:", "127.0.0.1:", 1))
		}
		a.Add(f)
	}
	for key, set := range map[string]string{"Socket.SocketMode": facts.SetSocketMode, "Socket.SocketUser": facts.SetSocketUser, "Socket.SocketGroup": facts.SetSocketGrp} {
		if v, ok := u.last(key); ok {
			a.Add(facts.Fact{Set: set, Value: v.text, Was: strings.TrimPrefix(key, "Socket.") + "=" + v.text, At: v.at})
		}
	}
	if _, ok := u.last("Socket.SocketMode"); !ok && slices.ContainsFunc(list, ofFile) {
		a.Add(facts.Fact{Set: facts.SetSocketMode, Value: "0666", Was: "systemd's SocketMode", At: list[0].at})
	}
	for _, key := range facts.SortedKeys(u.values) {
		name, ok := strings.CutPrefix(key, "Socket.")
		if v, _ := u.last(key); ok && v.text != "" && !slices.Contains(socketKnown, name) {
			a.Lost(v.at, name+"="+v.text, "no counterpart of it is known here")
		}
	}
	trustUnix(a, list)
	a.Note(list[0].at, "", "the fleet opens the socket itself: disable "+filepath.Base(path)+", or hand it to wsgid-fleet.service and write systemd:NAME")
	return nil
}

// ofFile tells of the address of a unix socket.
func ofFile(v unitValue) bool { return strings.HasPrefix(v.text, "/") }

// trustUnix trusts who comes by a unix socket of the unit as whom the server trusted by
// its own.
func trustUnix(a *facts.App, list []unitValue) {
	if !slices.ContainsFunc(list, ofFile) {
		return
	}
	for i, f := range a.Facts {
		if f.Set == "request.trusted_proxies" && !slices.Contains(f.List, "unix") {
			a.Facts[i].List = append(slices.Clip(f.List), "unix")
		}
	}
}
