package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// tempestAsker is a kind of client of TestOperatorTempest.
type tempestAsker struct {
	byGate, keeps bool
}

var tempestAskers = []tempestAsker{{}, {byGate: true}, {keeps: true}, {byGate: true, keeps: true}}

func (k tempestAsker) String() string {
	way, kept := "by its address", "on a connection of its own"
	if k.byGate {
		way = "by the gate"
	}
	if k.keeps {
		kept = "on a kept one"
	}
	return way + ", " + kept
}

// ask asks a site again and again. It is to be answered by that site, unless an order has it
// serve nobody.
func (e *operatorTempest) ask(s *tempestSite, kind tempestAsker, stop <-chan struct{}) {
	addr := s.listen
	if kind.byGate {
		addr = e.gateway
	}
	// Like a browser it asks once more where a kept connection ends before there is any answer.
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: !kind.keeps, MaxConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	r := rand.New(rand.NewPCG(e.seed, uint64(len(addr))))
	for {
		pace := 30 * time.Millisecond
		if s.sleeps && r.IntN(5) == 0 {
			pace = time.Duration(r.IntN(2000)) * time.Millisecond // it falls asleep now and then
		}
		select {
		case <-stop:
			return
		case <-time.After(pace):
		}
		since, downs := time.Now(), s.downs.Load()
		status, text, err := visitSite(&client, addr, s.key+".test")
		switch {
		case err == nil && status == http.StatusOK && strings.HasPrefix(text, s.key+" "):
			e.count("answers of " + s.key)
		case err == nil && status == http.StatusOK:
			e.wrong(since, "%s has the answer of another app, %s: %q", s.key, kind, text)
			return
		case s.down.Load() > 0 || s.downs.Load() != downs:
			e.count("none of " + s.key + ", which was down")
		default:
			e.wrong(since, "%s is not answered, %s: %d %q, %v", s.key, kind, status, text, err)
			return
		}
	}
}

func visitSite(client *http.Client, addr, host string) (int, string, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		return 0, "", err
	}
	req.Host = host
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		err = fmt.Errorf("in the body: %w", err)
	}
	return resp.StatusCode, string(text), err
}
