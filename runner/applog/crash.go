package applog

import (
	"os"
	"runtime/debug"
)

// CatchCrashes has the runtime write into the log file why it ends, should this
// program crash: a master has no standard error that anybody reads. An app that
// logs elsewhere and has no such file gets none.
func (l *Log) CatchCrashes() {
	f, err := l.root.OpenRegular(FileName, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return
	}
	defer f.Close() // the runtime keeps a duplicate
	_ = debug.SetCrashOutput(f, debug.CrashOptions{})
}
