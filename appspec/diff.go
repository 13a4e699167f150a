package appspec

import (
	"strings"
)

// Diff says what differs between two specs of one app, in the order of the
// table. A nil old spec stands for an app that is not there yet: every
// Attribute that differs from its default is a change, and so is the path.
// Values of attributes that are sensitive in either spec are not shown.
func Diff(before, after *Spec) []Change {
	if before == nil {
		before = Default(after.Name, "")
	}
	if after == nil {
		after = Default(before.Name, "")
	}
	d := &differ{before: before, after: after}
	if after.Gate != nil || before.Gate != nil {
		d.gate()
		return d.changes
	}
	d.release()
	d.made()
	for i := range attributes {
		if a := &attributes[i]; a.at != nil && !d.asBlock(a) {
			if a.Path == "django.settings" {
				d.presence()
			}
			d.field(a, a.Path, a.at(before, 0), a.at(after, 0))
		}
	}
	return d.changes
}

// wholes are blocks that are compared as such, each where its first attribute comes.
var wholes = []struct {
	prefix, first string
	compare       func(*differ)
}{
	{"sockets.http.", "listen", (*differ).http},
	{"sockets.mongrel2.", "recv", (*differ).mongrel2},
	{"static.", "url", (*differ).static},
	{"process.", "command", (*differ).processes},
	{"schedule.", "cron", (*differ).schedules},
	{"backends.", "region", (*differ).backends},
	{"deploy.", "repository", (*differ).deploy},
	{"database.", "engine", func(d *differ) {
		d.presentBlock("database", d.before.Database != nil, d.after.Database != nil)
	}},
}

// asBlock compares the block of an attribute, where it is one of those; false: it is not.
func (d *differ) asBlock(a *Attribute) bool {
	switch a.Path {
	case "workers.min":
		d.workers()
		return true
	case "workers.max": // with workers.min
		return true
	}
	for _, b := range wholes {
		if name, ok := strings.CutPrefix(a.Path, b.prefix); ok {
			if name == b.first {
				b.compare(d)
			}
			return true
		}
	}
	return false
}

// presence notes a django block that came or went and says nothing else: by its
// being there it makes the app a Django one.
func (d *differ) presence() {
	b, a := d.before.Django, d.after.Django
	empty := func(x *Django) bool { return x != nil && x.Settings == "" && len(x.Overrides) == 0 }
	kind := Table().Attribute["django.settings"].Disruption
	switch {
	case b == nil && empty(a):
		d.add("django", "", "{ }", kind)
	case a == nil && empty(b):
		d.add("django", "{ }", "", kind)
	}
}

// Kind is the disruption that carries out all changes: the most of any.
func Kind(changes []Change) Disruption {
	kind := Nothing
	for _, c := range changes {
		kind = max(kind, c.Disruption)
	}
	return kind
}

type differ struct {
	before, after *Spec
	changes       []Change
}

// add notes a change, without its values where they are secret.
func (d *differ) add(path, before, after string, kind Disruption) {
	if d.before.IsSensitive(path) || d.after.IsSensitive(path) {
		before, after = hide(before), hide(after)
	}
	d.changes = append(d.changes, Change{Path: path, Old: before, New: after, Disruption: kind})
}

func hide(text string) string {
	if text == "" {
		return ""
	}
	return SensitiveText
}

// field compares one attribute; maps are compared key by key.
func (d *differ) field(a *Attribute, path string, before, after any) {
	switch {
	case a.Type == TypeMap:
		d.keys(a, path, anyMap(before), anyMap(after))
	case a.Type == TypeObject:
		d.keys(a, path, anyMap(before), anyMap(after))
	case FieldText(before) != FieldText(after):
		d.add(path, FieldText(before), FieldText(after), a.Disruption)
	}
}

// anyMap is a map field as a map of any values; nil where there is none.
func anyMap(field any) map[string]any {
	switch m := field.(type) {
	case *map[string]string:
		out := make(map[string]any, len(*m))
		for k, v := range *m {
			out[k] = v
		}
		return out
	case *map[string]any:
		return *m
	default:
		return nil
	}
}

// keys compares two maps, deep as far as both have maps.
func (d *differ) keys(a *Attribute, path string, before, after map[string]any) {
	all := make(map[string]bool, len(before)+len(after))
	for k := range before {
		all[k] = true
	}
	for k := range after {
		all[k] = true
	}
	for _, k := range sortedKeys(all) {
		b, inBefore := before[k]
		c, inAfter := after[k]
		bm, bIsMap := b.(map[string]any)
		cm, cIsMap := c.(map[string]any)
		p := KeyPath(path, k)
		switch {
		case bIsMap && cIsMap && len(bm) > 0 && len(cm) > 0:
			d.keys(a, p, bm, cm)
		case inBefore && inAfter && ValueText(b) == ValueText(c):
		default:
			var old, now string
			if inBefore {
				old = d.leaf(p, b)
			}
			if inAfter {
				now = d.leaf(p, c)
			}
			d.add(p, old, now, a.Disruption)
		}
	}
}

// leaf writes a value that may hold secrets further down. What is secret in
// either spec is hidden in both: an old secret must not show for having been
// moved.
func (d *differ) leaf(path string, v any) string {
	switch v := v.(type) {
	case map[string]any:
		if d.before.IsSensitive(path) || d.after.IsSensitive(path) {
			return SensitiveText
		}
		if len(v) == 0 {
			return "{}"
		}
		parts := make([]string, 0, len(v))
		for _, k := range sortedKeys(v) {
			parts = append(parts, KeyText(k)+" = "+d.leaf(KeyPath(path, k), v[k]))
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	default:
		if d.before.IsSensitive(path) || d.after.IsSensitive(path) {
			return SensitiveText
		}
		return ValueText(v)
	}
}

// workers compares the numbers of workers, which are written as count where
// they are equal.
func (d *differ) workers() {
	b, a := d.before.Workers, d.after.Workers
	if b.Min == a.Min && b.Max == a.Max {
		return
	}
	attr := Table().Attribute
	if b.Min == b.Max && a.Min == a.Max {
		d.add("workers.count", FieldText(&b.Max), FieldText(&a.Max), attr["workers.count"].Disruption)
		return
	}
	if b.Min != a.Min {
		d.add("workers.min", FieldText(&b.Min), FieldText(&a.Min), attr["workers.min"].Disruption)
	}
	if b.Max != a.Max {
		d.add("workers.max", FieldText(&b.Max), FieldText(&a.Max), attr["workers.max"].Disruption)
	}
}
