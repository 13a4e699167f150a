package appdir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
