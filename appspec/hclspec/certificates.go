package hclspec

import (
	"iter"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
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
		for path, t := range CertificatesOf(spec) {
			what, instead, warns := check(t.Cert, t.Key)
			if what == "" {
				continue
			}
			rng := hcl.Range{Filename: spec.File}
			if written, ok := spec.Ranges[path+".cert"]; ok {
				rng = hclRange(written)
			}
			if spec.IsSensitive(path+".cert") || spec.IsSensitive(path+".key") {
				what, instead = "the certificate is not usable", "check its files: "+appspec.SensitiveText
			}
			if warns {
				s.Warnings = append(s.Warnings, explain.Warning(rng, what, instead))
				continue
			}
			s.Faults = append(s.Faults, r.fault(spec.File, name, hcl.Diagnostics{explain.Problem(rng, what, instead)}, nil))
		}
	}
}

// CertificatesOf are the certificates that a spec names, by the path of their block.
func CertificatesOf(spec *appspec.Spec) iter.Seq2[string, *appspec.TLS] {
	return func(yield func(string, *appspec.TLS) bool) {
		block := "sockets.http.tls"
		if spec.Gate != nil {
			block = "gate.http.tls"
		}
		if spec.TLS != nil && !yield("tls", spec.TLS) {
			return
		}
		for i, h := range spec.Sockets.HTTP {
			if h.TLS != nil && h.TLS.Cert != "" && !yield(appspec.IndexPath(block, i), h.TLS) {
				return
			}
		}
	}
}
