package appspec

import (
	"encoding/json"
	"slices"
	"strings"
)

// Secrets returns the texts that went through sensitive() or file(), or that a deploy
// has made, and that something may repeat: the app's processes have them. Each is there once, in no
// particular order; of numbers and words of a letter or two there is nothing to
// tell.
func (s *Spec) Secrets() []string {
	var found []string
	if s.Made != nil {
		found = append(found, s.Made.Secrets...)
	}
	if len(s.Sensitive) == 0 {
		return found
	}
	s.repeated(func(path, text string) {
		if s.IsSensitive(path) && !slices.Contains(found, text) {
			found = append(found, text)
		}
	})
	return found
}

// repeated tells of the texts that something may repeat, each with its path.
func (s *Spec) repeated(tell func(path, text string)) {
	command := func(block string, i int, words []string) {
		for _, word := range words {
			tell(IndexPath(block+".command", i), word)
		}
	}
	for k, v := range s.Env {
		tell(KeyPath("env", k), v)
	}
	if s.Django != nil {
		textsBelow("django.overrides", s.Django.Overrides, func(path, text string) {
			tell(path, text)
			tell(path, jsonText(text)) // as django.json has it, and the stages of a deploy
		})
	}
	if s.Deploy != nil {
		for k, v := range s.Deploy.Env {
			tell(KeyPath("deploy.env", k), v)
		}
		for i := range s.Deploy.Stages {
			command("deploy.stage", i, s.Deploy.Stages[i].Command)
		}
	}
	for i := range s.Processes {
		command("process", i, s.Processes[i].Command)
	}
	for i := range s.Schedules {
		command("schedule", i, s.Schedules[i].Command)
	}
	if s.Database != nil {
		if _, password, ok := strings.Cut(s.Database.Admin, ":"); ok && password != "" {
			tell("database.admin", password)
		}
	}
	s.attributeTexts(tell)
}

// attributeTexts tells of the texts of attributes that are sensitive as a whole.
func (s *Spec) attributeTexts(tell func(path, text string)) {
	for i := range attributes {
		a := &attributes[i]
		if a.at == nil || strings.HasPrefix(a.Path, "sockets.") || !s.IsSensitive(a.Path) {
			continue
		}
		switch f := a.at(s, 0).(type) {
		case *string:
			tell(a.Path, *f)
		case *[]string:
			for _, e := range *f {
				tell(a.Path, e)
			}
		}
	}
}

// jsonText is a string as it stands in JSON that escapes no more than it must.
func jsonText(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		return text
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(b.String()), `"`), `"`)
}

// textsBelow tells of the texts in a value, however deep, each with its path.
func textsBelow(path string, v any, tell func(path, text string)) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			textsBelow(KeyPath(path, k), e, tell)
		}
	case []any:
		for i, e := range v {
			textsBelow(IndexPath(path, i), e, tell)
		}
	case string:
		tell(path, v)
	case json.Number:
		tell(path, v.String())
	}
}
