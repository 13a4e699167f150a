package main

import "fmt"

// Rows of apps with several workers, or threads.

// several is a site that every server runs with so many workers.
func (s site) several(workers int) site {
	s.processes = workers
	s.workers = fmt.Sprintf("count = %d", workers)
	return s
}

// threaded is a site that we run with as many threads as the peer that has some.
func (s site) threaded() site {
	s.workers = fmt.Sprintf("count = 1\n    threads = %s", peerThreads)
	return s
}

// peerThreads is how many gunicorn gthread has.
const peerThreads = "4"

var workerScenarios = []scenario{
	{
		name: "2 workers, hello", site: "2 workers", path: "/hello", script: "get.lua",
		connections: []int{64}, keep: []bool{true},
		ours: ours, peers: []maker{uwsgiHTTP}, bar: leastBar(2.2),
	},
	{
		name: "4 workers, hello", site: "4 workers", path: "/hello", script: "get.lua",
		connections: []int{64}, keep: []bool{true},
		ours: ours, peers: []maker{uwsgiHTTP}, bar: leastBar(2.2),
	},
	{
		// Four threads that wait answer 200 requests a second, whoever serves them: a
		// server can lose some of that, and needs more or less of a core for it.
		name: "4 threads, a view that waits 20 ms", site: "threads", path: "/wait/20", script: "get.lua",
		connections: []int{16}, keep: []bool{true},
		ours: ours, peers: []maker{gunicornGt}, bar: leastBar(1.5),
		cost: func(string) bar { return bar{} },
	},
}

// leastBar is one bar for every peer.
func leastBar(least float64) func(string, int, bool) bar {
	return func(string, int, bool) bar { return bar{least: least} }
}
