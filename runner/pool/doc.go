// Package pool is the workers of an app and the queue before them. It starts and
// replaces workers, gives each request to one of them, and decides every failure of a
// request: no worker in time 503, past its deadline 504, worker died 502.
//
// Whoever has a request takes an Exchange from NewExchange, fills in its message and
// its sink, and hands it over with Submit; Abandon tells that the client is gone,
// Refused counts a request that was answered without a worker, and Release gives an
// Exchange back that was never submitted. A sink that its client does not keep up with
// has the worker wait with Exchange.Pause.
//
// All of it belongs to the loop of the master. What starts processes, the Spawner, is a
// thread of its own, which hands its results to the loop.
//
// # Size
//
// It has more than 4,000 lines: a request that waits, the worker that takes it, a rollout
// and the scaling decide by each other's states within one turn of the loop, without
// locks. Between packages those states would be exported.
package pool
