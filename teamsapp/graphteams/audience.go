package graphteams

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cursor"
	"github.com/mspkit/mspkit/internal/graphx"
)

// Audience is for whom something is done: one of Users, Group and Everyone.
type Audience struct {
	// Users are object ids or user principal names.
	Users []string
	// Group is the object id of a group: its members, and those of the groups in it. It needs GroupMember.Read.All and
	// User.Read.All.
	Group string
	// Everyone is all people of the tenant. It needs User.Read.All.
	Everyone bool
	// Guests includes the guests of a group or of the tenant. Their own Teams is in another tenant, so they seldom see a message
	// here. Users are taken as they are.
	Guests bool
}

func (a *Audience) validate() error {
	n := 0
	for _, given := range []bool{len(a.Users) > 0, a.Group != "", a.Everyone} {
		if given {
			n++
		}
	}
	var errs []error
	if n != 1 {
		errs = append(errs, because(mspkit.ErrInvalid, nil, "An audience is one of Users, Group and Everyone."))
	}
	if a.Group != "" && !objectForm.MatchString(a.Group) {
		errs = append(errs, because(mspkit.ErrInvalid, nil, "A group is named by its object id."))
	}
	for i, u := range a.Users {
		if _, err := userSegment(u); err != nil {
			errs = append(errs, because(mspkit.ErrInvalid, nil, "Users[%d] is no object id and no user principal name.", i))
			break
		}
	}
	return errors.Join(errs...)
}

// sum tells two audiences apart in a checkpoint.
func (a *Audience) sum() string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%t %t %q", a.Everyone, a.Guests, strings.ToLower(a.Group))
	for _, u := range a.Users {
		_, _ = fmt.Fprintf(h, " %d:%s", len(u), strings.ToLower(u))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])
}

const (
	// pageSize is how many people are between two checkpoints, and so how many are done again after a crash.
	pageSize = 100
	// maxPageSize is how many are taken of a page that is larger than was asked for: what Graph allows at most.
	maxPageSize = 999
	// maxPages is how many pages a list may have: more than the largest tenant has. A list that goes on for ever would be a run
	// that does.
	maxPages = 100_000
)

// target is somebody of the audience, with what the listing says of them.
type target struct {
	user string
	who  *person // nil where the listing does not say
}

// page is people between two checkpoints.
type page struct {
	people []target
	// leftOut are guests and accounts that are switched off.
	leftOut int
	// query is that of the link to the next page, last says that there is none.
	query string
	last  bool
}

// path is where the people are listed, below the version.
func (a *Audience) path() string {
	if a.Group != "" {
		return "/groups/" + strings.ToLower(a.Group) + "/transitiveMembers/microsoft.graph.user"
	}
	return "/users"
}

// query is that of the first page.
//
// Source: https://learn.microsoft.com/graph/api/group-list-transitivemembers: a cast to users is an advanced query.
func (a *Audience) query() string {
	q := url.Values{"$select": {personFields}, "$top": {strconv.Itoa(pageSize)}}
	if a.Group != "" {
		q.Set("$count", "true")
	} else {
		q.Set("$filter", "accountEnabled eq true")
	}
	return q.Encode()
}

func (a *Audience) needs() string {
	if a.Group != "" {
		return "GroupMember.Read.All and User.Read.All"
	}
	return "User.Read.All"
}

// page reads the people who follow st.
func (c *Client) page(ctx context.Context, r *ManyRequest, st *runState) (page, error) {
	a := &r.Audience
	if len(a.Users) > 0 {
		to := min(st.At+pageSize, len(a.Users))
		p := page{last: to == len(a.Users)}
		for _, u := range a.Users[st.At:to] {
			p.people = append(p.people, target{user: u})
		}
		return p, nil
	}
	query := st.Query
	if query == "" {
		query = a.query()
	}
	var p page
	// Of a link only the query is followed, so that no link and no checkpoint leads to what was not asked for.
	links, err := graphx.PageOf(ctx, c.graph, &graphx.Request{
		Tenant: r.Tenant, Workload: graphx.Directory, Path: strings.TrimRight(c.o.Cloud.Graph, "/") + "/v1.0" + a.path() + "?" + query,
		Eventual: a.Group != "",
	}, func(who *person) error {
		switch {
		case !objectForm.MatchString(who.ID):
			return fmt.Errorf("%w: somebody without an id is listed", graphx.ErrAnswer)
		case len(p.people)+p.leftOut == maxPageSize:
			return fmt.Errorf("%w: a page has more than %d people", graphx.ErrTooBig, maxPageSize)
		case who.disabled(), who.guest() && !a.Guests:
			p.leftOut++
		default:
			one := *who
			one.Plans = slices.Clone(who.Plans)
			p.people = append(p.people, target{user: strings.ToLower(who.ID), who: &one})
		}
		return nil
	})
	if err != nil {
		return page{}, err
	}
	if links.Next == "" {
		p.last = true
		return p, nil
	}
	u, err := url.Parse(links.Next)
	if err != nil || u.RawQuery == "" {
		return page{}, fmt.Errorf("%w: a link has no query", graphx.ErrAnswer)
	}
	if u.RawQuery == query || st.Pages >= maxPages {
		return page{}, graphx.ErrCircle
	}
	p.query = u.RawQuery
	return p, nil
}

// total is about how many people there are, 0 where nobody says: guests without a type and people who come and go make it
// wrong by a few.
func (c *Client) total(ctx context.Context, r *ManyRequest) int {
	a := &r.Audience
	if len(a.Users) > 0 {
		return len(a.Users)
	}
	req := &graphx.Request{Tenant: r.Tenant, Workload: graphx.Directory, Path: a.path() + "/$count", Eventual: true}
	if a.Everyone {
		filter := "accountEnabled eq true"
		if !a.Guests {
			filter += " and userType eq 'Member'"
		}
		req.Query = url.Values{"$filter": {filter}}
	}
	res, err := c.graph.Open(ctx, req)
	if err != nil {
		return 0
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, 32))
	if err != nil || res.StatusCode != http.StatusOK {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(string(b), "\ufeff")))
	if err != nil {
		return 0
	}
	return max(n, 0)
}

// Checkpoint is where a run over many people stands: text without spaces for the host to keep, of use for the same tenant, app,
// audience and kind of run only. It holds what Graph calls the place in its list, which may name somebody: keep it as you keep the
// people. It is bound by a sum without a key, so it must not come from a browser. The zero value is the beginning.
type Checkpoint string

// maxCheckpoint is how long a checkpoint may be.
const maxCheckpoint = 8 << 10

// runState is what a checkpoint says.
type runState struct {
	Version int `json:"v"`
	// At is how many of Audience.Users are done; Query is that of the page that follows.
	At    int    `json:"a,omitempty"`
	Query string `json:"q,omitempty"`
	// Pages is how many pages of the list are done.
	Pages int `json:"n,omitempty"`
	// Begun says that it is no beginning, Over that nobody is left.
	Begun bool `json:"b,omitempty"`
	Over  bool `json:"o,omitempty"`
	// Proven says that the permission was seen to work.
	Proven bool   `json:"p,omitempty"`
	Total  int    `json:"t,omitempty"`
	Counts Counts `json:"c"`
}

const (
	runVersion = 1
	runOwner   = "graphteams"
)

func (k runKind) owner(r *ManyRequest) []string {
	return []string{runOwner, string(k), string(r.Tenant), strings.ToLower(r.App.CatalogID), r.Audience.sum()}
}

func (st runState) encode(owner []string) (Checkpoint, error) {
	st.Version = runVersion
	text, err := cursor.Encode(st, owner...)
	if err == nil && len(text) > maxCheckpoint {
		err = fmt.Errorf("%w: a link of Graph is too long to be kept", graphx.ErrAnswer)
	}
	return Checkpoint(text), err
}

func decodeRun(r *ManyRequest, owner []string) (runState, error) {
	var st runState
	if r.From == "" {
		return st, nil
	}
	sound := len(r.From) <= maxCheckpoint && cursor.Decode(string(r.From), &st, owner...) && st.Version == runVersion &&
		st.At >= 0 && st.At <= len(r.Audience.Users) && st.Total >= 0 && st.Pages >= 0 && st.Counts.sound() &&
		(st.Query == "" || !strings.ContainsFunc(st.Query, func(c rune) bool { return c <= ' ' || c > '~' || c == '#' }))
	if !sound {
		return runState{}, because(ErrCheckpoint, nil, "Begin without a checkpoint: people who have the app are no problem.")
	}
	return st, nil
}
