package appdir

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// fleetKeys is the value of the key "fleet", mostly written by the fleet and
// sometimes by a person, who makes mistakes: each is told with its place.
type fleetKeys struct {
	c      *Config
	blocks map[string]bool // path → may stand any number of times
	attrs  map[string]*appspec.Attribute
	within map[string][]string // names by the path of their block
}

// beside are keys of the fleet part that are no attributes of a spec.
var beside = []string{managedKey, djangoKey, "name", "sensitive", "environment", "release"}

// elsewhere are attributes that do not stand in the fleet part, and where they do
// instead; empty: the app folder is the one that holds the file.
var elsewhere = map[string]string{
	"path": "", "root": "", "file": "", "workers.count": "workers", "django.overrides": "django.json",
}

func newFleetKeys(c *Config) *fleetKeys {
	p := &fleetKeys{c: c, blocks: map[string]bool{}, attrs: map[string]*appspec.Attribute{}, within: map[string][]string{"": slices.Clone(beside)}}
	add := func(block, name string) { p.within[block] = append(p.within[block], name) }
	for _, b := range appspec.Blocks() {
		if ofDeploy(b.Path) {
			continue
		}
		p.blocks[b.Path] = b.Many
		add(strings.TrimSuffix(strings.TrimSuffix(b.Path, b.Name()), "."), b.Name())
	}
	for i := range appspec.Attributes() {
		a := &appspec.Attributes()[i]
		if _, ok := elsewhere[a.Path]; ok || ofDeploy(a.Path) {
			continue
		}
		p.attrs[a.Path] = a
		add(a.Block(), a.Name())
	}
	return p
}

// ofDeploy tells what only the command deploy reads, from the spec.
func ofDeploy(path string) bool {
	top, _, _ := strings.Cut(path, ".")
	return top == "deploy" || top == "database"
}

// check finds the first mistake in an object; path is that of its block, shown
// how messages call it.
func (p *fleetKeys) check(raw json.RawMessage, offset int, path, shown string) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return p.wrong(raw, offset, shown, "an object")
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return fmt.Errorf("cannot read %s: %w", p.c.path, err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return fmt.Errorf("cannot read %s: %w", p.c.path, err)
		}
		if err := p.member(value, offset+int(dec.InputOffset())-len(value), path, shown, key.(string)); err != nil {
			return err
		}
	}
	return nil
}

func (p *fleetKeys) member(raw json.RawMessage, offset int, block, shown, name string) error {
	path := strings.TrimPrefix(block+"."+name, ".")
	shown += "." + name
	if string(raw) == "null" || block == "" && slices.Contains(beside, name) {
		return nil
	}
	if many, ok := p.blocks[path]; ok {
		if many {
			return p.list(raw, offset, path, shown)
		}
		return p.check(raw, offset, path, shown)
	}
	a, ok := p.attrs[path]
	if !ok {
		return p.unknown(offset, block, shown, name)
	}
	if want := mistake(a, raw); want != "" {
		return p.wrong(raw, offset, shown, want)
	}
	return nil
}

// list checks a block that stands any number of times.
func (p *fleetKeys) list(raw json.RawMessage, offset int, path, shown string) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return p.wrong(raw, offset, shown, "a list of objects")
	}
	for i := 0; dec.More(); i++ {
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return fmt.Errorf("cannot read %s: %w", p.c.path, err)
		}
		at := offset + int(dec.InputOffset()) - len(value)
		item := fmt.Sprintf("%s[%d]", shown, i)
		if err := p.check(value, at, path, item); err != nil {
			return err
		}
		var keys map[string]json.RawMessage
		_ = json.Unmarshal(value, &keys) // it is an object, as was checked
		for j := range appspec.Attributes() {
			a := &appspec.Attributes()[j]
			if a.Block() == path && a.Required && len(keys[a.Name()]) == 0 {
				return fmt.Errorf("cannot read %s: %s has no %s at %s, want such as %s",
					p.c.path, item, a.Name(), position(p.c.data, at), a.Example)
			}
		}
	}
	return nil
}

func (p *fleetKeys) unknown(offset int, block, shown, name string) error {
	next := ""
	full := strings.TrimPrefix(block+"."+name, ".")
	to, known := elsewhere[full]
	switch near := appspec.Nearest(name, p.within[block]); {
	case known && to == "":
		next = "; the app folder is the one that holds this file"
	case known && to == DjangoFile:
		next = "; these settings stand in " + to
	case known:
		next = fmt.Sprintf("; outside of fleet it is called %s", to)
	case near != "":
		next = fmt.Sprintf("; did you mean %q?", near)
	}
	return fmt.Errorf("cannot read %s: unknown option %s at %s%s", p.c.path, shown, position(p.c.data, offset), next)
}

func (p *fleetKeys) wrong(raw json.RawMessage, offset int, shown, want string) error {
	return fmt.Errorf("cannot read %s: %s is %s at %s, want %s", p.c.path, shown, shorten(raw), position(p.c.data, offset), want)
}

// mistake tells what an attribute wants instead of a value; empty: the value is
// good.
func mistake(a *appspec.Attribute, raw json.RawMessage) string {
	var text string
	var number float64
	isText := json.Unmarshal(raw, &text) == nil
	isNumber := json.Unmarshal(raw, &number) == nil
	whole := isNumber && number == math.Trunc(number)
	good, want := false, ""
	switch a.Type {
	case appspec.TypeBool:
		good, want = string(raw) == "true" || string(raw) == "false", "true or false"
	case appspec.TypeInt:
		good, want = whole && inside(a, number), "a whole number"
	case appspec.TypeFloat:
		good, want = isNumber && inside(a, number), "a number"
	case appspec.TypeSize:
		good, want = whole && inside(a, number), "a number of bytes"
	case appspec.TypeMode:
		good, want = whole && number >= 0 && number <= 0o777, "permission bits as a number, such as 432, which is 0660"
	case appspec.TypeDuration:
		d, err := time.ParseDuration(text)
		good, want = isText && err == nil && inside(a, float64(d)), "a duration, such as "+orExample(a.Default, `"30s"`)
	case appspec.TypeList:
		good, want = json.Unmarshal(raw, new([]string)) == nil, "a list of strings"
	case appspec.TypeMap:
		good, want = json.Unmarshal(raw, new(map[string]string)) == nil, "an object of strings"
	case appspec.TypeObject:
		good, want = json.Unmarshal(raw, new(map[string]any)) == nil, "an object"
	case appspec.TypeString:
		good, want = isText, "a string"
		if isText && text != "" && len(a.OneOf) > 0 {
			good, want = slices.Contains(a.OneOf, text), "one of "+strings.Join(a.OneOf, ", ")
		}
	}
	if good {
		return ""
	}
	return want + span(a)
}

// inside tells whether a number is within the bounds of an attribute.
func inside(a *appspec.Attribute, v float64) bool {
	switch {
	case v == 0 && (a.Zero || a.Default == ""): // as the fleet writes what was not set
		return true
	case a.Min == 0 && a.Max == 0:
		return true
	}
	return v >= a.Min && v <= a.Max
}

// span tells the bounds of an attribute's values.
func span(a *appspec.Attribute) string {
	if a.Min == 0 && a.Max == 0 {
		return ""
	}
	word := func(v float64) string {
		switch a.Type {
		case appspec.TypeDuration:
			return time.Duration(v).String()
		case appspec.TypeSize:
			return appspec.Size(v).String()
		default:
			return strconv.FormatFloat(v, 'f', -1, 64)
		}
	}
	text := " from " + word(a.Min) + " to " + word(a.Max)
	if a.Zero && a.Min > 0 {
		text += ", or 0"
	}
	return text
}

func orExample(text, example string) string {
	if text == "" {
		return example
	}
	return text
}
