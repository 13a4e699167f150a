package systemd

import "strings"

// withoutQuotes are settings of one value: quotes belong to it, and with them systemd
// passes over it, or finds no user of that name (252;
// findings/systemd-quotes-belong-to-some-values.sh).
var withoutQuotes = strings.Fields(`User Group UMask LimitNOFILE LimitNPROC MemoryMax MemoryLimit TasksMax CPUQuota NoNewPrivileges TimeoutStopSec TimeoutStartSec
	TimeoutSec Restart RestartSec KillMode KillSignal Type Nice StandardOutput StandardError DynamicUser PrivateTmp ProtectSystem ProtectHome`)

func quoted(value string) bool { return strings.HasPrefix(value, `"`) || strings.HasPrefix(value, "'") }

// notAbsolute says why a path is none to systemd.
func notAbsolute(path string) string {
	if quoted(strings.TrimPrefix(path, "-")) {
		return "quotes belong to a path there, which is not absolute with them: write it without them, a blank needs none"
	}
	return "the path is not absolute"
}

// badDirectory is what is wrong with WorkingDirectory=; empty: nothing.
func (u *unitFile) badDirectory() string {
	list := u.values["Service.WorkingDirectory"]
	if len(list) == 0 {
		return ""
	}
	dir, err := u.filled(list[len(list)-1].text)
	switch dir = strings.TrimPrefix(dir, "-"); {
	case err != nil:
		return err.Error()
	case dir != "~" && !strings.HasPrefix(dir, "/"):
		return notAbsolute(dir)
	}
	return ""
}
