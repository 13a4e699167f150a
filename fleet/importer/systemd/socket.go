package systemd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// socketKnown are settings of a .socket that are carried, or are about the unit alone.
var socketKnown = strings.Fields("ListenStream SocketMode SocketUser SocketGroup Service FileDescriptorName RemoveOnStop Backlog")

// socket takes the addresses of the .socket beside a service.
func socket(o facts.Options, a *facts.App, service string) error {
	path := strings.TrimSuffix(service, ".service") + ".socket"
	if _, err := os.Stat(path); err != nil {
		return nil //nolint:nilerr // there is none
	}
	u, err := readUnit(path)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	list := u.values["Socket.ListenStream"]
	if len(list) == 0 {
		return nil
	}
	// The server takes these in place of its own.
	a.Facts = slices.DeleteFunc(a.Facts, func(f facts.Fact) bool {
		return f.Set == facts.SetListen || f.Set == facts.SetSocketMode || f.Set == facts.SetLost && strings.Contains(f.Was, "fd://")
	})
	for _, v := range list {
		address := u.specifiers(v.text)
		switch {
		case strings.HasPrefix(address, "/"):
			address = "unix:" + address
		case !strings.Contains(address, ":"):
			address = "*:" + address
		}
		a.Add(facts.Fact{Set: facts.SetListen, Value: address, Was: "ListenStream=" + v.text, At: v.at})
	}
	for key, set := range map[string]string{"Socket.SocketMode": facts.SetSocketMode, "Socket.SocketUser": facts.SetSocketUser, "Socket.SocketGroup": facts.SetSocketGrp} {
		if v, ok := u.last(key); ok {
			a.Add(facts.Fact{Set: set, Value: v.text, Was: strings.TrimPrefix(key, "Socket.") + "=" + v.text, At: v.at})
		}
	}
	for _, key := range facts.SortedKeys(u.values) {
		name, ok := strings.CutPrefix(key, "Socket.")
		if v, _ := u.last(key); ok && v.text != "" && !slices.Contains(socketKnown, name) {
			a.Lost(v.at, name+"="+v.text, "no counterpart of it is known here")
		}
	}
	a.Note(list[0].at, "", "the fleet opens the socket itself: disable "+filepath.Base(path)+", or hand it to wsgid-fleet.service and write systemd:NAME")
	return nil
}
