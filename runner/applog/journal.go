package applog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// journalPath is the socket of systemd's journal and its native protocol
// (systemd.io/JOURNAL_NATIVE_PROTOCOL).
const journalPath = "/run/systemd/journal/socket"

// journalSocket sends entries to the journal. It is go-systemd's journal
// package in what a master can use of it: that one has a path that a changed
// root hides, and waits without end for a journal that hangs.
type journalSocket struct {
	path string
	fd   int // -1: not open
	buf  []byte
}

// KeepJournal makes the journal reachable after a change of the root. It is
// called before.
func KeepJournal() {
	fd, err := unix.Open(filepath.Dir(journalPath), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		logJournal = fmt.Sprintf("/proc/self/fd/%d/%s", fd, filepath.Base(journalPath))
	}
}

func (j *journalSocket) close() {
	if j.fd >= 0 {
		_ = unix.Close(j.fd)
		j.fd = -1
	}
}

// open makes the socket and tries to reach the journal, so that entries need
// no address.
func (j *journalSocket) open() error {
	if j.fd >= 0 {
		return nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	tv := unix.NsecToTimeval(int64(outputPatience))
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: j.path}); err != nil {
		_ = unix.Close(fd)
		return err
	}
	j.fd = fd
	return nil
}

// reachable tells whether somebody takes entries.
func (j *journalSocket) reachable() error {
	j.close()
	return j.open()
}

// sendAll sends an entry, a batch of the access log line by line.
func (j *journalSocket) sendAll(app string, e *entry) error {
	if e.kind != kindAccess {
		return j.send(app, e)
	}
	from := 0
	for _, end := range e.ends {
		line := entry{kind: kindAccess, pid: end.worker, text: e.text[from:end.at]}
		if err := j.send(app, &line); err != nil {
			return err
		}
		from = end.at
	}
	return nil
}

// send sends one entry. EAGAIN: the journal is there and takes nothing.
func (j *journalSocket) send(app string, e *entry) error {
	b := append(j.buf[:0], "PRIORITY="...)
	b = append(b, e.priority(), '\n')
	b = append(append(b, "SYSLOG_IDENTIFIER=wsgid-"...), app...)
	b = append(append(b, "\nWSGID_APP="...), app...)
	kind, name, named := strings.Cut(e.who(), " ")
	b = append(append(b, "\nWSGID_SOURCE="...), kind...)
	if named {
		b = append(append(b, "\nWSGID_PROCESS="...), name...)
	} else if (e.kind == kindOutput || e.kind == kindAccess) && e.pid > 0 {
		b = strconv.AppendInt(append(b, "\nWSGID_WORKER="...), int64(e.pid), 10)
	}
	b = append(b, "\nMESSAGE"...)
	text := bytes.TrimRight(e.text, "\n")
	// The form with a length takes every byte, a line end too.
	b = binary.LittleEndian.AppendUint64(append(b, '\n'), uint64(len(text)))
	b = append(append(b, text...), '\n')
	if j.buf = b; cap(b) > logBatch {
		j.buf = nil
	}
	var err error
	for range 2 {
		if err = j.open(); err != nil {
			return err
		}
		if err = j.write(b); err == nil || errors.Is(err, unix.EAGAIN) {
			return err
		}
		j.close() // the journal was restarted: once more, on a new socket
	}
	return err
}

func (j *journalSocket) write(b []byte) error {
	for {
		err := unix.Sendto(j.fd, b, unix.MSG_NOSIGNAL, nil)
		switch err {
		case unix.EINTR:
			continue
		case unix.EMSGSIZE, unix.ENOBUFS:
			return j.writeFile(b)
		}
		return err
	}
}

// writeFile sends an entry that is too large for a datagram as a sealed file.
func (j *journalSocket) writeFile(b []byte) error {
	fd, err := unix.MemfdCreate("wsgid-journal", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := writeAll(fd, b); err != nil {
		return err
	}
	seals := unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return err
	}
	return unix.Sendmsg(j.fd, nil, unix.UnixRights(fd), nil, unix.MSG_NOSIGNAL)
}
