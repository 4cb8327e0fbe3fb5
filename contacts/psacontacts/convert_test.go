package psacontacts_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/psacontacts"
	"github.com/mspkit/mspkit/internal/cursor"
	"github.com/mspkit/mspkit/psa"
)

func dana() psa.Contact {
	return psa.Contact{
		ID: "201", Company: psa.Named{ID: "10", Name: "Contoso"}, FirstName: "Dana", LastName: "Whitfield", Title: "Head of Finance", Active: true,
		Emails:  []string{"Dana@Contoso.example", "dana@contoso.example ", "not an address", "", "Dana <x@contoso.example>"},
		Phones:  []psa.Phone{{Raw: "(202) 555-0143"}, {Raw: "+1 202 555 0143"}, {Raw: "202-555-0199 x12"}, {Raw: "ask her"}, {Raw: ""}, {Raw: "ask her"}},
		EntraID: " 2F6B1C8E-0a4d-4e7b-9c35-61d8f0a2b301", ModifiedAt: start,
	}
}

func TestContact(t *testing.T) {
	t.Parallel()
	r := newRig(t, false, psacontacts.Options{Region: "US"})
	r.set(dana())
	p, err := r.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso"})
	require.NoError(t, err)
	require.Equal(t, contacts.Contact{
		Tenant: "contoso", ID: "desk:201", Name: "Dana Whitfield", FirstName: "Dana", LastName: "Whitfield", Company: "Contoso",
		JobTitle: "Head of Finance", Enabled: true, ChangedAt: start,
		Emails:  []contacts.Address{{Value: "dana@contoso.example"}},
		Phones:  []contacts.Address{{Value: "+12025550143", Raw: "(202) 555-0143"}, {Raw: "202-555-0199 x12"}, {Raw: "ask her"}},
		Sources: map[string]string{"desk": "201", "entra": "2f6b1c8e-0a4d-4e7b-9c35-61d8f0a2b301"},
	}, p.Contacts[0])
	require.Equal(t, "Company 10", p.Contacts[1].Company, "the name of the mapping where the contact has none")
}

func TestContactHostile(t *testing.T) {
	t.Parallel()
	r := newRig(t, false, psacontacts.Options{})
	c := dana()
	c.Name, c.Title, c.EntraID = "Dana\r\nBcc: eve\u202e", strings.Repeat("x", 10_000), "00000000-0000-0000-0000-000000000000"
	c.Phones = []psa.Phone{{Raw: "0151 12345678"}, {Raw: strings.Repeat("9", 5000)}}
	r.set(c)
	p, err := r.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso"})
	require.NoError(t, err)
	got := p.Contacts[0]
	require.Equal(t, "Dana Bcc: eve", got.Name)
	require.LessOrEqual(t, len(got.JobTitle), 1024)
	require.NotContains(t, got.Sources, "entra")
	require.Equal(t, contacts.Address{Raw: "0151 12345678"}, got.Phones[0], "national, and no region is set")
	require.Empty(t, got.Phones[1].Value)
	require.LessOrEqual(t, len(got.Phones[1].Raw), 256)
}

func TestFind(t *testing.T) {
	t.Parallel()
	r := newRig(t, false, psacontacts.Options{Region: "US"})
	r.set(dana())
	other := dana()
	other.ID, other.Company.ID = "301", "15"
	r.set(other)
	unmapped := dana()
	unmapped.ID, unmapped.Company.ID = "401", "99"
	r.set(unmapped)
	like := dana() // found by a broad search, and somebody else
	like.ID, like.Emails, like.Phones, like.Active = "202", []string{"notdana@contoso.example"}, []psa.Phone{{Raw: "777 555 0143"}}, false
	r.set(like)
	for name, find := range map[string]func() ([]contacts.Contact, error){
		"phone": func() ([]contacts.Contact, error) {
			return r.Source.FindByPhone(t.Context(), "contoso", "+12025550143")
		},
		"national": func() ([]contacts.Contact, error) {
			return r.Source.FindByPhone(t.Context(), "contoso", "202.555.0143")
		},
		"email": func() ([]contacts.Contact, error) {
			return r.Source.FindByEmail(t.Context(), "contoso", " DANA@contoso.example")
		},
	} {
		got, err := find()
		require.NoError(t, err, name)
		require.Len(t, got, 1, name)
		require.Equal(t, "desk:201", got[0].ID, name)
		require.Equal(t, mspkit.TenantID("contoso"), got[0].Tenant)
	}
	got, err := r.Source.FindByEmail(t.Context(), "contoso", "notdana@contoso.example")
	require.NoError(t, err)
	require.False(t, got[0].Enabled)
	got, err = r.Source.FindByPhone(t.Context(), "fabrikam", "2025550143")
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, "desk:301", got[0].ID)
	got, err = r.Source.FindByPhone(t.Context(), "fabrikam", "4155550100")
	require.NoError(t, err)
	require.Empty(t, got)

	_, err = r.Source.FindByPhone(t.Context(), "nobody", "2025550143")
	require.ErrorIs(t, err, contacts.ErrTenant)
	for _, bad := range []string{"", "123456", "dana"} {
		_, err = r.Source.FindByPhone(t.Context(), "contoso", bad)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
		_, err = r.Source.FindByEmail(t.Context(), "contoso", bad)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	}
	s, err := psacontacts.New(bare{r.desk}, r.store, "desk", nil)
	require.NoError(t, err)
	_, err = s.FindByPhone(t.Context(), "contoso", "2025550143")
	require.ErrorIs(t, err, psa.ErrUnsupported)
}

// FuzzCursor: whatever a cursor says, nobody of another tenant is handed out and the lister is asked for the tenant's
// companies only.
func FuzzCursor(f *testing.F) {
	seed := newDesk()
	store := psa.NewMemory()
	mapTo(f, store, "contoso", "10", "20")
	mapTo(f, store, "fabrikam", "15")
	seed.since = true
	seed.put("10", "a1", "a2", "a3", "a4")
	seed.put("15", "f1")
	s, err := psacontacts.New(seed, store, "desk", nil)
	require.NoError(f, err)
	p, err := s.FetchContacts(f.Context(), contacts.Query{Tenant: "contoso"})
	require.NoError(f, err)
	f.Add(string(p.Next), false)
	for _, body := range []string{
		`{"v":1,"m":"x","c":"15","w":true,"b":1}`, `{"v":1,"m":"x","s":1}`, `{"v":1}`, `{"v":1,"c":"10","p":"after:z","s":9223372036854775807}`, `[]`, `{}x`,
		strings.Replace(cursor.Body(string(p.Next)), `"c":"10"`, `"c":"15"`, 1), strings.Replace(cursor.Body(string(p.Next)), `"p":"`, `"p":"AAAA`, 1), strings.Replace(cursor.Body(string(p.Next)), `"w":true`, `"w":false`, 1),
	} {
		f.Add(body, true)
	}
	f.Fuzz(func(t *testing.T, text string, signed bool) {
		c := contacts.Cursor(text)
		if signed {
			c = contacts.Cursor(cursor.Sign([]byte(text), "psacontacts", "desk", "contoso"))
		}
		seed.queries()
		p, err := s.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso", Cursor: c})
		for _, q := range seed.queries() {
			require.Contains(t, []string{"10", "20"}, q.CompanyID)
		}
		if err != nil {
			require.ErrorIs(t, err, contacts.ErrCursor)
		}
		for _, c := range p.Contacts {
			require.NotEqual(t, "desk:f1", c.ID)
		}
	})
}

// What a ticket system gives is bounded and can be kept: an id that nothing takes later, a field full of control characters,
// or a contact with a hundred thousand addresses does not reach the host.
func TestContactBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, false, psacontacts.Options{})
	many := dana()
	many.EntraID, many.Emails, many.Phones = "a\nb\u202ec", nil, nil
	for i := range 200_000 {
		many.Emails = append(many.Emails, fmt.Sprintf("u%d@contoso.example", i))
		many.Phones = append(many.Phones, psa.Phone{Raw: strconv.Itoa(1_000_000 + i)})
	}
	long := dana()
	long.ID = strings.Repeat("2", mspkit.MaxID)
	r.set(many)
	r.set(long)
	began := time.Now()
	p, err := r.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso"})
	require.NoError(t, err)
	require.Less(t, time.Since(began), 20*time.Second)
	require.Equal(t, "desk:201", p.Contacts[0].ID)
	require.Len(t, p.Contacts[0].Emails, contacts.MaxAddresses)
	require.Len(t, p.Contacts[0].Phones, contacts.MaxAddresses)
	require.NotContains(t, p.Contacts[0].Sources, "entra")
	for _, c := range p.Contacts {
		require.LessOrEqual(t, len(c.ID), mspkit.MaxID)
	}
	require.Contains(t, r.log.String(), "whose id cannot be used")
}

func TestFindTakesNoLookAlike(t *testing.T) {
	t.Parallel()
	r := newRig(t, false, psacontacts.Options{})
	c := dana()
	c.Emails = []string{"des\u212a@contoso.example"}
	r.set(c)
	found, err := r.Source.FindByEmail(t.Context(), "contoso", "desk@contoso.example")
	require.NoError(t, err)
	require.Empty(t, found)
}
