package importer

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// The gate of apps that share addresses is written as the language has it: with TLS where
// Apache had it, and with the hosts that only sent to HTTPS.
func TestGateOfApacheHosts(t *testing.T) {
	tls := func(name string) string {
		return "<VirtualHost *:443>\nServerName " + name + "\nSSLEngine on\nSSLCertificateFile /etc/ssl/c.pem\nSSLCertificateKeyFile /etc/ssl/c.key\nWSGIScriptAlias / /srv/" + name + ".wsgi\n</VirtualHost>\n"
	}
	const redirect = "<VirtualHost *:80>\nServerName a.example\nServerAlias b.example\nRedirect permanent / https://a.example/\n</VirtualHost>\n"
	dir := peertest.WriteFiles(t, map[string]string{"two.conf": tls("a.example") + tls("b.example") + redirect, "one.conf": tls("a.example") + redirect, "other.conf": tls("c.example") + redirect})
	imported, err := Import(facts.Options{}, filepath.Join(dir, "two.conf"))
	if err != nil || len(imported) != 2 {
		t.Fatalf("%d apps, %v", len(imported), err)
	}
	_, suggested, _ := strings.Cut(string(imported[0].Text), "# For all apps that share these addresses, once, in a file such as gate.hcl:\n")
	var gate strings.Builder
	for line := range strings.Lines(suggested) {
		if line, ok := strings.CutPrefix(line, "  # "); ok {
			gate.WriteString(line)
		}
	}
	const want = "gate {\n  http {\n    listen = \"*:443\"\n    tls {}\n  }\n  http {\n    listen = \"*:80\"\n    redirect = \"https\"\n  }\n}\n"
	if gate.String() != want {
		t.Errorf("the gate is\n%s", gate.String())
	}
	specs := afero.NewMemMapFs()
	if err := afero.WriteFile(specs, "/gate.hcl", []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
	if set, err := (hclspec.Options{Root: true}).Load(specs, "/"); err != nil || len(set.Faults) > 0 {
		t.Errorf("the language does not take it: %v, %v", err, set.Faults)
	}
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "one.conf")).Text), "!# gate {",
		`one.conf:11: Redirect permanent / https://a.example/: not carried over: a gate sends to HTTPS, by redirect = "https" in its listener, apps that have hosts and tls in place of an address of their own`)
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "other.conf")).Text), "!Redirect permanent")
}
