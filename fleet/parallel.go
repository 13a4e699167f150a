package fleet

import (
	"sync"
)

// parallel calls f for 0…n-1, at most limit at a time, and waits.
func parallel(n, limit int, f func(int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, limit) {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
