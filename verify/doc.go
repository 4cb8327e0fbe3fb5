// Package verify tells a helpdesk whether the person on the phone is who they say.
//
// A technician starts a verification for an action ("reset-password"). The contact gets a message at an address
// on record. With number match the message holds a link to a page: the technician says three digits, the
// contact types them there. With a code the contact reads the code to the technician. A confirmed verification
// yields a [Proof], which the host redeems once before it does the action.
//
//	email, err := mailchannel.New(mailer, templates, nil)
//	svc, err := verify.New(store, ring, "https://help.example/verify", verify.Same(settings), &verify.Options{
//		Channels: map[string]verify.Channel{"email": email},
//	})
//	c, err := svc.Start(ctx, verify.StartRequest{Tenant: "contoso", Subject: dana, Action: verify.ActionIdentify, Technician: jane})
//	say(c.Number.Reveal())
//	c, err = svc.Wait(ctx, c.Ref, jane.ID)
//	if c.State == verify.StateConfirmed {
//		err = svc.Redeem(ctx, c.Proof, expect, "job-17") // nil once: now do it
//	}
//
// The other way round, [Service.StartTechnician] lets the contact verify the technician, and [Service.Ask] answers a
// contact who asks in their own chat.
//
// On a [Checker], such as an authenticator app (package verify/totp), nothing is sent: the contact reads a code that they
// have, and each code works once. What a contact verifies with is changed only by a proof, and they are told of it by every
// channel that is a [Noticer] ([Service.Tell]).
//
// With package verify/signin the contact signs in to their own tenant of Microsoft 365 before they type the number, which proves
// most.
//
// A way that cannot be reached fails over to the next that the policy allows, with a challenge of its own and the reason
// kept ([Challenge.Failover]).
//
// [Service.Explain] says before a call what the policy would say. For the people listed in [Settings.Approval] one
// technician is not enough: once they have confirmed, [Service.Wait] returns without a proof, the host shows what
// [Service.Unapproved] returns to the others, one of them calls [Service.Approve], and [Service.WaitApproved] or
// [Service.Get] has the proof for the technician who began.
//
// The events of each tenant form a chain that [Service.Run] extends. [Service.ExportEvidence] writes it, and
// [CheckEvidence], or the command mspkit-evidence, finds what was altered, removed or put in since.
//
// # Security
//
// What the mailbox or phone receives is never enough to confirm: number match needs what the technician says. A
// try is counted before it is compared. Codes and words are stored as MACs, names, addresses and links are
// sealed, both under the host's key ring. Events hold ids only. "Not me" from a link needs the technician's
// word and never freezes; without the word it is a hint. On a channel that knows who answers ([Authenticator], such as
// Teams) there is no link: a challenge is bound to the address it went to, nobody else answers it whatever they hold,
// and "not me" freezes at once. The limits in [Limits] have caps from
// NIST SP 800-63B-4 that no setting can exceed.
//
// Chains of events are sealed by Ed25519 keys derived from the key ring, so who has the database alone cannot make one anew,
// and who checks one needs no secret. What a check cannot see stands at [CheckEvidence].
//
// # Concurrency
//
// [Service] has no state of its own; any number of instances share one [Store]. It starts no goroutine: the host
// calls [Service.Run], which adds events to their chains, hands them over, answers the public form and ends what has
// expired. Everything else works without it.
//
// # Observability
//
// [Options.Meter] gets what follows, and [Conversion] tells which part of the verifications of a channel is confirmed.
// Counters count what this instance did, where it was done: the numbers of all instances add up. They are named by
// constants of this package. A time is in seconds, and its histogram counts as well. No attribute comes from a request:
// channel is a name in [Options.Channels], action one of this package's or "custom", limit the name of a [Limit], and
// there is no tenant.
//
//	metric                           attributes                        one for each
//	mspkit.verify.started            channel, method, action           challenge; a repeated request is none
//	mspkit.verify.renewed            channel, method                   new number or code of a challenge
//	mspkit.verify.refused            verb, reason, limit               request that got an error of the table below; limit with reason limit
//	mspkit.verify.messages           channel, outcome                  message: sent or failed, then perhaps delivered or failed
//	mspkit.verify.failover           from, to                          way given up for the next; both are started
//	mspkit.verify.tries              verb, outcome                     check, answer, deny; the state, or why there is none
//	mspkit.verify.ended              channel, method, action, outcome  confirmed, denied, failed (may be renewed), cancelled, failed-over
//	mspkit.verify.expired            -                                 challenge that nobody answered, ended by Run
//	mspkit.verify.deleted            -                                 record that was deleted because it is old
//	mspkit.verify.approved           outcome                           answer of a second technician; ok, or why not
//	mspkit.verify.proofs             outcome                           use of a proof; ok, also when asked again, or why not
//	mspkit.verify.hints              kind                              denial-hint, mismatch, sign-in-refused; pressed twice is two
//	mspkit.verify.subjects           change                            frozen, unfrozen, locked, unlocked
//	mspkit.verify.events             kind, outcome                     event handed over: ok or error, which is tried again
//	mspkit.verify.duration           verb, outcome                     call of the service; ok, cancelled, or which error
//	mspkit.verify.deliver.duration   channel, outcome                  call of a channel; sent, failed
//	mspkit.verify.ended.duration     channel, method, outcome          as ended: the time since the start
//	mspkit.verify.store.duration     verb, outcome                     call of the store
//	mspkit.verify.run.duration       outcome                           round of Run; ok, store, host (a recorder or Lookup), cancelled
//	mspkit.verify.event.age          outcome                           as events: the time since the change, which is the backlog
//
// At night, look at outcome error of duration, store.duration and events, at outcome store and host of run.duration, at
// the age of events, and at messages that failed. Where the conversion of a channel falls while more is started, somebody may be
// pumping text messages. In PromQL, where a challenge that failed over is not lost, because the next one counts:
//
//	S = sum by (channel, method) (increase(mspkit_verify_started_total[1h]))
//	C = sum by (channel, method) (increase(mspkit_verify_ended_total{outcome="confirmed"}[1h])) or 0 * S
//	F = sum by (channel, method) (increase(mspkit_verify_ended_total{outcome="failed-over"}[1h])) or 0 * S
//	C / (S - F)
//
// # Errors
//
// Wrong, expired, used and locked are states of a [Result], not errors. An error means that nothing is known.
//
//	errors.Is          meaning
//	ErrInvalid         the request cannot be used
//	ErrFormat          a code with letters; not counted
//	ErrPolicy          the tenant's policy does not allow it (errors.As *PolicyError)
//	ErrLimited         a limit was reached (errors.As *LimitError)
//	ErrFrozen          somebody said "not me"
//	ErrLocked          the subject failed too often in a row
//	ErrNoChannel       no address for a registered channel
//	ErrDelivery        the message was not delivered; the challenge stands
//	ErrNotFound        no such challenge in this tenant
//	ErrNotPending      the challenge has ended
//	ErrConflict        it changed in between, or an idempotency key was used twice
//	ErrForbidden       the technician may not do this, or the challenge was sent to somebody else
//	ErrProof           the proof is not genuine, not for this, or of too little assurance
//	ErrProofExpired    the proof was not redeemed in time
//	ErrUnapproved      a second technician must approve first
//	ErrRedeemed        the proof was redeemed by somebody else
package verify
