package appdir

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPIDFiles(t *testing.T) {
	ordinary(t)
	s := testSpec(t)
	mustRepair(t, s)
	r := open(t, s.Path)
	for _, pid := range []int{300, 7, 4194303} {
		if err := WritePID(r, Worker, pid, testOwner()); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, Join(s.Path, "pid/worker/7.pid")); got != "7\n" {
		t.Errorf("7.pid holds %q", got)
	}
	if fi, err := os.Stat(Join(s.Path, "pid/worker/7.pid")); err != nil || fi.Mode() != PIDFileMode {
		t.Errorf("7.pid is %v, %v", fi, err)
	}
	for name, data := range map[string]string{"8.pid": "9", "10.pid": "", "x.pid": "1", "11.pid": "11 12", "012.pid": "12", "13": "13"} {
		write(t, Join(s.Path, "pid/worker/"+name), data, 0o644)
	}
	write(t, Join(s.Path, "pid/worker/14.pid"), "14", 0o644) // wsgid 0.7 writes no newline
	pids, err := PIDs(r, Worker)
	if diff := cmp.Diff([]int{7, 14, 300, 4194303}, pids); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for range 2 {
		if err := RemovePID(r, Worker, 7); err != nil {
			t.Error(err)
		}
	}
	if !missing(Join(s.Path, "pid/worker/7.pid")) {
		t.Error("7.pid is still there")
	}
	if pids, err := PIDs(r, Master); err != nil || len(pids) > 0 {
		t.Errorf("masters: %v, %v", pids, err)
	}
	if err := os.RemoveAll(Join(s.Path, "pid")); err != nil {
		t.Fatal(err)
	}
	if pids, err := PIDs(r, Worker); err != nil || len(pids) > 0 {
		t.Errorf("without a folder: %v, %v", pids, err)
	}
	if err := WritePID(r, Worker, 7, testOwner()); err == nil || err.Error() != "cannot write pid file pid/worker/7.pid: no such file or directory" {
		t.Errorf("got %v", err)
	}
}
