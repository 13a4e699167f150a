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
func listeners(system fs.FS) (all []Listener) {
	inodes := map[string][]int{} // by inode, indexes of all
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
				inodes[f[9]] = append(inodes[f[9]], len(all))
				all = append(all, Listener{Host: host, Port: port})
			}
		}
	}
	processes, _ := fs.ReadDir(system, "proc")
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		dir := path.Join("proc", p.Name(), "fd")
		fds, err := fs.ReadDir(system, dir)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			to, err := fs.ReadLink(system, path.Join(dir, fd.Name()))
			if err != nil {
				continue
			}
			inode, ok := strings.CutPrefix(to, "socket:[")
			if !ok {
				continue
			}
			for _, i := range inodes[strings.TrimSuffix(inode, "]")] {
				name, ours := process(system, p.Name())
				if all[i].PID == 0 || ours { // one of ours may have it from systemd
					all[i].PID, all[i].Name, all[i].Ours = pid, name, ours
				}
			}
		}
	}
	return all
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
