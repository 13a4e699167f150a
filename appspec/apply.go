package appspec

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// apply writes a layer into a spec, over what is there.
func (l *layer) apply(s *Spec) {
	for i := range l.steps {
		st := &l.steps[i]
		if st.setting == nil {
			st.open(s)
		} else {
			st.set(s)
		}
	}
}

// open makes a block, with its defaults where it is new.
func (st *step) open(s *Spec) {
	path := indexPath(st.block.Path, st.index)
	s.wrote(path, st.rng)
	if st.block.open == nil {
		return
	}
	isNew := true
	switch st.block.Path {
	case "django":
		isNew = s.Django == nil
	case "health":
		isNew = s.Health == nil
	}
	if isNew {
		st.block.open(s, st.index)
		fill(s, st.block.Path, st.index)
	}
}

// set writes one attribute.
func (st *step) set(s *Spec) {
	a, path := st.setting.attr, indexPath(st.setting.attr.Path, st.index)
	s.wrote(path, st.rng)
	switch v := st.setting.value.(type) {
	case map[string]string:
		field := a.at(s, st.index).(*map[string]string)
		merged := maps.Clone(*field)
		if merged == nil {
			merged = make(map[string]string, len(v))
		}
		for k, text := range v {
			merged[k] = text
			s.markSensitive(keyPath(path, k), false)
			s.wrote(keyPath(path, k), st.rng)
		}
		for _, k := range st.setting.nulls {
			delete(merged, k)
			s.markSensitive(keyPath(path, k), false)
		}
		if len(merged) == 0 {
			merged = nil
		}
		*field = merged
	case map[string]any:
		field := a.at(s, st.index).(*map[string]any)
		*field = s.mergeObject(path, *field, v)
		if len(*field) == 0 {
			*field = nil
		}
	case int:
		if a.Path == "workers.count" {
			s.Workers.Min, s.Workers.Max = v, v
		} else if field, ok := a.at(s, st.index).(*uint64); ok {
			*field = uint64(v)
		} else {
			*a.at(s, st.index).(*int) = v
		}
		s.markSensitive(path, false)
	case []string:
		*a.at(s, st.index).(*[]string) = slices.Clone(v)
		s.markSensitive(path, false)
	case string:
		*a.at(s, st.index).(*string) = v
		s.markSensitive(path, false)
	case bool:
		*a.at(s, st.index).(*bool) = v
		s.markSensitive(path, false)
	case uint32:
		*a.at(s, st.index).(*uint32) = v
		s.markSensitive(path, false)
	case float64:
		*a.at(s, st.index).(*float64) = v
		s.markSensitive(path, false)
	case Duration:
		*a.at(s, st.index).(*Duration) = v
		s.markSensitive(path, false)
	case Size:
		*a.at(s, st.index).(*Size) = v
		s.markSensitive(path, false)
	}
	for _, below := range st.setting.secrets {
		s.markSensitive(path+below, true)
		if a.Path == "workers.count" {
			s.markSensitive("workers.min", true)
			s.markSensitive("workers.max", true)
		}
	}
}

// mergeObject lays one object over another, key by key as deep as both have
// objects, without changing either.
func (s *Spec) mergeObject(path string, under, over map[string]any) map[string]any {
	merged := make(map[string]any, len(under)+len(over))
	maps.Copy(merged, under)
	for k, v := range over {
		p := keyPath(path, k)
		below, ok := merged[k].(map[string]any)
		above, both := v.(map[string]any)
		if ok && both {
			merged[k] = s.mergeObject(p, below, above)
			continue
		}
		s.markSensitive(p, false)
		merged[k] = v
	}
	return merged
}

// wrote notes where an attribute or a block was written.
func (s *Spec) wrote(path string, rng hcl.Range) {
	if s.Ranges == nil {
		s.Ranges = make(map[string]hcl.Range, 16)
	}
	s.Ranges[path] = rng
}
