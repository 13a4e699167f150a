package uwsgi

import (
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

func (u *reader) environment() {
	values, order := u.variables()
	for _, name := range order {
		if o := values[name]; o != nil {
			_, value, _ := strings.Cut(o.value, "=")
			u.app.Add(facts.Fact{Set: facts.SetEnv, Key: name, Value: value, Was: was(o), At: o.at})
		}
	}
}

// env is what the configuration puts into the environment.
func (u *reader) env() map[string]string {
	env := map[string]string{}
	values, _ := u.variables()
	for name, o := range values {
		if o != nil {
			_, env[name], _ = strings.Cut(o.value, "=")
		}
	}
	return env
}

// variables are the options that set each variable in the end, by its name, and the names
// in the order in which they came up first. nil: it is taken out, as unenv does and, by
// putenv(3), an env without a value.
func (u *reader) variables() (values map[string]*option, order []string) {
	values = map[string]*option{}
	for _, o := range u.c.options {
		if o.key != "env" && o.key != "unenv" {
			continue
		}
		name, _, sets := strings.Cut(o.value, "=")
		if o.key == "unenv" {
			name, sets = o.value, false
		}
		if _, ok := values[name]; !ok {
			order = append(order, name)
		}
		if values[name] = o; !sets {
			values[name] = nil
		}
	}
	return values, order
}
