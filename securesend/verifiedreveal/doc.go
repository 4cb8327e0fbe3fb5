// Package verifiedreveal opens a send only for a recipient who is verified: a [Gate] that asks package verify.
//
// The page of a send with [securesend.GateProof] starts a verification for the action "reveal:<id>" by a way that the
// tenant's policy allows, such as a card in Teams on which the recipient types what the technician says. Once that is confirmed the
// page may open the send.
//
//	gate, err := verifiedreveal.New(verifier, func(ctx context.Context, r securesend.Reveal) (verify.StartRequest, error) {
//		contact, err := contacts.Find(ctx, r.Ref.Tenant, r.Subject)
//		return verify.StartRequest{Subject: contact, Technician: technicians.Name(r.Sender)}, err
//	}, nil)
//	svc, err := securesend.New(store, ring, base, settings, &securesend.Options{Gate: gate})
//
// # Security
//
// The proof never reaches the page. It is redeemed with the recipient's claim, so that it opens the send for that claim and
// no other one, and a repeat after a lost response is let through again. Who has the link can start verifications, as many as
// the limits of package verify and [Options.Attempts] allow; each goes to an address on record and confirms nothing by itself.
// After "this is not me" nothing more is started for the claim.
//
// # Concurrency
//
// [Gate] holds no state and is safe for concurrent use where the verifier is; any instance may go on with what another began.
//
// # Errors
//
//	errors.Is                 returned by     meaning
//	mspkit.ErrInvalid         New             a part is missing
//	securesend.ErrGate        Allow           not verified, or not yet
//	securesend.ErrLimited     Start           the limits of package verify, or Options.Attempts, are reached
//
// Everything else means that it is not known.
package verifiedreveal
