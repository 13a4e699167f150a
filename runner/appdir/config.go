package appdir

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// wsgidOptions is the part of wsgid.json that wsgid 0.7 knows, in the order it
// is written.
type wsgidOptions struct {
	WSGIApp        string            `json:"wsgi_app,omitempty"`
	Django         bool              `json:"django,omitempty"`
	LoaderDir      []string          `json:"loader_dir,omitempty"`
	Recv           string            `json:"recv,omitempty"`
	Send           string            `json:"send,omitempty"`
	Mongrel2Chroot string            `json:"mongrel2_chroot,omitempty"`
	Workers        int               `json:"workers"`
	KeepAlive      bool              `json:"keep_alive"`
	Chroot         bool              `json:"chroot"`
	Debug          bool              `json:"debug"`
	Envs           map[string]string `json:"envs,omitempty"`
	Fleet          *fleetPart        `json:"fleet"`
}

// Keys below "fleet" that are not attributes of the spec.
const (
	managedKey = "managed"     // true: the fleet writes this file
	djangoKey  = "django_json" // digest of the django.json that the fleet wrote
)

// configJSON is the wsgid.json of a spec: wsgid's options by their own names,
// and under "fleet" what wsgid has no name for, in the JSON form of
// appspec.Spec. django is the django.json that comes with it. Equal specs give
// equal bytes. It holds the spec's secrets.
func configJSON(spec *appspec.Spec, django []byte) ([]byte, error) {
	o := wsgidOptions{
		WSGIApp:   spec.WSGIApp,
		Django:    spec.Loader == "django",
		LoaderDir: spec.LoaderDirs,
		Workers:   max(spec.Workers.Max, 1),
		KeepAlive: spec.Workers.KeepAlive,
		Chroot:    spec.Chroot,
		Debug:     spec.Debug,
		Envs:      spec.Environ(),
		Fleet:     newFleetPart(spec, django),
	}
	if len(spec.Sockets.Mongrel2) > 0 {
		s := spec.Sockets.Mongrel2[0]
		o.Recv, o.Send, o.Mongrel2Chroot = s.Recv, s.Send, s.Chroot
	}
	b, err := marshal(o)
	if err != nil {
		return nil, fmt.Errorf("cannot write wsgid.json of app %s: %w", spec.Name, err)
	}
	return b, nil
}

// djangoJSON is the django.json of a spec; nil where it has no overrides, and a
// file that somebody wrote by hand is left alone.
func djangoJSON(spec *appspec.Spec) ([]byte, error) {
	settings := spec.DjangoSettings()
	if len(settings) == 0 {
		return nil, nil
	}
	b, err := marshal(settings)
	if err != nil {
		return nil, fmt.Errorf("cannot write django.json of app %s: %w", spec.Name, err)
	}
	return b, nil
}

func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // people read the file
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return buf.Bytes(), err
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// mark is what a wsgid.json tells of who wrote it.
type mark struct {
	ours   bool
	django string // digest of the django.json that came with it; empty: none did
}

// ourMark is the mark of a wsgid.json that comes with this django.json, nil for none.
func ourMark(django []byte) mark {
	m := mark{ours: true}
	if django != nil {
		m.django = digest(django)
	}
	return m
}

// readMark never fails: a file that cannot be understood is not ours.
func readMark(data []byte) mark {
	var v struct {
		Fleet struct {
			Managed bool   `json:"managed"`
			Django  string `json:"django_json"`
		} `json:"fleet"`
	}
	if json.Unmarshal(data, &v) != nil {
		return mark{}
	}
	return mark{ours: v.Fleet.Managed, django: v.Fleet.Django}
}
