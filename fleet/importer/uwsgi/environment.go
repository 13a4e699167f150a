package uwsgi

import (
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

func (u *reader) environment() {
	values := map[string]*option{}
	var order []string
	for _, o := range u.c.options {
		name := o.value
		switch o.key {
		case "env":
			name, _, _ = strings.Cut(o.value, "=")
		case "unenv":
		default:
			continue
		}
		if _, ok := values[name]; !ok {
			order = append(order, name)
		}
		values[name] = o
	}
	for _, name := range order {
		o := values[name]
		if _, value, ok := strings.Cut(o.value, "="); ok && o.key == "env" {
			u.app.Add(facts.Fact{Set: facts.SetEnv, Key: name, Value: value, Was: was(o), At: o.at})
		}
	}
}

// env is what the configuration puts into the environment.
func (u *reader) env() map[string]string {
	env := map[string]string{}
	for _, o := range u.c.options {
		name, value, ok := strings.Cut(o.value, "=")
		switch {
		case o.key == "env" && ok:
			env[name] = value
		case o.key == "unenv":
			delete(env, o.value)
		}
	}
	return env
}
