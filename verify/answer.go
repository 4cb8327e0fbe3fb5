package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/token"
)

// Check compares a code that the caller read aloud: one that was sent, or that of an authenticator app or a recovery code,
// about which the [Checker] is asked once the try is counted. Spaces, dashes and digits of any script are accepted;
// anything else is [ErrFormat] and not counted. The result's state is confirmed (with a proof), wrong, failed,
// expired, frozen, locked, or whatever ended the challenge before. Where a second technician must approve, the proof
// comes from [Service.WaitApproved] or [Service.Get]. Errors: [ErrFormat], [ErrNotFound],
// [ErrForbidden] (another technician's challenge), [ErrInvalid] (number match cannot be answered by the
// technician, who knows the number).
func (s *Service) Check(ctx context.Context, r CheckRequest) (Result, error) {
	began := s.m.began()
	res, err := s.check(ctx, r)
	s.m.tried(ctx, "check", began, res.State, err)
	return res, wrap("check", err)
}

func (s *Service) check(ctx context.Context, r CheckRequest) (Result, error) {
	set, err := s.tenantSettings(ctx, r.Tenant)
	if err != nil {
		return Result{}, err
	}
	if err := invalid(validID("technician id", r.Technician)); err != nil {
		return Result{}, err
	}
	if r.Method != "" && r.Method != MethodCode && r.Method != MethodTOTP {
		return Result{}, fmt.Errorf("a technician cannot answer method %q: %w", r.Method, ErrInvalid)
	}
	code, err := normalizeDigits(r.Response)
	if err != nil {
		return Result{}, err
	}
	return s.try(ctx, set, attempt{
		ref: Ref{r.Tenant, r.ID}, method: cmp.Or(r.Method, MethodCode), response: code, by: r.Technician, technician: r.Technician,
	})
}

// Answer takes the number or words that the caller typed on a page or card. The result never holds a proof: that
// is for the technician, who gets it from [Service.Get] or [Service.Wait]. Errors are those of [Service.Check];
// [ErrForbidden] means that the challenge was sent to another address than [Answer.From], and nothing was counted.
func (s *Service) Answer(ctx context.Context, a Answer) (Result, error) {
	began := s.m.began()
	res, err := s.answer(ctx, a)
	s.m.tried(ctx, "answer", began, res.State, err)
	return res, wrap("answer", err)
}

func (s *Service) answer(ctx context.Context, a Answer) (Result, error) {
	set, err := s.tenantSettings(ctx, a.Ref.Tenant)
	if err != nil {
		return Result{}, err
	}
	var answerers []string
	if a.From != "" {
		answerers = s.secrets.answerers(a.Ref, a.From)
	}
	var response string
	switch a.Method {
	case MethodNumber:
		response, err = normalizeDigits(a.Response)
	case MethodWord:
		response, err = normalizeWord(a.Response)
	default:
		err = fmt.Errorf("a page or card cannot answer method %q: %w", a.Method, ErrInvalid)
	}
	if err != nil {
		return Result{}, err
	}
	return s.try(ctx, set, attempt{ref: a.Ref, method: a.Method, response: response, by: ByCaller, answerers: answerers})
}

// attempt is one try of an answer.
type attempt struct {
	ref        Ref
	method     Method
	response   string // normalised
	by         string
	technician string // must be the record's where not empty
	answerers  []string
	deny       bool // response is the word that confirms a denial
}

// try is the only place where an answer is compared: the store counts first and hands out the MAC only then,
// the comparison is in constant time, and the outcome holds only if the store could write it.
func (s *Service) try(ctx context.Context, set Settings, a attempt) (Result, error) {
	now := s.o.Now()
	t := Try{Method: a.method, Technician: a.technician, Answerers: a.answerers, Stamp: stamp(EventAttempted, a.by, set.sandboxed(""))}
	r, sub, err := s.store.Attempt(ctx, a.ref, t, now)
	if err != nil {
		return Result{}, err
	}
	s.nudge()
	if !r.AnsweredBy(t) {
		if a.technician != "" {
			return Result{}, fmt.Errorf("the challenge was begun by another technician: %w", ErrForbidden)
		}
		return Result{}, errNotAddressed
	}
	if a.method == MethodCode && r.Method == MethodTOTP { // nothing was counted; see CheckRequest.Method
		a.method = MethodTOTP
		return s.try(ctx, set, a)
	}
	if r.Method != a.method {
		return Result{}, fmt.Errorf("this challenge is answered by %s, not by %s: %w", r.Method, a.method, ErrInvalid)
	}
	if len(r.MAC) == 0 {
		return s.result(r, r.Effective(sub, now)), nil
	}
	var ok bool
	var d details
	var v Verdict
	switch {
	case a.deny:
		ok, err = s.secrets.words.Verify(r.KeyID, r.WordMAC, string(a.ref.Tenant), a.ref.ID, a.response)
	case r.Method == MethodTOTP:
		if d, err = s.secrets.open(r); err == nil {
			v, err = s.decide(ctx, r, d, a.response, now)
		}
		ok = v.Right
	default:
		ok, err = s.secrets.answers.Verify(r.KeyID, r.MAC, string(a.ref.Tenant), a.ref.ID, a.response)
	}
	if err != nil {
		return Result{}, err
	}
	left := r.MaxTries - r.Tries
	var o Outcome
	switch {
	case ok && a.deny:
		o = Outcome{State: StateDenied, Stamp: stamp(EventDenied, ByCaller, "confirmed with the technician's word")}
	case ok:
		o = Outcome{State: StateConfirmed, Stamp: stamp(EventConfirmed, a.by, v.reason())}
		if !r.approved() {
			o.Stamp.Reason = joined(o.Stamp.Reason, "a second technician must approve")
		}
		if r.Kind == KindCaller {
			o.ProofUntil = now.Add(set.Limits.ProofTTL)
		}
	case left > 0:
		if r.Kind == KindTechnician {
			if err := s.store.Hint(ctx, a.ref, stamp(EventMismatch, ByCaller, "another word was heard"), now); err != nil {
				return Result{}, err
			}
		}
		return s.result(r, StateWrong), nil
	case r.Kind == KindTechnician:
		o = Outcome{State: StateFailed, Stamp: stamp(EventMismatch, ByCaller, "another word was heard, no tries are left")}
	default:
		o = Outcome{State: StateFailed, Stamp: stamp(EventFailed, a.by, "no tries are left")}
	}
	o.Stamp.Reason = set.sandboxed(o.Stamp.Reason)
	done, err := s.store.Finish(ctx, a.ref, r.Version, o, now)
	if v.Recovery && ok { // it is used up, whatever has come of the challenge
		s.tellRecovery(ctx, r, d, v, a.by)
	}
	if err != nil {
		return s.lost(ctx, a.ref, err)
	}
	s.nudge()
	res := s.result(done, done.State)
	if a.technician != "" && done.State == StateConfirmed && done.approved() {
		if res.Proof, err = s.secrets.proof(done); err != nil {
			return Result{}, err
		}
	}
	return res, nil
}

var errNotAddressed = fmt.Errorf("the challenge was sent to somebody else: %w", ErrForbidden)

// lost answers when another step came between the try and its outcome: the answer does not count.
func (s *Service) lost(ctx context.Context, ref Ref, err error) (Result, error) {
	if !errors.Is(err, ErrConflict) && !errors.Is(err, ErrNotPending) && !errors.Is(err, ErrFrozen) {
		return Result{}, err
	}
	r, sub, err := s.store.Get(ctx, ref)
	if err != nil {
		return Result{}, err
	}
	state := r.Effective(sub, s.o.Now())
	if state == StatePending {
		state = StateWrong // renewed in between: this was the answer to the old number
	}
	return s.result(r, state), nil
}

func (s *Service) result(r Record, state State) Result {
	return Result{
		Ref: r.Ref, State: state, NeedsApproval: !r.approved(), Assurance: r.Assurance, TriesLeft: max(r.MaxTries-r.Tries, 0),
	}
}

// Deny takes "this is not me". From the address itself ([Denial.From]) it ends the challenge at once and freezes the
// subject, even where the challenge has ended already. From a link it needs the word that the technician says,
// ends the challenge, and never freezes; a wrong word uses up a try. Errors are those of [Service.Check].
func (s *Service) Deny(ctx context.Context, d Denial) (Result, error) {
	began := s.m.began()
	res, err := s.deny(ctx, d)
	s.m.tried(ctx, "deny", began, res.State, err)
	return res, wrap("deny", err)
}

func (s *Service) deny(ctx context.Context, d Denial) (Result, error) {
	set, err := s.tenantSettings(ctx, d.Ref.Tenant)
	if err != nil {
		return Result{}, err
	}
	if d.From == "" {
		word, err := normalizeWord(d.Word)
		if err != nil {
			return Result{}, err
		}
		return s.try(ctx, set, attempt{ref: d.Ref, method: MethodNumber, response: word, by: ByCaller, deny: true})
	}
	from := Try{Answerers: s.secrets.answerers(d.Ref, d.From)}
	until := s.o.Now().Add(set.Limits.FreezeFor)
	for range 5 { // a renewal in between changes the version; the denial holds all the same
		now := s.o.Now()
		r, sub, err := s.store.Get(ctx, d.Ref)
		if err != nil {
			return Result{}, err
		}
		if !r.AnsweredBy(from) {
			return Result{}, errNotAddressed
		}
		// Frozen, locked and out of tries are pending too: they end by themselves, and the challenge must not go on then.
		if r.State == StatePending && r.Effective(sub, now) != StateExpired {
			r, err = s.store.Finish(ctx, d.Ref, r.Version, Outcome{
				State: StateDenied, Stamp: stamp(EventDenied, ByCaller, "pressed on an authenticated channel"),
				FreezeUntil: until, FreezeStamp: stamp(EventFrozen, ByCaller, "not me"),
			}, now)
			if errors.Is(err, ErrConflict) || errors.Is(err, ErrNotPending) {
				continue
			}
			s.nudge()
			return s.result(r, StateDenied), err
		}
		// The challenge is over, but somebody who is who they say did not want it: freeze, which stops its proof.
		err = s.store.ChangeSubject(ctx, d.Ref.Tenant, r.Subject, SubjectChange{
			FrozenUntil: &until, Stamp: stamp(EventFrozen, ByCaller, "not me, pressed after the end"),
		}, now)
		s.nudge()
		return s.result(r, StateFrozen), err
	}
	return Result{}, ErrConflict
}

// Hint notes that somebody pressed "not me" on a page without the technician's word. It ends nothing; the
// technician sees it.
func (s *Service) Hint(ctx context.Context, ref Ref) error {
	err := s.store.Hint(ctx, ref, stamp(EventDenialHint, ByCaller, "not confirmed"), s.o.Now())
	s.nudge()
	if errors.Is(err, ErrNotPending) {
		err = nil // the page says what became of it
	}
	return wrap("hint", err)
}

// HintSignIn notes that somebody signed in by the link of a challenge, and that it did not count. It ends nothing; the
// technician sees it as they see [Service.Hint], of which one is stored for each number. The reason must hold no name and no
// address.
func (s *Service) HintSignIn(ctx context.Context, ref Ref, reason string) error {
	err := s.store.Hint(ctx, ref, stamp(EventSignInRefused, ByCaller, cleantext.Line(reason, 200)), s.o.Now())
	s.nudge()
	if errors.Is(err, ErrNotPending) {
		err = nil
	}
	return wrap("hint of a sign-in", err)
}

// Delivered takes a channel's word on how far a message came. The key is [Delivery.Key]; a status of an earlier
// message of the challenge and one that is not further than the last are ignored. The reason must hold no
// address. An unknown key is [ErrNotFound].
func (s *Service) Delivered(ctx context.Context, key string, status DeliveryStatus, reason string) error {
	return wrap("delivered", s.delivered(ctx, key, status, reason))
}

func (s *Service) delivered(ctx context.Context, key string, status DeliveryStatus, reason string) error {
	kind := map[DeliveryStatus]EventKind{
		DeliverySent: EventSent, DeliveryDelivered: EventDelivered, DeliveryFailed: EventUndelivered,
	}[status]
	if kind == "" {
		return fmt.Errorf("delivery status %d: %w", status, ErrInvalid)
	}
	_, text, err := s.secrets.keys.Decode(key)
	if err != nil {
		return ErrNotFound
	}
	var tenant, id string
	var message int
	if _, err := fmt.Sscanf(text, "%q %q %d", &tenant, &id, &message); err != nil {
		return ErrNotFound
	}
	ref := Ref{mspkit.TenantID(tenant), id}
	r, _, err := s.store.Get(ctx, ref)
	if err != nil {
		return err
	}
	if r.Messages != message {
		return nil
	}
	defer s.nudge()
	err = s.store.Sent(ctx, ref, r.ReceiptID, status, stamp(kind, ByChannel, cleantext.Line(reason, 200)), s.o.Now())
	if err == nil && status > r.Delivery {
		s.m.message(ctx, r.Channel, status)
	}
	return err
}

func (s *Service) deliveryKey(r Record) string {
	return s.secrets.keys.Encode(token.NewSecret(), fmt.Sprintf("%q %q %d", string(r.Tenant), r.ID, r.Messages))
}

// ParseLink returns the challenge that a link token names. It asks no store: a genuine token may name a challenge
// that is gone. Anything else is [ErrNotFound].
func (s *Service) ParseLink(tok string) (Ref, error) {
	secret, tenant, err := s.secrets.links.Decode(tok)
	if err != nil {
		return Ref{}, wrap("link", ErrNotFound)
	}
	return Ref{mspkit.TenantID(tenant), token.ID(secret)}, nil
}

// View returns what the page of a link shows. A token that is not genuine costs the same store work as one whose
// challenge is gone and gives the same [ErrNotFound].
func (s *Service) View(ctx context.Context, tok string) (View, error) {
	ref, perr := s.ParseLink(tok)
	if perr != nil {
		ref = Ref{Tenant: "-", ID: token.ID(token.NewSecret())}
	}
	r, sub, err := s.store.Get(ctx, ref)
	if err != nil {
		return View{}, wrap("view", err)
	}
	if perr != nil {
		return View{}, perr
	}
	v, err := s.view(ctx, r, sub)
	return v, wrap("view", err)
}

// Facts returns what [Service.View] returns, to the address that a challenge of an [Authenticator] went to. For anybody
// else it is [ErrForbidden].
func (s *Service) Facts(ctx context.Context, ref Ref, from string) (View, error) {
	r, sub, err := s.store.Get(ctx, ref)
	if err != nil {
		return View{}, wrap("facts", err)
	}
	if r.Answerer == "" || !r.AnsweredBy(Try{Answerers: s.secrets.answerers(ref, from)}) {
		return View{}, wrap("facts", errNotAddressed)
	}
	v, err := s.view(ctx, r, sub)
	return v, wrap("facts", err)
}

func (s *Service) view(ctx context.Context, r Record, sub SubjectState) (View, error) {
	set, err := s.tenantSettings(ctx, r.Tenant)
	if err != nil {
		return View{}, err
	}
	d, err := s.secrets.open(r)
	if err != nil {
		return View{}, err
	}
	return View{
		Ref: r.Ref, Kind: r.Kind, Method: r.Method, State: r.Effective(sub, s.o.Now()), Brand: set.Brand,
		Locale: d.Locale, Name: d.Name, Company: d.Company, Technician: d.Technician, Ticket: cleanTicket(r.Ticket),
		Purpose: d.Purpose, TriesLeft: max(r.MaxTries-r.Tries, 0), Hinted: r.Hinted, CreatedAt: r.CreatedAt,
		ExpiresAt: r.ExpiresAt, InCall: d.InCall, CallBegan: d.CallBegan, CallBy: d.CallBy,
	}, nil
}
