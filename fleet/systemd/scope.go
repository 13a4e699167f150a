package systemd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// scopeSlice is the slice of all apps' scopes.
const scopeSlice = "wsgid.slice"

// scopeTimeout bounds what is asked of systemd for one app.
const scopeTimeout = 15 * time.Second

// scopes puts each app's processes into a scope unit of their own, so that they
// are seen, limited and left alone apart from the daemon's service. The daemon
// hands descriptors to a master itself, so systemd cannot start the master: it
// is told of running processes instead.
type scopes struct {
	log    *slog.Logger
	socket string // of the manager that is asked: the system's or the user's
	unit   string // of the daemon itself

	ctx    context.Context // cancelled by close, if the last job takes too long
	cancel context.CancelFunc
	jobs   chan scopeJob // closed by close
	done   chan struct{} // closed when the last job has ended
	once   sync.Once
}

// ScopeLimits is what a scope enforces beyond the rlimits; zero: no limit.
type ScopeLimits struct {
	Memory int64   // bytes
	CPU    float64 // cores
	Tasks  uint64
}

type scopeJob struct {
	app    string
	pid    int
	limits ScopeLimits
}

// openScopes is nil where there is no systemd that could make scopes for us:
// this process is no service of it, or one that may not ask it.
func openScopes(log *slog.Logger) *scopes {
	if !startedBySystemd() {
		return nil
	}
	group, err := controlGroup(os.Getpid())
	if err != nil {
		log.Warn("cannot put apps into scopes: " + err.Error())
		return nil
	}
	// The manager's own socket and not the bus, which may start later than we do.
	socket := "/run/systemd/private"
	if strings.Contains(group, "/user@") {
		socket = filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "systemd/private")
	} else if os.Geteuid() != 0 {
		// A system service of an ordinary user: systemd lets only root make units.
		log.Info("apps stay in the daemon's own control group: only root, or a service of the user manager, may create scopes")
		return nil
	}
	s := &scopes{log: log, socket: socket, unit: path.Base(group), jobs: make(chan scopeJob, 4096), done: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	go s.work()
	return s
}

// scopeName is the unit of an app.
func scopeName(app string) string { return "wsgid-" + app + ".scope" }

// put has the master and its workers put into the app's scope. It returns at
// once.
func (s *scopes) put(app string, pid int, limits ScopeLimits) {
	select {
	case s.jobs <- scopeJob{app, pid, limits}:
	default:
		s.log.Warn("cannot put app into its scope: too many are waiting for systemd", "app", app)
	}
}

// close waits for the jobs that were put, but for none longer than its time.
func (s *scopes) close() {
	s.once.Do(func() { close(s.jobs) })
	select {
	case <-s.done:
	case <-time.After(scopeTimeout):
	}
	s.cancel()
	<-s.done
}

// work does one job after the other: two masters of one app must come in order.
func (s *scopes) work() {
	defer close(s.done)
	var conn *systemd.Conn
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	for job := range s.jobs {
		err := s.carryOut(&conn, job)
		// Without descriptors it is not known which processes there are.
		for tries := 0; appdir.Exhausted(err) && tries < 10 && s.ctx.Err() == nil; tries++ {
			select {
			case <-s.ctx.Done():
			case <-time.After(time.Second):
			}
			err = s.carryOut(&conn, job)
		}
		if err != nil {
			s.log.Warn(fmt.Sprintf("cannot put app %s into %s: %v", job.app, scopeName(job.app), err),
				"app", job.app, "pid", job.pid, "next", "it stays in the daemon's control group; limits.memory, cpu and tasks are not enforced")
		}
	}
}

// carryOut does one job, on a connection that is made anew where it has ended.
func (s *scopes) carryOut(conn **systemd.Conn, job scopeJob) error {
	if *conn == nil || !(*conn).Connected() {
		if *conn != nil {
			(*conn).Close()
		}
		var err error
		if *conn, err = systemd.NewConnection(s.dial); err != nil {
			*conn = nil
			return err
		}
	}
	ctx, cancel := context.WithTimeout(s.ctx, scopeTimeout)
	defer cancel()
	return s.place(ctx, *conn, job)
}

// dial is a connection to the manager itself. It lives until it is closed.
func (s *scopes) dial() (*dbus.Conn, error) {
	conn, err := dbus.Dial("unix:path="+dbus.EscapeBusAddressValue(s.socket), dbus.WithContext(s.ctx))
	if err != nil {
		return nil, err
	}
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Geteuid()))}); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// place brings one master and all its descendants into the scope. A worker that
// is forked meanwhile may stay behind, so it looks again until none does.
func (s *scopes) place(ctx context.Context, conn *systemd.Conn, job scopeJob) error {
	unit := scopeName(job.app)
	for attempt := 0; ; attempt++ {
		pids, err := outside(unit, job.pid)
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			break
		}
		if attempt == 5 {
			return fmt.Errorf("processes %v were not moved", pids)
		}
		err = s.start(ctx, conn, unit, job, pids)
		if isDBusError(err, "org.freedesktop.systemd1.UnitExists") {
			err = s.attach(ctx, unit, pids)
		}
		// A process that ends meanwhile makes the call fail, and is no failure.
		if err != nil {
			if left, lerr := outside(unit, job.pid); lerr != nil || len(left) > 0 {
				return err
			}
		}
	}
	return s.limit(ctx, conn, unit, job.limits)
}

// limit gives a scope that was there before the limits of now. Nothing is set
// that is so already: systemd writes each setting into a file.
func (s *scopes) limit(ctx context.Context, conn *systemd.Conn, unit string, limits ScopeLimits) error {
	now, err := conn.GetUnitTypePropertiesContext(ctx, unit, "Scope")
	if err != nil {
		return fmt.Errorf("cannot read its limits: %w", err)
	}
	differing := slices.DeleteFunc(limitProperties(limits), func(p systemd.Property) bool {
		return now[p.Name] == p.Value.Value()
	})
	if len(differing) == 0 {
		return nil
	}
	return conn.SetUnitPropertiesContext(ctx, unit, true, differing...)
}

// start makes the scope with these processes in it and waits for it.
func (s *scopes) start(ctx context.Context, conn *systemd.Conn, unit string, job scopeJob, pids []uint32) error {
	properties := append([]systemd.Property{
		systemd.PropDescription("WSGI application " + job.app),
		systemd.PropSlice(scopeSlice),
		systemd.PropPids(pids...),
		// Stopping goes backwards: at a shutdown the daemon drains the app before its
		// scope is killed.
		systemd.PropBefore(s.unit),
		{Name: "CollectMode", Value: dbus.MakeVariant("inactive-or-failed")},
		// Lets a second master of the app be attached later.
		{Name: "Delegate", Value: dbus.MakeVariant(true)},
	}, limitProperties(job.limits)...)
	result := make(chan string, 1)
	if _, err := conn.StartTransientUnitContext(ctx, unit, "fail", properties, result); err != nil {
		return err
	}
	select {
	case r := <-result:
		if r != "done" {
			return fmt.Errorf("systemd's job ended as %q", r)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("systemd does not answer: %w", ctx.Err())
	}
}

// attach moves processes into a scope that is there already.
func (s *scopes) attach(ctx context.Context, unit string, pids []uint32) error {
	conn, err := s.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	manager := conn.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
	return manager.CallWithContext(ctx, "org.freedesktop.systemd1.Manager.AttachProcessesToUnit", 0, unit, "", pids).Err
}

// limitProperties are the limits in systemd's units; none is its infinity.
func limitProperties(l ScopeLimits) []systemd.Property {
	memory, cpu, tasks := uint64(math.MaxUint64), uint64(math.MaxUint64), uint64(math.MaxUint64)
	if l.Memory > 0 {
		memory = uint64(l.Memory)
	}
	if l.CPU > 0 {
		cpu = uint64(l.CPU * 1e6)
	}
	if l.Tasks > 0 {
		tasks = l.Tasks
	}
	return []systemd.Property{
		{Name: "MemoryMax", Value: dbus.MakeVariant(memory)},
		{Name: "CPUQuotaPerSecUSec", Value: dbus.MakeVariant(cpu)},
		{Name: "TasksMax", Value: dbus.MakeVariant(tasks)},
	}
}

func isDBusError(err error, name string) bool {
	var e dbus.Error
	return errors.As(err, &e) && e.Name == name
}

// family is a process and all its descendants. An error tells that there may be
// more.
func family(pid int) ([]int, error) {
	pids := []int{pid}
	for i := 0; i < len(pids); i++ {
		// (filepath.Glob would take what it cannot open for empty.)
		tasks := fmt.Sprintf("/proc/%d/task", pids[i])
		threads, err := os.ReadDir(tasks)
		if appdir.Exhausted(err) {
			return nil, fmt.Errorf("cannot list the processes of %d: %w", pid, err)
		}
		for _, t := range threads {
			b, err := os.ReadFile(filepath.Join(tasks, t.Name(), "children"))
			if appdir.Exhausted(err) {
				return nil, fmt.Errorf("cannot list the processes of %d: %w", pid, err)
			}
			if err != nil {
				continue // gone meanwhile
			}
			for word := range strings.FieldsSeq(string(b)) {
				if child, err := strconv.Atoi(word); err == nil && !slices.Contains(pids, child) {
					pids = append(pids, child)
				}
			}
		}
	}
	return pids, nil
}

// outside are those of a process and its descendants that live and are not in the
// unit.
func outside(unit string, pid int) ([]uint32, error) {
	pids, err := family(pid)
	if err != nil {
		return nil, err
	}
	var out []uint32
	for _, pid := range pids {
		group, err := controlGroup(pid)
		if appdir.Exhausted(err) {
			return nil, err
		}
		if err != nil || strings.Contains(group+"/", "/"+unit+"/") {
			continue
		}
		out = append(out, uint32(pid))
	}
	return out, nil
}

// controlGroup is the control group that systemd has put a process into: the one
// of the unified hierarchy, or of systemd's own where that is version 1.
func controlGroup(pid int) (string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return "", fmt.Errorf("cannot read the control group of process %d: %w", pid, bounded.Reason(err))
	}
	group := ""
	for line := range strings.Lines(string(b)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		if fields[1] == "name=systemd" || fields[1] == "" && group == "" {
			group = fields[2]
		}
	}
	if group == "" {
		return "", fmt.Errorf("cannot tell the control group of process %d: none is named", pid)
	}
	return group, nil
}
