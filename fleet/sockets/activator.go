package sockets

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
)

// Activator watches the listening sockets of apps without a master, all of them
// with one epoll, and tells when somebody comes to one. It holds duplicates: what
// happens to the sockets that it was given does not matter to it. A nil activator
// watches nothing: this process does not outlive the command.
type Activator struct {
	onConnect func(app string) // called once for each arm, from run
	epfd      int
	file      *os.File // of epfd, closed by close

	mu   sync.Mutex
	apps map[string]*suspended
	next int32            // number of the next descriptor
	ids  map[int32]string // apps by the number that an event carries
}

// suspended is one app without a master.
type suspended struct {
	listens []string      // sorted
	fds     map[int32]int // by number; empty: not watched yet
}

// NewActivator watches nothing yet; Run tells who comes.
func NewActivator(came func(app string)) (*Activator, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		err = unix.SetNonblock(epfd, true)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot watch sockets: %w", err)
	}
	return &Activator{
		onConnect: came, epfd: epfd, file: os.NewFile(uintptr(epfd), "epoll"),
		apps: map[string]*suspended{}, ids: map[int32]string{},
	}, nil
}

// Expect notes that an app has no master by intention; arm begins to watch.
func (d *Activator) Expect(app string, listens []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.release(app)
	d.apps[app] = &suspended{listens: listens}
}

// Arm watches the sockets of an app. Whoever waits at one already counts.
func (d *Activator) Arm(app string, files map[string]*os.File) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.release(app)
	a := &suspended{listens: slices.Sorted(maps.Keys(files)), fds: map[int32]int{}}
	d.apps[app] = a
	for _, name := range a.listens {
		if err := listen.Control(files[name], func(fd int) error { return d.watch(app, a, fd) }); err != nil {
			d.release(app)
			return fmt.Errorf("cannot watch %s: %w", name, err)
		}
	}
	return nil
}

// watch needs mu.
func (d *Activator) watch(app string, a *suspended, fd int) error {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return err
	}
	d.next++
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT, Fd: d.next}
	if err := unix.EpollCtl(d.epfd, unix.EPOLL_CTL_ADD, dup, &ev); err != nil {
		_ = unix.Close(dup)
		return err
	}
	a.fds[d.next], d.ids[d.next] = dup, app
	return nil
}

// Forget ends the watching of an app.
func (d *Activator) Forget(app string) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.release(app)
}

// release needs mu.
func (d *Activator) release(app string) {
	a := d.apps[app]
	if a == nil {
		return
	}
	for id, fd := range a.fds {
		// Others hold the same socket: a close alone would not end the watching.
		_ = unix.EpollCtl(d.epfd, unix.EPOLL_CTL_DEL, fd, nil)
		_ = unix.Close(fd)
		delete(d.ids, id)
	}
	delete(d.apps, app)
}

// Listens are the listen strings on which an app without a master is waited for;
// nil: it is not.
func (d *Activator) Listens(app string) []string {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if a := d.apps[app]; a != nil {
		return a.listens
	}
	return nil
}

// Run tells of who comes, until close.
func (d *Activator) Run() {
	raw, err := d.file.SyscallConn()
	if err != nil {
		return
	}
	events := make([]unix.EpollEvent, 64)
	for {
		n, failed := 0, false
		err := raw.Read(func(fd uintptr) bool {
			var err error
			n, err = unix.EpollWait(int(fd), events, 0)
			failed = err != nil && err != unix.EINTR
			return n > 0 || failed
		})
		if err != nil || failed {
			return // closed
		}
		for _, app := range d.woken(events[:n]) {
			d.onConnect(app)
		}
	}
}

// woken takes the apps of some events off the watch.
func (d *Activator) woken(events []unix.EpollEvent) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var apps []string
	for _, ev := range events {
		if app, ok := d.ids[ev.Fd]; ok {
			d.release(app)
			apps = append(apps, app)
		}
	}
	return apps
}

// Close ends run.
func (d *Activator) Close() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for app := range d.apps {
		d.release(app)
	}
	_ = d.file.Close()
}
