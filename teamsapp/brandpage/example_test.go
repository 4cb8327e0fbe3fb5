package brandpage_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/brandpage"
)

// A host puts the page behind its sign-in, and says whose app it is.
func Example() {
	signIn := func(next http.Handler) http.Handler { return next } // the host's own
	app := brandpage.State{Brand: teamsapp.Brand{
		Key: "contoso", BotID: "07338883-af76-47b3-86e4-2603c50be638", Texts: teamsapp.Texts{ShortName: "Contoso Helpdesk"},
	}}
	pages, err := brandpage.New(func(*http.Request) (brandpage.State, error) { return app, nil }, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/brand/", signIn(http.StripPrefix("/brand", pages)))

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/brand/", http.NoBody))
	fmt.Println(w.Code, strings.Contains(w.Body.String(), "16 of 30 characters"))
	// Output: 200 true
}
