package appdir

import (
	"fmt"
	"strings"
)

// leftovers are temporary files of a repair that was cut off.
func (r *repair) leftovers() error {
	for _, dir := range []string{"/", "/" + MasterPIDDir, "/" + WorkerPIDDir} {
		names, err := r.names(dir)
		if err != nil {
			return err
		}
		for _, base := range names {
			if !isTemp(base) || !isOurTemp(base) {
				continue
			}
			name := dir + "/" + base
			if fi, err := Lstat(r.fs, name); err != nil || fi.IsDir() {
				continue
			}
			r.note(name, "remove the file", "an interrupted write left it behind")
			if err := r.remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// isOurTemp tells the temporary files of this package from anybody else's.
func isOurTemp(base string) bool {
	target, _, _ := strings.Cut(base[1:], tempMark)
	_, pid := pidOf(target)
	return pid || target == ConfigFile || target == DjangoFile || target == ConfigFile+keptSuffix || target == DjangoFile+keptSuffix
}

// pidFiles removes the pid files of processes that are not this app's, and
// writes those of its live ones anew where they are damaged.
func (r *repair) pidFiles() error {
	for _, kind := range []Kind{Master, Worker} {
		dir := "/" + string(kind)
		names, err := r.names(dir)
		if err != nil {
			return err
		}
		before := len(r.problems)
		for _, base := range names {
			if strings.HasSuffix(base, ".pid") {
				if err := r.pidFile(kind, dir+"/"+base, base); err != nil {
					return err
				}
			}
		}
		r.sumUp(dir, before, len(names) == maxNames)
	}
	return nil
}

// maxTold is how many pid files of one folder a plan lists one by one.
const maxTold = 20

// sumUp makes one problem of those since a number that are too many to be read.
func (r *repair) sumUp(dir string, since int, more bool) {
	n := len(r.problems) - since - maxTold
	if n <= 0 {
		return
	}
	what := fmt.Sprintf("remove or correct %d more pid files", n)
	if more {
		what += ", and in the next repairs those that are behind them"
	}
	r.problems = r.problems[:since+maxTold]
	r.note(dir, what, "no process of this app has them")
}

func (r *repair) pidFile(kind Kind, name, base string) error {
	if fi, err := Lstat(r.fs, name); err != nil || fi.IsDir() {
		return nil //nolint:nilerr // gone by now; or no file at all, which nothing reads
	}
	pid, ok := pidOf(base)
	if ok && r.live(pid) {
		if holdsPID(r.fs, name, pid) {
			return nil
		}
		r.note(name, "rewrite the file", "it does not hold the number of its process")
		return WritePID(r.fs, kind, pid, r.owner)
	}
	why := "its name is not a process number"
	if ok {
		why = fmt.Sprintf("process %d does not belong to this app any more", pid)
		if !ProcAlive(pid, 0) {
			why = fmt.Sprintf("process %d is dead", pid)
		}
	}
	r.note(name, "remove the pid file", why)
	return r.remove(name)
}
