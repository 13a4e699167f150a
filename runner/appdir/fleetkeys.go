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
	outside := func(v float64) bool {
		if v == 0 && a.Default == "" {
			return false // as the fleet writes what was not set
		}
		return (a.Min != 0 || a.Max != 0) && (v < a.Min || v > a.Max) && (!a.Zero || v != 0)
	}
	switch a.Type {
	case appspec.TypeBool:
		if s := string(raw); s != "true" && s != "false" {
			return "true or false"
		}
	case appspec.TypeInt:
		if !whole || outside(number) {
			return "a whole number" + span(a)
		}
	case appspec.TypeFloat:
		if !isNumber || outside(number) {
			return "a number" + span(a)
		}
	case appspec.TypeSize:
		if !whole || outside(number) {
			return "a number of bytes" + span(a)
		}
	case appspec.TypeMode:
		if !whole || number < 0 || number > 0o777 {
			return "permission bits as a number, such as 432, which is 0660"
		}
	case appspec.TypeDuration:
		d, err := time.ParseDuration(text)
		if !isText || err != nil || outside(float64(d)) {
			return "a duration, such as " + orExample(a.Default, `"30s"`) + span(a)
		}
	case appspec.TypeList:
		if json.Unmarshal(raw, new([]string)) != nil {
			return "a list of strings"
		}
	case appspec.TypeMap:
		if json.Unmarshal(raw, new(map[string]string)) != nil {
			return "an object of strings"
		}
	case appspec.TypeObject:
		if json.Unmarshal(raw, new(map[string]any)) != nil {
			return "an object"
		}
	case appspec.TypeString:
		switch {
		case !isText:
			return "a string"
		case len(a.OneOf) > 0 && text != "" && !slices.Contains(a.OneOf, text):
			return "one of " + strings.Join(a.OneOf, ", ")
		}
	}
	return ""
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
