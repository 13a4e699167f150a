package appspec

import "slices"

// processes compares the process blocks by name; their order says nothing.
func (d *differ) processes() {
	name := func(p Process) string { return p.Name }
	d.named("process", namesOf(d.before.Processes, name), namesOf(d.after.Processes, name))
}

// schedules compares the schedule blocks in the same way.
func (d *differ) schedules() {
	name := func(s Schedule) string { return s.Name }
	d.named("schedule", namesOf(d.before.Schedules, name), namesOf(d.after.Schedules, name))
}

func namesOf[T any](all []T, name func(T) string) []string {
	names := make([]string, len(all))
	for i, e := range all {
		names[i] = name(e)
	}
	return names
}

// named compares blocks that have names.
func (d *differ) named(block string, before, after []string) {
	kind := Table().Attribute[block+".command"].Disruption
	for i, name := range before {
		if !slices.Contains(after, name) {
			d.changes = append(d.changes, Change{Path: block + "[" + Quote(name) + "]", Old: d.wholeBlock(block, d.before, i), Disruption: kind})
		}
	}
	for j, name := range after {
		shown := block + "[" + Quote(name) + "]"
		if i := slices.Index(before, name); i >= 0 {
			d.block(block, shown, i, j)
			continue
		}
		d.changes = append(d.changes, Change{Path: shown, New: d.wholeBlock(block, d.after, j), Disruption: kind})
	}
}
