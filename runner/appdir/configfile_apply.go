package appdir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Apply lays the options of the file over a spec: what stands in the file wins,
// as in wsgid. What the file does not say stays. Errors name key, value and
// place.
func (c *Config) Apply(spec *appspec.Spec) error {
	var first appspec.Mongrel2Socket
	if len(spec.Sockets.Mongrel2) > 0 {
		first = spec.Sockets.Mongrel2[0]
	}
	spec.Sockets.Mongrel2 = nil
	if err := c.applyFleet(spec); err != nil {
		return err
	}
	return errors.Join(
		c.text("wsgi_app", &spec.WSGIApp),
		c.flag("debug", &spec.Debug),
		c.flag("chroot", &spec.Chroot),
		c.flag("keep_alive", &spec.Workers.KeepAlive),
		c.flag("nodaemon", &c.NoDaemon), // the name before 0.5
		c.flag("no_daemon", &c.NoDaemon),
		c.flag("stdout", &c.Stdout),
		c.applyWorkers(spec),
		c.applyLoader(spec),
		c.applySockets(spec, first),
		c.applyEnvs(spec),
	)
}

// applyFleet reads what has no wsgid name.
func (c *Config) applyFleet(spec *appspec.Spec) error {
	if !c.Has("fleet") {
		return nil
	}
	v := c.vals["fleet"]
	if err := newFleetKeys(c).check(v.raw, max(v.offset, 0), "", "fleet"); err != nil {
		return err
	}
	var part map[string]json.RawMessage
	if err := json.Unmarshal(v.raw, &part); err != nil {
		return fmt.Errorf("cannot read %s: %w", c.path, appspec.JSONReason(err))
	}
	delete(part, managedKey)
	delete(part, djangoKey)
	rest, err := json.Marshal(part)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", c.path, err)
	}
	if health, ok := part["health"]; ok && string(health) != "null" {
		spec.Health = appspec.NewHealth("") // what the file does not say is as in a spec
	}
	path, file := spec.Path, spec.File
	if err := json.Unmarshal(rest, spec); err != nil {
		return fmt.Errorf("cannot read %s: fleet at %s: %w", c.path, c.at("fleet"), appspec.JSONReason(err))
	}
	spec.Path, spec.File = path, file
	for i, s := range spec.Sockets.HTTP {
		if s.Mode == 0 {
			spec.Sockets.HTTP[i].Mode = 0o660
		}
	}
	if w := &spec.Workers; w.Min > w.Max {
		if c.fleetHas("workers", "min") && c.fleetHas("workers", "max") {
			return fmt.Errorf("cannot read %s: fleet.workers.min is %d at %s, and max is %d", c.path, w.Min, c.at("fleet"), w.Max)
		}
		w.Max = w.Min
	}
	return nil
}

func (c *Config) text(key string, to *string) error {
	if !c.Has(key) {
		return nil
	}
	var s string
	if json.Unmarshal(c.vals[key].raw, &s) != nil {
		return c.wrong(key, "a string")
	}
	*to = s
	return nil
}

// flag reads a switch: true, or "true" as wsgid's own config command wrote it.
func (c *Config) flag(key string, to *bool) error {
	if !c.Has(key) {
		return nil
	}
	raw := c.vals[key].raw
	if json.Unmarshal(raw, to) == nil {
		return nil
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		switch strings.ToLower(strings.TrimSpace(s)) {
		case "true":
			*to = true
			return nil
		case "false", "":
			*to = false
			return nil
		}
	}
	return c.wrong(key, "true or false")
}

func (c *Config) applyWorkers(spec *appspec.Spec) error {
	if !c.Has("workers") {
		return nil
	}
	raw := c.vals["workers"].raw
	var s string
	if json.Unmarshal(raw, &s) != nil {
		s = string(raw)
	}
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 1 {
		return c.wrong("workers", "a number from 1")
	}
	if !c.fleetHas("workers", "max") {
		spec.Workers.Min, spec.Workers.Max = n, n
	}
	return nil
}

// fleetHas tells whether the fleet part sets an attribute of a block, which
// then says more than wsgid's option can.
func (c *Config) fleetHas(block, attr string) bool {
	var part map[string]json.RawMessage
	var attrs map[string]json.RawMessage
	if json.Unmarshal(c.vals["fleet"].raw, &part) != nil || json.Unmarshal(part[block], &attrs) != nil {
		return false
	}
	_, ok := attrs[attr]
	return ok
}

func (c *Config) applyLoader(spec *appspec.Spec) error {
	var django bool
	if err := c.flag("django", &django); err != nil {
		return err
	}
	if django {
		spec.Loader = "django"
	}
	if !c.Has("loader_dir") {
		return nil
	}
	raw := c.vals["loader_dir"].raw
	var one string
	var many []string
	switch {
	case json.Unmarshal(raw, &one) == nil:
		if one != "" {
			many = []string{one}
		}
	case json.Unmarshal(raw, &many) != nil:
		return c.wrong("loader_dir", "a string or a list of strings")
	}
	spec.LoaderDirs = many
	return nil
}

// applySockets lays recv, send and mongrel2_chroot over the socket of the
// command line, and puts it before those of the fleet part.
func (c *Config) applySockets(spec *appspec.Spec, first appspec.Mongrel2Socket) error {
	for _, o := range []struct {
		key string
		to  *string
	}{{"recv", &first.Recv}, {"send", &first.Send}, {"mongrel2_chroot", &first.Chroot}} {
		if err := c.text(o.key, o.to); err != nil {
			return err
		}
		if o.key == "mongrel2_chroot" || *o.to == "" || !c.Has(o.key) {
			continue
		}
		if err := CheckEndpoint(o.key, *o.to); err != nil {
			return fmt.Errorf("cannot read %s: %w (%s)", c.path, err, c.at(o.key))
		}
	}
	if first != (appspec.Mongrel2Socket{}) {
		spec.Sockets.Mongrel2 = append([]appspec.Mongrel2Socket{first}, spec.Sockets.Mongrel2...)
	}
	return nil
}

func (c *Config) applyEnvs(spec *appspec.Spec) error {
	if !c.Has("envs") {
		return nil
	}
	var envs map[string]any
	dec := json.NewDecoder(bytes.NewReader(c.vals["envs"].raw))
	dec.UseNumber()
	if dec.Decode(&envs) != nil {
		return c.wrong("envs", `an object, such as {"NAME": "value"}`)
	}
	env := map[string]string{}
	for name, v := range envs {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return fmt.Errorf("cannot read %s: envs at %s: %q is not a valid name of an environment variable", c.path, c.at("envs"), name)
		}
		switch v := v.(type) {
		case string:
			if strings.Contains(v, "\x00") {
				return fmt.Errorf("cannot read %s: envs at %s: the value of %s contains a NUL byte", c.path, c.at("envs"), name)
			}
			env[name] = v
		case json.Number:
			env[name] = v.String()
		case bool:
			env[name] = strconv.FormatBool(v)
		default:
			return fmt.Errorf("cannot read %s: envs at %s: the value of %s is not a string", c.path, c.at("envs"), name)
		}
	}
	spec.Env = env
	return nil
}
