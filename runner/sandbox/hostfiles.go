package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
)

// etcFiles is what of /etc is copied into a chroot. A file that is bound would be
// the old one for ever as soon as the host replaces it (resolvconf, vipw).
var etcFiles = []string{
	"resolv.conf", "hosts", "nsswitch.conf", "host.conf", "gai.conf", "hostname", "localtime", "timezone",
	"ld.so.cache", "ld.so.conf", "passwd", "group", "services", "protocols", "mime.types",
}

const (
	maxHostFile = 8 << 20
	// hostFilesSettle is how long files that change are let alone.
	hostFilesSettle = 50 * time.Millisecond
	// hostFilesLook is how often they are looked at where the kernel says nothing,
	// such as of a folder that was not there.
	hostFilesLook = time.Minute
)

// hostFiles keeps the copies in a chroot's /etc equal to the host's files. A file
// that is gone keeps its last content: it may be about to be replaced.
type hostFiles struct {
	view *hostView
	etc  *os.File // writable
	log  *applog.Log
	seen map[string]hostFile
	told map[string]string // troubles that were logged
}

// hostFile tells one state of a file from the next.
type hostFile struct {
	dev, ino uint64
	size     int64
	mtime    unix.Timespec
	link     string
}

// copyHostFiles makes the copies; to be called once, before workers start.
func copyHostFiles(view *hostView, etc *os.File) *hostFiles {
	h := &hostFiles{view: view, etc: etc, seen: map[string]hostFile{}, told: map[string]string{}}
	h.refresh()
	return h
}

// follow keeps the copies equal from now on.
func (h *hostFiles) follow(log *applog.Log) {
	h.log = log
	for name, why := range h.told {
		log.Warn(fmt.Sprintf("cannot copy /etc/%s into the chroot: %s", name, why))
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		log.Warn(fmt.Sprintf("cannot watch /etc: %v; changes are seen after %v", err, hostFilesLook))
		go func() {
			for {
				time.Sleep(hostFilesLook)
				h.refresh()
			}
		}()
		return
	}
	events := os.NewFile(uintptr(fd), "inotify")
	h.watch(fd)
	h.refresh() // what changed before it was watched
	go func() {
		buf := make([]byte, 64<<10)
		for {
			_ = events.SetReadDeadline(time.Now().Add(hostFilesLook))
			if _, err := events.Read(buf); err == nil {
				// Whoever replaces one file replaces the next.
				for {
					_ = events.SetReadDeadline(time.Now().Add(hostFilesSettle))
					if _, err := events.Read(buf); err != nil {
						break
					}
				}
			} else if !errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
			h.watch(fd)
			h.refresh()
		}
	}()
}

// watch asks the kernel to tell of changes in the folders of the files, and of
// those that their links lead to.
func (h *hostFiles) watch(fd int) {
	h.view.do(func() {
		var folders []string
		for _, name := range etcFiles {
			path := "/etc/" + name
			folders = append(folders, filepath.Dir(path))
			if resolved, err := filepath.EvalSymlinks(path); err == nil {
				folders = append(folders, filepath.Dir(resolved))
			} else if to, err := os.Readlink(path); err == nil {
				if !filepath.IsAbs(to) {
					to = filepath.Join("/etc", to)
				}
				folders = append(folders, filepath.Dir(to))
			}
		}
		slices.Sort(folders)
		for _, f := range slices.Compact(folders) {
			_, _ = unix.InotifyAddWatch(fd, f, unix.IN_CLOSE_WRITE|unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_DELETE|unix.IN_ATTRIB|unix.IN_ONLYDIR)
		}
	})
}

// refresh copies what has changed.
func (h *hostFiles) refresh() {
	for _, name := range etcFiles {
		err := h.copy(name)
		why := ""
		if err != nil && !errors.Is(err, unix.ENOENT) {
			why = err.Error()
		}
		if why != "" && why != h.told[name] && h.log != nil {
			h.log.Warn(fmt.Sprintf("cannot copy /etc/%s into the chroot: %s", name, why))
		}
		h.told[name] = why
		if why == "" {
			delete(h.told, name)
		}
	}
}

func (h *hostFiles) copy(name string) error {
	var from *os.File
	var link string
	var err error
	h.view.do(func() { from, link, err = openHostFile("/etc/" + name) })
	if err != nil {
		return err
	}
	defer from.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(from.Fd()), &st); err != nil {
		return err
	}
	now := hostFile{dev: st.Dev, ino: st.Ino, size: st.Size, mtime: st.Mtim, link: link}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errors.New("it is not a regular file")
	}
	if st.Size > maxHostFile {
		return fmt.Errorf("it has %d bytes, %d at most are copied", st.Size, maxHostFile)
	}
	if h.seen[name] == now {
		return nil
	}
	if err := h.put(name, from, link, st.Mode&0o777); err != nil {
		return err
	}
	h.seen[name] = now
	return nil
}

// openHostFile opens a file of the host; link is where it is found inside, too,
// as far as that is in a folder that is bound.
func openHostFile(path string) (f *os.File, link string, err error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, "", err
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil && strings.HasPrefix(resolved, "/usr/") {
		link = resolved
	}
	return os.NewFile(uintptr(fd), path), link, nil
}

// put replaces a file of the chroot's /etc at once.
func (h *hostFiles) put(name string, from io.Reader, link string, mode uint32) error {
	dir, temp := int(h.etc.Fd()), "."+name+".new"
	_ = unix.Unlinkat(dir, temp, 0)
	if link != "" {
		if err := unix.Symlinkat(link, dir, temp); err != nil {
			return err
		}
		return unix.Renameat(dir, temp, dir, name)
	}
	fd, err := unix.Openat(dir, temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), temp)
	_, err = io.Copy(f, io.LimitReader(from, maxHostFile))
	err = errors.Join(err, unix.Fchmod(fd, mode), f.Close())
	if err == nil {
		err = unix.Renameat(dir, temp, dir, name)
	}
	if err != nil {
		_ = unix.Unlinkat(dir, temp, 0)
	}
	return err
}
