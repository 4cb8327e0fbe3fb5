package contracts

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/graphcontacts"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphfake"
)

// TenantCredential implements [azurecred.TenantCredentials].
func (w *world) TenantCredential(_ context.Context, tenant mspkit.TenantID) (azcore.TokenCredential, error) {
	switch tenant {
	case "contoso":
		return bearer(func() string { return w.Bearer(w.contoso.ID) }), nil
	case "northwind":
		return bearer(func() string { return w.Bearer(w.partner.ID) }), nil
	}
	return nil, fmt.Errorf("tenant %s: %w", tenant, azurecred.ErrNotConnected)
}

type bearer func() string

func (b bearer) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: b(), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// run reads a source to its end.
func run(t *testing.T, s contacts.ContactSource, from contacts.Cursor) (next contacts.Cursor, list []contacts.Contact) {
	t.Helper()
	for p, err := range contacts.Pages(t.Context(), s, contacts.Query{Tenant: "contoso", Cursor: from}) {
		require.NoError(t, err)
		next, list = p.Next, append(list, p.Contacts...)
	}
	return next, list
}

// driveContacts reads everybody in each way that there is, looks at them and writes to one.
func driveContacts(t *testing.T, w *world) {
	t.Helper()
	opts := func(change func(*graphcontacts.Options)) *graphcontacts.Options {
		o := &graphcontacts.Options{Cloud: w.cloud, HTTPClient: w.rec.client(), Retry: retry, Region: "US"}
		if change != nil {
			change(o)
		}
		return o
	}
	// Some pages of people, among them what changes later, a shared mailbox and somebody with a picture.
	var ids []string
	for i := range 5 {
		ids = append(ids, w.contoso.Put(graphfake.User{
			DisplayName: fmt.Sprint("Person ", i), Mail: fmt.Sprintf("p%d@contoso.example", i), MobilePhone: fmt.Sprintf("(202) 555-010%d", i),
			Photo: []byte("\xff\xd8\xff\xe0 a picture"), Presence: "Available",
		}))
	}
	shared := w.contoso.Put(graphfake.User{DisplayName: "Helpdesk", Mail: "helpdesk@contoso.example", Purpose: "shared", Disabled: true})
	admin := w.contoso.Put(graphfake.User{DisplayName: "Ines", Mail: "ines@contoso.example", Admin: true, Roles: []string{"Global Administrator"}})

	for name, o := range map[string]*graphcontacts.Options{
		"as it is": opts(func(o *graphcontacts.Options) { o.PageSize = 3 }),
		"with all": opts(func(o *graphcontacts.Options) {
			o.OtherMails, o.UserPrincipalNames, o.Guests, o.Mailboxes = true, true, true, graphcontacts.AskMailboxes
		}),
		"with few": opts(func(o *graphcontacts.Options) {
			o.Mailboxes, o.Disabled = graphcontacts.KeepMailboxes, graphcontacts.DropDisabled
		}),
	} {
		s, err := graphcontacts.New(w, o)
		require.NoError(t, err)
		next, list := run(t, s, "")
		require.GreaterOrEqual(t, len(list), 5, name)
		w.contoso.Update(ids[1], func(u *graphfake.User) { u.JobTitle, u.ManagerID = "Head of "+name, ids[0] })
		next, list = run(t, s, next) // what changed is completed in a batch
		require.Len(t, list, 1, name)
		w.contoso.ExpireDelta("")
		_, list = run(t, s, next)
		require.GreaterOrEqual(t, len(list), 5, name)
	}

	org := w.contoso.OrgContact(graphfake.OrgContact{DisplayName: "Courier", Mail: "courier@fabrikam.example", Mobile: "+12025550111"})
	w.contoso.OrgContact(graphfake.OrgContact{Mail: "nameless@fabrikam.example"}) // is asked for again
	s, err := graphcontacts.NewOrgContacts(w, opts(nil))
	require.NoError(t, err)
	next, list := run(t, s, "")
	require.Len(t, list, 2)
	w.contoso.OrgContact(graphfake.OrgContact{ID: org, DisplayName: "Courier", Mail: "courier@fabrikam.example", JobTitle: "Driver"})
	_, list = run(t, s, next)
	require.Len(t, list, 1)

	for i := range 4 {
		c := graphfake.MailboxContact{DisplayName: fmt.Sprint("Supplier ", i), Emails: []graphfake.Address{{Address: fmt.Sprintf("s%d@fabrikam.example", i)}}}
		if i > 1 {
			c.Folder = "Suppliers/Former"
		}
		w.contoso.MailboxContact(shared, c)
	}
	box := func(context.Context, mspkit.TenantID) (string, error) { return "helpdesk@contoso.example", nil }
	m, err := graphcontacts.NewMailboxContacts(w, box, opts(func(o *graphcontacts.Options) { o.PageSize = 1 }))
	require.NoError(t, err)
	_, list = run(t, m, "")
	require.Len(t, list, 4)

	photos, err := graphcontacts.NewPhotos(w, opts(nil))
	require.NoError(t, err)
	pictures, err := photos.FetchPhotos(t.Context(), "contoso", []contacts.PhotoDue{{SourceID: ids[0]}, {SourceID: shared}})
	require.NoError(t, err)
	require.NotEmpty(t, pictures[0].Version)

	p, err := graphcontacts.NewPresences(w, opts(nil))
	require.NoError(t, err)
	here, err := p.Presences(t.Context(), "contoso", ids)
	require.NoError(t, err)
	require.True(t, here[0].Reachable)

	writer, err := graphcontacts.NewWriter(w, func(context.Context, graphcontacts.Attempt) error { return nil }, opts(nil))
	require.NoError(t, err)
	number, none := "+12025550143", ""
	for _, to := range []struct {
		id               string
		mobile, business *string
		want             error
	}{
		{ids[2], &number, &number, nil},
		{ids[2], &none, &none, nil},
		{ids[2], &number, nil, nil},
		{admin, &number, nil, graphcontacts.ErrRefused},
	} {
		err := writer.WritePhones(t.Context(), contacts.PhoneWrite{
			Tenant: "contoso", SourceID: to.id, Mobile: to.mobile, Business: to.business, By: "ana", Reason: "new phone",
		})
		require.ErrorIs(t, err, to.want)
	}
}
