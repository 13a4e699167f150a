package main

import (
	"archive/zip"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// wheels is how many a folder of them holds.
const wheels = 10

// repository is a local one whose app says which commit of it answers, with the
// wheels that its requirements name.
type repository struct {
	b            *bench
	dir          string
	wheels       string // their folder
	n            int    // versions so far
	requirements int    // how many wheels it asks for
}

func (b *bench) newRepository(ctx context.Context, requirements int) (*repository, error) {
	dir, err := b.temp("g")
	if err != nil {
		return nil, err
	}
	r := &repository{b: b, dir: filepath.Join(dir, "hello"), wheels: filepath.Join(dir, "wheels"), requirements: requirements}
	for _, path := range []string{r.dir, r.wheels} {
		if err := os.Mkdir(path, 0o755); err != nil {
			return nil, err
		}
	}
	for i := range wheels {
		if err := makeWheel(r.wheels, fmt.Sprintf("wheel%d", i)); err != nil {
			return nil, fmt.Errorf("cannot make a wheel: %w", err)
		}
	}
	return r, r.git(ctx, "init", "-q", "-b", "main")
}

// url is what a spec names it by.
func (r *repository) url() string { return "file://" + r.dir }

func (r *repository) git(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", r.dir, "-c", "user.name=bench", "-c", "user.email=bench@localhost"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w\n%s", args[0], err, out)
	}
	return nil
}

// next commits another version, and returns what it answers. With fresh its
// requirements are others than those before, to the letter.
func (r *repository) next(ctx context.Context, fresh bool) (string, error) {
	r.n++
	version := fmt.Sprintf("version%d", r.n)
	if _, err := r.b.fill("hello.py", r.dir, `"VERSION"`, `"`+version+`"`); err != nil {
		return "", err
	}
	if fresh || r.n == 1 {
		text := fmt.Appendf(nil, "# of %s\n", version)
		for i := range r.requirements {
			text = fmt.Appendf(text, "wheel%d==1.0\n", i)
		}
		if err := os.WriteFile(filepath.Join(r.dir, "requirements.txt"), text, 0o644); err != nil {
			return "", err
		}
	}
	if err := r.git(ctx, "add", "-A"); err != nil {
		return "", err
	}
	return version, r.git(ctx, "commit", "-q", "-m", version)
}

// makeWheel makes a small package of pure Python: twenty modules of some
// kilobytes.
func makeWheel(dir, name string) error {
	f, err := os.Create(filepath.Join(dir, name+"-1.0-py3-none-any.whl"))
	if err != nil {
		return err
	}
	defer f.Close()
	z := zip.NewWriter(f)
	var record strings.Builder
	put := func(path, text string) {
		if err != nil {
			return
		}
		fmt.Fprintf(&record, "%s,,\n", path)
		w, cerr := z.Create(path)
		if err = cerr; err == nil {
			_, err = w.Write([]byte(text))
		}
	}
	put(name+"/__init__.py", "")
	for i := range 20 {
		var code strings.Builder
		for f := range 40 {
			fmt.Fprintf(&code, "def f%d(a, b=%d):\n    return [x * b for x in range(a) if x %% %d]\n\n\n", f, i, f+1)
		}
		put(fmt.Sprintf("%s/m%d.py", name, i), code.String())
	}
	info := name + "-1.0.dist-info/"
	put(info+"METADATA", "Metadata-Version: 2.1\nName: "+name+"\nVersion: 1.0\n")
	put(info+"WHEEL", "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
	put(info+"RECORD", record.String()+info+"RECORD,,\n")
	if err != nil {
		return err
	}
	return z.Close()
}
