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
	add := func(text string) {
		if !slices.Contains(found, text) {
			found = append(found, text)
		}
	}
	of := func(path string, texts ...string) {
		if s.IsSensitive(path) {
			for _, text := range texts {
				add(text)
			}
		}
	}
	for k, v := range s.Env {
		of(KeyPath("env", k), v)
	}
	if s.Django != nil {
		for k, v := range s.Django.Overrides {
			s.secretsBelow(KeyPath("django.overrides", k), v, func(text string) {
				add(text)
				add(jsonText(text)) // as django.json has it, and the stages of a deploy
			})
		}
	}
	if s.Deploy != nil {
		for k, v := range s.Deploy.Env {
			of(KeyPath("deploy.env", k), v)
		}
		for i := range s.Deploy.Stages {
			of(IndexPath("deploy.stage.command", i), s.Deploy.Stages[i].Command...)
		}
	}
	for i := range s.Processes {
		of(IndexPath("process.command", i), s.Processes[i].Command...)
	}
	for i := range s.Schedules {
		of(IndexPath("schedule.command", i), s.Schedules[i].Command...)
	}
	if s.Database != nil && s.IsSensitive("database.admin") {
		if _, password, ok := strings.Cut(s.Database.Admin, ":"); ok && password != "" {
			add(password)
		}
	}
	for i := range attributes {
		a := &attributes[i]
		if a.at == nil || strings.HasPrefix(a.Path, "sockets.") || !s.IsSensitive(a.Path) {
			continue
		}
		switch f := a.at(s, 0).(type) {
		case *string:
			add(*f)
		case *[]string:
			for _, e := range *f {
				add(e)
			}
		}
	}
	return found
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

func (s *Spec) secretsBelow(path string, v any, add func(string)) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			s.secretsBelow(KeyPath(path, k), e, add)
		}
	case []any:
		for i, e := range v {
			s.secretsBelow(IndexPath(path, i), e, add)
		}
	case string:
		if s.IsSensitive(path) {
			add(v)
		}
	case json.Number:
		if s.IsSensitive(path) {
			add(v.String())
		}
	}
}
