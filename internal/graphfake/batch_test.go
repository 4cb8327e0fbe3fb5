package graphfake

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// batch sends requests and returns the answers by id.
func (f *fixture) batch(requests string) map[string]map[string]any {
	f.t.Helper()
	a := f.do(http.MethodPost, "/v1.0/$batch", `{"requests":[`+requests+`]}`)
	require.Equal(f.t, http.StatusOK, a.status, a.body)
	out := map[string]map[string]any{}
	list, _ := a.m["responses"].([]any)
	for _, r := range list {
		m := r.(map[string]any)
		out[m["id"].(string)] = m
	}
	return out
}

func TestBatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &Options{BasePath: "/g"})
	ann, bob, _ := staff(f)
	f.tenant.Update(ann, func(u *User) { u.Photo = []byte("\x89PNG\r\n\x1a\nx") })
	f.s.SetFault(Times(1, TooMany(0), "/users/"+bob))
	got := f.batch(`{"id":"1","method":"GET","url":"/users/` + ann + `/photo/$value"},
		{"id":"2","method":"GET","url":"/users/` + bob + `"},
		{"id":"3","method":"GET","url":"/users/` + bob + `?$select=mail"},
		{"id":"4","method":"PATCH","url":"/users/` + ann + `","headers":{"Content-Type":"application/json"},"body":{"mobilePhone":"+12065550177"}},
		{"id":"5","method":"GET","url":"users?$filter=userType ne 'Guest'&$count=true&$top=1","headers":{"ConsistencyLevel":"eventual"}},
		{"id":"6","method":"GET","url":"/users/nobody","dependsOn":["4"]},
		{"id":"7","method":"GET","url":"/users/` + ann + `","dependsOn":["6"]},
		{"id":"8","method":"PATCH","url":"/users/` + ann + `","body":{"mobilePhone":"1"}},
		{"id":"9","method":"GET","url":"https://evil.example/users"},
		{"id":"10","method":"GET","url":"/v1.0/users"},
		{"id":"11","method":"POST","url":"/$batch","headers":{"Content-Type":"application/json"},"body":{"requests":[]}},
		{"id":"12","method":"POST","url":"/users/help@fabrikam.example/sendMail","headers":{"Content-Type":"application/json"},"body":` + fmt.Sprintf(oneMail, "") + `}`)
	want := map[string]int{"1": 200, "2": 429, "3": 200, "4": 204, "5": 200, "6": 404, "7": 424, "8": 400, "9": 400, "10": 400, "11": 400, "12": 202}
	for id, status := range want {
		require.InEpsilon(t, status, got[id]["status"], 0, "%s: %v", id, got[id])
	}
	require.Len(t, got, len(want))
	b, err := base64.StdEncoding.DecodeString(got["1"]["body"].(string))
	require.NoError(t, err)
	require.Equal(t, "\x89PNG\r\n\x1a\nx", string(b))
	require.Equal(t, "image/png", got["1"]["headers"].(map[string]any)["Content-Type"])
	require.Equal(t, "bob@fabrikam.example", got["3"]["body"].(map[string]any)["mail"])
	require.NotContains(t, got["4"], "body")
	next := got["5"]["body"].(map[string]any)["@odata.nextLink"].(string)
	require.True(t, strings.HasPrefix(next, f.url+"/v1.0/users?"), next)
	require.Equal(t, 200, f.get(next, "ConsistencyLevel: eventual").status)
	require.Len(t, f.tenant.Sent(), 1)

	one := `{"id":"1","method":"GET","url":"/users"}`
	for name, body := range map[string]string{
		"no requests":            `{"requests":[]}`,
		"the same id twice":      `{"requests":[` + one + `,` + one + `]}`,
		"no url":                 `{"requests":[{"id":"1","method":"GET"}]}`,
		"an unknown property":    `{"requests":[{"id":"1","method":"GET","url":"/users","atomicityGroup":"x"}]}`,
		"depends on a later one": `{"requests":[{"id":"1","method":"GET","url":"/users","dependsOn":["2"]}]}`,
		"an id that is no text":  `{"requests":[{"id":1,"method":"GET","url":"/users"}]}`,
		"21 requests":            `{"requests":[` + strings.Join(slices.Repeat([]string{one}, 21), ",") + `]}`,
	} {
		require.Equal(t, 400, f.do(http.MethodPost, "/v1.0/$batch", body).status, name)
	}
}
