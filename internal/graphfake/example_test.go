package graphfake_test

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/mspkit/mspkit/internal/graphfake"
)

func Example() {
	s, err := graphfake.Start(nil)
	if err != nil {
		panic(err)
	}
	defer s.Close()
	t := s.AddTenant("", "Fabrikam", "fabrikam.example")
	t.Seed(3, 1)
	id := t.Put(graphfake.User{DisplayName: "Megan Bowen", Mail: "megan@fabrikam.example"})

	get := func(url string) (page struct {
		Value []map[string]any `json:"value"`
		Delta string           `json:"@odata.deltaLink"`
	},
	) {
		r, err := http.NewRequest(http.MethodGet, url, http.NoBody)
		if err != nil {
			panic(err)
		}
		r.Header.Set("Authorization", "Bearer "+s.Bearer(t.ID))
		res, err := new(http.Client).Do(r)
		if err != nil {
			panic(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(&page); err != nil {
			panic(err)
		}
		return page
	}
	first := get(s.URL() + "/v1.0/users/delta?$select=displayName,jobTitle")
	fmt.Println(len(first.Value), "people")
	t.Update(id, func(u *graphfake.User) { u.JobTitle = "Controller" })
	fmt.Println(get(first.Delta).Value[0]["jobTitle"])
	// Output:
	// 4 people
	// Controller
}
