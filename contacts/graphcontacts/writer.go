package graphcontacts

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/internal/phone"
)

// Outcome is how far an attempt to write numbers has come.
type Outcome string

// The outcomes. Each attempt is noted as Asked first, and then as one of the others.
const (
	// Asked means that nothing has been sent yet.
	Asked Outcome = "asked"
	// Refused means that nothing is written, because of who the person is.
	Refused Outcome = "refused"
	// Failed means that Graph did not obey.
	Failed Outcome = "failed"
	// Unknown means that Graph may have obeyed or not.
	Unknown Outcome = "unknown"
	// Written means that the numbers are in Microsoft 365.
	Written Outcome = "written"
)

// Attempt is what an [Auditor] notes.
type Attempt struct {
	Tenant mspkit.TenantID
	// Contact is the id in the directory, User the object id in Microsoft Entra.
	Contact, User string
	// By is the technician, Reason what they gave as a reason, without the numbers.
	By, Reason string
	// Mobile and Business are what was to be written: the last four digits with dots in front, "removed", or empty where
	// the number stays as it is.
	Mobile, Business string
	Outcome          Outcome
	// Why is why it was refused or failed, in words.
	Why string
	At  time.Time
}

// Auditor notes an attempt where it cannot be changed afterwards. Where it returns an error for [Asked] nothing is sent.
type Auditor func(ctx context.Context, a Attempt) error

// Writer writes phone numbers to the users of Microsoft 365. It is safe for concurrent use.
//
// A number in Microsoft Entra may be what a password is reset with (self-service password reset), and a directory that is
// read from there takes the number for the person's. Whoever talks a technician into a write and is then called at the new
// number has the account. So a host offers it only to technicians whom it trusts with resetting passwords, after the caller
// was verified by something other than a phone, and notes it with [contacts.Directory].Wrote, so that the number counts as
// typed by that technician now.
type Writer struct {
	client *graphx.Client
	audit  Auditor
	o      Options
}

var _ contacts.ContactWriter = (*Writer)(nil)

// NewWriter returns a writer; there is none unless a host asks for one. It needs User-Phone.ReadWrite.All to write, and
// Directory.Read.All to see who is privileged: roles, custom ones among them, and the groups that roles are given to. Do not
// take less than that for reading: Graph leaves out what an application may not see, and a privileged group that is not seen
// to be one looks like any other.
func NewWriter(creds azurecred.TenantCredentials, audit Auditor, o *Options) (*Writer, error) {
	client, opts, err := connect(creds, o)
	if audit == nil {
		err = errors.Join(err, fmt.Errorf("graphcontacts: an auditor is needed to write numbers: %w", mspkit.ErrInvalid))
	}
	if err != nil {
		return nil, err
	}
	return &Writer{client: client, audit: audit, o: opts}, nil
}

const (
	maxReason = 1000 // runes
	// afterwards is how long the last note of an attempt may take when the caller has gone.
	afterwards = 10 * time.Second
)

// WritePhones writes the numbers to the user w.SourceID. It is refused, with [ErrRefused] and the reason, for a guest, for a
// user whose properties come from the company's own Active Directory, and for a privileged one: somebody who holds a role,
// or is in a group that roles can be given to, also indirectly. Graph refuses most of those as well; here it is known before
// anything is sent. Who may only take up a role (Privileged Identity Management) counts as any other user until then.
//
// [ErrUnknown] means that the connection broke: the numbers may be there.
//
// Source: https://learn.microsoft.com/graph/api/resources/users#who-can-perform-sensitive-actions.
func (s *Writer) WritePhones(ctx context.Context, w contacts.PhoneWrite) error {
	user, err := checkWrite(w)
	if err != nil {
		return err
	}
	a := Attempt{
		Tenant: w.Tenant, Contact: w.ID, User: user, By: w.By, Reason: withoutNumbers(w),
		Mobile: masked(w.Mobile), Business: masked(w.Business), Outcome: Asked, At: s.o.Now(),
	}
	if err := s.audit(ctx, a); err != nil {
		return fail("write numbers", w.Tenant, "", fmt.Errorf("%w: %w", errUnnoted, err))
	}
	err = s.write(ctx, w, user)
	a.At = s.o.Now()
	switch {
	case err == nil:
		a.Outcome = Written
	case errors.Is(err, ErrRefused):
		a.Outcome, a.Why = Refused, explain(err)
	case errors.Is(err, ErrUnknown):
		a.Outcome, a.Why = Unknown, explain(err)
	default:
		a.Outcome, a.Why = Failed, explain(needs("User-Phone.ReadWrite.All", err))
	}
	// Also where the caller has gone: what happened is noted.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	if aerr := s.audit(last, a); aerr != nil {
		err = errors.Join(err, fmt.Errorf("%w, which ended as %q: %w", ErrAudit, string(a.Outcome), aerr))
	}
	if err != nil {
		return fail("write numbers", w.Tenant, "User-Phone.ReadWrite.All", err)
	}
	return nil
}

// checkWrite returns the object id, and all faults of what is to be written.
func checkWrite(w contacts.PhoneWrite) (string, error) {
	var errs []error
	bad := func(what string) { errs = append(errs, fmt.Errorf("graphcontacts: %s: %w", what, mspkit.ErrInvalid)) }
	if err := w.Tenant.Validate(); err != nil {
		errs = append(errs, err)
	}
	user := canonicalID(w.SourceID)
	if user == "" {
		bad("PhoneWrite.SourceID is not the object id of a user")
	}
	if !words(w.By, mspkit.MaxID) {
		bad("PhoneWrite.By must say which technician writes")
	}
	if !words(w.Reason, maxReason) {
		bad("PhoneWrite.Reason must say why, in one line")
	}
	if w.Mobile == nil && w.Business == nil {
		bad("PhoneWrite has no number")
	}
	for name, n := range map[string]*string{"Mobile": w.Mobile, "Business": w.Business} {
		if n == nil || *n == "" {
			continue
		}
		if out, err := (phone.Reader{}).E164(*n); err != nil || out != *n {
			bad("PhoneWrite." + name + " is not in E.164 form, such as +12025550143")
		}
	}
	return user, errors.Join(errs...)
}

func words(s string, limit int) bool {
	return strings.TrimSpace(s) != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= limit && !strings.ContainsAny(s, "\r\n\x00")
}

func masked(n *string) string {
	switch {
	case n == nil:
		return ""
	case *n == "":
		return "removed"
	}
	return "…" + (*n)[max(0, len(*n)-4):]
}

var numbers = regexp.MustCompile(`[+(]*[0-9][0-9 ()./-]{5,}[0-9]`)

// withoutNumbers is the reason, in which somebody may have typed the numbers again.
func withoutNumbers(w contacts.PhoneWrite) string {
	return numbers.ReplaceAllStringFunc(w.Reason, func(s string) string {
		d, _, _ := cleantext.Typed(strings.NewReplacer("+", "", "(", "", ")", "", ".", "", "/", "").Replace(s))
		for _, n := range []*string{w.Mobile, w.Business} {
			if n != nil && len(*n) > 7 && strings.HasSuffix(d, (*n)[len(*n)-7:]) {
				return masked(n)
			}
		}
		return s
	})
}

// write asks who it is and sends the numbers.
func (s *Writer) write(ctx context.Context, w contacts.PhoneWrite, user string) error {
	if err := s.writable(ctx, w.Tenant, user); err != nil {
		return needs("Directory.Read.All", err)
	}
	if err := s.unprivileged(ctx, w.Tenant, user); err != nil {
		return needs("Directory.Read.All", err)
	}
	body := map[string]any{}
	if w.Mobile != nil {
		body["mobilePhone"] = nil
		if *w.Mobile != "" {
			body["mobilePhone"] = *w.Mobile
		}
	}
	if w.Business != nil {
		body["businessPhones"] = []string{}
		if *w.Business != "" {
			body["businessPhones"] = []string{*w.Business}
		}
	}
	err := s.client.Do(ctx, &graphx.Request{
		Tenant: w.Tenant, Workload: graphx.Directory, Method: http.MethodPatch, Path: "/users/" + user, Body: body, Idempotent: true,
	}, nil)
	if err == nil {
		return nil
	}
	var (
		answer *graphx.Error
		auth   *graphx.AuthError
	)
	switch {
	case errors.As(err, &auth), errors.Is(err, azurecred.ErrNotConnected):
		return err // nothing was sent
	case !errors.As(err, &answer) || answer.Status >= 500:
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	case answer.Status == http.StatusForbidden && answer.Code == "Authorization_RequestDenied":
		return fmt.Errorf("%w: %w", refused("Microsoft Entra does not let this application change the numbers of this user: "+
			"it lacks User-Phone.ReadWrite.All, or the user is privileged and the application has no role above"), err)
	}
	return err
}
