package hclspec

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

const (
	deployBlock   = "deploy"
	databaseBlock = "database"
	stageBlock    = "deploy.stage"
)

const stageAdviceJSON = `"stage": { "migrate": { "command": ["python", "manage.py", "migrate", "--noinput"] } }`

// stageAdvice is how a stage is written.
func stageAdvice(name string) string {
	return "stage " + appspec.Quote(name) + " {\n  " + appspec.Table().Attribute["deploy.stage.command"].Written() + "\n}"
}

// stage reads one stage block, which has a name.
func (d *decoder) stage(known *appspec.Block, b *hcl.Block) {
	switch {
	case len(b.Labels) == 0:
		d.fault(b.TypeRange, "the stage has no name", "write: "+stageAdvice("migrate"))
		return
	case len(b.Labels) > 1:
		d.fault(b.LabelRanges[1], "the stage has more than one name", "write: stage "+appspec.Quote(b.Labels[0])+" { … }")
		return
	}
	name := b.Labels[0]
	if d.f.isJSON() && appspec.Table().Attribute[appspec.JoinPath(stageBlock, name)] != nil {
		d.fault(b.LabelRanges[0], "the stage has no name", "write: "+stageAdviceJSON)
		return
	}
	if !appspec.ValidName(name) {
		d.fault(b.LabelRanges[0], "a stage cannot have the name "+appspec.Quote(name), strings.Replace(nameAdvice(name), ": app ", ": stage ", 1))
		return
	}
	if at, twice := d.stages[name]; twice {
		d.fault(b.LabelRanges[0], "stage "+appspec.Quote(name)+" stands twice in "+d.place(deployBlock), "the first is on line "+itoa(at.Start.Line)+": give this one another name, or remove it")
		return
	}
	if slices.Contains(appspec.OwnStages, name) {
		d.fault(b.LabelRanges[0], "every deploy has a stage "+appspec.Quote(name)+" already", "give this one another name, such as "+appspec.Quote("my-"+name))
		return
	}
	if d.stages == nil {
		d.stages = make(map[string]hcl.Range)
	}
	index := len(d.stages)
	d.stages[name] = b.LabelRanges[0]
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

// placeStage is where the stage of this name stands in a spec: in the place of the
// one that it replaces, else behind the others.
func placeStage(s *appspec.Spec, name string) int {
	all := s.Deploy.Stages
	i := slices.IndexFunc(all, func(st appspec.Stage) bool { return st.Name == name })
	if i < 0 {
		s.Deploy.Stages = append(all, appspec.Stage{Name: name})
		return len(all)
	}
	prefix := appspec.IndexPath(stageBlock, i)
	s.MarkSensitive(prefix, false)
	for p := range s.Ranges {
		if p == prefix || strings.HasPrefix(p, prefix+".") {
			delete(s.Ranges, p)
		}
	}
	return i
}

// withoutInherited takes away the deploy and the database of an app that has no
// such block of its own: those of defaults say how, not that.
func withoutInherited(s *appspec.Spec) {
	drop := func(block string) bool {
		if _, own := s.Ranges[block]; own {
			return false
		}
		s.MarkSensitive(block, false)
		for p := range s.Ranges {
			if strings.HasPrefix(p, block+".") {
				delete(s.Ranges, p)
			}
		}
		return true
	}
	if s.Deploy != nil && drop(deployBlock) {
		s.Deploy = nil
	}
	if s.Database != nil && drop(databaseBlock) {
		s.Database = nil
	}
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
