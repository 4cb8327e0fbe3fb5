package graphx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// usersPage is a page as Graph has them for the fields that contacts need.
func usersPage(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"@odata.context":"https://graph.example/v1.0/$metadata#users","value":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		_, _ = fmt.Fprintf(&b, `{"id":"5d1e8c3c-0000-4000-8000-%012d","displayName":"Adele Vance %d","givenName":"Adele","surname":"Vance",`+
			`"mail":"adele%d@contoso.example","userPrincipalName":"adele%d@contoso.example","otherMails":[],"mobilePhone":"+1 202 555 %04d",`+
			`"businessPhones":["+1 425 555 0109"],"jobTitle":"Retail Manager","department":"Retail","companyName":"Contoso",`+
			`"officeLocation":"18/2111","accountEnabled":true,"userType":"Member","onPremisesSyncEnabled":null,`+
			`"manager":{"id":"5d1e8c3c-0000-4000-8000-000000000000","displayName":"Miriam Graham","mail":"miriam@contoso.example"}}`, i, i, i, i, i%10000)
	}
	b.WriteString(`],"@odata.nextLink":"https://graph.example/v1.0/users/delta?$skiptoken=x"}`)
	return b.Bytes()
}

type benchUser struct {
	ID             string   `json:"id"`
	DisplayName    string   `json:"displayName"`
	GivenName      string   `json:"givenName"`
	Surname        string   `json:"surname"`
	Mail           string   `json:"mail"`
	UPN            string   `json:"userPrincipalName"`
	OtherMails     []string `json:"otherMails"`
	MobilePhone    string   `json:"mobilePhone"`
	BusinessPhones []string `json:"businessPhones"`
	JobTitle       string   `json:"jobTitle"`
	Enabled        bool     `json:"accountEnabled"`
	Manager        struct {
		ID string `json:"id"`
	} `json:"manager"`
}

// BenchmarkPage reads a page of 999 users. "unmarshal" is what encoding/json does with a body that is in memory already.
func BenchmarkPage(b *testing.B) {
	body := usersPage(999)
	c, err := New(perTenant(), &Options{
		BaseURL: "https://graph.example", Limits: map[Workload]Limit{Directory: {Requests: -1}, App: {Requests: -1}},
		HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
		})},
	})
	if err != nil {
		b.Fatal(err)
	}
	r := &Request{Tenant: "a", Path: "/users/delta"}
	run := func(name string, read func() (int, error)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if n, err := read(); err != nil || n != 999 {
					b.Fatal(n, err)
				}
			}
		})
	}
	run("unmarshal", func() (int, error) {
		var p struct {
			Value []benchUser `json:"value"`
		}
		err := json.Unmarshal(body, &p)
		return len(p.Value), err
	})
	run("Page", func() (n int, err error) {
		_, err = c.Page(b.Context(), r, func(raw json.RawMessage) error {
			var u benchUser
			n++
			return json.Unmarshal(raw, &u)
		})
		return n, err
	})
	run("PageOf", func() (n int, err error) {
		_, err = PageOf(b.Context(), c, r, func(*benchUser) error {
			n++
			return nil
		})
		return n, err
	})
}
