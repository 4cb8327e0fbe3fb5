package connectwise_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webtest"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/connectwise"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/stretchr/testify/require"
)

func TestTheDescriptionOfATicketIsItsFirstNote(t *testing.T) {
	t.Parallel()
	c, srv, rec := recorded(t, nil, nil)
	got, err := c.CreateTicket(t.Context(), "contoso", psa.NewTicket{
		Title: "Identity\r\nverified", Text: "a\r\nb", CompanyID: "12", ContactID: "201", Key: "vrf_01H",
		Defaults: psa.Defaults{Queue: psa.Named{ID: "1"}, Status: psa.Named{ID: "17", Name: "ignored"}, Assignee: psa.Named{ID: "31"}},
	})
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"summary": "Identity verified", "company": map[string]any{"id": 12.0}, "contact": map[string]any{"id": 201.0},
		"board": map[string]any{"id": 1.0}, "status": map[string]any{"id": 17.0}, "owner": map[string]any{"id": 31.0},
		"initialInternalAnalysis": "a\nb", "processNotifications": false, "externalXRef": "vrf_01H",
	}, decode(t, rec.last(t, http.MethodPost).body))
	notes := srv.Desk().Notes(got.ID)
	require.Len(t, notes, 1)
	require.False(t, notes[0].Public)

	_, err = c.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "x", Text: "public", CompanyID: "12", Visibility: psa.Public})
	require.NoError(t, err)
	body := decode(t, rec.last(t, http.MethodPost).body)
	require.Equal(t, "public", body["initialDescription"])
	require.NotContains(t, body, "initialInternalAnalysis")
	require.Equal(t, false, body["processNotifications"])

	c, _, rec = recorded(t, nil, func(o *connectwise.Options) { o.NotifyContact = true })
	for v, notify := range map[psa.Visibility]bool{psa.Internal: false, psa.Public: true} {
		_, err = c.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "x", Text: "y", CompanyID: "12", Visibility: v})
		require.NoError(t, err)
		require.Equal(t, notify, decode(t, rec.last(t, http.MethodPost).body)["processNotifications"], v)
	}
}

func TestATitleThatIsTooLongIsNotCut(t *testing.T) {
	t.Parallel()
	c, _, rec := recorded(t, nil, nil)
	_, err := c.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: strings.Repeat("ü", 101), CompanyID: "12"})
	require.ErrorIs(t, err, psa.ErrTooLong)
	_, err = c.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "x", Text: strings.Repeat("x", 4001), CompanyID: "12"})
	require.ErrorIs(t, err, psa.ErrTooLong)
	_, err = c.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "x"})
	require.ErrorIs(t, err, mspkit.ErrInvalid, "the company is required")
	_, err = c.CreateTicket(t.Context(), "", psa.NewTicket{Title: "x", CompanyID: "12"})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	require.Empty(t, rec.take())
	_, err = c.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: strings.Repeat("ü", 100), CompanyID: "12"})
	require.NoError(t, err)
}

func TestAKeyIsSearchedBeforeATicketIsCreatedAndAfterAnUnclearOutcome(t *testing.T) {
	t.Parallel()
	c, srv, rec := recorded(t, nil, nil)
	n := psa.NewTicket{Title: "once", CompanyID: "12", Key: "vrf_1"}
	srv.Desk().SetFault(psatest.Times(1, psatest.Fault{Lost: true}, psatest.OpCreateTicket))
	got, err := c.CreateTicket(t.Context(), "contoso", n)
	require.NoError(t, err, "it is found after the answer was lost")
	var paths []string
	for _, s := range rec.take()[1:] {
		paths = append(paths, s.method+" "+strings.TrimPrefix(s.url.Path, "/v2025_1/apis/3.0/")+" "+s.url.Query().Get("conditions"))
	}
	const search = `GET service/tickets externalXRef="vrf_1" and company/id=12`
	require.Equal(t, []string{search, "POST service/tickets ", search}, paths)
	again, err := c.CreateTicket(t.Context(), "contoso", n)
	require.NoError(t, err)
	require.Equal(t, got.ID, again.ID)
	n.CompanyID = "13"
	other, err := c.CreateTicket(t.Context(), "contoso", n)
	require.NoError(t, err)
	require.NotEqual(t, got.ID, other.ID, "a key is one company's")

	// Written after the caller has given up, it is unclear, and found by the next call.
	n.Key = "vrf_2"
	srv.Desk().SetFault(psatest.Times(1, psatest.Fault{Late: 200 * time.Millisecond}, psatest.OpCreateTicket))
	_, err = c.CreateTicket(t.Context(), "contoso", n)
	require.ErrorIs(t, err, psa.ErrAmbiguousWrite)
	before := len(srv.Desk().Tickets())
	require.Eventually(t, func() bool { return len(srv.Desk().Tickets()) > before }, 30*time.Second, 10*time.Millisecond)
	_, err = c.CreateTicket(t.Context(), "contoso", n)
	require.NoError(t, err)
	require.Len(t, srv.Desk().Tickets(), before+1)
}

func TestAConditionThatIsIgnoredFindsNoOtherTicket(t *testing.T) {
	t.Parallel()
	c, srv := start(t, &psatest.ConnectWiseOptions{IgnoredSearch: true}, nil)
	got, err := c.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "once", CompanyID: "12", Key: "vrf_1"})
	require.NoError(t, err)
	require.NotEqual(t, "4711", got.ID)
	again, err := c.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "once", CompanyID: "12", Key: "vrf_1"})
	require.NoError(t, err)
	require.Equal(t, got.ID, again.ID)
	require.Len(t, srv.Desk().Tickets(), 3)

	c, _, rec := recorded(t, nil, nil)
	rec.answer = func(r *http.Request) *http.Response {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/service/tickets") {
			return text(http.StatusOK, `[{"id":4711,"externalXRef":"vrf_1","company":{"id":12}}]`, "Link", "")
		}
		return nil
	}
	other, err := c.CreateTicket(t.Context(), "fabrikam", psa.NewTicket{Title: "once", CompanyID: "13", Key: "vrf_1"})
	require.NoError(t, err)
	require.NotEqual(t, "4711", other.ID, "nor another company's")
	require.Equal(t, "13", other.Company.ID)
}

func TestWhereTicketsCannotBeSearchedByKey(t *testing.T) {
	t.Parallel()
	fake := &psatest.ConnectWiseOptions{NoKeySearch: true}
	c, srv := start(t, fake, nil)
	require.True(t, c.Capabilities().TicketKey)
	n := psa.NewTicket{Title: "once", CompanyID: "12", Key: "vrf_1"}
	_, err := c.CreateTicket(t.Context(), "contoso", n)
	require.ErrorIs(t, err, psa.ErrValidation)
	require.ErrorContains(t, err, "NoTicketKey")
	require.Len(t, srv.Desk().Tickets(), 2, "what cannot be looked for is not created")

	c = client(t, srv, func(o *connectwise.Options) { o.NoTicketKey = true })
	require.False(t, c.Capabilities().TicketKey)
	srv.Desk().SetFault(psatest.Times(1, psatest.Fault{Lost: true}, psatest.OpCreateTicket))
	_, err = c.CreateTicket(t.Context(), "contoso", n)
	require.ErrorIs(t, err, psa.ErrAmbiguousWrite)
	require.Len(t, srv.Desk().Tickets(), 3)
}

func TestOneKeyAtOnceMakesOneTicket(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			_, err := c.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "once", CompanyID: "12", Key: "vrf_1"})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Len(t, srv.Desk().Tickets(), 3)
}

func TestReferencesAreSentByIDOrByName(t *testing.T) {
	t.Parallel()
	byName := psa.Defaults{Queue: psa.Named{Name: "service desk"}, Status: psa.Named{Name: "In progress"}, Assignee: psa.Named{Name: "Jane Doe"}}
	n := psa.NewTicket{Title: "x", CompanyID: "12", Defaults: byName}
	c, srv, rec := recorded(t, &psatest.ConnectWiseOptions{NoNames: true}, nil)
	got, err := c.CreateTicket(t.Context(), "contoso", n)
	require.NoError(t, err, "names are looked up")
	require.Equal(t, "17", got.Status.ID)
	require.Equal(t, map[string]any{"id": 31.0}, decode(t, rec.last(t, http.MethodPost).body)["owner"])

	rec2 := &recorder{}
	sends := client(t, srv, func(o *connectwise.Options) {
		o.References, o.HTTPClient = connectwise.SendNames, &http.Client{Transport: rec2}
	})
	_, err = sends.CreateTicket(t.Context(), "contoso", n)
	require.ErrorIs(t, err, psa.ErrValidation, "an install that takes no names")
	body := decode(t, rec2.last(t, http.MethodPost).body)
	require.Equal(t, map[string]any{"name": "service desk"}, body["board"])
	require.Equal(t, map[string]any{"identifier": "Jane Doe"}, body["owner"])
	var e *psa.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, []string{"queue"}, e.Fields)
}

func TestAStatusIsPatchedAsAWholeObject(t *testing.T) {
	t.Parallel()
	c, srv, rec := recorded(t, nil, nil)
	require.NoError(t, c.SetStatus(t.Context(), ref("4711"), psa.Named{Name: "in progress"}))
	patch := rec.last(t, http.MethodPatch)
	require.JSONEq(t, `[{"op":"replace","path":"status","value":{"id":17}}]`, patch.body)
	for _, s := range rec.take() {
		require.NotEqual(t, http.MethodPut, s.method, "PUT clears what it does not name")
	}

	// The fake has the trap that this avoids.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, patch.url.String(), strings.NewReader(`[{"op":"replace","path":"status/id","value":16}]`))
	require.NoError(t, err)
	req.Header = patch.header
	resp, err := webtest.Client(t).Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	got, _ := srv.Desk().Ticket("4711")
	require.Equal(t, "17", got.Status.ID)
}

func TestA200ThatSetsNoStatusIsAnError(t *testing.T) {
	t.Parallel()
	c, srv, _ := recorded(t, nil, nil)
	srv.Desk().SetFault(psatest.Times(1, psatest.Fault{Status: 200, Body: `{"id":4711,"status":{"id":16,"name":"New"}}`}, psatest.OpSetStatus))
	err := c.SetStatus(t.Context(), ref("4711"), psa.Named{ID: "17"})
	require.ErrorIs(t, err, psa.ErrValidation)
}

func TestAMergedTicketSaysIntoWhich(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*connectwise.Options){
		"asked after a refusal": nil, "asked before": func(o *connectwise.Options) { o.CheckOpen = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, srv := start(t, nil, change)
			srv.Desk().CloseTicket("4711", "5120")
			_, err := c.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
			require.ErrorIs(t, err, psa.ErrClosed)
			var e *psa.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "5120", e.MergedInto)
			err = c.SetStatus(t.Context(), ref("4711"), psa.Named{Name: "New"})
			require.ErrorIs(t, err, psa.ErrClosed)
			srv.Desk().CloseTicket("5120", "")
			_, err = c.AddNote(t.Context(), ref("5120"), psa.Note{Text: "x"})
			require.ErrorIs(t, err, psa.ErrClosed)
			require.NoError(t, c.SetStatus(t.Context(), ref("5120"), psa.Named{Name: "New"}), "a closed ticket can be opened")
			_, err = c.AddNote(t.Context(), ref("5120"), psa.Note{Text: "x"})
			require.NoError(t, err)
		})
	}
	c, srv := start(t, &psatest.ConnectWiseOptions{OpenNotes: true}, nil)
	srv.Desk().CloseTicket("4711", "")
	_, err := c.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
	require.NoError(t, err, "a board that takes notes on closed tickets")
}

func TestProjectTicketsHaveAnotherPath(t *testing.T) {
	t.Parallel()
	fake := &psatest.ConnectWiseOptions{Project: func(id string) bool { return id == "5120" }}
	c, srv := start(t, fake, nil)
	_, err := c.GetTicket(t.Context(), ref("5120"))
	require.ErrorIs(t, err, psa.ErrNotFound)
	c = client(t, srv, func(o *connectwise.Options) { o.ProjectTickets = true })
	for _, id := range []string{"4711", "5120"} {
		got, err := c.GetTicket(t.Context(), ref(id))
		require.NoError(t, err)
		require.Equal(t, id, got.ID)
		_, err = c.AddNote(t.Context(), ref(id), psa.Note{Text: "x"})
		require.NoError(t, err)
		list, err := c.ListNotes(t.Context(), ref(id), time.Time{})
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.NoError(t, c.SetStatus(t.Context(), ref(id), psa.Named{ID: "17"}))
		_, err = c.LogTime(t.Context(), ref(id), psa.TimeEntry{Start: time.Now().Add(-time.Hour), End: time.Now(), Text: "x"})
		require.NoError(t, err)
	}
	require.ErrorIs(t, c.CanNoteData(t.Context(), ref("5120")), psa.ErrUnsupported)
	_, err = c.GetTicket(t.Context(), ref("9999"))
	require.ErrorIs(t, err, psa.ErrNotFound)
}

func TestStatusesNeedABoard(t *testing.T) {
	t.Parallel()
	c, _ := start(t, nil, nil)
	_, err := c.ListOptions(t.Context(), psa.FieldStatus, psa.Defaults{})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	got, err := c.ListOptions(t.Context(), psa.FieldSubType, psa.Defaults{Queue: psa.Named{Name: "service desk"}, Type: psa.Named{Name: "security"}})
	require.NoError(t, err)
	require.Equal(t, []psa.Option{{Named: psa.Named{ID: "8", Name: "Identity"}}}, got)
	got, err = c.ListOptions(t.Context(), psa.FieldSubType, psa.Defaults{Queue: psa.Named{ID: "1"}, Type: psa.Named{ID: "27"}})
	require.NoError(t, err)
	require.Empty(t, got, "sub-types of another type")
	_, err = c.ListOptions(t.Context(), psa.FieldType, psa.Defaults{Queue: psa.Named{Name: "Nowhere"}})
	require.ErrorIs(t, err, psa.ErrValidation)
	require.ErrorContains(t, err, "Service Desk")
}

func TestAListOfManyValuesIsReadWhole(t *testing.T) {
	t.Parallel()
	c, _, rec := recorded(t, nil, nil)
	_, err := c.Ping(t.Context())
	require.NoError(t, err)
	rec.answer = func(r *http.Request) *http.Response {
		if r.URL.Query().Has("pageId") {
			return text(200, `[{"id":1002,"name":"Last"}]`, "Link", "")
		}
		return text(200, `[{"id":1001,"name":"First"},{"id":7,"name":"Board of projects","projectFlag":true}]`, "Link", "<"+r.URL.String()+`&pageId=1001>; rel="next"`)
	}
	got, err := c.ListOptions(t.Context(), psa.FieldQueue, psa.Defaults{})
	require.NoError(t, err)
	require.Equal(t, []psa.Option{{Named: psa.Named{ID: "1001", Name: "First"}}, {Named: psa.Named{ID: "1002", Name: "Last"}}}, got)
}

func TestAnEndedContextEndsTheWait(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	srv.Desk().SetFault(psatest.Times(1, psatest.Fault{Hang: true}, psatest.OpPing))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := c.GetTicket(ctx, ref("4711"))
	require.ErrorIs(t, err, psa.ErrUnavailable)
	_, err = c.GetTicket(t.Context(), ref("4711"))
	require.NoError(t, err, "the error of the discovery is not kept")
}
