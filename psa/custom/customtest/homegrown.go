package customtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/custom"
)

// homegrownClient speaks the wire format of the ticket system that the MSP has written itself. It is what such an MSP has
// anyway; [Homegrown] makes a psa.System of it.
type homegrownClient struct {
	base, key string
	http      *http.Client
}

// do sends in, reads out, and tells a refusal in an answer of 200.
func (c homegrownClient) do(ctx context.Context, method, path string, in, out any) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, &body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	var said struct {
		OK         bool   `json:"ok"`
		Error      string `json:"error"`
		Field      string `json:"field"`
		MergedInto string `json:"merged_into"`
	}
	var raw bytes.Buffer
	if _, err := raw.ReadFrom(resp.Body); err != nil {
		return err
	}
	problem := json.Unmarshal(raw.Bytes(), &said)
	refused := func(err error) error {
		e := &psa.Error{Status: resp.StatusCode, Code: said.Error, MergedInto: said.MergedInto, Err: err}
		if said.Field != "" {
			e.Fields = []string{said.Field}
		}
		return e
	}
	switch said.Error {
	case "no_such_ticket", "no_such_contact":
		return refused(psa.ErrNotFound)
	case "ticket_closed":
		return refused(psa.ErrClosed)
	case "bad_value", "bad_characters", "validation":
		return refused(psa.ErrValidation)
	case "too_long":
		return refused(psa.ErrTooLong)
	case "bad_cursor":
		return refused(psa.ErrCursor)
	case "no_such_field":
		return refused(psa.ErrUnsupported)
	}
	if err := custom.Status(resp); err != nil {
		return err
	}
	if problem != nil || !said.OK {
		return errors.New("what came is no answer") // so nobody knows what was done
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw.Bytes(), out)
}

type wireTicket struct {
	ID         string    `json:"id"`
	Title      string    `json:"title"`
	Company    psa.Named `json:"company"`
	Contact    psa.Named `json:"contact"`
	Queue      psa.Named `json:"queue"`
	Status     psa.Named `json:"status"`
	Priority   psa.Named `json:"priority"`
	Source     psa.Named `json:"source"`
	Type       psa.Named `json:"type"`
	SubType    psa.Named `json:"subtype"`
	Category   psa.Named `json:"category"`
	Closed     bool      `json:"closed"`
	MergedInto string    `json:"merged_into"`
	Created    time.Time `json:"created"`
	Modified   time.Time `json:"modified"`
}

func (t wireTicket) read() psa.Ticket {
	return psa.Ticket{
		ID: t.ID, Title: t.Title, Company: t.Company, Contact: t.Contact, Queue: t.Queue, Status: t.Status, Priority: t.Priority,
		Source: t.Source, Type: t.Type, SubType: t.SubType, Category: t.Category, Closed: t.Closed, MergedInto: t.MergedInto,
		CreatedAt: t.Created, ModifiedAt: t.Modified,
	}
}

type wireContact struct {
	ID       string      `json:"id"`
	Company  psa.Named   `json:"company"`
	First    string      `json:"first"`
	Last     string      `json:"last"`
	Title    string      `json:"title"`
	Emails   []string    `json:"emails"`
	Phones   []psa.Phone `json:"phones"`
	Entra    string      `json:"entra"`
	Active   bool        `json:"active"`
	Modified time.Time   `json:"modified"`
}

func ticketPath(ref psa.TicketRef, rest string) string {
	return "/v1/tickets/" + url.PathEscape(ref.Ticket.ID) + rest
}

// wireQuery asks for a page that begins after the cursor, which is the last id.
func wireQuery(q psa.Query) string {
	v := url.Values{"limit": {strconv.Itoa(q.Limit)}}
	if q.Cursor != "" {
		v.Set("after", q.Cursor)
	}
	if q.CompanyID != "" {
		v.Set("company", q.CompanyID)
	}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.UTC().Format(time.RFC3339))
	}
	if q.Inactive {
		v.Set("inactive", "1")
	}
	return "?" + v.Encode()
}

func (c homegrownClient) contacts(ctx context.Context, query string) (psa.Page[psa.Contact], error) {
	var out struct {
		Contacts []wireContact `json:"contacts"`
		More     bool          `json:"more"`
	}
	if err := c.do(ctx, http.MethodGet, "/v1/contacts"+query, nil, &out); err != nil {
		return psa.Page[psa.Contact]{}, err
	}
	var p psa.Page[psa.Contact]
	for _, w := range out.Contacts {
		p.Items = append(p.Items, psa.Contact{
			ID: w.ID, Company: w.Company, Name: w.First + " " + w.Last, FirstName: w.First, LastName: w.Last, Title: w.Title,
			Emails: w.Emails, Phones: w.Phones, EntraID: w.Entra, Active: w.Active, ModifiedAt: w.Modified,
		})
	}
	if out.More {
		p.Next = p.Items[len(p.Items)-1].ID
	}
	return p, nil
}

// Homegrown makes a ticket system of functions that speak to the one of psatest.NewHomegrown at base, with its key. Of o
// the limits are the caller's; what the system can do is filled in.
func Homegrown(base, key string, o custom.Options) (*custom.System, error) {
	o.PublicNotes, o.TicketKey, o.ContactsSince = true, true, true
	o.Fields = []psa.Field{
		psa.FieldQueue, psa.FieldType, psa.FieldSubType, psa.FieldCategory, psa.FieldStatus, psa.FieldPriority, psa.FieldSource,
	}
	return custom.New("homegrown", HomegrownFuncs(base, key), &o)
}

// HomegrownFuncs are the functions alone.
func HomegrownFuncs(base, key string) custom.Funcs {
	c := homegrownClient{base, key, &http.Client{}}
	var written struct {
		ID string `json:"id"`
	}
	type note struct {
		Title  string `json:"title"`
		Text   string `json:"text"`
		Public bool   `json:"public"`
	}
	plain := func(n psa.Note) note { return note{psa.Plain(n.Title), psa.Plain(n.Text), n.Visibility == psa.Public} }
	return custom.Funcs{
		AddNote: func(ctx context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
			out := written
			err := c.do(ctx, http.MethodPost, ticketPath(ref, "/notes"), plain(n), &out)
			return out.ID, err
		},
		ListNotes: func(ctx context.Context, ref psa.TicketRef, since time.Time) ([]psa.WrittenNote, error) {
			var out struct {
				Me    int `json:"me"`
				Notes []struct {
					ID       string    `json:"id"`
					AuthorID int       `json:"author_id"`
					Author   string    `json:"author"`
					Text     string    `json:"text"`
					Public   bool      `json:"public"`
					Created  time.Time `json:"created"`
				} `json:"notes"`
			}
			query := ""
			if !since.IsZero() {
				query = "?since=" + url.QueryEscape(since.UTC().Format(time.RFC3339))
			}
			if err := c.do(ctx, http.MethodGet, ticketPath(ref, "/notes"+query), nil, &out); err != nil {
				return nil, err
			}
			var list []psa.WrittenNote
			for _, n := range out.Notes {
				w := psa.WrittenNote{ID: n.ID, Ours: n.AuthorID == out.Me, Author: n.Author, Text: n.Text, CreatedAt: n.Created}
				if n.Public {
					w.Visibility = psa.Public
				}
				list = append(list, w)
			}
			return list, nil
		},
		GetTicket: func(ctx context.Context, ref psa.TicketRef) (psa.Ticket, error) {
			var out struct {
				Ticket wireTicket `json:"ticket"`
			}
			err := c.do(ctx, http.MethodGet, ticketPath(ref, ""), nil, &out)
			return out.Ticket.read(), err
		},
		CreateTicket: func(ctx context.Context, _ mspkit.TenantID, n psa.NewTicket) (psa.Ticket, error) {
			in := map[string]any{
				"title": psa.Plain(n.Title), "text": psa.Plain(n.Text), "public": n.Visibility == psa.Public,
				"company": n.CompanyID, "contact": n.ContactID, "key": n.Key,
			}
			for _, f := range psa.Fields {
				in[string(f)] = n.Defaults.Get(f)
			}
			var out struct {
				Ticket wireTicket `json:"ticket"`
			}
			err := c.do(ctx, http.MethodPost, "/v1/tickets", in, &out)
			return out.Ticket.read(), err
		},
		SetStatus: func(ctx context.Context, ref psa.TicketRef, status psa.Named) error {
			return c.do(ctx, http.MethodPost, ticketPath(ref, "/status"), status, nil)
		},
		ListOptions: func(ctx context.Context, f psa.Field, given psa.Defaults) ([]psa.Option, error) {
			parent := ""
			switch f { //nolint:exhaustive // the others stand alone
			case psa.FieldStatus, psa.FieldType:
				parent = given.Queue.ID
			case psa.FieldSubType:
				parent = given.Type.ID
			case psa.FieldCategory:
				parent = given.SubType.ID
			}
			var out struct {
				Options []struct {
					ID, Name         string
					Closed, Inactive bool
				} `json:"options"`
			}
			err := c.do(ctx, http.MethodGet, "/v1/options/"+url.PathEscape(string(f))+"?parent="+url.QueryEscape(parent), nil, &out)
			var list []psa.Option
			for _, o := range out.Options {
				list = append(list, psa.Option{Named: psa.Named{ID: o.ID, Name: o.Name}, Closed: o.Closed, Inactive: o.Inactive})
			}
			return list, err
		},
		ListContacts: func(ctx context.Context, q psa.Query) (psa.Page[psa.Contact], error) {
			return c.contacts(ctx, wireQuery(q))
		},
		FindByEmail: func(ctx context.Context, email string) ([]psa.Contact, error) {
			p, err := c.contacts(ctx, "?email="+url.QueryEscape(email))
			return p.Items, err
		},
		FindByPhone: func(ctx context.Context, number string) ([]psa.Contact, error) {
			p, err := c.contacts(ctx, "?phone="+url.QueryEscape(psa.PhoneDigits(number)))
			return p.Items, err
		},
		ListCompanies: func(ctx context.Context, q psa.Query) (psa.Page[psa.Company], error) {
			var out struct {
				Companies []struct {
					ID, Key, Name string
					Domains       []string
					Active        bool
					Modified      time.Time
				} `json:"companies"`
				More bool `json:"more"`
			}
			if err := c.do(ctx, http.MethodGet, "/v1/companies"+wireQuery(q), nil, &out); err != nil {
				return psa.Page[psa.Company]{}, err
			}
			var p psa.Page[psa.Company]
			for _, w := range out.Companies {
				p.Items = append(p.Items, psa.Company{ID: w.ID, Key: w.Key, Name: w.Name, Domains: w.Domains, Active: w.Active, ModifiedAt: w.Modified})
			}
			if out.More {
				p.Next = p.Items[len(p.Items)-1].ID
			}
			return p, nil
		},
		AddContactNote: func(ctx context.Context, _ mspkit.TenantID, contactID string, n psa.Note) (string, error) {
			text := psa.Plain(n.Text)
			if n.Title != "" {
				text = psa.Plain(n.Title) + "\n\n" + text
			}
			out := written
			err := c.do(ctx, http.MethodPost, "/v1/contacts/"+url.PathEscape(contactID)+"/notes", note{Text: text}, &out)
			return out.ID, err
		},
		LogTime: func(ctx context.Context, ref psa.TicketRef, e psa.TimeEntry) (string, error) {
			out := written
			err := c.do(ctx, http.MethodPost, ticketPath(ref, "/time"), map[string]any{
				"start": e.Start, "end": e.End, "text": psa.Plain(e.Text), "public": e.Visibility == psa.Public, "billable": e.Billable,
			}, &out)
			return out.ID, err
		},
		Ping: func(ctx context.Context) (psa.Info, error) {
			var out struct {
				Version string `json:"version"`
			}
			err := c.do(ctx, http.MethodGet, "/v1/ping", nil, &out)
			return psa.Info{Version: out.Version, Base: c.base}, err
		},
		// Its internal notes are for technicians, and it mails nobody.
		CanNoteData: func(context.Context, psa.TicketRef) error { return nil },
	}
}
