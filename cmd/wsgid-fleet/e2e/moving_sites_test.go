package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/componenttest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// differs is what an import says of a site where requests may be answered otherwise.
var differs = regexp.MustCompile(`Alias \S+ \S+: (not carried over|the longest url counts here)|answered 404 below an Alias`)

// Sites of Apache with aliases in orders made by chance answer the same when they have
// moved in, or the import has said in what they differ.
func TestSitesMoveIn(t *testing.T) {
	t.Parallel()
	b, home, put := emptyBed(t)
	if !b.who.root() {
		t.Skip("the peer changes to a user")
	}
	apache := componenttest.Program(t, "apache2")
	for _, name := range []string{"web", "other"} {
		put(name+".py", "def app(environ, start_response):\n    start_response('200 OK', [('Content-Type', 'text/plain')])\n    return [('"+name+" '+environ['SCRIPT_NAME']+' '+environ['PATH_INFO']).encode()]\n")
	}
	for folder, files := range map[string]string{"one": "f.txt b/f.txt", "two": "f.txt b/f.txt only-two.txt"} {
		for name := range strings.FieldsSeq(files) {
			put(folder+"/"+name, folder+"/"+name)
		}
	}
	urls := strings.Fields("/ /x /a /a/x /ab /a/f.txt /a/b /a/b/f.txt /a/b/x /b/f.txt /b/only-two.txt /late /late/x /none/f.txt")

	rng := rand.New(rand.NewPCG(20, 15))
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	const count = 12
	conf := "ServerRoot HOME\nServerName localhost\nPidFile HOME/pid\nDefaultRuntimeDir HOME\nWSGISocketPrefix HOME/wsgi\nMutex file:HOME\nErrorLog HOME/error.log\nUser daemon\nGroup daemon\n<Directory HOME>\nRequire all granted\n</Directory>\nIncludeOptional sites/*.conf\n"
	for _, name := range []string{"mpm_event", "authz_core", "alias", "env", "wsgi"} {
		conf = fmt.Sprintf("LoadModule %[1]s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", name) + conf
	}
	var sites, addresses []string
	for i := range count {
		address := freeport.Addr(t)
		site := fmt.Sprintf("WSGIDaemonProcess d%[1]d user=daemon threads=2\n<VirtualHost %[2]s>\nWSGIProcessGroup d%[1]d\nWSGICallableObject app\n", i, address)
		for range rng.IntN(4) {
			site += pick("WSGIScriptAlias /a HOME/other.py\n", "WSGIScriptAlias /a/b HOME/other.py\n", "WSGIScriptAlias /late HOME/other.py\n", "WSGIScriptAlias / HOME/web.py\n", "Alias /a HOME/one\n", "Alias /a/ HOME/one/\n", "Alias /b HOME/two\n", "Alias /a/b HOME/two\n")
		}
		site += pick("", "", "WSGIScriptAlias /late HOME/other.py\n") + "WSGIScriptAlias / HOME/web.py\n</VirtualHost>\n"
		put(fmt.Sprintf("sites/s%d.conf", i), strings.ReplaceAll(site, "HOME", home))
		conf += "Listen " + address + "\n"
		sites, addresses = append(sites, site), append(addresses, address)
	}
	put("httpd.conf", strings.ReplaceAll(conf, "HOME", home))
	before := answersOfPeer(b, addresses, urls, apache, "-d", home, "-f", filepath.Join(home, "httpd.conf"), "-DFOREGROUND")

	said := ""
	for i := range count {
		out := b.fleet("import", "--write", filepath.Join(home, fmt.Sprintf("sites/s%d.conf", i)))
		said += out.stderr
		// The next one has the same name.
		b.must(filepath.WalkDir(b.specs, func(path string, _ os.DirEntry, err error) error {
			name := filepath.Base(path)
			if err == nil && strings.HasSuffix(name, ".hcl") && name != "defaults.hcl" && !strings.HasPrefix(name, "site") {
				text, readErr := os.ReadFile(path)
				b.must(readErr)
				old := strings.TrimSuffix(name, ".hcl")
				b.must(os.WriteFile(filepath.Join(b.specs, fmt.Sprintf("site%d.hcl", i)), []byte(strings.Replace(string(text), `app "`+old+`"`, fmt.Sprintf(`app "site%d"`, i), 1)), 0o600))
				return os.Remove(path)
			}
			return err
		}))
	}
	if out := b.fleet("apply"); out.code != 0 {
		t.Fatalf("%s\n%v%s", said, out, b.logs())
	}
	same, asked := 0, 0
	for i, address := range addresses {
		spec, err := os.ReadFile(filepath.Join(b.specs, fmt.Sprintf("site%d.hcl", i)))
		if err != nil { // nothing of it could be carried over
			if !strings.Contains(said, "did nothing") {
				t.Errorf("no spec, and nothing is said\n%s\n%s", sites[i], said)
			}
			continue
		}
		after := answersOf(t, address, urls)
		for _, url := range urls {
			asked++
			switch {
			case before[i][url] == after[url]:
				same++
			case !differs.MatchString(string(spec)):
				t.Errorf("%s: %q was %q, and nothing is said\n%s\n%s", url, after[url], before[i][url], sites[i], spec)
			}
		}
	}
	t.Logf("%d of %d answers are the same", same, asked)
	if same < asked*2/3 || asked < count*len(urls)/2 {
		t.Errorf("%d of %d answers are the same\n%s", same, asked, said)
	}
	if out := b.fleet("stop", "--all"); out.code != 0 {
		t.Error(out)
	}
}
