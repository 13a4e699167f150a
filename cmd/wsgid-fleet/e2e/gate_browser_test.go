package e2e

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/componenttest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// Two apps with one certificate: a browser takes the HTTP/2 connection that it has to the
// one for the other too, is told 421 there, makes another one and has its answer.
func TestABrowserThatSharesAConnection(t *testing.T) {
	t.Parallel()
	b, _ := gated(t, someone(t), "")
	componenttest.Program(t, "chromium")
	modules := browserModules(t)
	secure, a := freeport.Addr(t), newAuthority(t)
	pair := filepath.Join(b.demo, "shared.pem")
	a.issue(pair, b.who, "alpha.test", "beta.test", "*.shop.test")
	for _, site := range sites[:2] { // of one domain: between two the browser shares nothing
		b.replace("wsgid.d/"+site+".hcl", fmt.Sprintf("[\"%s.test\"", site), fmt.Sprintf("[\"%s.shop.test\", \"%s.test\"", site, site))
	}
	b.write("wsgid.d/gate.hcl", fmt.Sprintf("gate {\n  http {\n    listen = %q\n    tls {\n      cert = %q\n      key  = %q\n    }\n  }\n}\n", secure, pair, pair))
	b.run()
	b.awaitGate(0)
	for _, site := range sites[:2] {
		wantSecure(t, secure, site+".test", site, a.trust(site+".test"))
	}
	text, err := os.ReadFile(pair)
	b.must(err)
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	b.must(err)
	key := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	_, port, _ := net.SplitHostPort(secure)
	netlog := filepath.Join(t.TempDir(), "netlog.json")
	b.browse("coalesce.mjs", nil, "MODULES="+modules, "PORT="+port, "SPKI="+base64.StdEncoding.EncodeToString(key[:]), "NETLOG="+netlog)
	said, err := os.ReadFile(netlog)
	b.must(err)
	if !strings.Contains(string(said), ":status: 421") {
		t.Error("the browser was not told 421: it has not tried to share the connection")
	}
}
