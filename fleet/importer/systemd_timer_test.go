package importer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// Timers whose services are of the app become its schedules; others are left alone.
func TestTimersBesideAService(t *testing.T) {
	const of = "User=daemon\nWorkingDirectory=/srv/blog\n"
	dir := peertest.WriteFiles(t, map[string]string{
		"blog.service":    "[Service]\n" + of + "UMask=027\nEnvironment=A=1\nExecStart=/usr/bin/gunicorn -b :8000 blog:app\n",
		"nightly.timer":   "[Timer]\nOnCalendar=Mon..Fri 02:30 Europe/Berlin\nOnCalendar=Sat *-*-1..7 3:00\nPersistent=true\nRandomizedDelaySec=5min\nAccuracySec=1h\nOnBootSec=10min\n",
		"nightly.service": "[Service]\nType=oneshot\n" + of + "Environment=A=1 B=2\nTimeoutStartSec=90\nExecStart=/usr/bin/python3 -m job \"two words\" ${A}\n",
		"other.timer":     "[Timer]\nOnCalendar=hourly Europe/Berlin\nUnit=clean.service\n",
		"clean.service":   "[Unit]\nOnFailure=mail@%n.service\nDescription=x\n[Service]\n" + of + "Environment=A=1\nTimeoutStartSec=30\nRuntimeMaxSec=600\nUMask=027\nNice=5\nExecStartPre=/bin/mkdir -p /tmp/x\nExecStart=/bin/true\n",
		"two.timer":       "[Timer]\nOnCalendar=hourly\n",
		"two.service":     "[Service]\n" + of + "ExecStart=/bin/true\nExecStart=/bin/false\n",
		"foreign.timer":   "[Timer]\nOnCalendar=hourly\n",
		"foreign.service": "[Service]\nUser=root\nWorkingDirectory=/srv/blog\nExecStart=/bin/true\n",
		"secret.timer":    "[Timer]\nOnCalendar=hourly\n",
		"secret.service":  "[Service]\n" + of + "Environment=A=1 DB_PASSWORD=hunter2\nExecStart=/bin/backup postgres://me:${DB_PASSWORD}@db/x\n",
		"filed.timer":     "[Timer]\nOnCalendar=hourly\n",
		"filed.service":   "[Service]\n" + of + "EnvironmentFile=DIR/none\nEnvironmentFile=DIR/env\nExecStart=/bin/backup $B\n",
		"rights.timer":    "[Timer]\nOnCalendar=hourly\n",
		"rights.service":  "[Service]\n" + of + "ExecStart=+-/bin/systemctl restart other\n",
		"plain.timer":     "[Timer]\nOnCalendar=hourly\n",
		"plain.service":   "[Service]\n" + of + "ExecStart=:/bin/echo ${A}\n",
		"env":             "B=hunter3\n",
		"alone.timer":     "[Timer]\nOnCalendar=hourly\n",
	})
	filed := filepath.Join(dir, "filed.service")
	text, err := os.ReadFile(filed)
	if err == nil {
		err = os.WriteFile(filed, []byte(strings.ReplaceAll(string(text), "DIR", dir)), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	imp := importOne(t, facts.Options{}, filepath.Join(dir, "blog.service"))
	holds(t, string(imp.Text), "!hunter", `!schedule "secret"`, `!schedule "filed"`,
		"# secret.service:5: ExecStart=/bin/backup postgres://me:…@db/x: not carried over: DB_PASSWORD may be a secret",
		"# filed.service:4: EnvironmentFile="+dir+"/none: not carried over: it cannot be read",
		"# rights.service:4: ExecStart=+-/bin/systemctl restart other: not carried over: ", `!schedule "rights"`, `command = ["/bin/echo", "$${A}"]`,
		"# filed.service:6: ExecStart=/bin/backup $B: not carried over: B may be a secret",
		`schedule "nightly"`, `cron = "30 2 * * 1-5"`, `timezone = "Europe/Berlin"`, `timeout = "90s"`, `command = ["/usr/bin/python3", "-m", "job", "two words", "1"]`,
		`schedule "other"`, `cron = "0 * * * *"`, `timeout = "10m"`, "# other.timer:2: OnCalendar=hourly Europe/Berlin: systemd left out the second of the two hours of the night in which clocks are put back: a schedule comes in both",
		"!nightly.timer:2: OnCalendar=Mon..Fri 02:30 Europe/Berlin: ", "!TimeoutStartSec", "!UMask=027 of",
		"# clean.service:2: OnFailure=mail@%n.service of clean.service: not carried over: a schedule has one command",
		"# clean.service:11: Nice=5 of clean.service: not carried over: ",
		"# clean.service:12: ExecStartPre=/bin/mkdir -p /tmp/x of clean.service: not carried over: a schedule has one command", "!overlap", "!foreign", `!schedule "alone"`,
		"# alone.timer:2: alone.timer: its service alone.service does not lie beside it: if it is a job of this app, put both into one folder",
		"# nightly.timer:3: OnCalendar=Sat *-*-1..7 3:00: not carried over: it wants a day of the week and a day of the month at once",
		"# nightly.timer:4: Persistent=true: not carried over: ", "wsgid-fleet trigger blog nightly",
		"# nightly.timer:5: RandomizedDelaySec=5min: not carried over: ",
		"# nightly.timer:7: OnBootSec=10min: not carried over: ",
		"# nightly.service:5: B of nightly.service: not carried over: ",
		"# two.service:5: two.service: not carried over: it runs 2 commands, a schedule one: put them into a script",
		"# other.timer:2: the app has it as a schedule: disable other.timer, or it runs twice", "!A of nightly.service")
	if !imp.Incomplete {
		t.Error("it says that all was carried over")
	}
	if _, err := Import((facts.Options{}), filepath.Join(dir, "nightly.timer")); err == nil || !strings.Contains(err.Error(), "import the .service of the app") {
		t.Errorf("a timer alone: %v", err)
	}
}
