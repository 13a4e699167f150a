package doctor

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// well is a machine on which nothing is wrong.
func well() Facts {
	return Facts{
		Apps:   []App{{Name: "blog", Listen: []string{"127.0.0.1:8000"}, Masters: []int{10}, Python: "/usr/bin/python3", Certs: []Certificate{{File: "/c.pem"}}}},
		Daemon: 9, Root: true, OpenFiles: 20000, OpenFilesHard: 20000, Processes: 1 << 62, Watches: 65536, Instances: 128, Somaxconn: 4096,
		Listeners: []Listener{{Host: "127.0.0.1", Port: "8000", PID: 10, Name: "wsgid-m", Ours: true}, {Host: "::", Port: "22", PID: 3, Name: "sshd"}},
		Disks:     []Disk{{Path: "/var", For: "data", Free: 1 << 40, Inodes: 1 << 20}},
		Clock:     time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), Systemd: true,
		Unit:   map[string]string{"LoadState": "loaded", "ActiveState": "active", "Type": "notify-reload", "UnitFileState": "enabled"},
		Cgroup: []string{"cpu", "memory", "pids"}, ZMQ: "/usr/lib/libzmq.so.5", StateDir: "/run/wsgid",
	}
}

func TestWell(t *testing.T) {
	for _, f := range Check(well()) {
		if f.State != OK || f.What == "" {
			t.Errorf("%+v", f)
		}
	}
}

// Each check has a case in which it is bad, and says what to do.
func TestEachCheckWhereItIsBad(t *testing.T) {
	app := func(change func(*App)) func(*Facts) { return func(f *Facts) { change(&f.Apps[0]) } }
	unit := func(key, value string) func(*Facts) { return func(f *Facts) { f.Unit[key] = value } }
	disk := func(change func(*Disk)) func(*Facts) { return func(f *Facts) { change(&f.Disks[0]) } }
	cases := []struct {
		check, state string
		change       func(*Facts)
		what, do     string
	}{
		{"fleet", Warn, func(f *Facts) { f.Daemon = 0 }, "no daemon is running", "systemctl start wsgid-fleet"},
		{"fleet", Warn, func(f *Facts) {
			f.Foreign, f.AsUser = "the fleet of user ann runs here", "sudo -u ann wsgid-fleet doctor --state-dir /x"
		}, "of user ann", "as its user: sudo -u ann wsgid-fleet doctor --state-dir /x"},
		{"specs", Unknown, func(f *Facts) {
			f.Foreign, f.AsUser, f.Faults = "the fleet of user root runs here", "sudo wsgid-fleet doctor", []string{"blog.hcl: cannot read the file: permission denied"}
		}, "blog.hcl: cannot read the file: permission denied, as this user reads it", "sudo wsgid-fleet doctor"},
		{"specs", Bad, func(f *Facts) { f.Faults = []string{"blog.hcl:3:5: unknown attribute"} }, "blog.hcl:3:5", "wsgid-fleet validate"},
		{"open files", Bad, func(f *Facts) { f.OpenFiles, f.OpenFilesHard = 100, 100 }, "100 open files at most", "LimitNOFILE="},
		{"open files", Warn, func(f *Facts) { f.OpenFiles = 100 }, "100 open files (20000 at most)", "ulimit -n"},
		{"open files", Unknown, func(f *Facts) { f.OpenFiles = -1 }, "cannot be read", ""},
		{"processes", Bad, func(f *Facts) { f.Processes = 20 }, "20 processes", "LimitNPROC="},
		{"inotify", Bad, func(f *Facts) { f.Watches = 10 }, "10 watches", "max_user_watches="},
		{"inotify", Bad, func(f *Facts) { f.Instances = 2 }, "2 instances", "max_user_instances="},
		{"somaxconn", Warn, func(f *Facts) { f.Somaxconn = 128 }, "128 connections", "somaxconn="},
		{"ports", Bad, func(f *Facts) { f.Listeners[0] = Listener{Host: "0.0.0.0", Port: "8000", PID: 5, Name: "nginx"} },
			"127.0.0.1:8000 of app blog is taken by nginx (pid 5)", "kill 5"},
		{"ports", Bad, func(f *Facts) { f.Apps[0].Masters, f.Listeners[0] = nil, Listener{Host: "127.0.0.1", Port: "8000"} },
			"is taken by another process", "ss -ltnp"},
		{"ports", Bad, func(f *Facts) {
			f.Apps = append(f.Apps, App{Name: "_gate", Listen: []string{"0.0.0.0:80"}, Masters: []int{12}})
			f.Listeners = append(f.Listeners, Listener{Host: "0.0.0.0", Port: "80", PID: 5, Name: "nginx"})
		}, "0.0.0.0:80 of the gate is taken by nginx (pid 5)", "change listen in the gate block"},
		{"certificates", Bad, func(f *Facts) {
			f.Apps = append(f.Apps, App{Name: "_gate", Certs: []Certificate{{File: "/g.pem", Trouble: "/g.pem has expired", Do: "renew it"}}})
		}, "the gate: /g.pem has expired", "renew it"},
		{"users", Bad, app(func(a *App) { a.UserError = `user "blgo" does not exist` }), `user "blgo"`, "adduser"},
		{"python", Bad, app(func(a *App) { a.PythonError = "it is Python 3.6" }), "blog: it is Python 3.6", "virtualenv"},
		{"folders", Bad, app(func(a *App) { a.Closed = "user blog may not enter folder /home/x: chmod o+x /home/x" }), "chmod o+x /home/x", ""},
		{"certificates", Bad, app(func(a *App) { a.Certs[0].Trouble, a.Certs[0].Do = "it has expired", "renew it" }), "it has expired", "renew it"},
		{"certificates", Warn, app(func(a *App) { a.Certs[0].Trouble, a.Certs[0].Soon = "it expires in 3 days", true }), "in 3 days", ""},
		{"certificates", Unknown, app(func(a *App) { a.Certs[0].Trouble, a.Certs[0].Unread = "permission denied", true }), "permission denied", ""},
		{"clock", Bad, func(f *Facts) { f.Clock = time.Unix(0, 0) }, "1970-01-01", "timedatectl"},
		{"clock", Warn, func(f *Facts) { f.Unsynced = true }, "it is not synchronized", "timedatectl"},
		{"disk", Bad, disk(func(d *Disk) { d.Free = 5 << 20 }), "/var (data) has 5 MiB left", "make room"},
		{"disk", Bad, disk(func(d *Disk) { d.Inodes = 7 }), "7 inodes", "remove small files"},
		{"disk", Bad, disk(func(d *Disk) { d.ReadOnly = true }), "is read-only", "remount,rw"},
		{"disk", Unknown, disk(func(d *Disk) { d.Error = "permission denied" }), "permission denied", ""},
		{"state", Bad, func(f *Facts) { f.StateTrouble = "it lets others write: chmod 0711" }, "chmod 0711", ""},
		{"state", Warn, func(f *Facts) { f.Stale = []string{"fleet.sock was left"} }, "fleet.sock was left", "wsgid-fleet run"},
		{"systemd", Bad, unit("ActiveState", "failed"), "wsgid-fleet.service failed (", "journalctl"},
		{"systemd", Bad, unit("Type", "simple"), "Type=simple", "Type=notify-reload"},
		{"systemd", Warn, unit("LoadState", "not-found"), "no unit", "install"},
		{"systemd", Warn, unit("ActiveState", "inactive"), "runs outside", "systemctl start"},
		{"systemd", Warn, unit("UnitFileState", "disabled"), "at boot", "systemctl enable"},
		{"systemd", Unknown, func(f *Facts) { f.Unit = nil }, "cannot be asked", ""},
		{"cgroup", Warn, func(f *Facts) { f.Cgroup, f.Apps[0].Cgroup = nil, []string{"memory"} }, "controller memory", "unified"},
		{"libzmq", Bad, func(f *Facts) { f.ZMQ, f.Apps[0].Mongrel2 = "", true }, "libzmq.so.5 is not found", "apt install libzmq5"},
	}
	for _, c := range cases {
		f := well()
		c.change(&f)
		all := Check(f)
		i := slices.IndexFunc(all, func(found Finding) bool { return found.Check == c.check && found.State == c.state })
		if i < 0 {
			t.Errorf("%s is not %s: %+v", c.check, c.state, all)
			continue
		}
		if !strings.Contains(all[i].What, c.what) || !strings.Contains(all[i].Do, c.do) {
			t.Errorf("%s: got %+v, want %q and %q", c.check, all[i], c.what, c.do)
		}
		if Good(all) != (c.state != Bad) {
			t.Errorf("%s is %s, and all in all it is good: %v", c.check, c.state, Good(all))
		}
	}
	for _, k := range checks {
		if !slices.ContainsFunc(cases, func(c struct {
			check, state string
			change       func(*Facts)
			what, do     string
		}) bool {
			return c.check == k.name && c.state != OK
		}) {
			t.Errorf("%s has no case", k.name)
		}
	}
}

func TestMeets(t *testing.T) {
	for listen, want := range map[string]bool{
		"127.0.0.1:80": true, "0.0.0.0:80": true, "*:80": true, "localhost:80": true, "10.0.0.1:80": false, "127.0.0.1:81": false, "[::]:80": false, "nonsense": false,
	} {
		if got := (Listener{Host: "127.0.0.1", Port: "80"}).meets(listen); got != want {
			t.Errorf("%s: %v", listen, got)
		}
	}
}

// What the kernel says is read as it is meant.
func TestListenersAndLimits(t *testing.T) {
	system := fstest.MapFS{
		"proc/net/tcp": {Data: []byte("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
			"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 777 1 0 100 0 0 10 0\n" +
			"   1: 0100007F:1F91 0100007F:0050 01 00000000:00000000 00:00000000 00000000     0        0 778 1 0 100 0 0 10 0\n")},
		"proc/net/tcp6":                        {Data: []byte("head\n   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 779 1\n")},
		"proc/5/fd/3":                          {Data: []byte("socket:[777]"), Mode: fs.ModeSymlink},
		"proc/5/comm":                          {Data: []byte("nginx\n")},
		"proc/5/cmdline":                       {Data: []byte("nginx: worker\x00")},
		"proc/5/limits":                        {Data: []byte("Limit  Soft Limit  Hard Limit  Units\nMax processes             unlimited            unlimited            processes\nMax open files            1024                 4096                 files\n")},
		"proc/sys/net/core/somaxconn":          {Data: []byte("128\n")},
		"usr/lib/x86_64-linux-gnu/libzmq.so.5": {},
	}
	want := []Listener{{Host: "127.0.0.1", Port: "8080", PID: 5, Name: "nginx"}, {Host: "::", Port: "80"}}
	if got := listeners(system); !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
	if soft, hard, processes := limits(system, 5); soft != 1024 || hard != 4096 || processes != 1<<62 {
		t.Errorf("limits: %d, %d, %d", soft, hard, processes)
	}
	if n := sysctl(system, "net/core/somaxconn"); n != 128 {
		t.Errorf("somaxconn %d", n)
	}
	if n := sysctl(system, "fs/inotify/max_user_watches"); n != -1 {
		t.Errorf("what is not there is %d", n)
	}
	if z := zmq(system); z != "/usr/lib/x86_64-linux-gnu/libzmq.so.5" {
		t.Errorf("libzmq: %q", z)
	}
}
