package importer

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// Hosts that a macro writes are apps as if they were written out.
func TestApacheMacros(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"sites.conf": "<Macro Host $name $app>\n  # a host of $name\n  <VirtualHost *:80>\n    ServerName $name\n    WSGIDaemonProcess $app processes=2 home=/srv/$app\n    WSGIProcessGroup $app\n    Use Python $app\n  </VirtualHost>\n</Macro>\n" +
			"<Macro Python $app>\n  WSGIScriptAlias / /srv/$app/wsgi.py\n  SetEnv NAME $app\n</Macro>\nUse Host a.example shop\nuse host b.example \"blog\"\nUndefMacro Host\n",
		"part.conf":          "<VirtualHost *:80>\nServerName c.example\nUse Elsewhere x\nWSGIScriptAlias / /srv/c/wsgi.py\n</VirtualHost>\n",
		"open.conf":          "<Macro A>\nWSGIScriptAlias / /srv/c/wsgi.py\n",
		"many.conf":          "<Macro A $x>\nWSGIScriptAlias / /srv/$x/wsgi.py\n</Macro>\nUse A\n",
		"round.conf":         "<Macro A>\nUse B\n</Macro>\n<Macro B>\nUse A\n</Macro>\nUse A\nWSGIScriptAlias / /srv/c/wsgi.py\n",
		"left.conf":          "<Macro A>\n<VirtualHost *:80>\n</Macro>\nUse A\nWSGIScriptAlias / /srv/c/wsgi.py\n</VirtualHost>\n",
		"long.conf":          "<Macro A @a>\nSetEnv X @a\nWSGIScriptAlias / /srv/c/wsgi.py\n</Macro>\nUse A '\\\\@a'\n",
		"main/apache2.conf":  "LoadModule wsgi_module modules/mod_wsgi.so\nLoadModule macro_module modules/mod_macro.so\nUse A\nWSGIScriptAlias / /srv/c/wsgi.py\n",
		"other/apache2.conf": "LoadModule wsgi_module modules/mod_wsgi.so\n<Macro A>\n</Macro>\nWSGIScriptAlias / /srv/c/wsgi.py\n",
	})
	imported, err := Import(facts.Options{}, filepath.Join(dir, "sites.conf"))
	if err != nil || len(imported) != 2 {
		t.Fatalf("%d apps, %v", len(imported), err)
	}
	holds(t, string(imported[0].Text), `app "shop" {`, `wsgi_app = "/srv/shop/wsgi.py" # sites.conf:11: WSGIScriptAlias / /srv/shop/wsgi.py`, `hosts = ["a.example"]`, `working_directory = "/srv/shop" # sites.conf:5:`, "count = 2", "SetEnv NAME")
	holds(t, string(imported[1].Text), `app "blog" {`, `wsgi_app = "/srv/blog/wsgi.py"`, `hosts = ["b.example"]`)
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "part.conf")).Text), "part.conf:3: Use Elsewhere x: not carried over: its macro is defined in another file: import the main file")
	for file, want := range map[string]string{
		"open.conf":  "open.conf:1: the macro is not closed: Apache does not start with it",
		"many.conf":  "many.conf:4: Use A: the macro, of many.conf:1, takes 1 arguments, and not 0: Apache does not start with it",
		"round.conf": "round.conf:5: Use A: the macro uses itself: Apache does not start with it",
		"left.conf":  "left.conf:4: Use A: <VirtualHost *:80> of the macro is not closed: Apache does not start with it",
		"long.conf":  "Use A '\\\\@a': a line of the macro becomes too long (long.conf:2): Apache does not start with it",
		"main":       "apache2.conf:3: Use A: no macro of that name is defined: Apache does not start with it",
		"other":      "apache2.conf:2: <Macro A>: mod_macro is not loaded: Apache does not start with it",
	} {
		if _, err := Import(facts.Options{}, filepath.Join(dir, file)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", file, err, want)
		}
	}
}
