package appspec

import (
	"slices"
	"strings"
)

// deploy compares the deploy blocks; their stages by name.
func (d *differ) deploy() {
	b, a := d.before.Deploy, d.after.Deploy
	d.presentBlock("deploy", b != nil, a != nil)
	var before, after []string
	if b != nil {
		before = stageNames(b.Stages)
	}
	if a != nil {
		after = stageNames(a.Stages)
	}
	both := func(names, others []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(others, name) })
	}
	for i, name := range before {
		if !slices.Contains(after, name) {
			d.stage(name, i, -1)
		}
	}
	for i, name := range after {
		d.stage(name, slices.Index(before, name), i)
	}
	if was, is := both(before, after), both(after, before); !slices.Equal(was, is) {
		d.changes = append(d.changes, Change{Path: "deploy.stage", Old: FieldText(&was), New: FieldText(&is)})
	}
}

func stageNames(stages []Stage) []string {
	names := make([]string, len(stages))
	for i := range stages {
		names[i] = stages[i].Name
	}
	return names
}

// stage compares stage i of the old spec with stage j of the new one; -1: it is not
// there.
func (d *differ) stage(name string, i, j int) {
	shown := "deploy.stage[" + Quote(name) + "]"
	switch {
	case j < 0:
		d.changes = append(d.changes, Change{Path: shown, Old: d.wholeBlock("deploy.stage", d.before, i)})
	case i < 0:
		d.changes = append(d.changes, Change{Path: shown, New: d.wholeBlock("deploy.stage", d.after, j)})
	default:
		d.block("deploy.stage", shown, i, j)
	}
}

// presentBlock compares a block that an app may have or not, but for blocks in it.
// Of one that is in one spec only what differs from the defaults says all.
func (d *differ) presentBlock(block string, before, after bool) {
	switch {
	case before && !after:
		d.changes = append(d.changes, Change{Path: block, Old: d.wholeBlock(block, d.before, 0)})
	case after && !before:
		d.changes = append(d.changes, Change{Path: block, New: d.wholeBlock(block, d.after, 0)})
	case before:
		for n := range attributes {
			if a := &attributes[n]; a.Block() == block {
				d.field(a, a.Path, a.at(d.before, 0), a.at(d.after, 0))
			}
		}
	}
}

// wholeBlock writes a block of a spec, but for blocks in it.
func (d *differ) wholeBlock(block string, s *Spec, i int) string {
	var parts []string
	for n := range attributes {
		a := &attributes[n]
		if a.Block() != block {
			continue
		}
		field := a.at(s, i)
		text := FieldText(field)
		if text == "" || text == a.Default {
			continue
		}
		path := IndexPath(a.Path, i)
		if a.Type == TypeMap {
			if text = d.leaf(path, anyMap(field)); text == "{}" {
				continue
			}
		} else if d.before.IsSensitive(path) || d.after.IsSensitive(path) {
			text = SensitiveText
		}
		parts = append(parts, a.Name()+" = "+text)
	}
	if len(parts) == 0 {
		return "{ }"
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}
