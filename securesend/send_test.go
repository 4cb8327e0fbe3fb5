package securesend_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

func TestATextIsReadOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sent := w.create(w.text("hunter2"))
	dana := w.reader(sent)
	for range 2 { // the first response was lost
		text, files := dana.reads()
		require.Equal(t, "hunter2", text)
		require.Empty(t, files)
	}
	_, err := dana.another().takes()
	require.ErrorIs(t, err, securesend.ErrOpening)
	require.NoError(t, dana.acks())
	require.NoError(t, dana.acks(), "repeating is harmless")
	for _, r := range []*reader{dana, dana.another()} {
		_, err = r.takes()
		require.ErrorIs(t, err, securesend.ErrEnded)
	}
	require.Equal(t, []securesend.EventKind{"created", "revealed", "acknowledged"}, w.kinds())
}

func TestTextAndFilesAreSentTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	large := strings.Repeat("0123456789abcdef", 9<<16+3) // a little more than 9 MiB: two parts
	r := w.text("look")
	r.Files = []securesend.File{
		{Name: "large.bin", Size: -1, Reader: iotest.HalfReader(strings.NewReader(large))},
		{Name: "empty", Size: 0, Reader: strings.NewReader("")},
		{Name: "../../etc/\u202Ecod.exe\n", Size: 5, Reader: iotest.DataErrReader(strings.NewReader("howdy"))},
		{Name: `C:\temp\LARGE.bin`, Size: 1, Reader: strings.NewReader("x")},
	}
	sent := w.create(r)
	dana := w.reader(sent)
	text, files := dana.reads()
	require.Equal(t, "look", text)
	require.Len(t, files, 4)
	require.Equal(t, sha256.Sum256([]byte(large)), sha256.Sum256([]byte(files[0])))
	require.Equal(t, []string{"", "howdy", "x"}, files[1:])
	got, err := dana.takes()
	require.NoError(t, err)
	_, _, m := dana.opens(got)
	require.Equal(t, []string{"large.bin", "empty", "cod.exe", "LARGE (2).bin"}, names(m))
	require.NoError(t, dana.acks())
	require.Equal(t, []securesend.EventKind{"created", "uploaded", "revealed", "acknowledged"}, w.kinds())
	parts, err := w.eu.List(t.Context(), sent.Ref)
	require.NoError(t, err)
	require.Empty(t, parts, "the files are deleted with the send")
}

func names(m securesend.Manifest) []string {
	var out []string
	for _, f := range m.Files {
		out = append(out, f.Name)
	}
	return out
}

func TestWhatCannotBeSentIsRefusedBeforeAnythingIsStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.set.MaxTTL = 48 * time.Hour })
	type R = securesend.SendRequest
	for name, c := range map[string]struct {
		change func(*R)
		is     error
		says   string
	}{
		"no tenant":           {func(r *R) { r.Tenant = "" }, securesend.ErrInvalid, "tenant"},
		"nobody":              {func(r *R) { r.By.ID = "" }, securesend.ErrInvalid, "By.ID"},
		"a long name":         {func(r *R) { r.By.ID = strings.Repeat("a", 129) }, securesend.ErrInvalid, "By.ID"},
		"spaces":              {func(r *R) { r.By.ID = " jane" }, securesend.ErrInvalid, "By.ID"},
		"a line":              {func(r *R) { r.By.ID = "jane\nroot" }, securesend.ErrInvalid, "By.ID"},
		"subject":             {func(r *R) { r.Subject = "da\u202Ena" }, securesend.ErrInvalid, "Subject"},
		"ticket":              {func(r *R) { r.Ticket = mspkit.Ticket{System: "x"} }, securesend.ErrInvalid, "ticket"},
		"locale":              {func(r *R) { r.Locale = "de AT" }, securesend.ErrInvalid, "Locale"},
		"negative TTL":        {func(r *R) { r.Choice.TTL = -time.Hour }, securesend.ErrInvalid, "TTL"},
		"a TTL of a second":   {func(r *R) { r.Choice.TTL = time.Second }, securesend.ErrInvalid, "TTL"},
		"above the tenant's":  {func(r *R) { r.Choice.TTL = 48*time.Hour + 1 }, securesend.ErrInvalid, "TTL"},
		"negative views":      {func(r *R) { r.Choice.Views = -1 }, securesend.ErrInvalid, "Views"},
		"too many views":      {func(r *R) { r.Choice.Views = 101 }, securesend.ErrInvalid, "Views"},
		"AfterView":           {func(r *R) { r.Choice.AfterView = -time.Hour }, securesend.ErrInvalid, "AfterView"},
		"gate":                {func(r *R) { r.Choice.Gate = "door" }, securesend.ErrInvalid, "Gate"},
		"log":                 {func(r *R) { r.Choice.LogTo = "wall" }, securesend.ErrInvalid, "LogTo"},
		"header":              {func(r *R) { r.Choice.Header = strings.Repeat("a", 301) }, securesend.ErrInvalid, "Header"},
		"message":             {func(r *R) { r.Choice.Message = strings.Repeat("a", 2001) }, securesend.ErrInvalid, "Message"},
		"nothing":             {func(r *R) { r.Text = mspkit.Redact("") }, securesend.ErrInvalid, "neither a text nor a file"},
		"not a text":          {func(r *R) { r.Text = mspkit.Redact("a\xff") }, securesend.ErrInvalid, "UTF-8"},
		"100 MB":              {func(r *R) { r.Text = mspkit.Redact(strings.Repeat("a", 100<<20)) }, securesend.ErrTooLarge, "the text has"},
		"one too many":        {func(r *R) { r.Text = mspkit.Redact(strings.Repeat("a", 256<<10+1)) }, securesend.ErrTooLarge, "the text has"},
		"21 files":            {func(r *R) { r.Files = make([]securesend.File, 21) }, securesend.ErrTooLarge, "21 files"},
		"no reader":           {func(r *R) { r.Files = []securesend.File{{Name: "a"}} }, securesend.ErrInvalid, "no Reader"},
		"a file beyond":       {func(r *R) { r.Files = []securesend.File{{Size: 1<<30 + 1, Reader: strings.NewReader("")}} }, securesend.ErrTooLarge, "together"},
		"two files":           {func(r *R) { r.Files = w.files("", ""); r.Files[0].Size, r.Files[1].Size = 1<<29, 1<<29+1 }, securesend.ErrTooLarge, "together"},
		"sizes that overflow": {func(r *R) { r.Files = w.files("", ""); r.Files[0].Size, r.Files[1].Size = 1<<29, 1<<62 }, securesend.ErrTooLarge, "together"},
		"no such sender":      {func(r *R) { r.Deliver = []securesend.Destination{{Sender: "pigeon", Address: "x"}} }, securesend.ErrUnsupported, "pigeon"},
		"no address":          {func(r *R) { r.Deliver = []securesend.Destination{{Sender: "sms", Address: " "}} }, securesend.ErrInvalid, "address"},
		"a code without gate": {func(r *R) { r.Code = securesend.Destination{Sender: "sms", Address: "x"} }, securesend.ErrInvalid, "Code"},
		"a gate without code": {func(r *R) { r.Choice.Gate = securesend.GateCode }, securesend.ErrInvalid, "Code"},
		"a proof without":     {func(r *R) { r.Choice.Gate = securesend.GateProof }, securesend.ErrUnsupported, "Options.Gate"},
		"a passphrase":        {func(r *R) { r.Passphrase = mspkit.Redact("\xff") }, securesend.ErrInvalid, "passphrase"},
	} {
		r := w.text("hunter2")
		c.change(&r)
		_, err := w.Create(t.Context(), r)
		require.ErrorIs(t, err, c.is, name)
		require.ErrorContains(t, err, c.says, name)
		require.NotContains(t, err.Error(), "hunter2")
	}
	require.Zero(t, w.listed())
	require.Empty(t, w.kinds())

	// Everything at once.
	r := w.text("x")
	r.By.ID, r.Choice = "", securesend.Choice{TTL: -1, Views: 101, Gate: "door"}
	_, err := w.Create(t.Context(), r)
	for _, what := range []string{"By.ID", "TTL", "Views", "Gate"} {
		require.ErrorContains(t, err, what)
	}
	// The largest text, and what looks like less.
	w.create(w.text(strings.Repeat("a", 256<<10)))
	r = w.text("x")
	r.Choice.TTL = 48 * time.Hour
	w.create(r)
}

// picky is a store that cannot keep views.
type picky struct{ securesend.SecretStore }

func (picky) Supports(r securesend.Record) error {
	if r.MaxViews > 1 {
		return errors.Join(errors.New("views are not kept here"), securesend.ErrUnsupported)
	}
	return nil
}

func TestWhatTheStoreCannotEnforceIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) {
		w.store = picky{w.store}
		w.set.Defaults.Views = 2
	})
	_, err := w.Create(t.Context(), w.text("x"))
	require.ErrorIs(t, err, securesend.ErrUnsupported)
	require.ErrorContains(t, err, "views are not kept")
	_, err = w.Grant(t.Context(), w.text(""))
	require.ErrorIs(t, err, securesend.ErrUnsupported)
	require.Zero(t, w.listed())
	_, err = w.Ask(t.Context(), w.text(""), "what?")
	require.NoError(t, err, "a request has one view whatever the tenant's default")
	r := w.text("x")
	r.Choice.Views = 1
	w.create(r)
}

func TestFilesOffRefusesFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	grant, err := w.Grant(t.Context(), w.text(""))
	require.NoError(t, err)
	w.set.FilesOff = true
	r := w.text("x")
	r.Files = w.files("y")
	_, err = w.Create(t.Context(), r)
	require.ErrorIs(t, err, securesend.ErrForbidden)
	require.ErrorContains(t, err, "switched off")
	w.create(w.text("x"))

	b := w.composes(grant) // from before
	b.seals("", "x", []byte("y"))
	require.ErrorIs(t, b.put(0), securesend.ErrForbidden)
	u, err := w.BeginUpload(t.Context(), b.tok, b.upload)
	require.NoError(t, err)
	require.Zero(t, u.MaxFiles)

	grant, err = w.Grant(t.Context(), w.text(""))
	require.NoError(t, err)
	b = w.composes(grant)
	b.seals("", "x", []byte("y"))
	require.ErrorIs(t, b.put(0), securesend.ErrForbidden)
	_, err = b.commits()
	require.ErrorIs(t, err, securesend.ErrForbidden)
	w.set.FilesOff = false
	require.ErrorIs(t, b.put(0), securesend.ErrForbidden, "it was granted without files")
}

func TestFilesTogetherHaveALimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.set.MaxSize = 10 })
	for name, files := range map[string][]securesend.File{
		"one that does not say":     {{Size: -1, Reader: strings.NewReader("0123456789a")}},
		"two that do not say":       {{Size: -1, Reader: strings.NewReader("01234")}, {Size: -1, Reader: strings.NewReader("012345")}},
		"endless":                   {{Size: -1, Reader: endless{}}},
		"the second does not say":   {{Size: 9, Reader: strings.NewReader("012345678")}, {Size: -1, Reader: strings.NewReader("01")}},
		"the second says and lies":  {{Size: 9, Reader: strings.NewReader("012345678")}, {Size: 1, Reader: strings.NewReader("01")}},
		"one that says and is less": {{Size: 9, Reader: strings.NewReader("01")}},
		"one that breaks":           {{Size: -1, Reader: io.MultiReader(strings.NewReader("01"), iotest.ErrReader(io.ErrClosedPipe))}},
	} {
		r := w.text("x")
		r.Files = files
		sent, err := w.Create(t.Context(), r)
		require.Error(t, err, name)
		require.Empty(t, sent.Link.Reveal())
		if !strings.Contains(name, "says") && !strings.Contains(name, "breaks") {
			require.ErrorIs(t, err, securesend.ErrTooLarge, name)
			require.ErrorContains(t, err, "more than 10 bytes together")
		}
	}
	list, err := w.List(t.Context(), securesend.Query{Tenant: contoso})
	require.NoError(t, err)
	require.Len(t, list, 7)
	for _, st := range list {
		require.Equal(t, securesend.StateRevoked, st.State, "what could not be uploaded is taken back")
	}
	require.NotContains(t, w.kinds(), securesend.EventUploaded)
	for _, st := range list {
		parts, err := w.eu.List(t.Context(), st.Ref)
		require.NoError(t, err)
		require.Empty(t, parts, "and its parts are deleted")
	}
	r := w.text("")
	r.Files = []securesend.File{{Size: -1, Reader: strings.NewReader("01234")}, {Size: 5, Reader: strings.NewReader("56789")}}
	_, files := w.reader(w.create(r)).reads()
	require.Equal(t, []string{"01234", "56789"}, files, "just as much as is allowed")
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// slow is a reader in which time passes.
type slow struct {
	io.Reader
	then func()
}

func (s *slow) Read(p []byte) (int, error) {
	if s.then != nil {
		s.then()
		s.then = nil
	}
	return s.Reader.Read(p)
}

func TestASendThatExpiresWhileItIsUploadedLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.text("")
	r.Choice.TTL = time.Minute
	r.Files = []securesend.File{
		{Name: "a", Size: 5, Reader: strings.NewReader("howdy")},
		{Name: "b", Size: 5, Reader: &slow{strings.NewReader("there"), func() {
			w.pass(time.Hour)
			require.NoError(t, w.RunOnce(t.Context())) // which expires it and deletes the first file
		}}},
	}
	_, err := w.Create(t.Context(), r)
	require.ErrorIs(t, err, securesend.ErrEnded)
	list, err := w.List(t.Context(), securesend.Query{Tenant: contoso})
	require.NoError(t, err)
	parts, err := w.eu.List(t.Context(), list[0].Ref)
	require.NoError(t, err)
	require.Empty(t, parts)
}

func TestDataToNoteIsDirectAndOnlyWithCreate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	with := func() securesend.SendRequest {
		r := w.text("hunter2")
		r.Choice.DataToNote = true
		r.Files = w.files("content")
		return r
	}
	w.create(with())
	require.Len(t, w.book.notes, 1)
	note := w.book.notes[0]
	require.Equal(t, "hunter2", note.Text.Reveal())
	require.Equal(t, []string{"a.txt"}, note.Files, "names only")
	require.Equal(t, ticket, note.Ticket)
	require.Equal(t, contoso, note.Tenant)
	require.Equal(t, "jane", note.Technician.ID)
	w.kinds()
	before := w.listed()

	r := with()
	r.Ticket = mspkit.Ticket{}
	_, err := w.Create(t.Context(), r)
	require.ErrorIs(t, err, securesend.ErrUnsupported)
	require.ErrorContains(t, err, "DataToNote needs")

	r = with()
	r.Text, r.Files = mspkit.Redact(""), nil
	_, err = w.Grant(t.Context(), r)
	require.ErrorIs(t, err, securesend.ErrUnsupported)
	require.ErrorContains(t, err, "what a browser seals cannot be read here")
	_, err = w.Ask(t.Context(), r, "what?")
	require.ErrorIs(t, err, securesend.ErrUnsupported)

	w.book.can = errors.Join(errors.New("notes are mailed"), securesend.ErrUnsupported)
	_, err = w.Create(t.Context(), with())
	require.ErrorIs(t, err, securesend.ErrUnsupported)
	require.ErrorContains(t, err, "notes are mailed")
	require.Equal(t, before, w.listed(), "nothing was stored")
	require.Empty(t, w.kinds())

	w.book.can, w.book.write = nil, errors.New("the system says: hunter2 is too short")
	sent, err := w.Create(t.Context(), with())
	require.ErrorIs(t, err, w.book.write)
	require.NotContains(t, err.Error(), "hunter2", "what the system repeats is withheld")
	require.ErrorContains(t, err, "taken back")
	require.Empty(t, sent.Link.Reveal())
	require.Equal(t, []securesend.EventKind{"created", "uploaded", "revoked"}, w.kinds())
	require.Len(t, w.book.notes, 1)

	none := newWorld(t, func(w *world) { w.o.DataNoter = nil })
	_, err = none.Create(t.Context(), with())
	require.ErrorIs(t, err, securesend.ErrUnsupported)

	// The tenant's default reaches requests and sends without files alike.
	on := newWorld(t, func(w *world) { w.set.Defaults.DataToNote = true })
	_, err = on.Ask(t.Context(), on.text(""), "what?")
	require.NoError(t, err, "the setting is about what technicians send")
	_, err = on.Grant(t.Context(), on.text(""))
	require.ErrorIs(t, err, securesend.ErrUnsupported)
	on.create(on.text("x"))
	require.Len(t, on.book.notes, 1)
}

func TestAHeldSendNeedsThePathAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.text("hunter2")
	r.Choice.Held, r.Files = true, w.files("content")
	sent := w.create(r)
	require.NotContains(t, sent.Link.Reveal(), "#")
	require.Contains(t, sent.Link.Reveal(), "/h/")
	dana := w.reader(sent)
	text, files := dana.reads()
	require.Equal(t, "hunter2", text)
	require.Equal(t, []string{"content"}, files)
	v, err := w.View(t.Context(), sent.Ref)
	require.NoError(t, err)
	require.True(t, v.Held)

	r = w.text("")
	r.Choice.Held = true
	grant, err := w.Grant(t.Context(), r)
	require.NoError(t, err)
	b := w.composes(grant)
	b.seals("", "by hand", nil)
	b.commit.Header = securesend.Header{}.Bytes()
	_, err = b.commits()
	require.ErrorIs(t, err, securesend.ErrInvalid, "the envelope does not say that it is held")
	b.commit.Header = securesend.Header{Held: true}.Bytes()
	sent, err = b.commits()
	require.NoError(t, err)
	dana = w.readerOf(securesend.Link{Kind: securesend.LinkHeld, Base: w.BaseURL(), Token: mspkit.Redact(b.tok)}.URL().Reveal(), sent.Number.Reveal())
	text, _ = dana.reads()
	require.Equal(t, "by hand", text)
}

// flaky fails once at a verb, before or after it was done.
type flaky struct {
	securesend.SecretStore
	put, revoke error
	after       bool
}

func once(err *error) error {
	was := *err
	*err = nil
	return was
}

func (f *flaky) Put(ctx context.Context, r securesend.Record, s securesend.Stamp, now time.Time) error {
	if f.put != nil && !f.after {
		return once(&f.put)
	}
	err := f.SecretStore.Put(ctx, r, s, now)
	if f.put != nil {
		return once(&f.put)
	}
	return err
}

func (f *flaky) Revoke(ctx context.Context, ref securesend.Ref, s securesend.Stamp, now time.Time) (securesend.Record, error) {
	if f.revoke != nil && !f.after {
		return securesend.Record{}, once(&f.revoke)
	}
	r, err := f.SecretStore.Revoke(ctx, ref, s, now)
	if f.revoke != nil {
		return securesend.Record{}, once(&f.revoke)
	}
	return r, err
}

func TestResendEndsTheOldOneWhereTheNewOneIsThere(t *testing.T) {
	t.Parallel()
	store := &flaky{}
	w := newWorld(t, func(w *world) {
		store.SecretStore = w.store
		w.store = store
	})
	old := w.create(w.text("hunter2"))
	w.kinds()
	again, err := w.Resend(t.Context(), old.Ref, w.text("hunter2"))
	require.NoError(t, err)
	require.NotEqual(t, old.Ref, again.Ref)
	require.NotEqual(t, old.Link.Reveal(), again.Link.Reveal())
	_, err = w.reader(old).takes()
	require.ErrorIs(t, err, securesend.ErrEnded)
	require.Equal(t, []securesend.EventKind{"created", "revoked"}, w.kinds())
	require.Equal(t, "sent again", w.events[len(w.events)-1].Reason)
	text, _ := w.reader(again).reads()
	require.Equal(t, "hunter2", text)

	// While somebody opens it, too; and with files.
	r := w.text("third")
	r.Files = w.files("x")
	third, err := w.Resend(t.Context(), again.Ref, r)
	require.NoError(t, err)
	_, err = w.reader(again).takes()
	require.ErrorIs(t, err, securesend.ErrEnded)

	// One that has ended is no error.
	_, err = w.Resend(t.Context(), again.Ref, w.text("fourth"))
	require.NoError(t, err)

	boom := errors.New("the store is away")
	for name, fail := range map[string]func(){
		"put":              func() { store.put = boom },
		"put, lost reply":  func() { store.put, store.after = boom, true },
		"revoke":           func() { store.revoke = boom },
		"not valid":        nil,
		"files break":      nil,
		"another's":        nil,
		"another tenant's": nil,
	} {
		*store = flaky{SecretStore: store.SecretStore}
		r, ref := w.text("again"), third.Ref
		switch name {
		case "not valid":
			r.Text = mspkit.Redact("")
		case "files break":
			r.Files = []securesend.File{{Size: -1, Reader: iotest.ErrReader(boom)}}
		case "another's":
			r.By.ID = "sam"
		case "another tenant's":
			r.Tenant = "fabrikam"
		}
		if fail != nil {
			fail()
		}
		sent, err := w.Resend(t.Context(), ref, r)
		require.Error(t, err, name)
		require.Empty(t, sent.Link.Reveal(), name)
		require.Equal(t, securesend.StateReady, w.stored(third.Ref).State, "%s: the old one stays", name)
	}
	ready := 0
	list, err := w.List(t.Context(), securesend.Query{Tenant: contoso})
	require.NoError(t, err)
	for _, st := range list {
		if !st.State.Final() {
			ready++
		}
	}
	require.Equal(t, 2, ready, "the third and the fourth: nothing half made is left that could be opened")

	// The store has done it, and only its reply was lost.
	*store = flaky{SecretStore: store.SecretStore, revoke: boom, after: true}
	fifth, err := w.Resend(t.Context(), third.Ref, w.text("fifth"))
	require.NoError(t, err)
	text, _ = w.reader(fifth).reads()
	require.Equal(t, "fifth", text)

	asked, err := w.Ask(t.Context(), w.text(""), "what?")
	require.NoError(t, err)
	_, err = w.Resend(t.Context(), asked.Ref, w.text("x"))
	require.ErrorIs(t, err, securesend.ErrInvalid)
	_, err = w.Resend(t.Context(), securesend.Ref{Tenant: contoso, ID: "nothing"}, w.text("x"))
	require.ErrorIs(t, err, securesend.ErrNotFound)
}

func TestASendWhosePutFailsIsTakenBack(t *testing.T) {
	t.Parallel()
	store := &flaky{put: errors.New("the reply was lost"), after: true}
	w := newWorld(t, func(w *world) {
		store.SecretStore = w.store
		w.store = store
	})
	sent, err := w.Create(t.Context(), w.text("hunter2"))
	require.ErrorContains(t, err, "the reply was lost")
	require.Empty(t, sent.Link.Reveal())
	list, err := w.List(t.Context(), securesend.Query{Tenant: contoso})
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, securesend.StateRevoked, list[0].State)
}
