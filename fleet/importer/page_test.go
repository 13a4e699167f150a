package importer

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

var update = flag.Bool("update", false, "write examples/moving-in/README.md")

// The page of worked examples is what import says of the files beside it.
func TestMovingInPage(t *testing.T) {
	folder, err := filepath.Abs("../../examples/moving-in")
	if err != nil {
		t.Fatal(err)
	}
	// Apart from this repository's own checkout, for which import would suggest a deploy.
	place, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(place, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	page.WriteString(`# Moving in

What runs under another server becomes a spec by ` + "`wsgid-fleet import`" + `. Each value says
which line it comes from; what could not be carried over is a comment with what to do
instead, and the exit code is 1 then. With ` + "`--write`" + ` the specs go into the spec directory,
and their secrets into files of their own beside them. This page is made by a test
(` + "`go test ./fleet/importer -run TestMovingInPage -update`" + `) from the files beside it.

Where the code lies in a git checkout, the spec ends with a ` + "`deploy`" + ` block as a comment:
with it the fleet fetches the code, prepares releases of it and rolls them out.

A running daemon takes a new spec up at once: as long as the other server has the address the
app waits for it, and ` + "`wsgid-fleet status`" + ` says so. Look at the spec, stop the other server for
good, so that it does not come back with the next boot, and have the app tried now, not when its
back-off ends:

| what ran it | stops it for good |
|---|---|
| supervisord | take its ` + "`[program:shop]`" + ` out, then ` + "`supervisorctl update`" + ` |
| uWSGI's Emperor | move the vassal's file out of the folder |
| systemd | ` + "`systemctl disable --now wiki`" + `, and its ` + "`.socket`" + ` and timers where it has some |
| piku | take the hook of ` + "`~/.piku/repos/shop`" + ` away, then ` + "`piku stop shop`" + ` |
| kamal | ` + "`kamal app stop`" + `, and ` + "`kamal proxy remove`" + ` when no other app needs it |
| Apache | ` + "`a2dissite poll`, `systemctl reload apache2`" + ` |

` + "```sh\nwsgid-fleet apply shop\n```" + `

Between the two the address is nobody's, and clients are refused. Where that must not be, give
the app another address, look at it there, and let the proxy in front change over.

What stood in front, as nginx, stays as it is: apps keep their addresses, and what it is to be told
otherwise stands in the spec. Lines of a crontab that start commands of the app are not read:
write a ` + "`schedule`" + ` for each, and take them out, or they run twice.

Import changes nothing of what it reads, so the way back is ` + "`wsgid-fleet stop shop`" + `, which lasts until
` + "`start`" + `, or the spec taken out of the directory, and the other server started again.
`)
	for _, one := range []struct{ title, file, shown, note string }{
		{"uWSGI", "blog.ini", "blog.ini", ""},
		{"supervisord", "shop.conf", "shop.conf", ""},
		{"gunicorn under systemd", "wiki.service", "wiki.service", ""},
		{"A Procfile", "forum", "forum/Procfile", ""},
		{"kamal", "kamal", "kamal/config/deploy.yml", `
What the image starts is said by the Dockerfile beside it, which ends in ` + "`CMD [\"gunicorn\", \"club.wsgi\", …, \"--workers\", \"3\"]`" + `.
`},
		{"Apache with mod_wsgi", "poll.conf", "poll.conf", ""},
		{"NGINX Unit", "unit.json", "unit.json", `
Unit tidies a path before the app has it: of ` + "`//d//e` it makes `/d/e`, of `/a/../b` `/b`, in\n`PATH_INFO` alone. Here `PATH_INFO`" + ` is what the client sent, decoded. Of a request's length and
type it also gives ` + "`HTTP_CONTENT_LENGTH` and `HTTP_CONTENT_TYPE`" + `, which PEP 3333 does not know.
`},
	} {
		text, err := os.ReadFile(filepath.Join(folder, one.shown))
		if err != nil {
			t.Fatal(err)
		}
		imp := importOne(t, facts.Options{LookupEnv: func(string) (string, bool) { return "", false }}, filepath.Join(place, one.file))
		spec := strings.ReplaceAll(string(imp.Text), place, "/srv")
		language := "ini"
		switch filepath.Ext(one.shown) {
		case ".json":
			language = "json"
		case ".yml":
			language = "yaml"
		}
		fmt.Fprintf(&page, "\n## %s\n%s\n```%s\n%s```\n\n`wsgid-fleet import %s`\n\n```hcl\n%s```\n", one.title, one.note, language, text, one.file, spec)
	}
	name := filepath.Join(folder, "README.md")
	if *update {
		if err := os.WriteFile(name, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, page.Bytes()) {
		t.Errorf("%s is not what import says now: go test ./fleet/importer -run TestMovingInPage -update", name)
	}
}
