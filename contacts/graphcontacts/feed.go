package graphcontacts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/graphx"
)

// feed lists the objects of one kind by delta.
type feed struct {
	// name tells the cursors of two feeds apart, noun is for errors.
	name, noun string
	// permission is what the listing needs.
	permission string
	// path is that of the collection, below the version of Graph.
	path string
	// fields are asked for. Of always every object has a value.
	fields, always []string
	// settings is a sum of what decides who is listed, and how.
	settings string
	client   *graphx.Client
	o        Options
	// choose makes contacts of what a page has; who is in neither result is dropped without a word.
	choose func(ctx context.Context, tenant mspkit.TenantID, list []*entry) (kept []contacts.Contact, removed []string, err error)
}

// fetch returns a page; see [Source.FetchContacts].
func (f *feed) fetch(ctx context.Context, q contacts.Query) (contacts.Page, error) {
	if err := ctx.Err(); err != nil {
		return contacts.Page{}, err
	}
	if err := q.Validate(); err != nil {
		return contacts.Page{}, err
	}
	st, err := f.state(q)
	if err != nil {
		return contacts.Page{}, f.fail(q.Tenant, err)
	}
	p, links, err := f.read(ctx, q, st)
	if st.Query != "" && forgotten(err) {
		if st.Inside { // what the pages before had may be gone by now, and this run would never tell
			return contacts.Page{}, f.fail(q.Tenant, fmt.Errorf("%w: %w", contacts.ErrCursor, err))
		}
		st = f.begin(f.resync(err))
		p, links, err = f.read(ctx, q, st)
	}
	if err != nil {
		return contacts.Page{}, f.fail(q.Tenant, err)
	}
	if err := st.again(p); err != nil {
		return contacts.Page{}, f.fail(q.Tenant, err)
	}
	limit := len(p.entries) - st.Skip
	if q.Limit > 0 {
		limit = min(limit, q.Limit)
	}
	list := p.entries[st.Skip : st.Skip+limit]
	out := contacts.Page{Whole: st.Whole}
	if out.Contacts, out.Removed, err = f.contacts(ctx, q.Tenant, st, list); err != nil {
		return contacts.Page{}, f.fail(q.Tenant, err)
	}
	next, err := f.next(st, p, limit, links)
	if err != nil {
		return contacts.Page{}, f.fail(q.Tenant, err)
	}
	out.More = next.Inside
	if out.Next, err = encode(q.Tenant, f.name, next); err != nil {
		return contacts.Page{}, f.fail(q.Tenant, err)
	}
	return out, nil
}

// state reads the cursor of a query, or begins a run.
func (f *feed) state(q contacts.Query) (state, error) {
	if q.Cursor == "" {
		return f.begin(""), nil
	}
	now := f.o.Now()
	st, err := decode(q.Tenant, f.name, q.Cursor, now)
	if err != nil {
		return state{}, err
	}
	if st.Inside {
		if st.Settings != f.settings {
			return state{}, fmt.Errorf("the options have changed during the run: %w", contacts.ErrCursor)
		}
		return st, nil
	}
	expired := now.UnixMilli()-st.Told >= f.o.DeltaLife.Milliseconds()
	overdue := f.o.WholeEvery > 0 && now.UnixMilli()-st.Full >= f.o.WholeEvery.Milliseconds()
	if expired || overdue || st.Settings != f.settings {
		return f.begin(""), nil
	}
	return st, nil
}

// forgotten reports whether Graph cannot go on at a link: it has forgotten it, or does not understand it, as after the
// tenant was connected to another one.
func forgotten(err error) bool {
	var e *graphx.Error
	return errors.Is(err, graphx.ErrResync) || errors.As(err, &e) && e.Status == http.StatusBadRequest
}

// begin returns the beginning of a whole run.
func (f *feed) begin(query string) state {
	return state{Version: version, Settings: f.settings, Query: query, Whole: true, Full: f.o.Now().UnixMilli()}
}

// resync returns where a 410 says to begin anew: the query of its Location where that has a token, and else "", which is
// the same with our own $select.
func (f *feed) resync(err error) string {
	var e *graphx.Error
	if !errors.As(err, &e) {
		return ""
	}
	query, ok := linkQuery(f.o.Cloud.Graph, e.Location)
	if !ok {
		return ""
	}
	for part := range strings.SplitSeq(query, "&") {
		k, v, _ := strings.Cut(part, "=")
		k = strings.ToLower(strings.ReplaceAll(k, "%24", "$"))
		if v != "" && (k == "$deltatoken" || k == "$skiptoken") {
			return query
		}
	}
	return ""
}

// read reads the page of Graph at which st stands.
func (f *feed) read(ctx context.Context, q contacts.Query, st state) (*page, graphx.Links, error) {
	size := f.o.PageSize
	if q.Limit > 0 {
		size = min(size, q.Limit)
	}
	query := st.Query
	if query == "" {
		query = "$select=" + strings.Join(f.fields, ",")
	}
	p := &page{later: !st.Whole, ident: canonicalID}
	links, err := f.client.Page(ctx, &graphx.Request{
		Tenant: q.Tenant, Workload: graphx.Directory, Path: f.o.Cloud.Graph + "/v1.0" + f.path + "/delta?" + query,
		Header: http.Header{"Prefer": {"odata.maxpagesize=" + strconv.Itoa(size)}},
	}, p.add)
	if err == nil && p.unnamed > 0 {
		f.o.Logger.WarnContext(ctx, "graphcontacts: objects without an id that can be used were dropped",
			slog.String("tenant", string(q.Tenant)), slog.String("of", f.noun), slog.Int("dropped", p.unnamed))
	}
	return p, links, err
}

// next returns where the run goes on after n objects of a page were given, or what a later run begins with.
func (f *feed) next(st state, p *page, n int, links graphx.Links) (state, error) {
	then, last, err := f.leads(st, links)
	if err != nil || st.onward(p, n, then, last) {
		return st, err
	}
	out := state{Version: version, Settings: st.Settings, Query: then, Full: st.Full}
	if last {
		out.Told = f.o.Now().UnixMilli()
	} else {
		out.Inside, out.Whole = true, st.Whole
	}
	return out, nil
}

// leads returns where a page leads, and whether it was the last one of the run.
func (f *feed) leads(st state, links graphx.Links) (then string, last bool, err error) {
	if st.Skip > 0 {
		return st.Then, st.Last, nil
	}
	link, last := links.Next, links.Next == ""
	if last {
		link = links.Delta
	}
	if link == "" {
		// An answer that ends a run without saying where the next one begins is no end: somebody would be taken for gone.
		return "", false, fmt.Errorf("%w: a page of Graph says neither that there is more nor that it is the last one", contacts.ErrSource)
	}
	then, ok := linkQuery(f.o.Cloud.Graph, link)
	switch {
	case !ok:
		return "", false, fmt.Errorf("%w: a page of Graph leads to what was not asked for", contacts.ErrSource)
	case !last && then == st.Query:
		return "", false, fmt.Errorf("%w: the pages of Graph lead in a circle", contacts.ErrSource)
	}
	return then, last, nil
}

// contacts makes contacts of objects. What a round of changes does not say of one is read.
func (f *feed) contacts(ctx context.Context, tenant mspkit.TenantID, st state, list []*entry) ([]contacts.Contact, []string, error) {
	var lacking []*entry
	for _, e := range list {
		if !e.gone && f.lacks(st, e) {
			lacking = append(lacking, e)
		}
	}
	if err := f.complete(ctx, tenant, lacking); err != nil {
		return nil, nil, err
	}
	for _, e := range list {
		e.o.settle()
	}
	return f.choose(ctx, tenant, list)
}

// lacks reports whether the object is not said completely. In a first round a property that is not there has no value, but
// each object has those in always: one that has not is told as a change.
func (f *feed) lacks(st state, e *entry) bool {
	if st.Whole {
		for _, name := range f.always {
			if !e.o.has(name) {
				return true
			}
		}
		return false
	}
	for _, name := range f.fields {
		if name == "manager" {
			name = "manager@delta"
		}
		if !e.has[name] {
			return true
		}
	}
	return false
}

// has reports whether a property that every object has is there.
func (o *object) has(name string) bool {
	switch name {
	case "displayName":
		return o.DisplayName.There()
	case "userPrincipalName":
		return o.UserPrincipalName.There()
	case "accountEnabled":
		return o.AccountEnabled != nil
	}
	return false
}

// complete reads objects and lays what the page said of them over it, which may be newer. An object that is not found is
// gone, unless the page said so much that it was made a moment ago and has not reached every server of Graph: the next
// round tells if it is gone.
func (f *feed) complete(ctx context.Context, tenant mspkit.TenantID, list []*entry) error {
	if len(list) == 0 {
		return nil
	}
	items := make([]graphx.BatchItem, len(list))
	query := "?$select=" + strings.Join(f.fields, ",")
	if slices.Contains(f.fields, "manager") { // in delta it is selected, elsewhere expanded
		query = "?$select=" + strings.Join(slices.DeleteFunc(slices.Clone(f.fields), func(s string) bool { return s == "manager" }), ",") +
			"&$expand=manager($select=id)"
	}
	for i, e := range list {
		items[i].URL = f.path + "/" + e.id + query
	}
	results, err := f.client.Batch(ctx, tenant, graphx.Directory, items)
	if err != nil {
		return err
	}
	if len(results) != len(list) {
		return fmt.Errorf("%w: a batch has %d answers to %d questions", contacts.ErrSource, len(results), len(list))
	}
	for i, r := range results {
		e := list[i]
		switch {
		case errors.Is(r.Err, graphx.ErrNotFound):
			e.gone = !f.made(e)
			continue
		case r.Err != nil:
			return r.Err
		}
		var whole object
		if err := whole.merge(r.Body); err != nil {
			return err
		}
		if canonicalID(text(whole.ID)) != e.id {
			return fmt.Errorf("%w: another object came than was asked for", contacts.ErrSource)
		}
		for _, raw := range e.raw {
			if err := whole.merge(raw); err != nil {
				return err
			}
		}
		whole.Removed, e.o = nil, whole
	}
	return nil
}

// made reports whether the page had what every object has.
func (f *feed) made(e *entry) bool {
	for _, name := range f.always {
		if !e.o.has(name) {
			return false
		}
	}
	return true
}

// fail says in which listing something went wrong.
func (f *feed) fail(tenant mspkit.TenantID, err error) error {
	return fail("list "+f.noun, tenant, f.permission, err)
}
