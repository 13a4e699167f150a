package hclspec

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// withDeploy is an app with what stands in its app block.
func withDeploy(name, port, body string) string {
	return strings.Replace(minimal(name, port), "{\n", "{\n"+body+"\n", 1)
}

// TestDeployDefaults: what a deploy and a database block leave out.
func TestDeployDefaults(t *testing.T) {
	set := good(t, load(t, testOptions(), memory(t, map[string]string{"blog.hcl": withDeploy("blog", "8000", `
  deploy {
    repository = "git@git.example.org:crito/blog.git"
    stage "migrate" {
      command = ["migrate"]
    }
  }
  database { engine = "postgresql" }`)}), "/etc/wsgid.d"))
	const minute = appspec.Duration(60e9)
	got := set.Specs["blog"]
	if diff := cmp.Diff(&appspec.Deploy{Repository: "git@git.example.org:crito/blog.git", Commit: "HEAD", Keep: 5, Timeout: 10 * minute, Nice: 5,
		Stages: []appspec.Stage{{Name: "migrate", Command: []string{"migrate"}, When: "before", Timeout: 10 * minute}}}, got.Deploy); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&appspec.Database{Engine: "postgresql", Name: "blog", Owner: "blog", Server: "unix:/var/run/postgresql"}, got.Database); diff != "" {
		t.Error(diff)
	}
}

// TestDeployMerge: defaults say how an app is deployed, not that; stages of one
// name replace one another, others come behind.
func TestDeployMerge(t *testing.T) {
	set := good(t, load(t, testOptions(), memory(t, map[string]string{
		"defaults.hcl": `defaults {
  deploy {
    keep = 2
    env  = { A = sensitive("one"), B = "b" }
    stage "migrate" {
      command = ["old", sensitive("hunter2")]
      timeout = "1m"
    }
    stage "static" {
      command = ["static"]
      when    = "after"
    }
  }
  database {
    engine = "postgresql"
    server = "db.example.org:5432"
    admin  = sensitive("postgres:x")
  }
}
`,
		"blog.hcl": withDeploy("blog", "8000", `
  deploy {
    repository = "file:///srv/git/blog.git"
    env        = { B = "c" }
    stage "warm" {
      command = ["warm", sensitive("swordfish")]
    }
    stage "migrate" {
      command = ["new"]
    }
  }
  database {
    engine = "sqlite"
    name   = "data/./blog.db"
  }`),
		"plain.hcl": minimal("plain", "8001"),
	}), "/etc/wsgid.d"))
	if plain := set.Specs["plain"]; plain.Deploy != nil || plain.Database != nil || len(plain.Sensitive) > 0 {
		t.Errorf("an app without deploy has one: %+v %+v %v", plain.Deploy, plain.Database, plain.Sensitive)
	}
	s := set.Specs["blog"]
	const minute = appspec.Duration(60e9)
	if diff := cmp.Diff([]appspec.Stage{
		{Name: "migrate", Command: []string{"new"}, When: "before", Timeout: 10 * minute},
		{Name: "static", Command: []string{"static"}, When: "after", Timeout: 10 * minute},
		{Name: "warm", Command: []string{"warm", "swordfish"}, When: "before", Timeout: 10 * minute},
	}, s.Deploy.Stages); diff != "" {
		t.Error(diff)
	}
	if s.Deploy.Keep != 2 || s.Deploy.Env["A"] != "one" || s.Deploy.Env["B"] != "c" {
		t.Errorf("deploy is %+v", s.Deploy)
	}
	if diff := cmp.Diff(&appspec.Database{Engine: "sqlite", Name: "data/blog.db"}, s.Database); diff != "" {
		t.Error(diff)
	}
	want := map[string]bool{"deploy.env.A": true, "deploy.stage[2].command": true}
	for path := range s.Sensitive {
		if path != "database.admin" && !want[path] {
			t.Errorf("%s is sensitive", path)
		}
		delete(want, path)
	}
	if len(want) > 0 {
		t.Errorf("not sensitive: %v", want)
	}
	for _, secret := range []string{"one", "swordfish"} {
		if !strings.Contains(strings.Join(s.Secrets(), " "), secret) {
			t.Errorf("%s is none of the secrets %v", secret, s.Secrets())
		}
		for _, text := range []string{s.String(), fmt.Sprintf("%+v", *s), changesText(appspec.Diff(nil, s)), changesText(appspec.Diff(s, nil))} {
			if strings.Contains(text, secret) {
				t.Errorf("%s is in %s", secret, text)
			}
		}
	}
	if line := s.Ranges["deploy.stage[0].command"].Start.Line; line != 10 {
		t.Errorf("the command of migrate is on line %d", line)
	}
}

// TestPasswordInAddress: a password that somebody wrote into an address is in no
// line of what validate prints, whatever else is wrong there.
func TestPasswordInAddress(t *testing.T) {
	for _, line := range []string{
		`repository = "https://me:hunter2@git.example.org/x.git"`,
		`repository = "https://me:hunter2/x@git.example.org/x.git" bad`,
		`repo = "https://me:hunter2@git.example.org/x.git"`,
		`repository = "https://me:hunter2@git.example.org/x.git`,
		`repository = ["https://me:hunter2@git.example.org/x.git"]`,
		`index = "http://me:hunter2@pypi.example.org/simple"`,
	} {
		set := load(t, testOptions(), memory(t, map[string]string{"blog.hcl": withDeploy("blog", "8000", "deploy {\n"+line+"\n}")}), "/etc/wsgid.d")
		var out bytes.Buffer
		check(t, set.WriteDiagnostics(&out, false))
		if len(set.Faults) == 0 || strings.Contains(out.String(), "hunter2") {
			t.Errorf("%s:\n%s", line, out.String())
		}
	}
}

// TestDeployOfEnvironment: an environment goes on where the app block ends, and
// each has a database of its own.
func TestDeployOfEnvironment(t *testing.T) {
	set := good(t, load(t, testOptions(), memory(t, map[string]string{"blog.hcl": `app "blog" {
  deploy {
    repository = "file:///srv/git/blog.git"
    stage "migrate" {
      command = ["migrate"]
      timeout = "1m"
    }
    stage "static" {
      command = ["static"]
    }
  }
  database { engine = "postgresql" }
  environment "dev" {
    sockets {
      http { listen = "127.0.0.1:8000" }
    }
    deploy {
      branch = "develop"
      stage "seed" {
        command = ["seed"]
      }
      stage "migrate" {
        command = ["migrate", "--fake"]
      }
    }
  }
  environment "production" {
    sockets {
      http { listen = "127.0.0.1:8001" }
    }
  }
}
`}), "/etc/wsgid.d"))
	words := func(s *appspec.Spec) (text string) {
		for _, st := range s.Deploy.Stages {
			text += st.Name + "=" + strings.Join(st.Command, " ") + "; "
		}
		return text + s.Deploy.Branch + " " + s.Database.Name + " " + s.Database.Owner
	}
	if got := words(set.Specs["blog-dev"]); got != "migrate=migrate --fake; static=static; seed=seed; develop blog-dev blog-dev" {
		t.Error(got)
	}
	if got := words(set.Specs["blog-production"]); got != "migrate=migrate; static=static;  blog-production blog-production" {
		t.Error(got)
	}
}
