package e2e

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// TestTheGateExample does what the page of examples/gate says.
func TestTheGateExample(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		// The page works in a copy of the folder.
		b.demo = filepath.Join(b.dir, "sites")
		b.specs = filepath.Join(b.demo, "wsgid.d")
		b.must(os.CopyFS(b.demo, os.DirFS("../../../examples/gate")))
		b.must(os.Chmod(filepath.Join(b.demo, "ca.sh"), 0o755))
		owner := who.cred
		if owner == nil {
			owner = who.apps
		}
		if owner != nil {
			b.must(filepath.WalkDir(b.demo, func(path string, _ fs.DirEntry, err error) error {
				if err != nil || who.cred == nil && !strings.HasPrefix(path, filepath.Join(b.demo, "apps")+"/") {
					return err
				}
				return os.Chown(path, int(owner.Uid), int(owner.Gid))
			}))
		}
		addr, secure := freeport.Addr(t), freeport.Addr(t)
		b.replace("wsgid.d/gate.hcl", "127.0.0.1:8080", addr)
		b.replace("wsgid.d/gate.hcl", "127.0.0.1:8443", secure)
		if out := b.command(filepath.Join(b.demo, "ca.sh")); out.code != 0 {
			t.Fatalf("ca.sh: %v", out)
		}
		b.sites = true
		b.run()
		b.awaitGate(0)
		for host, site := range map[string]string{
			"blog.localhost": "blog", "any.blog.localhost": "blog", "shop.localhost": "shop", "wiki.localhost": "wiki", "127.0.0.1": "wiki",
		} {
			eventually(t, patience, host+" to be answered by "+site, func() error {
				page, err := byName(t, addr, host)
				if err == nil && (!strings.Contains(page, "<h1>"+site+"</h1>") || !strings.Contains(page, "asked for "+host+".")) {
					err = fmt.Errorf("it answers %q", page)
				}
				return err
			})
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/static/site.css", nil)
		b.must(err)
		req.Host = "shop.localhost"
		resp, err := http.DefaultClient.Do(req)
		b.must(err)
		resp.Body.Close()
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/css; charset=utf-8" || resp.Header.Get("Cache-Control") != "public, max-age=3600" {
			t.Errorf("the static file: %s %v", resp.Status, resp.Header)
		}

		// By HTTPS, and with the certificate that ca.sh makes when it is run again.
		ca := filepath.Join(b.demo, "ca/ca.pem")
		for _, again := range []bool{false, true} {
			if again {
				if out := b.command(filepath.Join(b.demo, "ca.sh")); out.code != 0 {
					t.Fatalf("ca.sh: %v", out)
				}
			}
			for host, site := range map[string]string{"blog.localhost": "blog", "any.blog.localhost": "blog", "shop.localhost": "shop", "wiki.localhost": "wiki"} {
				wantTrusted(t, ca, secure, host, "<h1>"+site+"</h1>")
			}
		}
	})
}
