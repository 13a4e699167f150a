package hclspec

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// apply writes a layer into a spec, over what is there.
func (l *layer) apply(s *appspec.Spec) {
	var replaced map[*appspec.Block]bool
	named := make(map[string][]int) // by block: their places in the spec, in the order of the layer
	for i := range l.steps {
		st := &l.steps[i]
		if at := stepOf(st); explain.NamedBlocks[at] != "" {
			if st.setting == nil {
				named[at] = append(named[at], placeNamed(s, at, st.name))
			}
			own := *st // layers are shared
			own.index = named[at][st.index]
			st = &own
		} else if st.setting == nil && l.under && (at == explain.DeployBlock || at == explain.DatabaseBlock) {
			st.block.Open(s, 0) // without a place, see withoutInherited
			continue
		}
		if st.setting == nil {
			if st.block.Many && !st.block.Named && !replaced[st.block] { // named ones replace one another by name
				if replaced == nil {
					replaced = make(map[*appspec.Block]bool)
				}
				replaced[st.block] = true
				st.block.Clear(s)
				forget(s, st.block.Path+"[")
			}
			st.open(s)
		} else {
			st.set(s)
		}
	}
}

// open makes a block, with its defaults where it is new.
func (st *step) open(s *appspec.Spec) {
	path := appspec.IndexPath(st.block.Path, st.index)
	wrote(s, path, st.rng)
	st.block.Open(s, st.index)
}

// set writes one attribute.
func (st *step) set(s *appspec.Spec) {
	a, path := st.setting.attr, appspec.IndexPath(st.setting.attr.Path, st.index)
	wrote(s, path, st.rng)
	switch v := st.setting.value.(type) {
	case map[string]string:
		field := a.Field(s, st.index).(*map[string]string)
		merged := maps.Clone(*field)
		if merged == nil {
			merged = make(map[string]string, len(v))
		}
		for k, text := range v {
			merged[k] = text
			s.MarkSensitive(appspec.KeyPath(path, k), false)
			wrote(s, appspec.KeyPath(path, k), st.rng)
		}
		for _, k := range st.setting.nulls {
			delete(merged, k)
			s.MarkSensitive(appspec.KeyPath(path, k), false)
		}
		if len(merged) == 0 {
			merged = nil
		}
		*field = merged
	case map[string]any:
		field := a.Field(s, st.index).(*map[string]any)
		*field = mergeObject(s, path, *field, v)
		if len(*field) == 0 {
			*field = nil
		}
	case int:
		if a.Path == "workers.count" {
			s.Workers.Min, s.Workers.Max = v, v
		} else if field, ok := a.Field(s, st.index).(*uint64); ok {
			*field = uint64(v)
		} else {
			*a.Field(s, st.index).(*int) = v
		}
		s.MarkSensitive(path, false)
	case []string:
		*a.Field(s, st.index).(*[]string) = slices.Clone(v)
		s.MarkSensitive(path, false)
	case string:
		*a.Field(s, st.index).(*string) = v
		s.MarkSensitive(path, false)
	case bool:
		if field, ok := a.Field(s, st.index).(**bool); ok {
			*field = &v
		} else {
			*a.Field(s, st.index).(*bool) = v
		}
		s.MarkSensitive(path, false)
	case uint32:
		*a.Field(s, st.index).(*uint32) = v
		s.MarkSensitive(path, false)
	case float64:
		*a.Field(s, st.index).(*float64) = v
		s.MarkSensitive(path, false)
	case appspec.Duration:
		*a.Field(s, st.index).(*appspec.Duration) = v
		s.MarkSensitive(path, false)
	case appspec.Size:
		*a.Field(s, st.index).(*appspec.Size) = v
		s.MarkSensitive(path, false)
	}
	for _, below := range st.setting.secrets {
		s.MarkSensitive(path+below, true)
		if a.Path == "workers.count" {
			s.MarkSensitive("workers.min", true)
			s.MarkSensitive("workers.max", true)
		}
	}
}

// mergeObject lays one object over another, key by key as deep as both have
// objects, without changing either.
func mergeObject(s *appspec.Spec, path string, under, over map[string]any) map[string]any {
	merged := make(map[string]any, len(under)+len(over))
	maps.Copy(merged, under)
	for k, v := range over {
		p := appspec.KeyPath(path, k)
		below, ok := merged[k].(map[string]any)
		above, both := v.(map[string]any)
		if ok && both {
			merged[k] = mergeObject(s, p, below, above)
			continue
		}
		s.MarkSensitive(p, false)
		merged[k] = v
	}
	return merged
}

// forget takes away what is noted of the attributes whose path begins so.
func forget(s *appspec.Spec, prefix string) {
	for path := range s.Ranges {
		if strings.HasPrefix(path, prefix) {
			delete(s.Ranges, path)
		}
	}
	for path := range s.Sensitive {
		if strings.HasPrefix(path, prefix) {
			delete(s.Sensitive, path)
		}
	}
}

// wrote notes where an attribute or a block was written.
func wrote(s *appspec.Spec, path string, rng hcl.Range) {
	if s.Ranges == nil {
		s.Ranges = map[string]appspec.Range{} // small: there may be ten thousand of them
	}
	s.Ranges[path] = rangeOf(rng)
}
