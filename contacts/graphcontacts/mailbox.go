package graphcontacts

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/internal/phone"
)

const (
	// maxFolders is how many folders of contacts of one mailbox are listed.
	maxFolders = 100
	// maxMailboxPage is the most contacts of a mailbox that are asked for at once.
	maxMailboxPage = 200
	maxFolderID    = 1024
)

// Mailboxes says whose contacts are listed for a tenant: the object id or the address of the mailbox. Empty means none,
// which is [contacts.ErrTenant].
type Mailboxes func(ctx context.Context, tenant mspkit.TenantID) (string, error)

// Mailbox lists the contacts that people keep in a mailbox of Exchange Online. It is safe for concurrent use.
type Mailbox struct {
	maker

	client    *graphx.Client
	o         Options
	mailboxes Mailboxes
}

var _ contacts.ContactSource = (*Mailbox)(nil)

// NewMailboxContacts returns the contacts of one mailbox per tenant, those in folders and their folders, too. It needs
// Contacts.Read, which reaches every mailbox of the tenant unless Exchange limits the application to some: read the package
// comment. Each run is whole. The id of a contact is [MailboxContactID]. It is not in the cloud operated by 21Vianet.
func NewMailboxContacts(creds azurecred.TenantCredentials, mailboxes Mailboxes, o *Options) (*Mailbox, error) {
	client, opts, err := connect(creds, o)
	if mailboxes == nil {
		err = errors.Join(err, fmt.Errorf("graphcontacts: it must be said which mailbox is listed: %w", mspkit.ErrInvalid))
	}
	if err != nil {
		return nil, err
	}
	return &Mailbox{maker: maker{phones: phone.Reader{Region: opts.Region}}, client: client, o: opts, mailboxes: mailboxes}, nil
}

// MailboxContactID returns the id of a contact of a mailbox: "outlook:" and a hash of the immutable id that Graph gives,
// which is too long to be one. It stays the same when the contact is moved within the mailbox.
func MailboxContactID(id string) string {
	h := sha256.Sum256([]byte(id))
	return "outlook:" + base64.RawURLEncoding.EncodeToString(h[:24])
}

const mailboxFields = "id,displayName,givenName,surname,companyName,jobTitle,emailAddresses,mobilePhone,businessPhones,homePhones"

// FetchContacts returns a page of one folder. A page may be empty although there is more.
func (m *Mailbox) FetchContacts(ctx context.Context, q contacts.Query) (contacts.Page, error) {
	if err := ctx.Err(); err != nil {
		return contacts.Page{}, err
	}
	if err := q.Validate(); err != nil {
		return contacts.Page{}, err
	}
	p, err := m.fetch(ctx, q)
	if err != nil {
		return contacts.Page{}, fail("list the contacts of a mailbox", q.Tenant, "Contacts.Read", err)
	}
	return p, nil
}

func (m *Mailbox) fetch(ctx context.Context, q contacts.Query) (contacts.Page, error) {
	mailbox, err := m.mailboxes(ctx, q.Tenant)
	switch {
	case err != nil:
		return contacts.Page{}, err
	case mailbox == "":
		return contacts.Page{}, fmt.Errorf("%w: it has no mailbox whose contacts are listed", contacts.ErrTenant)
	case !segment(mailbox, 320):
		return contacts.Page{}, fmt.Errorf("the mailbox is neither an object id nor an address: %w", mspkit.ErrInvalid)
	}
	feed := "mailbox:" + mailbox
	now := m.o.Now()
	st := state{Version: version, Inside: true, Whole: true, Full: now.UnixMilli()}
	if q.Cursor != "" {
		if st, err = decode(q.Tenant, feed, q.Cursor, now); err != nil {
			return contacts.Page{}, err
		}
		if !st.Inside || !st.Whole || st.Folder != "" && !segment(st.Folder, maxFolderID) {
			return contacts.Page{}, fmt.Errorf("the cursor is none of a mailbox: %w", contacts.ErrCursor)
		}
	}
	p, links, err := m.read(ctx, q, mailbox, st)
	switch {
	case st.Query != "" && forgotten(err):
		return contacts.Page{}, fmt.Errorf("%w: %w", contacts.ErrCursor, err)
	case errors.Is(err, graphx.ErrNotFound) && st.Folder != "":
		p, links, err = &page{}, graphx.Links{}, nil // the folder has gone meanwhile
	case err == nil && links.Next == "" && links.Delta == "":
		err = fmt.Errorf("%w: a page of Graph says neither that there is more nor that it is the last one", contacts.ErrSource)
	}
	if err != nil {
		return contacts.Page{}, err
	}
	if err := st.again(p); err != nil {
		return contacts.Page{}, err
	}
	n := len(p.entries) - st.Skip
	if q.Limit > 0 {
		n = min(n, q.Limit)
	}
	out := contacts.Page{Whole: true}
	for _, e := range p.entries[st.Skip : st.Skip+n] {
		if e.gone {
			out.Removed = append(out.Removed, MailboxContactID(e.id))
			continue
		}
		out.Contacts = append(out.Contacts, m.contact(q.Tenant, &e.o))
	}
	out.Next, out.More, err = m.next(ctx, q.Tenant, mailbox, feed, st, p, n, links)
	if err != nil {
		return contacts.Page{}, err
	}
	return out, nil
}

func (m *Mailbox) contact(tenant mspkit.TenantID, o *object) contacts.Contact {
	id := MailboxContactID(text(o.ID))
	c := m.maker.contact(tenant, id, o)
	c.Enabled = true
	c.Sources = map[string]string{"outlook": id}
	emails := make([]string, 0, len(o.EmailAddresses))
	for _, e := range o.EmailAddresses {
		emails = append(emails, text(e.Address))
	}
	m.emails(&c, emails)
	m.numbers(&c, slices.Concat([]string{text(o.MobilePhone)}, o.BusinessPhones, o.HomePhones))
	return c
}

// read reads a page of the folder at which st stands, by the first round of delta: it goes on by a token, where a plain
// list counts what it skips and leaves somebody out when another contact is deleted meanwhile. For the first folder the call
// is in Graph's metadata and in Microsoft's own modules, for the others it is documented, too.
//
// Source: https://learn.microsoft.com/graph/api/contact-delta.
func (m *Mailbox) read(ctx context.Context, q contacts.Query, mailbox string, st state) (*page, graphx.Links, error) {
	path := "/users/" + url.PathEscape(mailbox)
	if st.Folder != "" {
		path += "/contactFolders/" + url.PathEscape(st.Folder)
	}
	size := min(m.o.PageSize, maxMailboxPage)
	if q.Limit > 0 {
		size = min(size, q.Limit)
	}
	query := st.Query
	if query == "" {
		query = "$select=" + mailboxFields
	}
	p := &page{ident: outlookID}
	links, err := m.client.Page(ctx, &graphx.Request{
		Tenant: q.Tenant, Workload: graphx.Outlook, Path: m.o.Cloud.Graph + "/v1.0" + path + "/contacts/delta?" + query,
		Header: http.Header{"Prefer": {`odata.maxpagesize=` + strconv.Itoa(size) + `, IdType="ImmutableId"`}},
	}, p.add)
	return p, links, err
}

// next returns where the run goes on: in the page, in the folder, in the next folder.
func (m *Mailbox) next(
	ctx context.Context, tenant mspkit.TenantID, mailbox, feed string, st state, p *page, n int, links graphx.Links,
) (contacts.Cursor, bool, error) {
	then := st.Then
	if st.Skip == 0 && links.Next != "" {
		var ok bool
		if then, ok = linkQuery(m.o.Cloud.Graph, links.Next); !ok {
			return "", false, fmt.Errorf("%w: a page of Graph leads to what was not asked for", contacts.ErrSource)
		}
		if then == st.Query {
			return "", false, fmt.Errorf("%w: the pages of Graph lead in a circle", contacts.ErrSource)
		}
	}
	if st.onward(p, n, then, then == "") {
		c, err := encode(tenant, feed, st)
		return c, true, err
	}
	out := state{Version: version, Inside: true, Whole: true, Full: st.Full, Folder: st.Folder, Query: then}
	if then == "" {
		folders, err := m.folders(ctx, tenant, mailbox)
		if err != nil {
			return "", false, err
		}
		i, found := slices.BinarySearch(folders, st.Folder)
		if found {
			i++
		}
		if i == len(folders) {
			return "", false, nil
		}
		out.Folder = folders[i]
	}
	c, err := encode(tenant, feed, out)
	return c, true, err
}

// folders returns the ids of all folders of contacts below the first one, sorted.
func (m *Mailbox) folders(ctx context.Context, tenant mspkit.TenantID, mailbox string) ([]string, error) {
	base := "/users/" + url.PathEscape(mailbox) + "/contactFolders"
	var all []string
	pages := 0
	for todo := []string{base}; len(todo) > 0; todo = todo[1:] {
		r := &graphx.Request{
			Tenant: tenant, Workload: graphx.Outlook, Path: todo[0], Query: url.Values{"$select": {"id"}, "$top": {"100"}},
			Header: http.Header{"Prefer": {`IdType="ImmutableId"`}},
		}
		for more := true; more; {
			p := &page{ident: outlookID}
			links, err := m.client.Page(ctx, r, p.add)
			if errors.Is(err, graphx.ErrNotFound) && todo[0] != base {
				break // the folder has gone meanwhile
			}
			if err != nil {
				return nil, fmt.Errorf("list its folders: %w", err)
			}
			for _, e := range p.entries {
				if !slices.Contains(all, e.id) {
					all = append(all, e.id)
					todo = append(todo, base+"/"+url.PathEscape(e.id)+"/childFolders")
				}
			}
			if pages++; len(all) > maxFolders || pages > 2*maxFolders {
				return nil, fmt.Errorf("%w: the mailbox has more than %d folders of contacts", contacts.ErrSource, maxFolders)
			}
			if more = links.Next != "" && len(p.entries) > 0; more {
				r = &graphx.Request{Tenant: tenant, Workload: graphx.Outlook, Path: links.Next, Header: r.Header}
			}
		}
	}
	slices.SortFunc(all, cmp.Compare[string])
	return all, nil
}

// outlookID refuses what no id of Outlook is.
func outlookID(s string) string {
	if !segment(s, maxFolderID) {
		return ""
	}
	return s
}

// segment reports whether s can stand as one element of a path.
func segment(s string, limit int) bool {
	if s == "" || len(s) > limit || strings.Trim(s, ".") == "" {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '/' || r == '\\' || r == '%' || r == '?' || r == '#'
	}) < 0
}
