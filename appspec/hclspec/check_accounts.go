package hclspec

import (
	"errors"
	"os/user"
	"strconv"

	"github.com/hashicorp/hcl/v2"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// accounts asks the host for users and groups, each once in a load: like the
// interpreter, they come and go without a change of any file.
type accounts struct {
	userExists, groupExists func(string) bool // nil: not asked
	users, groups           map[string]bool   // answers
}

// newAccounts are those that a load with these options asks for.
func newAccounts(o Options) *accounts {
	return &accounts{userExists: o.UserExists, groupExists: o.GroupExists, users: map[string]bool{}, groups: map[string]bool{}}
}

// problems looks whether the users and groups that a spec names are there.
func (a *accounts) problems(s *appspec.Spec, whole hcl.Range) hcl.Diagnostics {
	c := &checker{spec: s, whole: whole}
	named := func(path, kind, name string, exists func(string) bool, known map[string]bool, create string) {
		if name == "" || exists == nil {
			return
		}
		there, asked := known[name]
		if !asked {
			there = exists(name)
			known[name] = there
		}
		if !there {
			name = s.Shown(path, name)
			c.fault(path, "this host has no "+kind+" "+name, "name another one, or create it: "+create+" "+name)
		}
	}
	ofUser := func(path, name string) {
		named(path, "user", name, a.userExists, a.users, "useradd --system")
	}
	ofGroup := func(path, name string) {
		named(path, "group", name, a.groupExists, a.groups, "groupadd --system")
	}
	ofUser("user", s.User)
	ofGroup("group", s.Group)
	for i := range s.Sockets.HTTP {
		ofUser(appspec.IndexPath("sockets.http.owner", i), s.Sockets.HTTP[i].Owner)
		ofGroup(appspec.IndexPath("sockets.http.group", i), s.Sockets.HTTP[i].Group)
	}
	return c.diags
}

// hostHasUser tells whether a name, or a number without one, can be a user. A
// user database that does not answer is no reason to call a spec broken.
func hostHasUser(name string) bool {
	if isID(name) {
		return true
	}
	_, err := user.Lookup(name)
	_, unknown := errors.AsType[user.UnknownUserError](err)
	return !unknown
}

func hostHasGroup(name string) bool {
	if isID(name) {
		return true
	}
	_, err := user.LookupGroup(name)
	_, unknown := errors.AsType[user.UnknownGroupError](err)
	return !unknown
}

func isID(name string) bool {
	_, err := strconv.ParseUint(name, 10, 32)
	return err == nil
}
