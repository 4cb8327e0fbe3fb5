package graphfake

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOrgContacts(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &Options{PageSize: 2})
	var ids []string
	for _, name := range []string{"A", "B", "C", "D", "E"} {
		ids = append(ids, f.tenant.OrgContact(OrgContact{DisplayName: name, Mail: name + "@partner.example", Mobile: "+12065550100", Business: "+12065550101"}))
	}
	a := f.get("/v1.0/contacts?$select=displayName,phones&$top=3")
	require.Len(t, a.value(), 3)
	require.Len(t, a.value()[0], 3)
	require.Equal(t, map[string]any{"type": "mobile", "number": "+12065550100"}, a.value()[0]["phones"].([]any)[0])
	require.Len(t, f.get(a.link("nextLink")).value(), 2)
	require.Equal(t, "BadRequest", f.get("/v1.0/contacts?$select=mobilePhone").code())
	require.Equal(t, "B", f.get("/v1.0/contacts/" + ids[1]).m["displayName"])
	require.Equal(t, http.StatusNotFound, f.get("/v1.0/contacts/x").status)

	items, pages, delta := f.round("/v1.0/contacts/delta?$select=displayName,jobTitle")
	require.Len(t, items, 5)
	require.Equal(t, 3, pages)
	require.NotContains(t, items[0], "jobTitle")
	items, _, delta = f.round(delta)
	require.Empty(t, items)
	f.tenant.OrgContact(OrgContact{ID: ids[0], DisplayName: "A2"})
	f.tenant.DeleteOrgContact(ids[1], false)
	f.tenant.DeleteOrgContact(ids[2], true)
	require.False(t, f.tenant.DeleteOrgContact(ids[2], true))
	items, pages, delta = f.round(delta)
	require.Equal(t, 2, pages)
	require.Equal(t, []map[string]any{
		{"id": ids[0], "displayName": "A2", "jobTitle": nil},
		{"id": ids[1], "@removed": map[string]any{"reason": "changed"}},
		{"id": ids[2], "@removed": map[string]any{"reason": "deleted"}},
	}, items)
	f.tenant.ExpireDelta("")
	a = f.get(delta)
	require.Equal(t, http.StatusGone, a.status)
	f.tenant.SetQuirks(Quirks{RemovedFirst: true, EmptyPages: true})
	items, pages, _ = f.round(a.header.Get("Location"))
	require.Len(t, items, 5)
	require.Equal(t, 6, pages)
	require.Equal(t, "BadRequest", f.get("/v1.0/contacts/delta?$select=nope").code())
}

func TestMailboxContacts(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	ann, _, cem := staff(f)
	for range 12 {
		f.tenant.MailboxContact(ann, MailboxContact{DisplayName: "X", Emails: []Address{{"X", "x@partner.example"}}, Home: []string{"+12065550102"}})
	}
	f.tenant.MailboxContact(ann, MailboxContact{DisplayName: "Y", Folder: "Suppliers"})
	require.Empty(t, f.tenant.MailboxContact("nobody", MailboxContact{}))
	base := "/v1.0/users/" + ann
	a := f.get(base + "/contacts?$select=displayName,emailAddresses,homePhones")
	require.Len(t, a.value(), 10, "10 where nothing is said")
	require.Equal(t, []any{map[string]any{"name": "X", "address": "x@partner.example"}}, a.value()[0]["emailAddresses"])
	require.Contains(t, a.link("nextLink"), "$skip=10")
	require.Len(t, f.get(a.link("nextLink")).value(), 2)
	require.Len(t, f.get(base+"/contacts?$top=1000").value(), 12)
	require.Equal(t, "ErrorInvalidParameter", f.get(base+"/contacts?$top=1001").code())
	require.Equal(t, "BadRequest", f.get(base+"/contacts?$select=mail").code())
	folders := f.get(base + "/contactFolders").value()
	require.Len(t, folders, 1)
	require.Equal(t, "Suppliers", folders[0]["displayName"])
	list := f.get(base + "/contactFolders/" + folders[0]["id"].(string) + "/contacts").value()
	require.Len(t, list, 1)
	require.Equal(t, "Y", list[0]["displayName"])
	require.Equal(t, "ErrorItemNotFound", f.get(base+"/contactFolders/none/contacts").code())
	require.Empty(t, f.get("/v1.0/users/help@fabrikam.example/contacts").value())
	require.Equal(t, "MailboxNotEnabledForRESTAPI", f.get("/v1.0/users/"+cem+"/contacts").code())
	f.tenant.RestrictMail("help@fabrikam.example")
	require.Equal(t, "ErrorAccessDenied", f.get(base+"/contacts").code())
}

func TestDeltaOfAMailboxTellsWhatChangesInAFolder(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	ann, _, _ := staff(f)
	base := "/v1.0/users/" + ann
	names := func(a answered) (out []string) {
		for _, v := range a.value() {
			if name, ok := v["displayName"].(string); ok {
				out = append(out, name)
				continue
			}
			require.Contains(t, v, "@removed")
			out = append(out, "gone")
		}
		return out
	}
	var ids []string
	for _, name := range []string{"A", "B", "C"} {
		ids = append(ids, f.tenant.MailboxContact(ann, MailboxContact{DisplayName: name}))
	}
	f.tenant.MailboxContact(ann, MailboxContact{DisplayName: "D", Folder: "Suppliers/Former"})

	a := f.get(base+"/contacts/delta?$select=displayName", "Prefer: odata.maxpagesize=2")
	require.Equal(t, []string{"A", "B"}, names(a))
	require.True(t, f.tenant.DeleteMailboxContact(ann, ids[0]))
	require.False(t, f.tenant.DeleteMailboxContact(ann, ids[0]))
	require.False(t, f.tenant.DeleteMailboxContact("nobody", ids[0]))
	a = f.get(a.link("nextLink"))
	require.Equal(t, []string{"C"}, names(a), "nobody is left out where one before is deleted")
	f.tenant.MailboxContact(ann, MailboxContact{ID: ids[1], DisplayName: "B2"})
	f.tenant.MailboxContact(ann, MailboxContact{ID: ids[2], DisplayName: "C", Folder: "Suppliers"})
	a = f.get(a.link("deltaLink"))
	require.Equal(t, []string{"gone", "B2", "gone"}, names(a), "one that has left the folder is gone from it")
	require.Empty(t, names(f.get(a.link("deltaLink"))))

	top := f.get(base + "/contactFolders").value()
	require.Len(t, top, 1)
	require.Equal(t, "Suppliers", top[0]["displayName"])
	id := top[0]["id"].(string)
	below := f.get(base + "/contactFolders/" + id + "/childFolders").value()
	require.Len(t, below, 1)
	require.Equal(t, "Former", below[0]["displayName"])
	require.Equal(t, id, below[0]["parentFolderId"])
	a = f.get(base + "/contactFolders/" + below[0]["id"].(string) + "/contacts/delta")
	require.Equal(t, []string{"D"}, names(a))
	require.Equal(t, "ErrorItemNotFound", f.get(base+"/contactFolders/none/childFolders").code())
	require.Equal(t, "ErrorItemNotFound", f.get(base+"/contactFolders/none/contacts/delta").code())
	require.Equal(t, "BadRequest", f.get(base+"/contacts/delta?$select=mail").code())
	require.Equal(t, "BadRequest", f.get(strings.Replace(a.link("deltaLink"), "/contactFolders/"+below[0]["id"].(string), "", 1)).code(), "a token of another folder")
}
