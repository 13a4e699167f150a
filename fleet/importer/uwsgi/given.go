package uwsgi

import (
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// Option is one that another program gives to the uWSGI that it starts.
type Option struct {
	Key, Value string
	Was        string // as the files of that program say it
	At         facts.Position
}

// Given adds to an app what uWSGI makes of options that another program gives it in a folder.
func Given(o facts.Options, a *facts.App, dir string, given []Option) error {
	conf := &config{o: o, cwd: dir}
	conf.magic.start(dir)
	for _, one := range given {
		before := len(conf.options)
		if err := conf.add(one.Key, one.Value, one.At); err != nil {
			return err
		}
		for _, added := range conf.options[before:] {
			added.was = one.Was
		}
	}
	if err := conf.resolve(); err != nil {
		return err
	}
	a.Facts = append(a.Facts, appOf(conf, a.Name+".ini").Facts...)
	return nil
}

// was is an option as it is written, without what may be secret.
func was(o *option) string {
	if o.was != "" {
		return o.was
	}
	if facts.IsSecretName(o.key) || o.key == "env" {
		name, _, _ := strings.Cut(o.value, "=")
		if o.key != "env" {
			name = "…"
		}
		return o.key + " = " + name
	}
	value := o.value
	if len(value) > 120 {
		value = value[:120] + "…"
	}
	return o.key + " = " + value
}
