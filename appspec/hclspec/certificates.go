package hclspec

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// CheckCertificates asks check about each certificate that the good specs name,
// and notes what it says at its place: a fault, or a warning. Load does not look
// at them, as they may be mended without an edit of any spec.
func (s *Set) CheckCertificates(check func(cert, key string) (what, instead string, warns bool)) {
	r := &renderer{sources: s.Sources}
	for _, name := range slices.Sorted(maps.Keys(s.Specs)) {
		spec := s.Specs[name]
		if !spec.Enabled {
			continue
		}
		for i, h := range spec.Sockets.HTTP {
			if h.TLS == nil {
				continue
			}
			what, instead, warns := check(h.TLS.Cert, h.TLS.Key)
			if what == "" {
				continue
			}
			path := appspec.IndexPath("sockets.http.tls.cert", i)
			rng := hcl.Range{Filename: spec.File}
			if written, ok := spec.Ranges[path]; ok {
				rng = hclRange(written)
			}
			if spec.IsSensitive(path) || spec.IsSensitive(appspec.IndexPath("sockets.http.tls.key", i)) {
				what, instead = "the certificate cannot be served well", "look at its files: "+appspec.SensitiveText
			}
			if warns {
				s.Warnings = append(s.Warnings, warning(rng, what, instead))
				continue
			}
			s.Faults = append(s.Faults, r.fault(spec.File, name, hcl.Diagnostics{problem(rng, what, instead)}, nil))
		}
	}
}
