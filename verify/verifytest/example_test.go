package verifytest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"

	"github.com/mspkit/mspkit/verify/verifytest"
)

// A page that confirms on GET does not survive a scan.
func ExampleScanner() {
	var confirmed atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/confirm" {
			confirmed.Store(true)
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, `<a href="/confirm">It is me</a>`)
	}))
	defer srv.Close()
	report, err := (&verifytest.Scanner{}).Scan(context.Background(), srv.Client(), srv.URL+"/link")
	fmt.Println(report.Pages, confirmed.Load(), err)
	// Output: 2 true <nil>
}
