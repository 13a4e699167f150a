package appdir

import (
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// TestFleetPartOfDeploy: what the fleet writes of an environment with a release can
// be read again, and the administrator of its database is not in it.
func TestFleetPartOfDeploy(t *testing.T) {
	s := appspec.Default("blog-dev", "/srv/blog-dev")
	s.Environment = "dev"
	s.Release = &appspec.Release{ID: "20261128-1", Commit: "3f2a91c", Dir: "releases/20261128-1"}
	s.Deploy = &appspec.Deploy{Repository: "file:///srv/git", Stages: []appspec.Stage{{Name: "migrate", Command: []string{"m"}}}}
	s.Database = &appspec.Database{Engine: "postgresql", Admin: "postgres:hunter2"}
	text, err := configJSON(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "hunter2") || strings.Contains(string(text), "migrate") {
		t.Errorf("a master has no use for this:\n%s", text)
	}
	c, err := ParseConfig("wsgid.json", text)
	if err != nil {
		t.Fatal(err)
	}
	back := appspec.Default("blog-dev", "/srv/blog-dev")
	if err := c.applyFleet(back); err != nil {
		t.Fatal(err)
	}
	if back.Environment != "dev" || back.Release.String() != s.Release.String() {
		t.Errorf("read %q, %v", back.Environment, back.Release)
	}
}
