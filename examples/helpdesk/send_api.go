package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/securesend"
)

// sendRoutes are a page's routes about sends and requests, beside those that take a small form and answer with JSON.
func (a *app) sendRoutes(below string, who resolver) []webpage.Route {
	return []webpage.Route{
		{Name: "send", Method: "POST", Pattern: below + "/send", Kind: webpage.APIKind, MaxBody: securesend.MaxFileSize, Handler: a.serveSend(who)},
		{Name: "receive-file", Method: "POST", Pattern: below + "/receive-file", Kind: webpage.FormKind, Handler: a.serveReceivedFile(who)},
	}
}

// maxFields is for everything in the form besides the files.
const maxFields = 1 << 20

// stall is how long a browser may pause while it sends files.
const stall = 30 * time.Second

// serveSend takes the form with the files. They go through to the service as they come: nothing of them is kept here.
func (a *app) serveSend(who resolver) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		r.Body = struct {
			io.Reader
			io.Closer
		}{&patient{r.Body, rc}, r.Body}
		u, err := readUpload(r)
		if err != nil {
			answer(w, http.StatusBadRequest, map[string]string{"error": "The form did not arrive completely."})
			return
		}
		r.PostForm = u.fields
		a.action(who, func(r *http.Request, p person, t technician) (any, error) { return a.doSend(r, p, t, u.files) })(w, r)
	}
}

// patient gives a long upload time as long as something comes.
type patient struct {
	r  io.Reader
	rc *http.ResponseController
}

func (p *patient) Read(b []byte) (int, error) {
	_ = p.rc.SetReadDeadline(time.Now().Add(stall)) // not every writer can, and then the server's own deadline holds
	return p.r.Read(b)
}

// upload is a form with files that are read one after the other.
type upload struct {
	fields url.Values
	files  []securesend.File
}

// readUpload reads the fields of a form, which come first, and leaves the files to be read. The field "files" says how many
// there are.
func readUpload(r *http.Request) (*upload, error) {
	form, err := r.MultipartReader()
	if err != nil {
		return nil, err
	}
	u := &upload{fields: url.Values{}}
	left := int64(maxFields)
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return u, nil
		}
		if err != nil {
			return nil, err
		}
		if part.FormName() != "file" {
			b, err := io.ReadAll(io.LimitReader(part, left+1))
			if left -= int64(len(b)); err != nil || left < 0 {
				return nil, errors.Join(errors.New("the fields are too long"), err)
			}
			u.fields.Add(part.FormName(), string(b))
			continue
		}
		n, err := strconv.Atoi(u.fields.Get("files"))
		if err != nil || n < 1 || n > securesend.MaxFiles {
			return nil, errors.New("it is not said how many files there are")
		}
		names, sizes := u.fields["name"], u.fields["size"]
		for i := range n {
			f := securesend.File{Name: fmt.Sprintf("file %d", i+1), Size: -1, Reader: part}
			if i < len(names) {
				f.Name = names[i]
			}
			if i < len(sizes) {
				if f.Size, err = strconv.ParseInt(sizes[i], 10, 64); err != nil {
					return nil, errors.New("the size of a file is not a number")
				}
			}
			if i > 0 {
				f.Reader = &nextFile{form: form.NextPart}
			}
			u.files = append(u.files, f)
		}
		return u, nil
	}
}

// nextFile begins to read the form's next file when it is asked for.
type nextFile struct {
	form func() (*multipart.Part, error)
	part *multipart.Part
}

func (n *nextFile) Read(b []byte) (int, error) {
	if n.part == nil {
		part, err := n.form()
		if err != nil || part.FormName() != "file" {
			return 0, fmt.Errorf("a file is missing in the form: %w", securesend.ErrInvalid) // and not io.EOF, which is the end of a file
		}
		n.part = part
	}
	return n.part.Read(b)
}

// choice reads what the technician decided for one send. What is left empty is the client's to decide.
func choice(f url.Values) (c securesend.Choice, err error) {
	var errs []error
	span := func(name string) (d time.Duration) {
		if v := f.Get(name); v != "" {
			var err error
			if d, err = time.ParseDuration(v); err != nil {
				errs = append(errs, fmt.Errorf("%s is not a time: %w", name, securesend.ErrInvalid))
			}
		}
		return d
	}
	c = securesend.Choice{
		TTL: span("ttl"), AfterView: span("after"), Region: f.Get("region"), Gate: securesend.Gate(f.Get("gate")),
		Header: f.Get("header"), Message: f.Get("message"), LogTo: f.Get("log"), LogPublic: f.Get("public") != "", DataToNote: f.Get("note") != "", Held: f.Get("held") != "",
	}
	if v := f.Get("views"); v != "" {
		if c.Views, err = strconv.Atoi(v); err != nil {
			errs = append(errs, fmt.Errorf("views is not a number: %w", securesend.ErrInvalid))
		}
	}
	return c, errors.Join(errs...)
}

// sendRequest reads the form of a send or request, without the content.
func sendRequest(f url.Values, p person, t technician) (securesend.SendRequest, error) {
	c, err := choice(f)
	r := securesend.SendRequest{
		Tenant: p.Tenant, By: securesend.Technician{ID: t.ID, Name: t.Name, Admin: t.lead()}, Subject: p.ID, Ticket: p.Ticket, Locale: p.Locale,
		Choice: c,
	}
	for _, by := range f["deliver"] {
		if by == "" { // the technician copies the link
			continue
		}
		d, noAddress := p.destination(by)
		r.Deliver, err = append(r.Deliver, d), errors.Join(err, noAddress)
	}
	return r, err
}

// sentJSON is what the technician's page gets to know once. Link is there only where nothing was delivered.
type sentJSON struct {
	ID, Link, Number, Warning string
	Undelivered               []string
	Expires                   int64
}

func sentAnswer(s securesend.Sent, err error, link bool) (any, error) {
	if err != nil && !errors.Is(err, securesend.ErrDelivery) {
		return nil, err
	}
	out := sentJSON{ID: s.Ref.ID, Number: s.Number.Reveal(), Warning: s.Warning, Expires: s.ExpiresAt.UnixMilli()}
	for _, by := range s.Undelivered {
		out.Undelivered = append(out.Undelivered, channelWords(by))
	}
	if link {
		out.Link = s.Link.Reveal()
	}
	return out, nil
}

// doSend sends a text and files from here. Where "replaces" names an earlier send, that one ends.
func (a *app) doSend(r *http.Request, p person, t technician, files []securesend.File) (any, error) {
	req, err := sendRequest(r.PostForm, p, t)
	if err != nil {
		return nil, err
	}
	text := strings.ReplaceAll(r.PostForm.Get("text"), "\r\n", "\n") // forms make all ends of lines alike
	req.Text, req.Passphrase, req.Files = mspkit.Redact(text), mspkit.Redact(r.PostForm.Get("passphrase")), files
	set, err := a.rules.settings(r.Context(), p.Tenant)
	if err != nil {
		return nil, err
	}
	if req.Choice.Gate == securesend.GateCode || req.Choice.Gate == "" && set.Defaults.Gate == securesend.GateCode {
		if req.Code, err = p.codeDestination(req.Deliver); err != nil {
			return nil, err
		}
	}
	var sent securesend.Sent
	if old := r.PostForm.Get("replaces"); old != "" {
		sent, err = a.sends.Resend(r.Context(), securesend.Ref{Tenant: p.Tenant, ID: old}, req)
	} else {
		sent, err = a.sends.Create(r.Context(), req)
	}
	return sentAnswer(sent, err, len(req.Deliver) == 0)
}

// doGrant lets the technician's own browser seal: this program never sees what is sent.
func (a *app) doGrant(r *http.Request, p person, t technician) (any, error) {
	req, err := sendRequest(r.PostForm, p, t)
	if err != nil {
		return nil, err
	}
	sent, err := a.sends.Grant(r.Context(), req)
	return sentAnswer(sent, err, true)
}

// doAsk asks the person for a text or files.
func (a *app) doAsk(r *http.Request, p person, t technician) (any, error) {
	req, err := sendRequest(r.PostForm, p, t)
	if err != nil {
		return nil, err
	}
	sent, err := a.sends.Ask(r.Context(), req, strings.TrimSpace(r.PostForm.Get("question")))
	return sentAnswer(sent, err, len(req.Deliver) == 0)
}

func sendRef(r *http.Request, p person) securesend.Ref {
	return securesend.Ref{Tenant: p.Tenant, ID: r.PostForm.Get("id")}
}

func (a *app) doSendRenew(r *http.Request, p person, t technician) (any, error) {
	st, err := a.sends.Renew(r.Context(), sendRef(r, p), t.ID)
	return a.sendView(r.Context(), st, t), err
}

func (a *app) doSendRevoke(r *http.Request, p person, t technician) (any, error) {
	return nil, a.sends.Revoke(r.Context(), sendRef(r, p), t.ID)
}

// received opens the answer to a request with the claim of the technician's page, which keeps it so that a lost response can
// be had again.
func (a *app) received(r *http.Request, p person, t technician) (*securesend.Received, error) {
	claim, err := base64.RawURLEncoding.DecodeString(r.PostForm.Get("claim"))
	if err != nil {
		return nil, fmt.Errorf("the claim is not one: %w", securesend.ErrInvalid)
	}
	return a.sends.Receive(r.Context(), sendRef(r, p), t.ID, claim)
}

type fileJSON struct {
	Name string
	Size int64
}

// doReceive shows an answer once. The page asks again while it is open, which keeps the files ready to be fetched.
func (a *app) doReceive(r *http.Request, p person, t technician) (any, error) {
	got, err := a.received(r, p, t)
	if err != nil {
		return nil, err
	}
	files := []fileJSON{}
	for _, f := range got.Files {
		files = append(files, fileJSON{f.Name, f.Size})
	}
	return map[string]any{"text": got.Text.Reveal(), "files": files}, nil
}

// doReceived says that the technician has everything: the answer is burnt.
func (a *app) doReceived(r *http.Request, p person, t technician) (any, error) {
	got, err := a.received(r, p, t)
	if err != nil {
		return nil, err
	}
	return nil, a.sends.AckReceived(r.Context(), got)
}

// serveReceivedFile hands one file of an answer to the technician's browser, as a download and nothing else.
func (a *app) serveReceivedFile(who resolver) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fail := func(status int, err error) {
			answer(w, status, map[string]string{"error": explain(err)})
		}
		p, t, err := who(r.Context(), r.PostForm)
		if err != nil {
			unresolved(w, err)
			return
		}
		n, bad := strconv.Atoi(r.PostForm.Get("file"))
		if bad != nil {
			fail(http.StatusNotFound, securesend.ErrNotFound)
			return
		}
		got, err := a.received(r, p, t)
		if err != nil {
			fail(http.StatusUnprocessableEntity, err)
			return
		}
		file, err := got.Open(r.Context(), n)
		if err != nil {
			fail(http.StatusUnprocessableEntity, err)
			return
		}
		defer func() { _ = file.Close() }()
		h := w.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": got.Files[n].Name}))
		h.Set("Content-Length", strconv.FormatInt(got.Files[n].Size, 10))
		h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
		if _, err := io.Copy(w, file); err != nil {
			if r.Context().Err() == nil {
				a.cfg.log.WarnContext(r.Context(), "helpdesk: a download broke off", slog.Any("error", err))
			}
			panic(http.ErrAbortHandler) // what is half must not look complete
		}
	}
}

// sendJSON is one send or request in the ticket's list.
type sendJSON struct {
	ID, Ticket, Kind, State, Gate, Number, Region, Warning, By   string
	Tries, Renewals, Refusals, Views, MaxViews, Files            int
	Unfetched                                                    []int
	Sent                                                         []string // by what the link went out
	Locked, Mine                                                 bool
	Created, Ready, Opened, Revealed, Acknowledged, Ended, Until int64
}

func (a *app) sendView(ctx context.Context, s securesend.Status, t technician) sendJSON {
	ms := func(at time.Time) int64 {
		if at.IsZero() {
			return 0
		}
		return at.UnixMilli()
	}
	by := s.Sender
	if sender, ok := a.technician(ctx, s.Sender); ok {
		by = sender.Name
	}
	return sendJSON{
		ID: s.Ref.ID, Ticket: s.Ticket.String(), Kind: string(s.Kind), State: string(s.State), Gate: string(s.Gate), Number: s.Number.Reveal(), Region: s.Region,
		Warning: s.Warning, By: by, Tries: s.TriesLeft, Renewals: s.Renewals, Refusals: s.Refusals, Views: s.Views, MaxViews: s.MaxViews,
		Files: s.Files, Unfetched: s.Unfetched, Sent: a.sentBy.of(s.Ref.ID), Locked: s.Locked, Mine: s.Sender == t.ID, Created: ms(s.CreatedAt), Ready: ms(s.ReadyAt),
		Opened: ms(s.OpenedAt), Revealed: ms(s.RevealedAt), Acknowledged: ms(s.AcknowledgedAt), Ended: ms(s.EndedAt), Until: ms(s.ExpiresAt),
	}
}

// rulesJSON is what the page must know of the client's rules to offer only what can be chosen.
type rulesJSON struct{ Locked, FilesOff, Note bool }

func (a *app) rulesFor(r *http.Request, p person, t technician) (rulesJSON, error) {
	s, err := a.rules.settings(r.Context(), p.Tenant)
	return rulesJSON{Locked: s.LockTechnician && !t.lead(), FilesOff: s.FilesOff, Note: s.Defaults.DataToNote}, err
}

// sendsOf returns what was sent and asked for in p's ticket, as t may see it.
func (a *app) sendsOf(r *http.Request, p person, t technician) ([]sendJSON, error) {
	out := []sendJSON{}
	list, err := a.sends.List(r.Context(), securesend.Query{Tenant: p.Tenant, Ticket: p.Ticket, Subject: p.ID, Limit: 20})
	if err != nil {
		return out, err
	}
	for _, s := range list {
		if s.Gate == securesend.GateNumber && !s.State.Final() { // with the number to say, where t may know it
			if s, err = a.sends.Status(r.Context(), s.Ref, t.ID); err != nil {
				return out, err
			}
		}
		out = append(out, a.sendView(r.Context(), s, t))
	}
	return out, nil
}

// fieldWords are the fields of a choice as the page calls them.
var fieldWords = map[string]string{
	"TTL": "how long it lives", "Views": "how often it can be opened", "AfterView": "how long it stays after the first view", "Region": "the region",
	"Gate": "what the recipient must bring", "Header": "the text above the page", "Message": "the text with the content", "LogTo": "where events go",
	"LogPublic": "whether the client sees them", "DataToNote": "whether the content is kept in a note",
	"Held": "whether the whole key is in the address",
}

// explainSend says what is wrong with a send, or nothing where that is not known.
func explainSend(err error) string {
	var limit *securesend.LimitError
	var locked []string
	for _, e := range flatten(err) {
		if l, ok := errors.AsType[*securesend.LockedFieldError](e); ok {
			locked = append(locked, fieldWords[l.Field])
		}
	}
	switch {
	case len(locked) > 0:
		return "The client's settings are locked: a technician cannot choose " + strings.Join(slices.Compact(locked), ", ") + "."
	case errors.As(err, &limit) && limit.Limit == securesend.LimitRenewals:
		return "This number was renewed as often as it may be. Send it again."
	case errors.As(err, &limit):
		return fmt.Sprintf("Please wait %s (%s).", max(limit.RetryAfter, time.Second).Round(time.Second), limit.Limit)
	case errors.Is(err, securesend.ErrDraft):
		return "It is not there yet."
	case errors.Is(err, securesend.ErrEnded):
		return "It has ended: it was read or taken back, or nobody came in time."
	case errors.Is(err, securesend.ErrOpening):
		return "It is being opened somewhere else."
	case errors.Is(err, securesend.ErrNotFound):
		return "There is no such send."
	case errors.Is(err, securesend.ErrForbidden) && !strings.Contains(err.Error(), "files are switched off"):
		return "Only who sent or asked for it, or an admin, may do this."
	}
	for _, known := range []error{securesend.ErrInvalid, securesend.ErrUnsupported, securesend.ErrTooLarge, securesend.ErrRegion, securesend.ErrForbidden} {
		if errors.Is(err, known) {
			return sentences(err)
		}
	}
	return ""
}

// sentences makes the text of an error readable: without the names of packages and kinds of error.
func sentences(err error) string {
	var out []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		line = strings.ReplaceAll(line, "securesend: ", "")
		for _, prefix := range []string{"create: ", "resend: ", "grant: ", "ask: "} {
			line = strings.TrimPrefix(line, prefix)
		}
		for _, kind := range []error{securesend.ErrInvalid, securesend.ErrUnsupported, securesend.ErrTooLarge, securesend.ErrRegion, securesend.ErrForbidden} {
			line = strings.TrimSuffix(line, ": "+kind.Error())
		}
		if line != "" {
			out = append(out, hours(strings.ToUpper(line[:1])+line[1:])+".")
		}
	}
	return strings.Join(out, " ")
}

// flatten returns the errors that errors.Join has put together.
func flatten(err error) []error {
	switch e := err.(type) { //nolint:errorlint // one layer at a time
	case nil:
		return nil
	case interface{ Unwrap() []error }:
		var out []error
		for _, part := range e.Unwrap() {
			out = append(out, flatten(part)...)
		}
		return out
	case interface{ Unwrap() error }:
		return flatten(e.Unwrap())
	}
	return []error{err}
}
