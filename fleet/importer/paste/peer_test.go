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
        out.append(loadcontext(SERVER, "config:" + path, global_conf={"given": "g", "both": "of the command line"}).local_conf)
    except Exception as exc:
        out.append(None)
print(json.dumps(out))
`
	given := map[string]string{"given": "g", "both": "of the command line"} // as below
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
		// A name of [DEFAULT], or one that was given, is told of no section.
		"[DEFAULT]\nport = 7\n" + server + "port = 8\nhost = %(port)s\nhere = /x\nat = %(here)s\n",
		server + "given = 8\nport = %(given)s\n",
		// A given variable has two values.
		"[DEFAULT]\nboth = of the file\n" + server + "port = %(both)s\nget host = both\nget listen = given\n",
		server + "get port = nobody\n",
		server + "set x = 1\nget port = x\n",
		"[DEFAULT]\na = 100%\n" + server,
		"[DEFAULT]\nhere = /x\n" + server + "a = %(here)s\n",
		"[DEFAULT]\na = 1\n[DEFAULT]\nb = 2\n" + server + "c = %(a)s%(b)s\n",
		// By way of another section, and of another file.
		"[server:base]\nuse = call:os:getcwd\nport = 1\nhost = base\nget a = v\n[server:main]\nuse = base\nset v = 5\nport = 2\n",
		"[DEFAULT]\nmine = m\nfrom = this\n[server:main]\nuse = config:base.txt#web\nport = 2\nset v = 5\n",
		"[server:main]\nuse = config:base.txt\n",
		"[server:main]\nuse = nobody\n",
		"[server:main]\nuse = other\n[server:other]\nuse = main\n",
		"[server: main ]\nuse = call:os:getcwd\nport = 1\n",
		// Lines, as ConfigParser takes them.
		server + "port = 1\nport = 2\n",
		server + "[server:main]\nport = 2\n",
		"[server:main] # of waitress: all\nuse = call:os:getcwd\nport = 1\n",
		"[server:main]\n  use = call:os:getcwd\n  a = 1\n  b = 2\n c = 3\n    d = 4\n",
		server + "a =\n  [x]\n  y\nb = 1\n",
		"[server:main]\n = 1\nuse = call:os:getcwd\n",
		"[]\na = 1\n" + server,
	}
	files := map[string]string{}
	var paths []string
	for i, text := range texts {
		files[fmt.Sprintf("%02d.ini", i)] = text + head
	}
	files["base.txt"] = "[DEFAULT]\nfrom = base\n[server:web]\nuse = call:os:getcwd\nport = 1\nmine = 2\nhost = %(from)s %(mine)s %(given)s\nget a = v\nget b = from\n"
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
		if f, err := read(path, given); err == nil {
			told, err := f.told("server", "main", given, 0)
			if err == nil && told != nil {
				delete(told.settings, "use")
				ours = map[string]string{}
				for name, s := range told.settings {
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
