package runner

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// forkingApp has 7 squared by a process of multiprocessing, which starts it as the
// query string says: spawn and forkserver, the default from Python 3.14, run a Python of
// their own and look for the main module of the one that asks.
const forkingApp = `
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

def square(x):
    return x * x

def put(queue):
    queue.put(square(7))

def pool(start):
    with ProcessPoolExecutor(1, mp_context=start) as workers:
        return workers.submit(square, 7).result(60)

def process(start):
    queue = start.Queue()
    child = start.Process(target=put, args=(queue,))
    child.start()
    n = queue.get(timeout=60)
    child.join()
    return n

def manager(start):
    with start.Manager() as m:
        kept = m.dict(n=49)
        return kept["n"]

def application(environ, start_response):
    method = environ["QUERY_STRING"]
    what = {"/pool": pool, "/process": process, "/manager": manager}[environ["PATH_INFO"]]
    body = str(what(multiprocessing.get_context(method))).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
`

// However an application starts processes by multiprocessing, they do what it asks
// for: none of them runs our own main module again, as a second worker would.
func TestMultiprocessing(t *testing.T) {
	for _, preload := range []bool{false, true} {
		t.Run("preload "+strconv.FormatBool(preload), func(t *testing.T) {
			t.Parallel()
			a := newTestApp(t, forkingApp, func(s *appspec.Spec) { s.Workers.Preload = preload })
			h := a.start(StateReady)
			worker := a.workerPID(t, h)
			for _, method := range []string{"fork", "spawn", "forkserver"} {
				for _, what := range []string{"pool", "process", "manager"} {
					if status, body := a.get(fmt.Sprintf("/%s?%s", what, method)); status != http.StatusOK || body != "49" {
						t.Errorf("%s by %s: answered %d %q, want 49", what, method, status, body)
					}
				}
			}
			if st, err := h.Status(a.ctx(), 0); err != nil || st.Restarts != 0 || len(st.Workers) != 1 || st.Workers[0].PID != worker {
				t.Errorf("worker %d was to serve all of it: %+v, %v", worker, st, err)
			}
		})
	}
}
