package systemd

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/command"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// webServices are the other services of a folder that start a server: what lies beside one
// lies beside them too.
func (u *unitFile) webServices(o facts.Options) []*unitFile {
	names, err := facts.FolderNames(filepath.Dir(u.path))
	if err != nil {
		return nil
	}
	var all []*unitFile
	own := filepath.Base(u.path)
	names = slices.DeleteFunc(names, func(name string) bool {
		return filepath.Ext(name) != ".service" || name == own || name == templateOf(own)
	})
	for _, name := range names[:min(len(names), mostBeside)] {
		other, err := readUnit(filepath.Join(filepath.Dir(u.path), name))
		if err != nil {
			continue
		}
		if kind, _ := other.last("Service.Type"); kind.text != "oneshot" && other.isWeb(o) {
			all = append(all, other)
		}
	}
	return all
}

// isWeb tells whether a service starts a server, which is an app of its own then.
func (u *unitFile) isWeb(o facts.Options) bool {
	v, ok := u.last("Service.ExecStart")
	if !ok {
		return false
	}
	all, err := u.commands(v.text)
	if err != nil || len(all) == 0 {
		return false
	}
	c := facts.Command{Argv: all[len(all)-1].with(&facts.App{}, v.at, nil), At: v.at, Dir: "/"}
	server, err := command.Service(o, &facts.App{}, c)
	return server != "" || err != nil
}

// owner is the service whose app has a job that lies beside several: one that it stops with,
// then the one whose name is the most like its own, or its folder's, so that it runs once when
// all are imported.
func (u *unitFile) owner(job *unitFile, others []*unitFile) *unitFile {
	all := []*unitFile{u}
	for _, other := range others {
		if other.path != job.path && (job.sameJob(other) || job.stopsWith(other)) {
			all = append(all, other)
		}
	}
	if stops := slices.DeleteFunc(slices.Clone(all), func(one *unitFile) bool { return !job.stopsWith(one) }); len(stops) > 0 {
		all = stops
	}
	dir, _ := job.last("Service.WorkingDirectory")
	return slices.MinFunc(all, func(a, b *unitFile) int {
		return cmp.Or(alike(job.path, b.path)-alike(job.path, a.path), alike(dir.text, b.path)-alike(dir.text, a.path), strings.Compare(a.path, b.path))
	})
}

// alike is how many signs the name of a job and that of a service begin with, and more where
// all of the service's is among them.
func alike(job, service string) (n int) {
	a, b := strings.TrimSuffix(filepath.Base(job), ".service"), strings.TrimSuffix(filepath.Base(service), ".service")
	if strings.HasPrefix(a, b) {
		return 1000 + len(b)
	}
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// leaves says that another app has a job, where it has.
func (u *unitFile) leaves(a *facts.App, job *unitFile, kind string, others []*unitFile) bool {
	owner := u.owner(job, others)
	if owner == u {
		return false
	}
	v, _ := job.last("Service.ExecStart")
	at := v.at
	if at.File == "" {
		at = facts.Position{File: job.path}
	}
	a.Note(at, filepath.Base(job.path), "it lies beside "+filepath.Base(owner.path)+" too, whose app has it as a "+kind+": write one here, and take that out, if it is this app's")
	return true
}
