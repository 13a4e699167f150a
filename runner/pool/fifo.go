package pool

// fifo is the queue of waiting requests for a worker: a ring that grows.
type fifo struct {
	ring []*Exchange
	head int
	n    int
}

func (q *fifo) at(i int) int { return (q.head + i) & (len(q.ring) - 1) }

func (q *fifo) grow() {
	if q.n < len(q.ring) {
		return
	}
	ring := make([]*Exchange, max(16, 2*len(q.ring)))
	for i := range q.n {
		ring[i] = q.ring[q.at(i)]
	}
	q.ring, q.head = ring, 0
}

// push adds at the end.
func (q *fifo) push(x *Exchange) {
	q.grow()
	q.ring[q.at(q.n)] = x
	q.n++
}

// putBack adds one that was taken out before, at the place that its number gives it: it
// goes before all that came later, and behind those that came earlier.
func (q *fifo) putBack(x *Exchange) {
	q.grow()
	q.head = (q.head - 1) & (len(q.ring) - 1)
	q.n++
	i := 0
	for ; i < q.n-1 && int32(q.get(i+1).seq-x.seq) < 0; i++ { //nolint:gosec // numbers go round
		q.ring[q.at(i)] = q.get(i + 1)
	}
	q.ring[q.at(i)] = x
}

// pop takes the first; the queue must not be empty.
func (q *fifo) pop() *Exchange {
	x := q.ring[q.head]
	q.ring[q.head] = nil
	q.head = q.at(1)
	q.n--
	return x
}

// peek is the first; the queue must not be empty.
func (q *fifo) peek() *Exchange { return q.ring[q.head] }

// get is the i-th; the queue must have more than i.
func (q *fifo) get(i int) *Exchange { return q.ring[q.at(i)] }

// remove takes one out wherever it is.
func (q *fifo) remove(x *Exchange) bool {
	for i := range q.n {
		if q.get(i) == x {
			q.removeAt(i)
			return true
		}
	}
	return false
}

// removeAt takes the i-th out.
func (q *fifo) removeAt(i int) {
	if i == 0 {
		q.pop()
		return
	}
	for j := i; j < q.n-1; j++ {
		q.ring[q.at(j)] = q.ring[q.at(j+1)]
	}
	q.ring[q.at(q.n-1)] = nil
	q.n--
}
