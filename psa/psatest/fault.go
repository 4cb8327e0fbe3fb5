package psatest

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// The names of requests, for [Op.Name]. A wire format that has one request for several of them, such as one that creates
// and changes tickets, tells them apart by what is in it.
const (
	OpToken         = "token"
	OpPing          = "ping" // discovery and the like
	OpGetTicket     = "get ticket"
	OpFindTicket    = "find ticket" // by key
	OpCreateTicket  = "create ticket"
	OpSetStatus     = "set status"
	OpAddNote       = "add note"
	OpListNotes     = "list notes"
	OpListContacts  = "list contacts"
	OpFindContacts  = "find contacts"
	OpListCompanies = "list companies"
	OpListOptions   = "list options"
	OpContactNote   = "add contact note"
	OpLogTime       = "log time"
)

// writes are the requests that change something.
var writes = []string{OpCreateTicket, OpSetStatus, OpAddNote, OpContactNote, OpLogTime}

// Times returns a fault for [Desk.SetFault] that hits the first n requests of the given names, or of any name where none is
// given. A negative n is all of them.
func Times(n int, f Fault, names ...string) func(Op) Fault {
	var mu sync.Mutex
	return func(op Op) Fault {
		if len(names) > 0 && !slices.Contains(names, op.Name) {
			return Fault{}
		}
		mu.Lock()
		defer mu.Unlock()
		if n == 0 {
			return Fault{}
		}
		n--
		return f
	}
}

// Throttle returns a fault for [Desk.SetFault] that answers 429 to more than n requests in any one period, and says how
// long to wait in whole seconds.
func (d *Desk) Throttle(n int, period time.Duration) func(Op) Fault {
	var mu sync.Mutex
	var begun time.Time
	used := 0
	return func(Op) Fault {
		mu.Lock()
		defer mu.Unlock()
		now := d.now()
		if now.Sub(begun) >= period {
			begun, used = now, 0
		}
		if used++; used <= n {
			return Fault{}
		}
		return TooMany(period - now.Sub(begun))
	}
}

// TooMany is the answer 429 with a Retry-After, rounded up to whole seconds.
func TooMany(wait time.Duration) Fault {
	seconds := (wait + time.Second - 1) / time.Second
	return Fault{Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": strconv.Itoa(int(seconds))}, Body: `{"message":"Too many requests."}`}
}
