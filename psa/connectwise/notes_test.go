package connectwise_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webtest"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/connectwise"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/stretchr/testify/require"
)

func TestTheFlagsOfANote(t *testing.T) {
	t.Parallel()
	for _, notify := range []bool{false, true} {
		c, srv, rec := recorded(t, nil, func(o *connectwise.Options) { o.NotifyContact = notify })
		require.Equal(t, notify, c.Capabilities().NotifiesContact)
		_, err := c.AddNote(t.Context(), ref("4711"), psa.Note{Title: "Verified", Text: "by code"})
		require.NoError(t, err)
		require.Equal(t, map[string]any{
			"text": "Verified\nby code", "internalAnalysisFlag": true, "detailDescriptionFlag": false, "resolutionFlag": false, "processNotifications": false,
		}, decode(t, rec.last(t, http.MethodPost).body), "an internal note never asks for mail")
		_, err = c.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x", Visibility: psa.Public})
		require.NoError(t, err)
		require.Equal(t, map[string]any{
			"text": "x", "internalAnalysisFlag": false, "detailDescriptionFlag": true, "resolutionFlag": false, "processNotifications": notify,
		}, decode(t, rec.last(t, http.MethodPost).body))
		require.Equal(t, notify, srv.Desk().Notes("4711")[1].Mailed)
	}
}

func TestTheFakeMailsTheContactUnlessItIsToldNotTo(t *testing.T) {
	t.Parallel()
	c, srv, rec := recorded(t, nil, nil)
	_, err := c.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x", Visibility: psa.Public})
	require.NoError(t, err)
	sent := rec.last(t, http.MethodPost)
	for body, status := range map[string]int{`{"text":"x","detailDescriptionFlag":true}`: 201, `{"text":"x"}`: 400} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, sent.url.String(), strings.NewReader(body))
		require.NoError(t, err)
		req.Header = sent.header
		resp, err := webtest.Client(t).Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, status, resp.StatusCode)
	}
	notes := srv.Desk().Notes("4711")
	require.Len(t, notes, 2)
	require.False(t, notes[0].Mailed)
	require.True(t, notes[1].Mailed)
}

func TestAllNotesHasThoseOfTimeEntriesAndPages(t *testing.T) {
	t.Parallel()
	c, srv, rec := recorded(t, nil, nil)
	for i := range 600 {
		_, err := srv.Desk().Write("4711", 31, "Jane Doe", fmt.Sprint("note ", i), false)
		require.NoError(t, err)
	}
	start := time.Now().Add(-time.Hour)
	_, err := c.LogTime(t.Context(), ref("4711"), psa.TimeEntry{Start: start, End: start.Add(time.Minute), Text: "worked"})
	require.NoError(t, err)
	rec.take()
	list, err := c.ListNotes(t.Context(), ref("4711"), time.Time{})
	require.NoError(t, err)
	require.Len(t, list, 601)
	last := list[600]
	require.True(t, strings.HasPrefix(last.ID, "TimeEntryNote:"), last.ID)
	require.Equal(t, "worked", last.Text)
	require.Equal(t, psa.Internal, last.Visibility)
	pages := rec.take()
	require.Len(t, pages, 3)
	require.Equal(t, "/v2025_1/apis/3.0/service/tickets/4711/allNotes", pages[0].url.Path)
	for i, p := range pages {
		require.Equal(t, strconv.Itoa(i+1), p.url.Query().Get("page"))
	}
	srv.Desk().SetNext(func(string) string { return "https://evil.example/?page=2" })
	_, err = c.ListNotes(t.Context(), ref("4711"), time.Time{})
	require.ErrorIs(t, err, psa.ErrOrigin)

	srv.Desk().SetNext(nil)
	list, err = c.ListNotes(t.Context(), ref("4711"), time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestNotesArePagedAlsoWithoutLink(t *testing.T) {
	t.Parallel()
	c, srv := start(t, &psatest.ConnectWiseOptions{NoLink: true}, nil)
	for range 500 { // two full pages: the third is empty
		_, err := srv.Desk().Write("4711", 31, "Jane Doe", "x", false)
		require.NoError(t, err)
	}
	list, err := c.ListNotes(t.Context(), ref("4711"), time.Time{})
	require.NoError(t, err)
	require.Len(t, list, 500)
}

func TestANoteWithAnyFlagOfTheClientsIsPublic(t *testing.T) {
	t.Parallel()
	c, _, rec := recorded(t, nil, nil)
	_, err := c.Ping(t.Context())
	require.NoError(t, err)
	rec.answer = func(*http.Request) *http.Response {
		return text(200, `[{"id":1,"internalAnalysisFlag":true},{"id":2,"internalAnalysisFlag":true,"detailDescriptionFlag":true},
			{"id":3,"internalAnalysisFlag":true,"resolutionFlag":true},{"id":4,"internalFlag":true},
			{"id":5,"noteType":"TicketNote","internalAnalysisFlag":true,"member":{"id":9,"identifier":"MSPkit","name":"Bot"},"_info":{"lastUpdated":"2026-11-20T10:00:00Z"}},
			{"id":6,"text":"by mspkit","createdBy":"mspkit","contact":{"id":3,"name":"mspkit"}},{"id":7,"member":{"id":9,"name":"mspkit"},"createdBy":"mspkit"}]`)
	}
	list, err := c.ListNotes(t.Context(), ref("4711"), time.Time{})
	require.NoError(t, err)
	require.Len(t, list, 7)
	for i, n := range list {
		require.Equal(t, n.ID == "1" || n.ID == "5", n.Visibility == psa.Internal, n.ID)
		require.Equal(t, i == 4, n.Ours, n.ID)
	}
	require.Equal(t, time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), list[4].CreatedAt)
	list, err = c.ListNotes(t.Context(), ref("4711"), time.Now())
	require.NoError(t, err)
	require.Len(t, list, 6, "a note without a time may be a new one")
}

func TestWhoWeAreIsLearnedFromAWrittenNoteAndNotFromATextOrAName(t *testing.T) {
	t.Parallel()
	for _, author := range []psatest.ConnectWiseAuthor{psatest.ConnectWiseByMember, psatest.ConnectWiseByCreatedBy, psatest.ConnectWiseByInfo} {
		c, srv := start(t, &psatest.ConnectWiseOptions{Author: author}, func(o *connectwise.Options) { o.Member = "" })
		_, err := c.ListNotes(t.Context(), ref("4711"), time.Time{})
		require.ErrorIs(t, err, psa.ErrUnavailable)
		require.ErrorContains(t, err, "Options.Member")
		id, err := c.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
		require.NoError(t, err)
		_, err = srv.Desk().Write("4711", 0, psatest.ConnectWiseMember, "x", true)
		require.NoError(t, err)
		_, err = srv.Desk().Write("4711", 31, psatest.OurName, "x", false)
		require.NoError(t, err)
		list, err := c.ListNotes(t.Context(), ref("4711"), time.Time{})
		require.NoError(t, err)
		require.Len(t, list, 3)
		for _, n := range list {
			require.Equal(t, n.ID == id, n.Ours)
		}
	}
}

func TestTextsThatADatabaseRefusesAreReplacedWhereAsked(t *testing.T) {
	t.Parallel()
	c, srv := start(t, &psatest.ConnectWiseOptions{TwoByte: true, OneLine: true}, nil)
	_, err := c.AddNote(t.Context(), ref("4711"), psa.Note{Text: "🔐"})
	require.ErrorIs(t, err, psa.ErrAmbiguousWrite, "as it is, the database fails")
	_, err = c.AddNote(t.Context(), ref("4711"), psa.Note{Text: "a\nb"})
	require.Error(t, err)
	c = client(t, srv, func(o *connectwise.Options) { o.PlainText, o.OneLine = true, true })
	_, err = c.AddNote(t.Context(), ref("4711"), psa.Note{Title: "T", Text: "a 🔐\r\n\r\nb"})
	require.NoError(t, err)
	require.Equal(t, "T / a [U+1F510] / b", srv.Desk().Notes("4711")[0].Text)

	// What fits before the replacement fits after it.
	for name, change := range map[string]func(*connectwise.Options){
		"\U0010ffff": func(o *connectwise.Options) { o.PlainText = true },
		"a\n":        func(o *connectwise.Options) { o.OneLine = true },
	} {
		c, srv := start(t, &psatest.ConnectWiseOptions{MaxNote: 1000}, func(o *connectwise.Options) {
			o.MaxNote = 1000
			change(o)
		})
		_, err = c.AddNote(t.Context(), ref("4711"), psa.Note{Text: strings.Repeat(name, c.NoteLimit()/len(name))})
		require.NoError(t, err)
		require.Len(t, srv.Desk().Notes("4711"), 1)
	}
}

func TestANoteThatConnectWiseFindsTooLong(t *testing.T) {
	t.Parallel()
	c, srv := start(t, &psatest.ConnectWiseOptions{MaxNote: 300}, nil)
	_, err := c.AddNote(t.Context(), ref("4711"), psa.Note{Text: strings.Repeat("x", 301)})
	require.ErrorIs(t, err, psa.ErrTooLong, "a limit below the one that is assumed")
	require.Empty(t, srv.Desk().Notes("4711"))
	_, err = c.AddNote(t.Context(), ref("4711"), psa.Note{Text: " \n"})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func TestDataMayBeNotedOnlyWhereItStaysInternal(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	require.NoError(t, c.CanNoteData(t.Context(), ref("4711")))
	require.ErrorIs(t, c.CanNoteData(t.Context(), ref("9999")), psa.ErrNotFound)
	srv.Desk().SetFault(psatest.Times(-1, psatest.Fault{Status: 403}, psatest.OpListOptions))
	require.ErrorIs(t, c.CanNoteData(t.Context(), ref("4711")), psa.ErrUnsupported, "what cannot be read is not certain")
	srv.Desk().SetFault(psatest.Times(-1, psatest.Fault{Status: 500}, psatest.OpListOptions))
	require.ErrorIs(t, c.CanNoteData(t.Context(), ref("4711")), psa.ErrUnavailable)
	srv.Desk().SetFault(nil)
	srv.Desk().CloseTicket("4711", "")
	require.ErrorIs(t, c.CanNoteData(t.Context(), ref("4711")), psa.ErrClosed)
	c, _ = start(t, &psatest.ConnectWiseOptions{ClosedLoop: true}, nil)
	require.ErrorIs(t, c.CanNoteData(t.Context(), ref("4711")), psa.ErrUnsupported)
	c, _, rec := recorded(t, nil, nil)
	for _, flag := range []string{"closedLoopAllFlag", "closedLoopInternalAnalysisFlag"} {
		rec.answer = func(r *http.Request) *http.Response {
			if strings.Contains(r.URL.Path, "/service/boards/") {
				return text(http.StatusOK, `{"id":1,"`+flag+`":true}`)
			}
			return nil
		}
		require.ErrorIs(t, c.CanNoteData(t.Context(), ref("4711")), psa.ErrUnsupported, "either flag is enough: %s", flag)
	}
}

func TestATimeEntry(t *testing.T) {
	t.Parallel()
	c, _, rec := recorded(t, nil, nil)
	start := time.Date(2026, 11, 22, 11, 0, 0, 5000, time.FixedZone("", 3600))
	for who, want := range map[string]any{"": map[string]any{"identifier": "mspkit"}, "31": map[string]any{"id": 31.0}, "jdoe": map[string]any{"identifier": "jdoe"}} {
		_, err := c.LogTime(t.Context(), ref("4711"), psa.TimeEntry{Start: start, End: start.Add(6 * time.Minute), Text: "x", Technician: who, Billable: who == "31"})
		require.NoError(t, err)
		body := decode(t, rec.last(t, http.MethodPost).body)
		require.Equal(t, want, body["member"])
		delete(body, "member")
		billable := "DoNotBill"
		if who == "31" {
			billable = "Billable"
		}
		require.Equal(t, map[string]any{
			"chargeToId": 4711.0, "chargeToType": "ServiceTicket", "timeStart": "2026-11-22T10:00:00Z", "timeEnd": "2026-11-22T10:06:00Z", "notes": "x",
			"billableOption": billable, "addToInternalAnalysisFlag": true, "addToDetailDescriptionFlag": false, "addToResolutionFlag": false, "emailContactFlag": false,
		}, body)
	}
}

func TestANoteOnAContactIsInternal(t *testing.T) {
	t.Parallel()
	c, _, rec := recorded(t, nil, nil)
	_, err := c.AddContactNote(t.Context(), "contoso", "201", psa.Note{Text: "x", Visibility: psa.Public})
	require.ErrorIs(t, err, psa.ErrUnsupported)
	require.Empty(t, rec.take())
	_, err = c.AddContactNote(t.Context(), "contoso", "201", psa.Note{Text: "x"})
	require.NoError(t, err)
	got := rec.last(t, http.MethodPost)
	require.Equal(t, "/v2025_1/apis/3.0/company/contacts/201/notes", got.url.Path)
	require.JSONEq(t, `{"text":"x"}`, got.body)
}

// Whatever a text has in it: what is within the limit is within the longest note when it is sent.
func TestTheNoteLimitHoldsForAnyText(t *testing.T) {
	t.Parallel()
	for _, o := range []connectwise.Options{{}, {PlainText: true}, {OneLine: true}, {PlainText: true, OneLine: true}} {
		c, _, rec := recorded(t, nil, func(own *connectwise.Options) {
			own.PlainText, own.OneLine, own.MaxNote = o.PlainText, o.OneLine, 1000
		})
		for _, part := range []string{"a", "\U0010ffff", "🔐", "\na", "\r\na", "a\n", "\xff", "a\xff", "é", "\xf0\x9f", "\x01", "\u0085"} {
			fits := strings.Repeat(part, c.NoteLimit()/len(part)-1) + "a"
			_, err := c.AddNote(t.Context(), ref("4711"), psa.Note{Text: fits})
			require.NoError(t, err, "%q", part)
			text, ok := decode(t, rec.last(t, http.MethodPost).body)["text"].(string)
			require.True(t, ok)
			require.LessOrEqual(t, len(text), 1000, "%q", part)
		}
	}
}

// An answer of 201 that names nothing may come from something in between.
func TestAWriteThatNamesNothingIsUnclear(t *testing.T) {
	t.Parallel()
	c, _, rec := recorded(t, nil, nil)
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	for what, write := range map[string]func() error{
		"note": func() error { _, err := c.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"}); return err },
		"contact note": func() error {
			_, err := c.AddContactNote(t.Context(), "contoso", "201", psa.Note{Text: "x"})
			return err
		},
		"time": func() error {
			_, err := c.LogTime(t.Context(), ref("4711"), psa.TimeEntry{Start: now, End: now.Add(time.Hour)})
			return err
		},
		"ticket": func() error {
			_, err := c.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "x", CompanyID: "12"})
			return err
		},
		"callback": func() error { _, err := c.CreateCallback(t.Context(), "ticket", hook); return err },
	} {
		for _, body := range []string{`{}`, `null`, `{"id":0}`, `{"id":-1}`} {
			rec.answer = func(r *http.Request) *http.Response {
				if r.Method == http.MethodPost {
					return text(http.StatusCreated, body)
				}
				return nil
			}
			require.ErrorIs(t, write(), psa.ErrAmbiguousWrite, "%s: %s", what, body)
		}
	}
}
