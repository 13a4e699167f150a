package paste

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// What a server is told is read as PasteDeploy reads it, and a file that PasteDeploy does
// not read is refused.
func TestPasteDeployReadsSectionsAlike(t *testing.T) {
	python := peertest.Need(t, "/usr/bin/python3")
	const ask = `
import json, sys
from paste.deploy.loadwsgi import loadcontext, SERVER
out = []
for path in sys.argv[1:]:
    try:
        out.append(loadcontext(SERVER, "config:" + path).local_conf)
    except Exception as exc:
        out.append(None)
print(json.dumps(out))
`
	head := "[app:main]\nuse = egg:PasteDeploy#x\n[composite:x]\n"
	server := "[server:main]\nuse = call:os:getcwd\n"
	texts := []string{
		server + "host = 127.0.0.1\nport: 80\nThreads=3\n",
		server + "listen = 127.0.0.1:1\n  127.0.0.1:2\n\n# a comment\n  127.0.0.1:3\nport = 1\n",
		"[DEFAULT]\nhost = 10.0.0.1\nport = 7\n" + server + "listen = %(host)s:%(port)s\nfile = %(here)s/x %(__file__)s 100%%\n",
		server + "a = %(b)s\nb = %(c)s\nc = 5\n",
		server + "a = %(nobody)s\n",
		server + "a = 100%\n",
		server + "a = %(b)d\nb = 1\n",
		server + "a = b # c\nd = e ; f\n",
		server + "empty =\nequals = a = b\ncolon = a:b\n",
		server + "nothing\n",
		"port = 80\n" + server,
		server + "a = %(a)s\n",
		"[DEFAULT]\nport = 7\n" + server + "set port = 8\nlisten = %(port)s\n",
	}
	files := map[string]string{}
	var paths []string
	for i, text := range texts {
		files[fmt.Sprintf("%02d.ini", i)] = text + head
	}
	dir := peertest.WriteFiles(t, files)
	for i := range texts {
		paths = append(paths, filepath.Join(dir, fmt.Sprintf("%02d.ini", i)))
	}
	out := peertest.RunPeer(t, dir, nil, python, append([]string{"-c", ask}, paths...)...)
	var theirs []map[string]string
	if err := json.Unmarshal([]byte(out), &theirs); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for i, path := range paths {
		var ours map[string]string
		if f, err := read(path); err == nil {
			settings, err := f.section("server:main")
			if err == nil {
				delete(settings, "use")
				ours = map[string]string{}
				for name, s := range settings {
					ours[name] = s.Value()
				}
			}
		}
		for name, value := range theirs[i] { // an empty line in a list is none
			theirs[i][name] = strings.ReplaceAll(value, "\n\n", "\n")
		}
		if d := cmp.Diff(theirs[i], ours); d != "" {
			t.Errorf("PasteDeploy, and we:\n%s%s", texts[i], d)
		}
	}
}
