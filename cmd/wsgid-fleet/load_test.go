package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// loadEnv makes this binary the client of an address.
const loadEnv = "WSGID_TEST_LOAD"

// runLoad asks again and again, half of the clients over a new connection each
// time, until standard input ends. Every request must be answered 200.
func runLoad(url string) {
	var asked, failed atomic.Int64
	var stop atomic.Bool
	var mu sync.Mutex
	reasons := map[string]int{}
	var wg sync.WaitGroup
	for i := range 4 {
		c := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: i%2 == 0}}
		wg.Go(func() {
			for !stop.Load() {
				err := ask(c, url)
				asked.Add(1)
				if err != nil {
					failed.Add(1)
					mu.Lock()
					reasons[err.Error()]++
					mu.Unlock()
				}
				time.Sleep(time.Millisecond) // not to fill the two cores
			}
		})
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop.Store(true)
	wg.Wait()
	fmt.Printf("%d %d\n", asked.Load(), failed.Load())
	for reason, n := range reasons {
		fmt.Printf("%d times: %s\n", n, reason)
	}
}

func ask(c *http.Client, url string) error {
	r, err := c.Get(url)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return err
	}
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", r.StatusCode)
	}
	return nil
}

// client is a running runLoad.
type client struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.Closer
	out bytes.Buffer
}

// load starts a client of the address in the machine's network.
func (m *machine) load(url string) *client {
	m.t.Helper()
	self, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	l := &client{t: m.t, cmd: exec.Command("nsenter", "-t", strconv.Itoa(m.init), "-n", "--", self)}
	l.cmd.Env = append(os.Environ(), loadEnv+"="+url)
	l.cmd.Stdout, l.cmd.Stderr = &l.out, &l.out
	if l.in, err = l.cmd.StdinPipe(); err != nil {
		m.t.Fatal(err)
	}
	if err := l.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	return l
}

// lost ends the client. It fails the test if a request was lost, or none made.
func (l *client) lost() {
	l.t.Helper()
	_ = l.in.Close()
	err := l.cmd.Wait()
	counts, reasons, _ := strings.Cut(l.out.String(), "\n")
	var asked, failed int
	if _, scanErr := fmt.Sscan(counts, &asked, &failed); err != nil || scanErr != nil {
		l.t.Fatalf("the client ended with %v: %s", err, l.out.String())
	}
	l.t.Logf("%d requests, %d lost", asked, failed)
	if asked == 0 || failed > 0 {
		l.t.Errorf("%d of %d requests were lost:\n%s", failed, asked, reasons)
	}
}
