package appspec

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// What a deploy has made lies below what the spec says, key by key, and is told
// nowhere.
func TestMade(t *testing.T) {
	s := Default("blog", "/srv/blog")
	s.Env = map[string]string{"A": "mine", "B": "b"}
	s.Django = &Django{Overrides: map[string]any{"DEBUG": false, "DATABASES": map[string]any{"default": map[string]any{"CONN_MAX_AGE": 60, "NAME": "mine"}}}}
	before := *s
	s.Made = &Made{Env: map[string]string{"A": "made", "DATABASE_URL": "postgresql://s3cret"}, Secrets: []string{"s3cret"},
		Django: map[string]any{"DATABASES": map[string]any{"default": map[string]any{"PASSWORD": "s3cret", "NAME": "made"}}}}
	if got := fmt.Sprint(s.Environ()); got != "map[A:mine B:b DATABASE_URL:postgresql://s3cret]" {
		t.Error(got)
	}
	if got := fmt.Sprint(s.DjangoSettings()); got != "map[DATABASES:map[default:map[CONN_MAX_AGE:60 NAME:mine PASSWORD:s3cret]] DEBUG:false]" {
		t.Error(got)
	}
	if len(s.Made.Env) != 2 || len(s.Env) != 2 || len(s.Django.Overrides["DATABASES"].(map[string]any)["default"].(map[string]any)) != 2 {
		t.Error("a source was changed")
	}
	if !slices.Contains(s.Secrets(), "s3cret") {
		t.Errorf("%q", s.Secrets())
	}
	changes := Diff(&before, s)
	if len(changes) != 1 || changes[0].Path != "database" || Kind(changes) != Rolling {
		t.Errorf("%+v", changes)
	}
	if again := Diff(s, s); len(again) != 0 {
		t.Errorf("%+v", again)
	}
	for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(form, s.Made) + fmt.Sprintf(form, *s) + fmt.Sprintf(form, changes); strings.Contains(text, "s3cret") {
			t.Errorf("%s tells %s", form, text)
		}
	}
}

func TestDatabaseServer(t *testing.T) {
	for server, want := range map[string]string{
		"unix:/var/run/postgresql":               "/var/run/postgresql 5432",
		"unix:/var/run/postgresql/.s.PGSQL.5433": "/var/run/postgresql 5433",
		"db.example.org:5433":                    "db.example.org 5433",
		"[::1]:5432":                             "::1 5432",
	} {
		host, port := DatabaseServer(server)
		if got := host + " " + port; got != want {
			t.Errorf("%s: %s, want %s", server, got, want)
		}
		if instead, ok := checkDatabaseServer(server); !ok {
			t.Errorf("%s: %s", server, instead)
		}
	}
	for _, server := range []string{"unix:/run/.s.PGSQL.0", "unix:/run/.s.PGSQL.x", "unix:/run/.s.PGSQL.5432.lock"} {
		if _, ok := checkDatabaseServer(server); ok {
			t.Errorf("%s is taken", server)
		}
	}
}
