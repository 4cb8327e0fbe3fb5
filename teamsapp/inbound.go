package teamsapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/jwks"
)

const (
	// maxActivity is the largest activity in bytes. Teams limits messages to about 100 KiB.
	maxActivity = 256 << 10
	// bodyTimeout is how long an activity may take to arrive.
	bodyTimeout = 10 * time.Second
)

// ServeHTTP takes activities from the Bot Service, at the messaging endpoint of the bot's registration. It answers 401
// to what is not signed for this bot, 403 to what is genuine but for something else (another channel or service, a
// tenant that was not onboarded), 400 to what is malformed, and 500 or 503 where it could not be handled now. Each
// refusal is logged as a warning with a reason. The request's path and host do not matter.
func (b *Bot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	limitRead(w)
	response, err := b.inbound(w, r)
	if err != nil {
		b.refuse(w, r, err)
		return
	}
	if response == nil {
		w.WriteHeader(http.StatusOK)
		return
	}
	writeJSON(w, http.StatusOK, response)
}

// inbound handles one request. A nil response is an empty body. Errors are of type [*refusal], or mean that the
// activity could not be handled now.
func (b *Bot) inbound(w http.ResponseWriter, r *http.Request) (*invokeResponse, error) {
	if r.Method != http.MethodPost {
		return nil, &refusal{http.StatusMethodNotAllowed, "method"}
	}
	if mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mt != "application/json" {
		return nil, &refusal{http.StatusUnsupportedMediaType, "content type"}
	}
	ctx := r.Context()
	from, err := b.auth.caller(ctx, r)
	if err != nil {
		return nil, err
	}
	body, err := readActivity(w, r)
	if err != nil {
		return nil, err
	}
	act, err := parseActivity(body, from.emulator)
	if err != nil {
		return nil, err
	}
	if err := b.auth.bind(from, act); err != nil {
		return nil, err
	}
	tenant, err := b.Tenant(ctx, User{TenantID: act.tenant})
	switch {
	case errors.Is(err, ErrUnknownTenant):
		b.log.WarnContext(ctx, "teamsapp: an activity is from a tenant that was not onboarded", slog.String("entra_tenant", act.tenant))
		return nil, forbidden("unknown tenant")
	case err != nil:
		return nil, err
	}
	return b.dispatch(ctx, tenant, act)
}

// limitRead cuts off a body that does not end, also where net/http reads on after a refusal. Servers and tests that
// have no such deadline have limits of their own.
func limitRead(w http.ResponseWriter) {
	now := time.Now() //nolint:forbidigo // a connection's deadline is in real time
	_ = http.NewResponseController(w).SetReadDeadline(now.Add(bodyTimeout))
}

func readActivity(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > maxActivity {
		return nil, &refusal{http.StatusRequestEntityTooLarge, "oversized"}
	}
	limitRead(w) // anew: the keys may have had to be fetched
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxActivity))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, &refusal{http.StatusRequestEntityTooLarge, "oversized"}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, &refusal{http.StatusRequestTimeout, "body does not end"}
	}
	if err != nil {
		return nil, malformed("body is cut off")
	}
	// A deadline that passes while the turn is handled would end the request's context.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body, nil
}

// refuse answers with an error that tells nothing but its kind.
func (b *Bot) refuse(w http.ResponseWriter, r *http.Request, err error) {
	refused, ok := errors.AsType[*refusal](err)
	switch {
	case ok:
		b.log.WarnContext(r.Context(), "teamsapp: an activity was refused", slog.Int("status", refused.status), slog.String("reason", refused.reason))
	case errors.Is(err, jwks.ErrUnknown), r.Context().Err() != nil:
		refused = &refusal{status: http.StatusServiceUnavailable}
		b.log.ErrorContext(r.Context(), "teamsapp: an activity could not be judged", slog.Any("error", err))
	default:
		refused = &refusal{status: http.StatusInternalServerError}
		b.log.ErrorContext(r.Context(), "teamsapp: an activity could not be handled", slog.Any("error", err))
	}
	switch refused.status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case http.StatusRequestEntityTooLarge, http.StatusRequestTimeout:
		w.Header().Set("Connection", "close") // what is left of the body is not waited for
	}
	text := http.StatusText(refused.status)
	writeJSON(w, refused.status, map[string]problem{"error": {Code: strings.ReplaceAll(text, " ", ""), Message: text}})
}

// problem is an error on the wire.
type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil { // a card that was checked when it was made is valid JSON
		status, raw = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}

// dispatch handles an authentic activity of an onboarded tenant. What is not understood is accepted silently: Teams
// sends much that a bot has not asked for.
func (b *Bot) dispatch(ctx context.Context, tenant mspkit.TenantID, a *activity) (*invokeResponse, error) {
	if a.Type == typeInvoke && a.Name != invokeAction {
		return nil, &refusal{http.StatusNotImplemented, "unknown invoke"}
	}
	if !a.personal() {
		// What belongs to one person is not answered where others read along.
		if a.Type == typeInvoke {
			return invokeError(http.StatusBadRequest, "NotPersonal", sayPersonal.in(a.Locale)), nil
		}
		return nil, nil //nolint:nilnil // nothing to say and no error
	}
	switch a.Type {
	case typeMessage, typeInvoke:
		return b.turn(ctx, tenant, a)
	case typeMembers:
		if a.hasBot(a.MembersAdded, b.app.ID) {
			return nil, b.installed(ctx, tenant, a, true)
		}
		if a.hasBot(a.MembersRemoved, b.app.ID) {
			return nil, b.installed(ctx, tenant, a, false)
		}
	case typeInstall:
		// An upgrade takes the app away and adds it again.
		switch a.Action {
		case "add", "add-upgrade":
			return nil, b.installed(ctx, tenant, a, true)
		case "remove", "remove-upgrade":
			return nil, b.installed(ctx, tenant, a, false)
		}
	}
	if user, member, ok := a.person(); ok {
		return nil, b.remember(ctx, tenant, user, member, a, unchanged)
	}
	return nil, nil //nolint:nilnil // nothing to say and no error
}

// hasBot reports whether list names the bot. Emulators give it an id of their own.
func (a *activity) hasBot(list []account, appID string) bool {
	for _, m := range list {
		if strings.EqualFold(m.ID, "28:"+appID) || (a.emulator && m.ID != "" && m.ID == a.Recipient.ID) {
			return true
		}
	}
	return false
}

// installed keeps that the app was added or removed, and tells the host. Teams tells of an installation in two
// activities, so that all of it may happen twice.
func (b *Bot) installed(ctx context.Context, tenant mspkit.TenantID, a *activity, yes bool) error {
	user, member, ok := a.person()
	if !ok {
		b.log.WarnContext(ctx, "teamsapp: an installation names no person", slog.Bool("installed", yes))
		return nil
	}
	state := gone
	if yes {
		state = here
	}
	if err := b.remember(ctx, tenant, user, member, a, state); err != nil || b.o.OnInstall == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, b.o.HandleTimeout)
	defer cancel()
	if err := b.o.OnInstall(ctx, Installation{Tenant: tenant, User: user, Installed: yes}); err != nil {
		return fmt.Errorf("tell of an installation: %w", err)
	}
	return nil
}

// presence is what an activity says about whether the app is installed for its person.
type presence int

const (
	unchanged presence = iota // a late "has read" comes after the app was removed
	here
	gone
)

// remember keeps how the person is reached, and writes only what is new.
func (b *Bot) remember(ctx context.Context, tenant mspkit.TenantID, u User, member account, a *activity, state presence) error {
	old, err := b.reference(ctx, tenant, u)
	if err != nil {
		return err
	}
	ref := old
	ref.Member, ref.Conversation, ref.ServiceURL = member.ID, a.Conversation.ID, a.ServiceURL
	if a.Locale != "" {
		ref.Locale = a.Locale
	}
	if state != unchanged {
		ref.Removed = state == gone
	}
	if ref == old {
		return nil
	}
	return b.saveReference(ctx, tenant, u, ref)
}
