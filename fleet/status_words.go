package fleet

import "github.com/wsgid-fleet/wsgid-fleet/runner"

// Memory is the resident memory of its master, workers and processes in bytes.
func (a *AppStatus) Memory() int64 {
	var sum int64
	if a.Master != nil {
		sum = a.Master.RSS
	}
	for i := range a.Workers {
		sum += a.Workers[i].RSS
	}
	for i := range a.Processes {
		sum += a.Processes[i].RSS
	}
	return sum
}

// Busy is how many of its workers are at a request.
func (a *AppStatus) Busy() (n int) {
	for i := range a.Workers {
		if a.Workers[i].State == runner.WorkerBusy {
			n++
		}
	}
	return n
}

// Listens are the addresses and names by which it is reached.
func (a *AppStatus) Listens() (out []string) {
	for _, s := range a.Sockets {
		if s.Kind == "mongrel2" {
			out = append(out, s.Recv+"+"+s.Send)
		} else {
			out = append(out, s.Listen)
		}
	}
	return out
}
