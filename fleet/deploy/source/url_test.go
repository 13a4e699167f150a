package source

import (
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

func TestURLs(t *testing.T) {
	spec := appspec.Table().Attribute["deploy.repository"]
	for _, good := range []string{
		"https://git.example.org/crito/blog.git", "https://git.example.org:8443/a%20b",
		"ssh://git@git.example.org/crito/blog.git", "ssh://git@git.example.org:2222/~crito/blog", "ssh://git.example.org/blog",
		"ssh://git@[::1]:22/blog.git", "git@git.example.org:crito/blog.git", "git.example.org:blog", "git@[::1]:blog.git",
		"file:///srv/git/blog.git",
	} {
		if err := Check(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
		if instead, ok := spec.Check(good); !ok {
			t.Errorf("a spec cannot say %s: %s", good, instead)
		}
	}
	for bad, says := range map[string]string{
		"":                                    "write https://",
		"-https://git.example.org/blog.git":   "begins with -",
		"--upload-pack=x":                     "begins with -",
		"ssh://-x/blog.git":                   "host",
		"ssh://-x@h/blog.git":                 "user",
		"git@h:-x":                            "./-x",
		"https://a:s3cret@h/blog.git":         "~/.netrc",
		"https://s3cret@h/blog.git":           "often a token",
		"ssh://git:s3cret@h/blog.git":         "password",
		"git:s3cret@h:blog.git":               "ssh_key",
		"git:s3cret@h/blog.git":               "ssh_key",
		"https://h/blog.git?token=s3cret":     "token belongs",
		"https://h/blog.git#main":             "`branch`",
		"ext::sh -c true":                     "white space",
		"ext::true":                           "runs a program",
		"fd::3":                               "runs a program",
		"http://h/blog.git":                   "https://",
		"git://h/blog.git":                    "https://",
		"git+ssh://h/blog.git":                "ssh://",
		"gopher://h/blog.git":                 "is not a transport",
		"/srv/git/blog.git":                   "file:///srv/git/blog.git",
		"../blog":                             "not a URL",
		"file://srv/git/blog.git":             "file:///srv/git/blog.git",
		"https://h":                           "no repository",
		"file:///":                            "no repository",
		"https:///blog.git":                   "no host",
		"https://h/blog.git\n":                "white space",
		"https://h/%zz":                       "not a URL",
		"https://user:s3cret@h:port/blog.git": "not a URL",
	} {
		// validate says so before a deploy does. What is empty is not there.
		if _, ok := spec.Check(bad); ok && bad != "" {
			t.Errorf("a spec may say %q, which no deploy takes", bad)
		}
		err := Check(bad)
		if err == nil {
			t.Errorf("%q is taken", bad)
			continue
		}
		wants(t, err, says)
		if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v", err)
		}
	}
}

func TestRepositoryCheck(t *testing.T) {
	good := Repository{URL: "file:///srv/blog.git", Branch: "rel/1.x", Commit: "v1.0"}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"-x", "a..b", "a b", "a:b", "refs/heads/x", "a^{tree}", "a/", "x.lock", "@{u}", "a\nb", ".x"} {
		r := good
		r.Branch = name
		if r.Check() == nil && name != "@{u}" {
			t.Errorf("branch %q is taken", name)
		}
		r = good
		r.Commit = strings.Replace(name, "heads", "tags", 1)
		if r.Check() == nil {
			t.Errorf("commit %q is taken", name)
		}
	}
}

func TestRelativeURLs(t *testing.T) {
	for _, c := range [][3]string{
		{"https://h/a/b.git", "../c.git", "https://h/a/c.git"},
		{"git@h:a/b.git", "../c.git", "git@h:a/c.git"},
		{"file:///srv/b.git", "../../c.git", "file:///c.git"},
		{"file:///srv/b.git", "../../../c.git", ""},
		{"file:///srv/b.git", "./c", "file:///srv/b.git/c"},
		{"https://h/a", "https://g/x", "https://g/x"},
	} {
		got, err := relative(c[0], c[1])
		if got != c[2] || (err == nil) != (c[2] != "") {
			t.Errorf("%s of %s is %q, %v", c[1], c[0], got, err)
		}
	}
}

func TestDotGitSpellings(t *testing.T) {
	for _, name := range []string{".git", ".GIT", ".Git", ".git.", ".git ", ".git . .", "git~1", "GIT~1", ".git::$INDEX_ALLOCATION", ".g\u200cit", "\ufeff.git", `.git\x`, `a\.git`} {
		if !isDotGit(name) {
			t.Errorf("%q is taken", name)
		}
	}
	for _, name := range []string{".gitignore", ".gitattributes", ".github", "git", "git~2", ".gitt", "a.git", "blog.git"} {
		if isDotGit(name) {
			t.Errorf("%q is refused", name)
		}
	}
}

func TestLinks(t *testing.T) {
	for _, c := range []struct {
		l    links
		says string // "" is taken
	}{
		{links{"a": "b"}, ""},
		{links{"d/a": "../b"}, ""},
		{links{"d/a": "../../b"}, "outside the part"},
		{links{"a": ".."}, "outside the part"},
		{links{"a": "/etc/hostname"}, "only have relative"},
		{links{"a": ""}, "not a path"},
		{links{"a": "a"}, ""},
		{links{"deep": "x/y", "a": "deep/../../.."}, "outside the part"},
		{links{"deep": "x/y", "a": "deep/../z"}, ""},
		// By its letters it stays inside: the kernel goes through up first.
		{links{"x/y/up": "../..", "b": "x/y/up/../x"}, "outside the part"},
		{links{"a": ".GIT/config"}, "git's own"},
	} {
		err := c.l.check()
		if c.says == "" && err != nil {
			t.Errorf("%v: %v", c.l, err)
		} else if c.says != "" {
			wants(t, err, c.says)
		}
	}
}
