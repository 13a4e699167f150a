package hclspec

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// namedBlock reads one block that has a name.
func (d *decoder) namedBlock(known *appspec.Block, b *hcl.Block) {
	word, block := known.Name(), known.Path
	switch {
	case len(b.Labels) == 0:
		d.fault(b.TypeRange, "the "+word+" has no name", "write: "+explain.NamedAdvice(block, explain.NamedBlocks[block]))
		return
	case len(b.Labels) > 1:
		d.fault(b.LabelRanges[1], "the "+word+" has more than one name", "write: "+word+" "+appspec.Quote(b.Labels[0])+" { … }")
		return
	}
	name := b.Labels[0]
	if d.f.isJSON() && appspec.Table().Attribute[appspec.JoinPath(block, name)] != nil {
		d.fault(b.LabelRanges[0], "the "+word+" has no name", "write: "+explain.NamedAdviceJSON(block))
		return
	}
	if !appspec.ValidName(name) {
		d.fault(b.LabelRanges[0], "a "+word+" cannot have the name "+appspec.Quote(name), strings.Replace(nameAdvice(name), ": app ", ": "+word+" ", 1))
		return
	}
	if at, twice := d.named[block][name]; twice {
		d.fault(b.LabelRanges[0], word+" "+appspec.Quote(name)+" is defined twice in "+d.place(appspec.ParentPath(block)), "the first is on line "+itoa(at.Start.Line)+": give this one another name, or remove it")
		return
	}
	if block == explain.StageBlock && slices.Contains(appspec.OwnStages, name) {
		d.fault(b.LabelRanges[0], "every deploy has a stage "+appspec.Quote(name)+" already", "give this one another name, such as "+appspec.Quote("my-"+name))
		return
	}
	if d.named == nil {
		d.named = make(map[string]map[string]hcl.Range)
	}
	if d.named[block] == nil {
		d.named[block] = make(map[string]hcl.Range)
	}
	index := len(d.named[block])
	d.named[block][name] = b.LabelRanges[0]
	d.layer.steps = append(d.layer.steps, step{block: known, index: index, name: name, rng: b.DefRange})
	d.body(b.Body, known.Path, index)
}

// holdsCommands tells whether stages are written in JSON as their commands alone,
// each a list: HCL would take it for many stages of one name.
func holdsCommands(v cty.Value) bool {
	if !isObject(v) {
		return false
	}
	for _, e := range elements(v) {
		if !isList(e) {
			continue
		}
		for _, word := range elements(e) {
			if !isObject(word) {
				return true
			}
		}
	}
	return false
}

// stepOf is the path of the block that a step opens or that its attribute is of.
func stepOf(st *step) string {
	if st.setting == nil {
		return st.block.Path
	}
	return st.setting.attr.Block()
}

// placeNamed is where the block of this name stands in a spec, behind the others
// where it is not there yet.
func placeNamed(s *appspec.Spec, block, name string) int {
	switch block {
	case explain.ProcessBlock:
		i := slices.IndexFunc(s.Processes, func(p appspec.Process) bool { return p.Name == name })
		if i < 0 {
			s.Processes = append(s.Processes, appspec.Process{Name: name})
			return len(s.Processes) - 1
		}
		return i
	case explain.ScheduleBlock:
		i := slices.IndexFunc(s.Schedules, func(p appspec.Schedule) bool { return p.Name == name })
		if i < 0 {
			s.Schedules = append(s.Schedules, appspec.Schedule{Name: name})
			return len(s.Schedules) - 1
		}
		return i
	default:
		return placeStage(s, name)
	}
}

// placeStage is where the stage of this name stands in a spec: in the place of the
// one that it replaces, else behind the others.
func placeStage(s *appspec.Spec, name string) int {
	all := s.Deploy.Stages
	i := slices.IndexFunc(all, func(st appspec.Stage) bool { return st.Name == name })
	if i < 0 {
		s.Deploy.Stages = append(all, appspec.Stage{Name: name})
		return len(all)
	}
	prefix := appspec.IndexPath(explain.StageBlock, i)
	s.MarkSensitive(prefix, false)
	for p := range s.Ranges {
		if p == prefix || strings.HasPrefix(p, prefix+".") {
			delete(s.Ranges, p)
		}
	}
	return i
}

// commandWords writes a command line as the list that it stands for; as one for a
// shell where it has what only a shell understands.
func commandWords(line string) string {
	words := strings.Fields(line)
	if len(words) == 0 || strings.ContainsAny(line, "|&;<>()$`\\\"'*?[]#~{}\n") {
		words = []string{"sh", "-c", line}
	}
	return appspec.FieldText(&words)
}
