package halopsa_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webtest"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/halopsa"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/stretchr/testify/require"
)

// The tests of this file are named after the traps of HaloPSA's API.

func one(t testing.TB, body string) map[string]any {
	t.Helper()
	var list []map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &list), "the body is no array: %s", body)
	require.Len(t, list, 1)
	return list[0]
}

func TestArrayBodyOnEveryPost(t *testing.T) {
	t.Parallel()
	w := open(t, nil, nil)
	ctx := t.Context()
	_, err := w.client.CreateTicket(ctx, "contoso", psa.NewTicket{Title: "New", CompanyID: "12", Text: "internal"})
	require.NoError(t, err)
	require.NoError(t, w.client.SetStatus(ctx, ref("4711"), psa.Named{Name: "In Progress"}))
	_, err = w.client.AddNote(ctx, ref("4711"), psa.Note{Text: "x"})
	require.NoError(t, err)
	now := time.Now()
	_, err = w.client.LogTime(ctx, ref("4711"), psa.TimeEntry{Start: now.Add(-time.Hour), End: now})
	require.NoError(t, err)
	posts := append(w.sent.list(http.MethodPost, "/api/Tickets"), w.sent.list(http.MethodPost, "/api/Actions")...)
	require.Len(t, posts, 5)
	for _, p := range posts {
		one(t, p.Body)
	}
	// The fake refuses anything else, so that the test above can fail.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/api/Actions", strings.NewReader(`{"ticket_id":4711,"outcome":"Note"}`))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+bareToken(t, w))
	resp, err := webtest.Client(t).Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
}

func TestObjectAndArrayAnswersAreAccepted(t *testing.T) {
	t.Parallel()
	for _, fake := range []psatest.HaloPSAOptions{{}, {Arrays: true}, {WrappedLists: true}, {Arrays: true, WrappedLists: true}} {
		t.Run(fmt.Sprintf("%v %v", fake.Arrays, fake.WrappedLists), func(t *testing.T) {
			t.Parallel()
			w := open(t, &fake, nil)
			id, err := w.client.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
			require.NoError(t, err)
			require.Equal(t, w.desk.Notes("4711")[0].ID, id)
			made, err := w.client.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "New", CompanyID: "12"})
			require.NoError(t, err)
			require.Equal(t, "New", made.Title)
			list, err := w.client.ListOptions(t.Context(), psa.FieldQueue, psa.Defaults{})
			require.NoError(t, err)
			require.Len(t, list, 3)
			outcomes, err := w.client.Outcomes(t.Context())
			require.NoError(t, err)
			require.Equal(t, []string{"Private Note", "Note", "Email User"}, outcomes)
		})
	}
}

func TestTeamByNameCategoryByPathPriorityByItsNumber(t *testing.T) {
	t.Parallel()
	w := open(t, nil, nil)
	_, err := w.client.CreateTicket(t.Context(), "contoso", psa.NewTicket{
		Title: "New", CompanyID: "12",
		Defaults: psa.Defaults{Queue: psa.Named{ID: "1"}, Category: psa.Named{ID: "9"}, Priority: psa.Named{Name: "high"}, Source: psa.Named{Name: "Phone"}},
	})
	require.NoError(t, err)
	r := one(t, w.sent.list(http.MethodPost, "/api/Tickets")[0].Body)
	require.Equal(t, "Service Desk", r["team"])
	require.Equal(t, "Password", r["category_1"])
	require.InDelta(t, 5, r["priority_id"], 0)
	require.InDelta(t, 6, r["source"], 0)
	require.Equal(t, "22", w.sent.list(http.MethodGet, "/api/Lookup")[0].Query.Get("lookupid"))
}

func TestPrioritiesHangOnTheSLA(t *testing.T) {
	t.Parallel()
	w := open(t, nil, &halopsa.Options{SLA: 2}) // the desk's priorities are of agreement 1
	list, err := w.client.ListOptions(t.Context(), psa.FieldPriority, psa.Defaults{})
	require.NoError(t, err)
	require.Empty(t, list)
	require.Equal(t, "2", w.sent.list(http.MethodGet, "/api/Priority")[0].Query.Get("slaid"))
	_, err = w.client.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "New", CompanyID: "12"})
	require.NoError(t, err)
	require.InDelta(t, 2, one(t, w.sent.list(http.MethodPost, "/api/Tickets")[0].Body)["sla_id"], 0)
}

func TestRulesTemplatesAndAcknowledgementsStayQuiet(t *testing.T) {
	t.Parallel()
	for _, run := range []bool{false, true} {
		w := open(t, &psatest.HaloPSAOptions{RulesMail: true}, &halopsa.Options{RunRules: run})
		_, err := w.client.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "New", CompanyID: "12"})
		require.NoError(t, err)
		r := one(t, w.sent.list(http.MethodPost, "/api/Tickets")[0].Body)
		require.Equal(t, false, r["sendack"])
		require.Equal(t, !run, r["dont_do_rules"] == true)
		require.Equal(t, !run, r["donotapplytemplateintheapi"] == true)
		_, err = w.client.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
		require.NoError(t, err)
		require.Equal(t, run, w.desk.Notes("4711")[0].Mailed)
		err = w.client.CanNoteData(t.Context(), ref("4711"))
		if run {
			require.ErrorIs(t, err, psa.ErrUnsupported, "a rule may mail it")
		} else {
			require.NoError(t, err)
		}
	}
}

func TestHiddenfromuserAndSendemailAreAlwaysSaid(t *testing.T) {
	t.Parallel()
	w := open(t, nil, nil)
	mails := w.connect(t, &halopsa.Options{NotifyContact: true})
	for _, tc := range []struct {
		c              *halopsa.Client
		v              psa.Visibility
		hidden, mailed bool
	}{
		{w.client, psa.Internal, true, false},
		{w.client, psa.Public, false, false},
		{w.client, psa.Visibility(7), true, false},
		{mails, psa.Internal, true, false},
		{mails, psa.Public, false, true},
	} {
		w.sent.clear()
		_, err := tc.c.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x", Visibility: tc.v})
		require.NoError(t, err)
		r := one(t, w.sent.list(http.MethodPost, "/api/Actions")[0].Body)
		require.Equal(t, tc.hidden, r["hiddenfromuser"], "it must be there: what is left out is public")
		require.Equal(t, tc.mailed, r["sendemail"])
		notes := w.desk.Notes("4711")
		require.Equal(t, tc.mailed, notes[len(notes)-1].Mailed)
	}
	require.True(t, mails.Capabilities().NotifiesContact)
}

func TestUnknownOutcomeSaysWhichThereAre(t *testing.T) {
	t.Parallel()
	for shape := range psatest.HaloPSAErrorShapes {
		w := open(t, &psatest.HaloPSAOptions{Errors: shape, Outcomes: []string{"Internal Note", "Reply"}}, nil)
		_, err := w.client.AddNote(t.Context(), ref("4711"), psa.Note{Text: "canary"})
		require.ErrorIs(t, err, psa.ErrValidation)
		require.Equal(t, psa.Never, psa.FateOf(err))
		require.ErrorContains(t, err, `the outcome "Private Note" is not configured in this HaloPSA; set Options.InternalOutcome to one of "Internal Note", "Reply"`)
		_, err = w.client.AddNote(t.Context(), ref("4711"), psa.Note{Text: "canary", Visibility: psa.Public})
		require.ErrorContains(t, err, "Options.PublicOutcome")
		require.NotContains(t, err.Error(), "canary")
	}
	w := open(t, &psatest.HaloPSAOptions{HiddenOutcomes: true, Outcomes: []string{"Internal Note"}}, nil)
	_, err := w.client.AddNote(t.Context(), ref("4711"), psa.Note{Text: "canary"})
	require.ErrorContains(t, err, `set Options.InternalOutcome to the name of an action`)

	w = open(t, &psatest.HaloPSAOptions{Outcomes: []string{"x", "y", "z"}}, &halopsa.Options{InternalOutcome: "2"})
	_, err = w.client.AddNote(t.Context(), ref("4711"), psa.Note{Text: "by number"})
	require.NoError(t, err)
	require.InDelta(t, 2, one(t, w.sent.list(http.MethodPost, "/api/Actions")[0].Body)["outcome_id"], 0)
}

func TestHTMLAndEmojiArriveAsTheReaderSeesThem(t *testing.T) {
	t.Parallel()
	text := "1 < 2 & <b>not bold</b>  two spaces 🔐\n\n\tindented, last"
	w := open(t, nil, nil)
	_, err := w.client.AddNote(t.Context(), ref("4711"), psa.Note{Text: text})
	require.NoError(t, err)
	require.Equal(t, text, w.desk.Notes("4711")[0].Text)
	list, err := w.client.ListNotes(t.Context(), ref("4711"), time.Time{})
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Contains(t, list[0].Text, "<b>not bold</b>")

	// Where HaloPSA refuses HTML, nothing is written, and the option helps.
	w = open(t, &psatest.HaloPSAOptions{RefuseHTML: true}, nil)
	_, err = w.client.AddNote(t.Context(), ref("4711"), psa.Note{Text: text})
	require.ErrorIs(t, err, psa.ErrValidation)
	_, err = w.connect(t, &halopsa.Options{PlainText: true}).AddNote(t.Context(), ref("4711"), psa.Note{Text: text})
	require.NoError(t, err)
	require.Equal(t, psa.Plain(text), w.desk.Notes("4711")[0].Text)
}

func TestOursIsByAgentIDAndNotByName(t *testing.T) {
	t.Parallel()
	w := open(t, &psatest.HaloPSAOptions{NoAgentMe: true}, nil)
	_, err := w.client.ListNotes(t.Context(), ref("4711"), time.Time{})
	require.ErrorIs(t, err, psa.ErrUnsupported)
	require.ErrorContains(t, err, "Options.Agent")
	_, err = w.client.Ping(t.Context())
	require.ErrorContains(t, err, "Options.Agent")

	c := w.connect(t, &halopsa.Options{Agent: psatest.OurID})
	_, err = c.Ping(t.Context())
	require.NoError(t, err)
	_, err = c.AddNote(t.Context(), ref("4711"), psa.Note{Text: "ours"})
	require.NoError(t, err)
	_, err = w.desk.Write("4711", 31, psatest.OurName, "ours", false)
	require.NoError(t, err)
	list, err := c.ListNotes(t.Context(), ref("4711"), time.Time{})
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.NotEqual(t, list[0].Ours, list[1].Ours)
}

func TestEveryActionIsReadOrNoneAre(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fake  psatest.HaloPSAOptions
		notes int
		fails bool
	}{
		"few":                                  {notes: 3},
		"as many as are asked for":             {notes: 200},
		"more":                                 {notes: 450},
		"the system's are counted":             {notes: 3, fake: psatest.HaloPSAOptions{SystemActions: 5}},
		"the system's are counted among many":  {notes: 450, fake: psatest.HaloPSAOptions{SystemActions: 5}},
		"not all are given at once":            {notes: 120, fake: psatest.HaloPSAOptions{MaxActions: 50}, fails: true},
		"not all are given at once among many": {notes: 450, fake: psatest.HaloPSAOptions{MaxActions: 300}, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t, &tc.fake, nil)
			for range tc.notes {
				_, err := w.desk.Write("4711", 31, "Jane Doe", "x", false)
				require.NoError(t, err)
			}
			list, err := w.client.ListNotes(t.Context(), ref("4711"), time.Time{})
			if tc.fails {
				require.ErrorIs(t, err, psa.ErrUnsupported, "a note that is not found would be written again")
				return
			}
			require.NoError(t, err)
			require.GreaterOrEqual(t, len(list), tc.notes)
			require.LessOrEqual(t, len(list), tc.notes+tc.fake.SystemActions)
		})
	}
}

func TestClosedAndMergedTicketsAreNotWrittenTo(t *testing.T) {
	t.Parallel()
	w := open(t, nil, nil)
	w.desk.CloseTicket("4711", "")
	w.desk.CloseTicket("5120", "4711")
	_, err := w.client.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
	require.ErrorIs(t, err, psa.ErrClosed)
	_, err = w.client.AddNote(t.Context(), ref("5120"), psa.Note{Text: "x"})
	require.ErrorIs(t, err, psa.ErrClosed)
	e, ok := errors.AsType[*psa.Error](err)
	require.True(t, ok)
	require.Equal(t, "4711", e.MergedInto)
	require.ErrorIs(t, w.client.SetStatus(t.Context(), ref("5120"), psa.Named{Name: "New"}), psa.ErrClosed)
	now := time.Now()
	_, err = w.client.LogTime(t.Context(), ref("5120"), psa.TimeEntry{Start: now.Add(-time.Hour), End: now})
	require.ErrorIs(t, err, psa.ErrClosed)

	// HaloPSA itself takes them, or does not.
	blind := w.connect(t, &halopsa.Options{WriteToClosed: true})
	_, err = blind.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
	require.NoError(t, err)
	w = open(t, &psatest.HaloPSAOptions{RefuseClosed: true, NoMergedInto: true}, &halopsa.Options{WriteToClosed: true})
	w.desk.CloseTicket("4711", "5120")
	_, err = w.client.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
	require.ErrorIs(t, err, psa.ErrClosed)
	// The status of closed tickets has another name here.
	other := w.connect(t, &halopsa.Options{Closed: []psa.Named{{Name: "New"}}})
	_, err = other.AddNote(t.Context(), ref("5120"), psa.Note{Text: "x"})
	require.ErrorIs(t, err, psa.ErrClosed)
}

func TestThirdPartyIDIsSearchedBeforeCreating(t *testing.T) {
	t.Parallel()
	n := psa.NewTicket{Title: "Once", CompanyID: "12", Text: "internal", Key: "vrf_01"}
	for name, tc := range map[string]struct {
		fake psatest.HaloPSAOptions
		how  halopsa.KeySearch
	}{
		"by the parameter":                   {},
		"lists without it":                   {fake: psatest.HaloPSAOptions{KeylessLists: true}},
		"by full text":                       {fake: psatest.HaloPSAOptions{IgnoreKey: true}, how: halopsa.KeyFullText},
		"by full text and lists without it ": {fake: psatest.HaloPSAOptions{IgnoreKey: true, KeylessLists: true}, how: halopsa.KeyFullText},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t, &tc.fake, &halopsa.Options{KeySearch: tc.how})
			before := len(w.desk.Tickets())
			w.desk.SetFault(psatest.Times(1, psatest.Fault{Lost: true}, psatest.OpCreateTicket))
			_, err := w.client.CreateTicket(t.Context(), "contoso", n)
			require.ErrorIs(t, err, psa.ErrAmbiguousWrite)
			w.desk.SetFault(nil)
			var wg sync.WaitGroup
			for range 4 { // also at once
				wg.Go(func() {
					got, err := w.client.CreateTicket(t.Context(), "contoso", n)
					if err != nil || len(w.desk.Notes(got.ID)) != 1 {
						t.Errorf("%v, %d notes", err, len(w.desk.Notes(got.ID)))
					}
				})
			}
			wg.Wait()
			require.Len(t, w.desk.Tickets(), before+1)
			other := n
			other.CompanyID = "13"
			_, err = w.client.CreateTicket(t.Context(), "contoso", other)
			require.NoError(t, err)
			require.Len(t, w.desk.Tickets(), before+2, "another company")
		})
	}
	t.Run("a server that ignores the parameter is noticed before anything is created twice", func(t *testing.T) {
		t.Parallel()
		w := open(t, &psatest.HaloPSAOptions{IgnoreKey: true}, nil)
		before := len(w.desk.Tickets())
		_, err := w.client.CreateTicket(t.Context(), "contoso", n)
		require.ErrorIs(t, err, psa.ErrUnsupported)
		require.ErrorContains(t, err, "KeySearch")
		require.Len(t, w.desk.Tickets(), before)
	})
	t.Run("a search that finds too much to read is noticed as well", func(t *testing.T) {
		t.Parallel()
		w := open(t, &psatest.HaloPSAOptions{IgnoreKey: true, KeylessLists: true}, &halopsa.Options{KeySearch: halopsa.KeyFullText})
		for range 11 {
			w.desk.PutTicket(psa.Ticket{Title: "about vrf_01", Company: psa.Named{ID: "12"}})
		}
		before := len(w.desk.Tickets())
		for range 2 {
			_, err := w.client.CreateTicket(t.Context(), "contoso", n)
			require.ErrorIs(t, err, psa.ErrUnsupported)
		}
		require.Len(t, w.desk.Tickets(), before)
	})
	t.Run("without a company", func(t *testing.T) {
		t.Parallel()
		w := open(t, nil, nil)
		nobodys := n
		nobodys.CompanyID = ""
		_, err := w.client.CreateTicket(t.Context(), "contoso", nobodys)
		require.ErrorIs(t, err, mspkit.ErrInvalid, "it could find another company's ticket")
		require.Empty(t, w.sent.list(http.MethodPost, "/api/Tickets"))
	})
	t.Run("never", func(t *testing.T) {
		t.Parallel()
		w := open(t, nil, &halopsa.Options{KeySearch: halopsa.KeyNever})
		require.False(t, w.client.Capabilities().TicketKey)
		got, err := w.client.CreateTicket(t.Context(), "contoso", n)
		require.NoError(t, err)
		again, err := w.client.CreateTicket(t.Context(), "contoso", n)
		require.NoError(t, err)
		require.NotEqual(t, got.ID, again.ID)
		require.Empty(t, w.sent.list(http.MethodGet, "/api/Tickets"))
	})
}

func TestTimeIsDecimalHoursOnAnAction(t *testing.T) {
	t.Parallel()
	w := open(t, nil, nil)
	start := time.Date(2026, 11, 22, 10, 0, 0, 0, time.FixedZone("", 3600))
	_, err := w.client.LogTime(t.Context(), ref("4711"), psa.TimeEntry{Start: start, End: start.Add(90 * time.Minute), Text: "worked", Technician: "jane doe"})
	require.NoError(t, err)
	r := one(t, w.sent.list(http.MethodPost, "/api/Actions")[0].Body)
	require.InDelta(t, 1.5, r["timetaken"], 0)
	require.Equal(t, "2026-11-22T09:00:00.000Z", r["actionarrivaldate"])
	require.Equal(t, "2026-11-22T10:30:00.000Z", r["actioncompletiondate"])
	require.Equal(t, false, r["actisbillable"])
	require.Equal(t, true, r["hiddenfromuser"])
	require.InDelta(t, 31, r["who_agentid"], 0)
	_, err = w.client.LogTime(t.Context(), ref("4711"), psa.TimeEntry{Start: start, End: start.Add(time.Minute), Technician: "nobody"})
	require.ErrorIs(t, err, psa.ErrValidation)
}

func TestErrorsOfEveryShape(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status int
		body   string
		is     error
		says   string
	}{
		{401, `{"ClassName":"System.Exception","Message":"canary"}`, psa.ErrUnauthorized, "the client secret and the tenant"},
		{403, `{"resultCode":403,"errorMessage":"canary"}`, psa.ErrForbidden, "see tickets (scope read:tickets)"},
		{403, `canary`, psa.ErrForbidden, "see tickets"},
		{404, `{"Message":"canary"}`, psa.ErrNotFound, ""},
		{404, `<html>canary</html>`, psa.ErrUnavailable, "does not answer like HaloPSA"},
		{400, `"canary"`, psa.ErrValidation, ""},
		{400, `{"error":"canary canary"}`, psa.ErrValidation, ""},
		{500, `{"error":{"canary":"canary"}}`, psa.ErrUnavailable, ""},
		{200, `<!doctype html><title>canary</title>`, psa.ErrUnavailable, "a proxy or a sign-in page"},
		{200, `null`, psa.ErrNotFound, ""},
		{200, `[]`, psa.ErrNotFound, ""},
		{200, `{"id":4712}`, psa.ErrNotFound, ""},
	} {
		t.Run(fmt.Sprint(tc.status, " ", tc.body), func(t *testing.T) {
			t.Parallel()
			w := open(t, nil, nil)
			w.desk.SetFault(psatest.Times(-1, psatest.Fault{Status: tc.status, Body: tc.body}, psatest.OpGetTicket))
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // 500 is repeated
			defer cancel()
			_, err := w.client.GetTicket(ctx, ref("4711"))
			require.ErrorIs(t, err, tc.is)
			require.ErrorContains(t, err, tc.says)
			require.NotContains(t, err.Error(), "canary")
		})
	}
	for op, need := range map[string]func(*halopsa.Client) error{
		"add actions": func(c *halopsa.Client) error {
			_, err := c.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
			return err
		},
		"create tickets": func(c *halopsa.Client) error {
			_, err := c.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "x"})
			return err
		},
		"see users": func(c *halopsa.Client) error { _, err := c.ListContacts(t.Context(), psa.Query{}); return err },
		"see customers": func(c *halopsa.Client) error {
			_, err := c.ListCompanies(t.Context(), psa.Query{})
			return err
		},
	} {
		w := open(t, nil, nil)
		w.desk.SetFault(psatest.Times(-1, psatest.Fault{Status: 403}, psatest.OpAddNote, psatest.OpCreateTicket, psatest.OpListContacts, psatest.OpListCompanies))
		err := need(w.client)
		require.ErrorIs(t, err, psa.ErrForbidden)
		require.ErrorContains(t, err, op)
	}
}

func TestIDsAreNumbers(t *testing.T) {
	t.Parallel()
	w := open(t, nil, nil)
	for _, id := range []string{"04711", "+4711", "99999999999", "4711.0"} {
		_, err := w.client.GetTicket(t.Context(), ref(id))
		require.ErrorIs(t, err, psa.ErrNotFound)
	}
	_, err := w.client.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "x", CompanyID: "12; x"})
	require.ErrorIs(t, err, psa.ErrValidation)
	require.Empty(t, w.sent.list(http.MethodGet, ""))
	_, err = w.client.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "x", CompanyID: "12", Defaults: psa.Defaults{SubType: psa.Named{ID: "1"}}})
	require.ErrorIs(t, err, psa.ErrUnsupported)
}

func TestNewReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := halopsa.New("https://example.halopsa.com/x", halopsa.Credentials{}, &halopsa.Options{
		AuthURL: "http://example.com", AuthHosts: []string{"*.halopsa.com"}, MaxNote: 5, Agent: -1, Requests: 3,
		Paging: 7, Since: 7, KeySearch: 7, PhoneDigits: 20, Closed: []psa.Named{{}}, Webhook: &halopsa.Webhook{},
	})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, part := range []string{"the host", "client id", "client secret", "auth URL", "auth host", "longest note", "agent", "rate", "way to page", "mode for changes", "search for keys", "digits", "closed tickets", "webhook"} {
		require.ErrorContains(t, err, part)
	}
	for _, host := range []string{"", "a b", "user@example.com", "example.com/", "example.com?x", "example.com:99999", "*.halopsa.com"} {
		_, err := halopsa.New(host, halopsa.Credentials{ClientID: "x", ClientSecret: mspkit.Redact("y")}, nil)
		require.ErrorIs(t, err, mspkit.ErrInvalid, "host %q", host)
	}
	_, err = halopsa.New("psa.example.com:8443", halopsa.Credentials{ClientID: "x", ClientSecret: mspkit.Redact("y")}, nil)
	require.NoError(t, err)
}

// An answer of 2xx that names nothing may come from something in between.
func TestAWriteThatNamesNothingIsUnclear(t *testing.T) {
	t.Parallel()
	w := open(t, nil, nil)
	start := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		op    string
		write func() error
	}{
		"note": {psatest.OpAddNote, func() error { _, err := w.client.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"}); return err }},
		"time": {psatest.OpLogTime, func() error {
			_, err := w.client.LogTime(t.Context(), ref("4711"), psa.TimeEntry{Start: start, End: start.Add(time.Hour), Text: "x"})
			return err
		}},
		"ticket": {psatest.OpCreateTicket, func() error {
			_, err := w.client.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "x", CompanyID: "12"})
			return err
		}},
	} {
		for _, body := range []string{`[]`, `null`, `{"record_count":0}`, `[{"id":0}]`, `{"id":null}`} {
			w.desk.SetFault(psatest.Times(1, psatest.Fault{Status: http.StatusCreated, Body: body}, tc.op))
			require.ErrorIs(t, tc.write(), psa.ErrAmbiguousWrite, "%s: %s", name, body)
		}
	}
}
