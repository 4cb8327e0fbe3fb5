// Package securesend gives a text or files to one recipient, once, and tells the sender what became of them.
//
// A technician has reset a password, or has a file for the caller. [Service.Create] seals it and returns a link and a number
// of three digits. The link goes to the caller by a [Sender] or by hand; the number is said on the phone. The caller's
// page (package securesendpage) or program (package client) proves that it has the link, gives the number, gets what only
// the server had, opens the content and acknowledges it. From then on nobody can open it.
//
//	svc, err := securesend.New(store, ring, "https://help.example/send", securesend.Same(settings), &securesend.Options{
//		Blobs:   map[string]securesend.BlobStore{securesend.RegionEurope: files},
//		Senders: map[string]securesend.Sender{"sms": sms},
//	})
//	go svc.Run(ctx)
//	sent, err := svc.Create(ctx, securesend.SendRequest{
//		Tenant: "contoso", By: jane, Text: mspkit.Redact(password),
//		Deliver: []securesend.Destination{{Sender: "sms", Address: mobile}},
//	})
//	say(sent.Number.Reveal())
//	status, err := svc.Status(ctx, sent.Ref, jane.ID) // opened, refused, revealed, acknowledged
//
// There are two other ways round. With [Service.Grant] the technician's browser seals, and the server never sees the
// content. With [Service.Ask] a caller is asked for a text or files: their browser seals for the request's key, and
// [Service.Receive] opens the answer once, for the technician who asked.
//
// # The life of a send
//
// A draft waits for its content, at most until its end. What is ready is opened by [Service.Take] for one claim, random bytes
// of the reader's program, which holds a lease of a minute: everybody else is told that it is being opened, and the same claim may
// repeat what got lost. [Service.Chunks] gives the files and extends the lease; nothing outlives the end that was set
// when it was made. [Service.Ack] burns at once; a lease that ends burns as well, and the event names the files that were
// not fetched. With [Choice.Views] above one the next reader may come after either. [Service.Revoke] burns at any time, and
// [Service.Resend] makes another send and revokes the old one.
//
// What a reader must bring besides the link is its [Gate]: a number by default, or a code over another channel than the
// link's, or what the host's [RevealGate] asks for. A number that is locked burns nothing: [Service.Renew] makes another
// one. A passphrase may come on top.
//
// # What is sealed how
//
// The data key is HKDF-SHA-256 of the fragment of the link, which browsers send to nobody, and of a half that the server
// keeps, and of the passphrase (PBKDF2-HMAC-SHA-256, [PassphraseRounds]) where there is one. The answer to a request has a
// data key of an exchange on P-256 with a fresh key. Text and names of files are one sealed manifest, files are sealed in
// chunks of [ChunkSize]; all is AES-256-GCM, with tenant, id, region, purpose and expiry ([Place]), the header ([Header]) and the
// position in what is authenticated, so that nothing can be altered, cut, moved or put in another order. [Keys],
// [FileCipher] and [Manifest] are the format for programs; vectors are in testdata.
//
// # Security
//
// Opening needs the whole link and the server's half. The half is sealed under the key ring, and one function of this package
// hands it out: Service.release, after the store has given the lease to that claim. Ending a record destroys the half, so a
// link that is found later, or a copy of the files, opens nothing; how long a backup of the store keeps one, the store's
// documentation says.
//
// The service keeps no link and no fragment: Create knows both until it returns. With [Choice.Held] the path alone opens, so
// whoever logs paths can open: a weaker promise, for messages that lose fragments. Of what proves that a reader has the
// link ([Auth]) a SHA-256 is kept, of numbers, codes and passphrases a MAC under the key ring, of upload secrets and
// claims a SHA-256; names, texts of the tenant and addresses are sealed. A wrong auth changes and counts nothing. Numbers
// have two tries, codes five, passphrases ten by default; then the send locks, which is an alert, and is never burnt by it.
// A code opens one view.
//
// Looking changes nothing: [Service.View], [Service.Asked] and Open's first look, which is only noted, hand nothing out. A program
// that opens every link of a mailbox lacks the number. With [GateNone] it does not, and the technician is warned.
//
// Errors, logs and events hold no content, link, number, address or name of a file. What a sender or a ticket system says in an
// error is withheld where it repeats one. [Choice.DataToNote] is the one exception, off by default: it writes the text into
// an internal note, in clear, by one direct call.
//
// Everything expires: a send lives for at most [MaxTTL], and zero in a record is refused. Files may not be given with
// another region than an instance has: it refuses with [ErrRegion] before anything is counted.
//
// Keys rotate by [mspkit.KeyRing]; [Service.Rewrap] seals halves and details anew without touching what was sent.
//
// # Concurrency
//
// [Service] keeps no state of its own; any number of instances share the stores, and their clocks may differ by a minute:
// nobody else gets in by that. But a lease is an absolute time: an instance whose clock is ahead ends one sooner by as much,
// so keep the clocks within seconds.
// It starts no goroutine. The host calls [Service.Run], or [Service.RunOnce] now and then, which hands events over, ends what is
// over, deletes files and forgets. What has ended cannot be opened even where nothing runs.
//
// A store does each step wholly or not at all, with its event. Where a process dies, or a reply is lost, the caller repeats: the
// same claim within its lease, the same upload, the same commit. What Create could not finish is taken back, and ends by itself
// where even that failed.
//
// # Errors
//
//	errors.Is        meaning
//	ErrInvalid       the request cannot be used; the text names every field that is wrong
//	ErrNotFound      there is no such send in this tenant, or the token is not ours
//	ErrLink          the link is cut or not one of ours
//	ErrAuth          the key in the link, or the upload secret, is wrong; nothing was counted
//	ErrDraft         the content is not there yet
//	ErrOpening       somebody else is opening it, or is answering the request
//	ErrEnded         it was read, revoked or has expired
//	ErrNumber        the number or code is wrong, over or not given (errors.As *Refusal says how many tries are left)
//	ErrPassphrase    the passphrase is wrong or not given (errors.As *Refusal)
//	ErrLocked        the tries are used up; the sender can renew them (errors.As *Refusal)
//	ErrGate          the RevealGate does not let the claim pass, or not yet
//	ErrForbidden     the technician may not do this (errors.As *LockedFieldError names a locked field), or files are off
//	ErrUnsupported   a store, gate, sender or ticket system cannot do what was asked
//	ErrRegion        the region is not served by this instance
//	ErrTooLarge      a text or file is larger than the tenant allows
//	ErrLimited       a limit was reached (errors.As *LimitError says which, and until when)
//	ErrDelivery      a message was not sent; the send stands
//	ErrConflict      it changed in between, or was completed otherwise
//	ErrEnvelope      what was sealed was altered, cut, or belongs elsewhere
//	ErrNoPart        a part of a file is not there
//
// Everything else means that a store or the host's code failed and nothing is known: try again, and do not let anybody pass.
package securesend
