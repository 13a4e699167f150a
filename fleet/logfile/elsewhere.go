package logfile

import "fmt"

// Elsewhere says where the log of an app goes by the log.target of its spec if that is
// not its file; empty: it is the file.
func Elsewhere(target, app string) string {
	switch target {
	case "journal":
		return fmt.Sprintf("log.target is \"journal\": see journalctl WSGID_APP=%s", app)
	case "stderr":
		return fmt.Sprintf("log.target is \"stderr\": it goes where the daemon's output goes; of an app that a command started without a daemon, to the journal if one answers (journalctl WSGID_APP=%s), else to the file", app)
	}
	return ""
}
