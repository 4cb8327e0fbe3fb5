// Package race lets suites for stores call a method from many goroutines at once.
package race

import "sync"

// Goroutines is how many race each method.
const Goroutines = 64

// On runs f in [Goroutines] goroutines, which begin together, with the instances in turn, and waits for all of them. i
// counts the goroutines.
func On[S any](instances []S, f func(instance S, i int)) {
	var ready, done sync.WaitGroup
	begin := make(chan struct{})
	for i := range Goroutines {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-begin
			f(instances[i%len(instances)], i)
		})
	}
	ready.Wait()
	close(begin)
	done.Wait()
}
