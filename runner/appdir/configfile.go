package appdir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Config is a wsgid.json, written by hand, by wsgid 0.7 or by the fleet. Keys
// that wsgid does not know are kept.
type Config struct {
	path string // for messages
	data []byte
	keys []string // in the order of the file
	vals map[string]configValue

	repeated []string // what Repeated returns

	// NoDaemon and Stdout are the options that concern a single start.
	NoDaemon bool
	Stdout   bool
}

type configValue struct {
	raw    json.RawMessage
	offset int // in the file; -1 for a value that was set
}

// options are wsgid's names in wsgid.json, and ours.
var options = []string{
	"recv", "send", "workers", "wsgi_app", "debug", "keep_alive", "chroot", "no_daemon",
	"stdout", "mongrel2_chroot", "loader_dir", "django", "envs", "fleet",
}

// ParseConfig reads a wsgid.json. Nothing at all is an empty one, as in wsgid.
// path is for messages. Errors give line and column.
func ParseConfig(path string, data []byte) (*Config, error) {
	c := &Config{path: path, data: bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), vals: map[string]configValue{}}
	if len(bytes.TrimSpace(c.data)) == 0 {
		return c, nil
	}
	if err := checkJSON(path, c.data); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(c.data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("cannot read %s: it is not a JSON object, expected { \"option\": value, … }", path)
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", path, err)
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", path, err)
		}
		key, _ := t.(string)
		if _, ok := c.vals[key]; ok {
			c.repeated = append(c.repeated, fmt.Sprintf("%s: %s is defined twice; the one at %s is used", path, key,
				position(c.data, int(dec.InputOffset())-len(raw))))
		}
		c.put(key, configValue{raw: raw, offset: int(dec.InputOffset()) - len(raw)})
	}
	return c, nil
}

// checkJSON tells where a file is not JSON.
func checkJSON(path string, data []byte) error {
	if i := invalidUTF8(data); i >= 0 {
		return fmt.Errorf("cannot read %s: byte 0x%02x at %s is not UTF-8", path, data[i], position(data, i))
	}
	var v json.RawMessage
	err := json.Unmarshal(data, &v)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		at := max(int(syntax.Offset)-1, 0)
		if strings.HasPrefix(syntax.Error(), "unexpected end") {
			at = len(bytes.TrimRight(data, " \t\r\n"))
		}
		return fmt.Errorf("cannot read %s: not JSON at %s: %s", path, position(data, at), syntax.Error())
	case err != nil:
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	return nil
}

func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// position is a place in a file as people count, columns in characters.
func position(data []byte, offset int) string {
	offset = min(offset, len(data))
	before := data[:offset]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return fmt.Sprintf("line %d, column %d", line, column)
}

func (c *Config) put(key string, v configValue) {
	if _, ok := c.vals[key]; !ok {
		c.keys = append(c.keys, key)
	}
	c.vals[key] = v
}

// Set sets an option; v is written as JSON.
func (c *Config) Set(key string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("cannot set %s: %w", key, err)
	}
	c.put(key, configValue{raw: raw, offset: -1})
	return nil
}

// Delete drops an option.
func (c *Config) Delete(key string) {
	delete(c.vals, key)
	c.keys = slices.DeleteFunc(c.keys, func(k string) bool { return k == key })
}

// Has tells whether the file says something of an option.
func (c *Config) Has(key string) bool {
	v, ok := c.vals[key]
	return ok && string(v.raw) != "null"
}

// On tells whether the file turns a switch on.
func (c *Config) On(key string) bool {
	var on bool
	return c.flag(key, &on) == nil && on
}

// Managed tells whether the fleet writes this file, so that what is changed in
// it by hand does not last.
func (c *Config) Managed() bool {
	raw, err := c.JSON()
	return err == nil && readMark(raw).ours
}

// JSON is the file as it stands now, keys in their order.
func (c *Config) JSON() ([]byte, error) {
	var buf bytes.Buffer
	buf.WriteByte('{')
	for i, key := range c.keys {
		if i > 0 {
			buf.WriteByte(',')
		}
		name, err := json.Marshal(key)
		if err != nil {
			return nil, fmt.Errorf("cannot write %s: %w", c.path, err)
		}
		buf.Write(name)
		buf.WriteByte(':')
		buf.Write(c.vals[key].raw)
	}
	buf.WriteByte('}')
	var out bytes.Buffer
	if err := json.Indent(&out, buf.Bytes(), "", "  "); err != nil {
		return nil, fmt.Errorf("cannot write %s: %w", c.path, err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// Unknown lists, one line each, the keys that wsgid does not know.
func (c *Config) Unknown() []string {
	var out []string
	for _, key := range c.keys {
		if slices.Contains(options, key) || key == "nodaemon" {
			continue
		}
		line := fmt.Sprintf("%s: unknown option %q at %s", c.path, key, c.at(key))
		if near := appspec.Nearest(key, options); near != "" {
			line += fmt.Sprintf("; did you mean %q?", near)
		}
		out = append(out, line)
	}
	return out
}

// Repeated lists, one line each, the keys that stand in the file more than once:
// the last one counts, as in wsgid.
func (c *Config) Repeated() []string { return c.repeated }

func (c *Config) at(key string) string {
	v := c.vals[key]
	if v.offset < 0 {
		return "the command line"
	}
	return position(c.data, v.offset)
}

// wrong is the error of a value of the wrong type.
func (c *Config) wrong(key, want string) error {
	return fmt.Errorf("cannot read %s: %s is %s at %s, want %s", c.path, key, shorten(c.vals[key].raw), c.at(key), want)
}

// shorten makes a value fit into a message.
func shorten(raw json.RawMessage) string {
	var line bytes.Buffer
	if json.Compact(&line, raw) != nil {
		return string(raw)
	}
	text := []rune(line.String())
	if len(text) > 60 {
		return string(text[:57]) + "…"
	}
	return string(text)
}

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

// Text is what the file says of an option, as a word: strings without quotes,
// anything else as JSON.
func (c *Config) Text(key string) (string, bool) {
	if !c.Has(key) {
		return "", false
	}
	raw := c.vals[key].raw
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s, true
	}
	return string(raw), true
}
