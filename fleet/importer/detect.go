package importer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// detect finds the format of a path by what is there.
func detect(path string) (string, error) {
	if path == "-" {
		return "uwsgi", nil
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if file, _ := cutSection(path); file != path {
			if _, err := os.Stat(file); err == nil {
				return "uwsgi", nil
			}
		}
		return "", errors.New("there is no such file or folder")
	}
	if err != nil {
		return "", withoutPath(err)
	}
	if info.IsDir() {
		return detectFolder(path)
	}
	text, err := readFile(path)
	if err != nil {
		return "", err
	}
	if strings.HasSuffix(path, ".timer") {
		return "", errors.New("a timer is a schedule of the app whose user and folder its service has: import the .service of the app that lies beside it")
	}
	if format := detectText(filepath.Base(path), text); format != "" {
		return format, nil
	}
	return "", fmt.Errorf("cannot tell what configuration it is; name the format: --from %s", strings.Join(Formats[1:], "|"))
}

func detectFolder(path string) (string, error) {
	for _, name := range []string{"app", "wsgid.json"} {
		if _, err := os.Stat(filepath.Join(path, name)); err == nil {
			return "wsgid", nil
		}
	}
	names, err := folderNames(path)
	if err != nil {
		return "", err
	}
	if slices.Contains(names, "Procfile") {
		return "procfile", nil
	}
	if slices.ContainsFunc(names, isVassal) {
		return "uwsgi", nil
	}
	if slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(name, ".conf") }) {
		if _, err := apacheFiles(path); err == nil {
			return "apache", nil
		}
	}
	return "", errors.New("it is no app folder of wsgid, which holds app/ or wsgid.json, and no folder of uWSGI's configurations (*.ini, *.yml, *.yaml, *.json, *.js, *.xml); name a file")
}

var (
	supervisorSection = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?m)^\[(program:[^\]]+|supervisord|fcgi-program:[^\]]+)\]`)
	})
	uwsgiSection = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?m)^\s*(\[uwsgi\]|<uwsgi[\s>]|uwsgi:\s*$|"?uwsgi"?\s*:)|"uwsgi"\s*:|<uwsgi[\s>/]`)
	})
)

// detectText finds the format of a file; empty: it cannot be told.
func detectText(name string, text []byte) string {
	switch {
	case strings.HasSuffix(name, ".service"):
		return "systemd"
	case strings.HasSuffix(name, ".py"):
		return "gunicorn"
	case name == "Procfile" || strings.HasPrefix(name, "Procfile."):
		return "procfile"
	case detectUnit(text):
		return "unit"
	case apacheMark().Match(text):
		return "apache"
	case initMark().Match(text):
		return "init"
	case supervisorSection().Match(text):
		return "supervisord"
	case uwsgiSection().Match(text):
		return "uwsgi"
	}
	return ""
}

// readFile reads a configuration.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO has nobody at its other end
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("it is larger than %d MiB: no configuration is", maxFile>>20)
	}
	return text, nil
}

// folderNames lists a folder, sorted.
func folderNames(path string) ([]string, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// withoutPath is an error without the path, which the caller names.
func withoutPath(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}
