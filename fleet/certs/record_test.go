package certs

import (
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/certtest"
)

// A daemon that is killed when it has written a certificate, and has not noted it, leaves no
// error behind that was of the time before: neither status nor the next daemon goes by it.
func TestWhatFailedBeforeTheCertificateCame(t *testing.T) {
	t.Parallel()
	const host, directory = "blog.example.test", "https://ca.example.test"
	pairs := map[string]*certtest.Certificate{"one": certtest.SelfSigned(t, certtest.Names(host)), "two": certtest.SelfSigned(t, certtest.Names(host))}
	for what, c := range map[string]struct {
		failed, serves string // the certificate that served when it failed, and that does now; empty: none
		unnoted        bool   // the record is of a version that did not note it
		of             string // the authority of the record
		failures       int
		next           action
	}{
		"the first one came":               {failed: "", serves: "one", next: obtain},
		"another one came":                 {failed: "one", serves: "two", of: directory, next: ask},
		"the same one serves":              {failed: "one", serves: "one", of: directory, failures: 3, next: ask},
		"none serves":                      {failed: "", serves: "", failures: 3, next: wait},
		"the file was taken away":          {failed: "one", serves: "", of: directory, failures: 3, next: wait},
		"an older version did not note it": {unnoted: true, serves: "one", failures: 3, next: wait},
	} {
		dir := t.TempDir()
		if err := makeFolders(dir); err != nil {
			t.Fatal(err)
		}
		put := func(name string) {
			if p := pairs[name]; p != nil {
				if err := writePair(dir, host, p.Cert, p.Key); err != nil {
					t.Fatal(err)
				}
			}
		}
		put(c.failed)
		now := time.Now()
		r := record{Directory: c.of, Failures: 2}
		r.failed(trouble{what: "refused"}, now)
		if !c.unnoted {
			r.Beside = fingerprint(readPair(dir, host))
		}
		if err := r.write(dir, host); err != nil {
			t.Fatal(err)
		}
		if put(c.serves); c.serves == "" && c.failed != "" {
			if err := writePair(dir, host, nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		if st := Look(dir, host); st.Failures != c.failures || (st.Error == "") != (c.failures == 0) {
			t.Errorf("%s: %d failures, %q", what, st.Failures, st.Error)
		}
		s := &site{Site: Site{Host: host}}
		s.refresh(dir)
		if do, _ := s.rec.due(s.leaf, directory, now); do != c.next {
			t.Errorf("%s: %v, want %v", what, do, c.next)
		}
	}
}
