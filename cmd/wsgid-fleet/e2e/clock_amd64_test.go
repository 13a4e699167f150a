package e2e

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// setClock has the clock of one process be wrong by d from now on, whatever the program: that
// of the wall, not the one that only goes on. The kernel has one clock of the wall for
// all, and no namespaces for it; a program asks for it in the page of code that the kernel
// puts into each process (vdso), and there the answer is made another one. The processes
// that this one starts have the right time.
func setClock(pid int, d time.Duration) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }()
	from, to, err := vdso(pid)
	if err != nil {
		return err
	}
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer mem.Close()
	image := make([]byte, to-from)
	if _, err := mem.ReadAt(image, int64(from)); err != nil {
		return fmt.Errorf("cannot read the vdso: %w", err)
	}
	file, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return err
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return err
	}
	for _, s := range symbols {
		if s.Name != "__vdso_clock_gettime" {
			continue
		}
		// Whoever is in the middle of the old code would go on in the new one.
		if !await.Until(20*time.Second, 5*time.Millisecond, func() bool {
			if !inside(pid, from, to) {
				return true
			}
			_ = syscall.Kill(pid, syscall.SIGCONT)
			time.Sleep(time.Millisecond)
			_ = syscall.Kill(pid, syscall.SIGSTOP)
			return false
		}) {
			return errors.New("its threads do not leave the vdso")
		}
		_, err := mem.WriteAt(lateClock(d), int64(from+s.Value))
		return err
	}
	return errors.New("the vdso has no __vdso_clock_gettime")
}

// lateClock is clock_gettime(clock, *timespec): it asks the kernel, and adds d to the
// seconds of CLOCK_REALTIME.
func lateClock(d time.Duration) []byte {
	code := []byte{
		0xb8, 228, 0, 0, 0, // mov eax, SYS_clock_gettime
		0x0f, 0x05, // syscall
		0x85, 0xc0, 0x75, 11, // test eax, eax; jnz end
		0x85, 0xff, 0x75, 7, // test edi, edi; jnz end
		0x48, 0x81, 0x06, 0, 0, 0, 0, // add qword [rsi], seconds
		0xc3, // end: ret
	}
	binary.LittleEndian.PutUint32(code[18:], uint32(int32(d/time.Second)))
	return code
}

// vdso is where the kernel's page of code lies in a process.
func vdso(pid int) (from, to uint64, err error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(maps)) {
		if strings.HasSuffix(line, "[vdso]\n") {
			_, err := fmt.Sscanf(line, "%x-%x", &from, &to)
			return from, to, err
		}
	}
	return 0, 0, errors.New("it has no vdso")
}

// inside tells whether a thread is there, or runs still.
func inside(pid int, from, to uint64) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	for _, t := range threads {
		text, err := os.ReadFile(t)
		words := strings.Fields(string(text))
		if err != nil || len(words) < 2 { // "running"
			return true
		}
		at, err := strconv.ParseUint(words[len(words)-1], 0, 64)
		if err != nil || at >= from && at < to {
			return true
		}
	}
	return len(threads) == 0
}
