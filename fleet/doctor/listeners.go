package doctor

import (
	"encoding/hex"
	"io/fs"
	"net"
	"path"
	"strconv"
	"strings"
)

// listeners are the listening TCP sockets of this machine, with their processes where
// these may be looked at.
func listeners(system fs.FS) []Listener {
	all, byInode := listening(system)
	processes, _ := fs.ReadDir(system, "proc")
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		for _, inode := range socketsOf(system, p.Name()) {
			for _, i := range byInode[inode] {
				name, ours := process(system, p.Name())
				if all[i].PID == 0 || ours { // one of ours may have it from systemd
					all[i].PID, all[i].Name, all[i].Ours = pid, name, ours
				}
			}
		}
	}
	return all
}

// listening are the sockets as the kernel lists them; byInode has their indexes.
func listening(system fs.FS) (all []Listener, byInode map[string][]int) {
	byInode = map[string][]int{}
	for _, file := range []string{"proc/net/tcp", "proc/net/tcp6"} {
		b, err := fs.ReadFile(system, file)
		if err != nil {
			continue
		}
		for line := range strings.SplitSeq(string(b), "\n") {
			f := strings.Fields(line)
			if len(f) < 10 || f[3] != "0A" { // it listens
				continue
			}
			if host, port, ok := address(f[1]); ok {
				byInode[f[9]] = append(byInode[f[9]], len(all))
				all = append(all, Listener{Host: host, Port: port})
			}
		}
	}
	return all, byInode
}

// socketsOf are the inodes of the sockets that a process has open, where it may be looked at.
func socketsOf(system fs.FS, pid string) (inodes []string) {
	dir := path.Join("proc", pid, "fd")
	fds, _ := fs.ReadDir(system, dir)
	for _, fd := range fds {
		to, err := fs.ReadLink(system, path.Join(dir, fd.Name()))
		if err != nil {
			continue
		}
		if inode, ok := strings.CutPrefix(to, "socket:["); ok {
			inodes = append(inodes, strings.TrimSuffix(inode, "]"))
		}
	}
	return inodes
}

// process is the name of one, and whether it is of this program.
func process(system fs.FS, pid string) (name string, ours bool) {
	b, _ := fs.ReadFile(system, path.Join("proc", pid, "comm"))
	line, _ := fs.ReadFile(system, path.Join("proc", pid, "cmdline"))
	first, _, _ := strings.Cut(string(line), "\x00")
	name = strings.TrimSpace(string(b))
	return name, strings.HasPrefix(name, "wsgid") || strings.Contains(path.Base(first), "wsgid") || strings.HasPrefix(first, "wsgid")
}

// address reads the kernel's form: 0100007F:1F90, each group of four bytes in the
// order of a small-endian machine.
func address(text string) (host, port string, ok bool) {
	h, p, ok := strings.Cut(text, ":")
	b, err := hex.DecodeString(h)
	n, perr := strconv.ParseUint(p, 16, 16)
	if !ok || err != nil || perr != nil || len(b)%4 != 0 {
		return "", "", false
	}
	for i := 0; i < len(b); i += 4 {
		b[i], b[i+1], b[i+2], b[i+3] = b[i+3], b[i+2], b[i+1], b[i]
	}
	return net.IP(b).String(), strconv.FormatUint(n, 10), true
}
