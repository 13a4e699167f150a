package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
	"github.com/wsgid-fleet/wsgid-fleet/runner/nginxtest"
)

// TestTheNginxExample serves examples/specs/unix-nginx.hcl by the real nginx with the
// lines that its comment says: the app knows its client's address, that the client came
// by https, and what he asked for, and nothing that the client says of it is believed.
func TestTheNginxExample(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		b.only()
		example, err := os.ReadFile("../../../examples/specs/unix-nginx.hcl")
		b.must(err)
		socket, folder := filepath.Join(b.dir, "wiki.sock"), filepath.Join(b.demo, "wiki")
		b.must(os.MkdirAll(filepath.Join(folder, "app/wiki"), 0o755))
		b.must(os.WriteFile(filepath.Join(folder, "app/wiki/wsgi.py"), []byte(`
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(environ.get(k, "-") for k in ("REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST", "SERVER_PORT")).encode()]
`), 0o644))
		if b.who.apps != nil {
			b.must(os.Chown(folder, int(b.who.apps.Uid), int(b.who.apps.Gid)))
			b.must(os.Chown(filepath.Join(folder, "app"), int(b.who.apps.Uid), int(b.who.apps.Gid)))
		}
		user := strings.NewReplacer(`"wiki"`+"\n\n", `"www-data"`+"\n\n", `owner  = "wiki"`, `owner  = "www-data"`)
		if !who.root() { // who runs apps as himself, and gives sockets to nobody
			user = strings.NewReplacer(`  user     = "wiki"`, "", `owner  = "wiki"`, "", `group  = "www-data"`, "")
		}
		spec := user.Replace(strings.ReplaceAll(string(example), "/run/wsgid-wiki.sock", socket))
		b.write("wsgid.d/wiki.hcl", strings.Replace(spec, `app "wiki" {`, fmt.Sprintf("app \"wiki\" {\n  path = %q\n", folder), 1))
		if out := b.ok("validate"); strings.Contains(out.stderr+out.stdout, "warning") {
			t.Error(out)
		}
		b.ok("apply", "wiki")

		lines := regexp.MustCompile(`(?s)#     location / \{\n.*?\n#     \}\n`).FindString(string(example))
		addr, trust := b.withNginx(strings.ReplaceAll(strings.ReplaceAll(lines, "#     ", ""), "/run/wsgid-wiki.sock", socket))
		tr := &http.Transport{TLSClientConfig: trust}
		defer tr.CloseIdleConnections()
		for range 3 { // over one connection of nginx to the app, too
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+addr+"/", http.NoBody)
			b.must(err)
			for name, value := range map[string]string{"X-Forwarded-For": "192.0.2.9", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example", "X-Forwarded-Port": "81"} {
				req.Header.Set(name, value)
			}
			resp, err := (&http.Client{Transport: tr, Timeout: patience}).Do(req)
			b.must(err)
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			b.must(err)
			if want := "127.0.0.1 https 127.0.0.1 443"; resp.StatusCode != http.StatusOK || string(body) != want {
				t.Errorf("the app is told %d %q, want %q", resp.StatusCode, body, want)
			}
		}
	})
}

// withNginx starts Debian's nginx, which serves https by a location of its
// configuration, and returns its address and what trusts it.
func (b *harness) withNginx(location string) (addr string, trust *tls.Config) {
	b.t.Helper()
	addr = freeport.Addr(b.t)
	pem, trust := certificate(b.t, b.t.TempDir(), account{})
	nginxtest.Start(b.t, addr, fmt.Sprintf("listen %s ssl;\n    ssl_certificate %[2]s; ssl_certificate_key %[2]s;\n%[3]s", addr, pem, location))
	return addr, trust
}
