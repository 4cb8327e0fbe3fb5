package psatest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/mspkit/mspkit/psa/psatest"
)

// A note whose answer is lost stands in the ticket all the same.
func ExampleDesk_SetFault() {
	desk := psatest.NewDesk(nil)
	srv, err := psatest.NewHomegrown(desk)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()

	write := func(text string) error {
		req, err := http.NewRequest(http.MethodPost, srv.URL+"/v1/tickets/4711/notes", strings.NewReader(`{"text":"`+text+`"}`))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+srv.Key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		fmt.Print(string(body))
		return err
	}
	desk.SetFault(psatest.Times(1, psatest.Fault{Lost: true}, psatest.OpAddNote))
	fmt.Println("lost:", write("Dana is verified.") != nil)
	fmt.Println("with an emoji:", write("🔐"))
	for _, n := range desk.Notes("4711") {
		fmt.Println(n.Author+":", n.Text)
	}
	// Output:
	// lost: true
	// {"ok":false,"error":"bad_characters"}
	// with an emoji: <nil>
	// mspkit bot: Dana is verified.
}
