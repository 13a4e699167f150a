package main

import (
	"fmt"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
)

// TestMovesOf: what a push would move, and what it leaves where it is.
func TestMovesOf(t *testing.T) {
	t.Parallel()
	there := []cluster.Host{{ID: "a", Region: "eu1"}, {ID: "b", Region: "us1"}}
	in := func(name, region string) cluster.App {
		return cluster.App{Name: name, Backends: []cluster.Backend{{Region: region, Count: 1}}}
	}
	old := []cluster.App{in("stays", "eu1"), in("goes", "eu1"), in("ends", "us1"), {Name: "all"}}
	next := []cluster.App{{Name: "all"}, in("goes", "us1"), in("comes", "us1"), in("stays", "eu1")}
	got := fmt.Sprint(movesOf(old, next, there))
	if want := "[{all [a b] [a b] } {comes [] [b] new} {ends [b] [] removed} {goes [a] [b] moves} {stays [a] [a] }]"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := len(changing(movesOf(old, next, there))); got != 3 {
		t.Errorf("%d apps change", got)
	}
}
