package host_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// What is given to atexit while the template loads the application, and removes what it made, is
// the template's to do, in whichever way it is written. What does more than that is done by each
// worker, and warned of where it removes files. Each case makes the folder d, and removes it.
func TestPreloadLeavesWhatTheTemplateMadeToIt(t *testing.T) {
	const head = "import atexit, contextlib, functools, os, pathlib, shutil, tempfile, weakref\n" +
		"from atexit import register\nfrom shutil import rmtree\n" +
		"d = tempfile.mkdtemp(dir=os.path.dirname(__file__))\np = pathlib.Path(d)\nclass Holder:\n    pass\n"
	const tail = "\ndef answer():\n    return os.path.isdir(d)\n"
	const warning = "the application has given atexit a function that removes files (PLACE) while it was loaded: it runs at the end " +
		"of each worker, which are forked (workers.preload), and the first one that ends removes them for all; " +
		"give atexit a function that does nothing else, which the template alone runs, or make what it removes in " +
		"a function with @wsgid.postfork"
	const folder = "t = tempfile.TemporaryDirectory(dir=os.path.dirname(__file__))\nos.rmdir(d)\nd = t.name\n"
	for name, c := range map[string]struct {
		code   string
		goes   bool   // the first worker that ends removes it
		warned string // where
	}{
		"lambda":                {code: "register(lambda: shutil.rmtree(d, ignore_errors=True))"},
		"name of its own":       {code: "atexit.register(lambda: rmtree(d))"},
		"partial":               {code: "atexit.register(functools.partial(shutil.rmtree, d))"},
		"function":              {code: "@atexit.register\ndef clean():\n    try:\n        if os.path.exists(d):\n            shutil.rmtree(d)\n    except OSError:\n        pass"},
		"function that imports": {code: "@atexit.register\ndef clean():\n    import shutil as s, os\n    s.rmtree(d)\n    os.path"},
		"several":               {code: "all = [d]\n@atexit.register\ndef clean():\n    for one in all:\n        os.rmdir(one)"},
		"enclosed":              {code: "def later(what):\n    atexit.register(lambda: os.rmdir(what))\nlater(d)"},
		"path":                  {code: "atexit.register(p.rmdir)"},
		"path of a lambda":      {code: "atexit.register(lambda: pathlib.Path(d).rmdir())"},
		"method":                {code: "class Tmp:\n    def __init__(self): self.dir = d\n    def clean(self): shutil.rmtree(self.dir)\natexit.register(Tmp().clean)"},
		"temporary folder":      {code: folder + "atexit.register(t.cleanup)"},
		"its function":          {code: folder + "atexit.register(lambda: t.cleanup())"},
		"exit stack":            {code: folder + "s = contextlib.ExitStack()\ns.enter_context(t)\natexit.register(s.close)"},
		"callback of a stack":   {code: "s = contextlib.ExitStack()\ns.callback(shutil.rmtree, d)\natexit.register(s.close)"},
		"finalizer":             {code: "h = Holder()\nweakref.finalize(h, shutil.rmtree, d)"},
		"taken back":            {code: "def clean():\n    print('ends')\n    shutil.rmtree(d)\natexit.register(clean)\natexit.unregister(clean)\natexit.register(shutil.rmtree, d)"},
		"of a list":             {code: "all = [object()]\natexit.register(lambda: all.remove(os))\natexit.register(shutil.rmtree, d)"},
		"does more":             {code: "def clean():\n    print('ends')\n    shutil.rmtree(d)\natexit.register(clean)", goes: true, warned: "web.clean, FILE line 8"},
		"method that does more": {code: "class Tmp:\n    def log(self): pass\n    def clean(self):\n        self.log()\n        os.rmdir(d)\natexit.register(Tmp().clean)", goes: true, warned: "web.Tmp.clean, FILE line 10"},
		"in another function":   {code: "def clean():\n    shutil.rmtree(d)\natexit.register(lambda: clean())"},
		"in another one, more":  {code: "def log(): pass\ndef clean():\n    shutil.rmtree(d)\n    log()\ndef last():\n    clean()\natexit.register(last)", goes: true, warned: "web.last, FILE line 12"},
		"in a method of it":     {code: "class Tmp:\n    def clean(self): os.rmdir(d)\n    def last(self): self.clean()\natexit.register(Tmp().last)"},
		"calls itself":          {code: "def clean(n=2):\n    if n:\n        clean(n - 1)\n    else:\n        shutil.rmtree(d)\natexit.register(clean)", goes: true, warned: "web.clean, FILE line 8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := webApp(t, head+c.code+tail+answers)
			w, ready := startReady(t, dir, options{config: wsgi.Config{WSGIApp: "web:application", Preload: true}})
			var want []string
			if c.warned != "" {
				want = []string{strings.ReplaceAll(strings.Replace(warning, "PLACE", c.warned, 1), "FILE", filepath.Join(dir, "app", "web.py"))}
			}
			if !slices.Equal(ready.Warnings, want) {
				t.Errorf("warnings %q, want %q", ready.Warnings, want)
			}
			var all []*forked
			for range 2 {
				f := w.fork(1)
				f.slots[0].ready()
				all = append(all, f)
			}
			all[0].quit()
			w.exited()
			if got, want := all[1].ask(), map[bool]string{true: "False", false: "True"}[c.goes]; got != want {
				t.Errorf("it is there after the end of the first worker: %s, want %s", got, want)
			}
			all[1].quit()
			w.exited()
			w.slots[0].send(wsgi.AppendHeader(nil, wsgi.MsgQuit, 0, 0))
			w.wait()
			if left, err := filepath.Glob(filepath.Join(dir, "app", "tmp*")); err != nil || len(left) != 0 {
				t.Errorf("the template has left %q, %v", left, err)
			}
		})
	}
}
