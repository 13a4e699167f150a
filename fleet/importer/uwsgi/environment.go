package uwsgi

import (
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// variable is one of the environment, for what asks for it while files are read.
func (c *config) variable(name string) (string, bool) {
	if c.asked == nil {
		c.asked = map[string]bool{}
	}
	c.asked[name] = true
	return c.o.Env(name)
}

// asked says of which environment the answers are. What the configuration sets itself uWSGI sees
// after a reload alone, as that executes it anew with what it has set (2.0.21;
// findings/uwsgi-reload-reads-what-its-file-set.sh).
func (u *reader) asked() {
	if len(u.c.asked) == 0 {
		return
	}
	u.app.Note(facts.Position{}, "", "the configuration asks the environment: what was taken is that of this shell, which may not be uWSGI's")
	values, order := u.variables()
	for _, name := range order {
		if o := values[name]; o != nil && u.c.asked[name] {
			u.app.Note(o.at, o.key+" = "+name, "the configuration asks for it too, and uWSGI saw this value after its first reload alone; what a start makes of the file was taken: compare it with what runs")
		}
	}
}

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
