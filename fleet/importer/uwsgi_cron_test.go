package importer

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// Jobs by the clock become schedules; those that a crontab line cannot say are named.
func TestUWSGICron(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"blog.ini": `[uwsgi]
http-socket = 127.0.0.1:8001
module = blog.wsgi
cron = 59 2 -1 -1 -1 /srv/blog/nightly --all
cron = -15 -1 -1 -1 -1 ./poll "two words" | mail
unique-cron = 0 4 13 -1 5 ./once
cron2 = minute=30,hour=-2,unique=1,harakiri=90 ./limited
cron2 = week=1,minute=0,hour=3 ./weekly
legion-cron = blog 0 1 -1 -1 -1 ./legion
cron = -90 -1 -1 -1 -1 ./never
cron = 0 0 -2 -1 -1 ./even
cron2 = minute=61 ./wrong
`})
	imp := importOne(t, facts.Options{}, filepath.Join(dir, "blog.ini"))
	text := strings.Join(strings.Fields(string(imp.Text)), " ")
	holds(t, text,
		`# blog.ini:4: cron = 59 2 -1 -1 -1 /srv/blog/nightly --all schedule "nightly" { cron = "59 2 * * *" command = ["/srv/blog/nightly", "--all"] timeout = "168h" overlap = true }`,
		`{ cron = "*/15 * * * *" command = ["sh", "-c", "./poll \"two words\" | mail"] timeout = "168h" overlap = true }`,
		`{ cron = "0 4 13 * 5" command = ["./once"] timeout = "168h" }`,
		`{ cron = "30 */2 * * *" command = ["./limited"] timeout = "90s" }`,
		`{ cron = "0 3 * * 1" command = ["./weekly"] timeout = "168h" overlap = true }`,
		"legion-cron = blog 0 1 -1 -1 -1 ./legion: not carried over: write a job by the clock as a schedule",
		"cron = -90 -1 -1 -1 -1 ./never: not carried over: as a crontab line this is */90 * * * *, where minute has a step that is longer",
		"cron = 0 0 -2 -1 -1 ./even: not carried over: ", "minute=61 ./wrong: not carried over: as a crontab line")
}

// uWSGI looks at the clock on the wall, which in two nights a year is not what it seems.
func TestUWSGICronInNightsOfChangedClocks(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	local := time.Local
	defer func() { time.Local = local }()
	time.Local = berlin
	dir := peertest.WriteFiles(t, map[string]string{"blog.ini": "[uwsgi]\nhttp-socket = 127.0.0.1:8001\nmodule = blog.wsgi\ncron = 30 2 -1 -1 -1 ./nightly\ncron = 0 4 -1 -1 -1 ./early\n"})
	imp := importOne(t, facts.Options{}, filepath.Join(dir, "blog.ini"))
	holds(t, string(imp.Text), "# blog.ini:4: cron = 30 2 -1 -1 -1 ./nightly: uWSGI ran it twice in the night in which clocks are put back, and not in the night in which clocks are put forward",
		"!# blog.ini:5: cron = 0 4 -1 -1 -1 ./early: ")
}
