package venv

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"testing"
)

// backend builds the wheel of an archive; with one of its own an archive needs no
// setuptools.
const backend = `import zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = '%[1]s-%[2]s-py3-none-any.whl'
    with zipfile.ZipFile(directory + '/' + name, 'w') as z:
        z.writestr('%[1]s.py', open('%[1]s.py').read())
        info = '%[1]s-%[2]s.dist-info/'
        z.writestr(info + 'METADATA', 'Metadata-Version: 2.1\nName: %[1]s\nVersion: %[2]s\n')
        z.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
        z.writestr(info + 'RECORD', '')
    return name
`

// sdist makes a source archive of one module.
func (s *site) sdist(name, version, value string) {
	s.t.Helper()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	t := tar.NewWriter(z)
	var err error
	for file, text := range map[string]string{
		"PKG-INFO":       fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n", name, version),
		"pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n",
		"backend.py":     fmt.Sprintf(backend, name, version),
		name + ".py":     fmt.Sprintf("V = %q\n", value),
	} {
		err = errors.Join(err, t.WriteHeader(&tar.Header{Name: fmt.Sprintf("%s-%s/%s", name, version, file), Mode: 0o644, Size: int64(len(text))}))
		_, werr := t.Write([]byte(text))
		err = errors.Join(err, werr)
	}
	if err := errors.Join(err, t.Close(), z.Close()); err != nil {
		s.t.Fatal(err)
	}
	write(s.t, s.wheels, map[string]string{fmt.Sprintf("%s-%s.tar.gz", name, version): packed.String()})
}

// TestAnArchiveThatWasReplaced: pip (23.0.1) keeps the wheel that it has built of a source
// archive by its path, and installs that of the old one where another has the same version.
func TestAnArchiveThatWasReplaced(t *testing.T) {
	s := newSite(t)
	write(t, s.tree, map[string]string{"requirements.txt": "own\n"})
	cache := t.TempDir()
	if a := s.store.Account; a != nil {
		if err := os.Chown(cache, a.UID, a.GID); err != nil {
			t.Fatal(err)
		}
	}
	in := s.inputs()
	in.Env = []string{"PIP_CACHE_DIR=" + cache}
	for _, value := range []string{"old", "newer"} {
		s.sdist("own", "1.0", value)
		if got := s.run(s.build(in), "import own; print(own.V)"); got != value {
			t.Errorf("%q is installed, not %q", got, value)
		}
	}
}
