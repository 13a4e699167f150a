package appspec

import (
	"fmt"
	"log/slog"
	"maps"
	"reflect"
)

// Made is what a deploy has made for an app beside its code, such as the account of
// its database. It comes from the record of the deploy, not from a spec file: what
// the spec says itself goes over it. All of it counts as secret.
type Made struct {
	Env     map[string]string `json:"env,omitempty"`
	Django  map[string]any    `json:"django,omitempty"`  // settings, for django.json; nil: the app is none of Django
	Secrets []string          `json:"secrets,omitempty"` // the texts in it that nothing may repeat
}

// String tells of no value.
func (m *Made) String() string {
	if m == nil {
		return ""
	}
	return SensitiveText
}

// Format keeps secrets out of every verb of package fmt.
func (m *Made) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(m.String())) }

// LogValue keeps secrets out of logs.
func (m *Made) LogValue() slog.Value { return slog.StringValue(m.String()) }

// Environ is the environment that the app gets: what was made for it, and what the
// spec says over that. It is not to be changed.
func (s *Spec) Environ() map[string]string {
	if s.Made == nil || len(s.Made.Env) == 0 {
		return s.Env
	}
	env := maps.Clone(s.Made.Env)
	maps.Copy(env, s.Env)
	return env
}

// DjangoSettings is what becomes django.json: what was made for the app, and the
// overrides of the spec over that, key by key. It is not to be changed.
func (s *Spec) DjangoSettings() map[string]any {
	var overrides map[string]any
	if s.Django != nil {
		overrides = s.Django.Overrides
	}
	if s.Made == nil || len(s.Made.Django) == 0 {
		return overrides
	}
	return over(s.Made.Django, overrides)
}

// over lays one object over another, as deep as both have objects.
func over(below, above map[string]any) map[string]any {
	out := maps.Clone(below)
	for k, v := range above {
		b, isMap := out[k].(map[string]any)
		a, alsoMap := v.(map[string]any)
		if isMap && alsoMap {
			v = over(b, a)
		}
		out[k] = v
	}
	return out
}

// made notes that what a deploy has made for the app is other than before.
func (d *differ) made() {
	b, a := d.before.Made, d.after.Made
	if !reflect.DeepEqual(b, a) {
		d.add("database", b.String(), a.String(), Rolling)
	}
}
