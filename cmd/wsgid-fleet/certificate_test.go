package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/runner/certtest"
)

// pair writes a certificate and its key.
func pair(t *testing.T, dir, name string, from, to time.Time) {
	t.Helper()
	path := filepath.Join(dir, name)
	certtest.SelfSigned(t, certtest.Called(name), certtest.Valid(from, to)).Write(t, path+".pem", path+".key")
}

func TestCertificatesOfValidateAndStatus(t *testing.T) {
	base := t.TempDir()
	ssl, specs := filepath.Join(base, "ssl"), filepath.Join(base, "specs")
	for _, dir := range []string{ssl, specs} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now().UTC().Truncate(time.Second)
	day := 24 * time.Hour
	pair(t, ssl, "good", now.Add(-day), now.Add(90*day))
	pair(t, ssl, "soon", now.Add(-80*day), now.Add(10*day))
	// Of an authority whose certificates live for a day, as step-ca's do, and are renewed after 16 hours.
	pair(t, ssl, "short", now.Add(-17*time.Hour), now.Add(7*time.Hour))
	pair(t, ssl, "short-soon", now.Add(-20*time.Hour), now.Add(4*time.Hour))
	pair(t, ssl, "expired", now.Add(-90*day), now.Add(-day))
	pair(t, ssl, "early", now.Add(day), now.Add(90*day))
	at := func(when time.Time) string { return when.Format("2006-01-02 15:04 MST") }
	for app, c := range map[string]struct{ cert, key, says, state string }{
		"good":       {"good.pem", "good.key", "", ""},
		"soon":       {"soon.pem", "soon.key", "warning: certificate SSL/soon.pem expires on " + at(now.Add(10*day)), ""},
		"short":      {"short.pem", "short.key", "", ""},
		"short-soon": {"short-soon.pem", "short-soon.key", "warning: certificate SSL/short-soon.pem expires on " + at(now.Add(4*time.Hour)), ""},
		"expired":    {"expired.pem", "expired.key", "error: certificate SSL/expired.pem has expired on " + at(now.Add(-day)) + ": clients refuse it", "bad"},
		"early":      {"early.pem", "early.key", "error: certificate SSL/early.pem is not valid before " + at(now.Add(day)) + ": clients refuse it", "bad"},
		"other":      {"good.pem", "soon.key", "error: cannot use certificate SSL/good.pem with key SSL/soon.key: tls: private key does not match public key", "bad"},
		"missing":    {"none.pem", "good.key", "error: cannot read certificate SSL/none.pem: no such file or directory", "bad"},
	} {
		path := filepath.Join(specs, app+".hcl")
		text := "app \"" + app + "\" {\n  sockets {\n    http {\n      listen = \"127.0.0.1:8443\"\n      tls {\n        cert = \"" + ssl + "/" + c.cert + "\"\n        key  = \"" + ssl + "/" + c.key + "\"\n      }\n    }\n  }\n}\n"
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		says := strings.ReplaceAll(c.says, "SSL", ssl)
		var out, errs bytes.Buffer
		cmd := newCLI()
		cmd.out, cmd.err = &out, &errs
		code, want := cmd.execute(t.Context(), []string{"validate", path}), exitOK
		if c.state != "" {
			want = exitFailed
		}
		if code != want || says != "" && !strings.HasPrefix(errs.String(), path+":6:16: "+says+"\n") || says == "" && errs.Len() > 0 {
			t.Errorf("%s: validate ends with %d and says\n%s%swant %d and\n%s", app, code, errs.String(), out.String(), want, says)
		}

		alone := filepath.Join(base, app)
		if err := os.Mkdir(alone, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path, filepath.Join(alone, app+".hcl")); err != nil {
			t.Fatal(err)
		}
		op, err := fleet.OpenLocal(fleet.Options{Dir: alone, StateDir: filepath.Join(base, app+".s"), DataDir: filepath.Join(base, app+".d")})
		if err != nil {
			t.Fatal(err)
		}
		st, err := op.Status(context.Background())
		_ = op.Close()
		if err != nil || len(st.Apps) != 1 || len(st.Apps[0].Certificates) != 1 {
			t.Fatalf("%s: %+v, %v", app, st, err)
		}
		a := st.Apps[0]
		_, words, _ := strings.Cut(says, ": ")
		if problem := a.Certificates[0].Problem; !strings.HasPrefix(problem, words) || words == "" && problem != "" {
			t.Errorf("%s: status knows %q", app, problem)
		}
		if told := strings.Contains(a.Reason, words) && words != ""; told != (c.state != "") {
			t.Errorf("%s: the reason is %q", app, a.Reason)
		}
	}
}
