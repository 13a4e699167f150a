package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseWrk(t *testing.T) {
	r, err := parseWrk("Running 1s test\n\nresult 5000 2000000 3 120 900\n")
	want := run{requests: 5000, errors: 3, rate: 2500, p50: 120 * time.Microsecond, p99: 900 * time.Microsecond}
	if err != nil || r != want {
		t.Errorf("%+v, %v", r, err)
	}
	for _, out := range []string{"", "\nresult 1 2", "\nresult 0 1000000 0 0 0\n"} {
		if r, err := parseWrk(out); err == nil {
			t.Errorf("%q is %+v", out, r)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{3, 1}, 2}, {[]float64{9, 1, 2}, 2}} {
		if have := median(c.values); have != c.want {
			t.Errorf("median of %v is %v, want %v", c.values, have, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	var table table
	table.add(row{what: "hello", peer: "p", ours: "2/s", their: "1/s", ratio: 2, bar: bar{least: 2.5}})
	table.add(row{what: "start", ours: "90 ms", value: 90, bar: bar{most: 150, unit: "ms"}})
	table.add(row{what: "big", peer: "p", ours: "2/s", their: "1/s", ratio: 2})
	want := `when

| what | wsgid-fleet | peer | peer's | ratio | bar | holds |
|---|---|---|---|---|---|---|
| hello | 2/s | p | 1/s | 2.00 × | ≥ 2.5 × | **no** |
| start | 90 ms |  |  |  | ≤ 150 ms | yes |
| big | 2/s | p | 1/s | 2.00 × |  |  |
`
	if have := table.markdown("when"); have != want {
		t.Errorf("%s", have)
	}
}

func TestPutBetweenMarkers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(path, []byte("a\n<!-- bench: written by make bench -->\nold\n<!-- end of bench -->\nb\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := putBetweenMarkers(path, "bench", "new\n"); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if want := "a\n<!-- bench: written by make bench -->\nnew\n<!-- end of bench -->\nb\n"; err != nil || string(have) != want {
		t.Errorf("%q, %v", have, err)
	}
	if err := os.WriteFile(path, []byte("none"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := putBetweenMarkers(path, "bench", ""); err == nil || !strings.Contains(err.Error(), "it has no <!-- bench: written by make bench -->") {
		t.Errorf("%v", err)
	}
}

func TestTreeAndMemory(t *testing.T) {
	cmd := exec.Command("sh", "-c", "sleep 60 & wait")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, pid := range tree(cmd.Process.Pid) {
			if p, err := os.FindProcess(pid); err == nil {
				p.Kill()
			}
		}
		cmd.Wait()
	}()
	for deadline := time.Now().Add(time.Minute); len(tree(cmd.Process.Pid)) != 2; {
		if time.Now().After(deadline) {
			t.Fatalf("the tree is %v", tree(cmd.Process.Pid))
		}
	}
	for name, of := range map[string]func([]int) (int64, error){"pss": pss, "rss": rss, "peak": peak} {
		if n, err := of(tree(cmd.Process.Pid)); err != nil || n < 100<<10 || n > 100<<20 {
			t.Errorf("%s is %d, %v", name, n, err)
		}
	}
}

func TestQuantile(t *testing.T) {
	times := make([]time.Duration, 0, 200)
	for i := range 200 {
		times = append(times, time.Duration(200-i))
	}
	for percent, want := range map[int]time.Duration{50: 100, 99: 198, 100: 200} {
		if have := quantile(times, percent); have != want {
			t.Errorf("the %d%% quantile of 1…200 is %d, want %d", percent, have, want)
		}
	}
	if have := quantile(nil, 99); have != 0 {
		t.Errorf("of nothing it is %d", have)
	}
}
