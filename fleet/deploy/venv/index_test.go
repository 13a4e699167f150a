package venv

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// An index whose certificate an authority of the operator's vouches for is trusted by the
// variable by which git is told of it (findings/pip-knows-no-ssl-cert-file.sh).
func TestIndexOfAnAuthorityOfOnesOwn(t *testing.T) {
	s := newSite(t)
	s.wheel("near", "1.0")
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const wheel = "near-1.0-py3-none-any.whl"
		if path.Base(r.URL.Path) == wheel {
			http.ServeFile(w, r, filepath.Join(s.wheels, wheel))
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<a href=\"" + wheel + "\">" + wheel + "</a>"))
	}))
	t.Cleanup(srv.Close)
	ca := filepath.Join(filepath.Dir(s.tree), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	write(t, s.tree, map[string]string{"requirements.txt": "near\n"})
	in := s.inputs()
	in.Wheels, in.Index = "", srv.URL+"/simple"
	for _, name := range []string{"SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"} {
		t.Setenv(name, "")
	}
	if err := s.store.Build(s.ctx(), s.find(in)); err == nil || !strings.Contains(err.Error(), "the index's certificate is not signed by an authority that this machine trusts") {
		t.Errorf("nobody was told of the authority: %v", err)
	}
	t.Setenv("SSL_CERT_FILE", ca)
	if got := s.run(s.build(in), "import near; print(near.V)"); got != "1.0" {
		t.Error(got)
	}
}
