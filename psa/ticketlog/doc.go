// Package ticketlog writes what happened into the ticket: the events of package verify and of package securesend as
// short notes that a technician can read.
//
//	router, err := ticketlog.NewRouter(client, &ticketlog.RouterOptions{Mappings: store, Defaults: store, CheckCompany: true})
//	box, err := outbox.New(router, store, ring, nil) // psa/outbox: the note is kept until it is in the ticket
//	log, err := ticketlog.New(box, &ticketlog.Options{People: people, Technicians: technicians, Data: router})
//	sends := log.SecureSend()
//	// verify.Options{Recorder: log.Verify()}, securesend.Options{Recorder: sends, DataNoter: sends}
//
// A [Log] decides whether an event is noted, in which words, who may read it, and where it belongs: the ticket of the
// event, the one that is open for the person, or, by [Settings.NoTicket], a note on the contact or a new ticket. For the
// last two it names a ticket of a reserved system, which a [Router] turns into the real thing: an outbox between the two
// keeps these notes as it keeps all others. [psa.Note.Key] is the id of the event, so that one that is handed over again
// is one note.
//
// # Security
//
// No note holds a code, a link, an address, a secret or a full phone number. Events have none of these; what people typed,
// which is names, reasons and ids, is cleaned: no links, no addresses, no numbers of six digits or more in a reason, one
// line. Three digits that a technician types into a reason cannot be told from others. The one exception is
// [Sends.NoteData], which a tenant must have switched on: it writes what is sent, at once, internal, never into an outbox,
// and only where the ticket system vouches that nobody is mailed.
//
// An alert is always internal, and so is what tells somebody who poses as somebody else how far they got. Its title begins
// with [AlertPrefix]. It cannot be silenced, except by having no place ([Nowhere]). Titles of new tickets, which clients
// see, say nothing of it. A public note has no technician's reasons.
//
// [RouterOptions.CheckCompany] is the guard that a note about one tenant never lands in a ticket of another one's company,
// within [RouterOptions.CheckFor]. Without it the number that somebody typed decides.
//
// A ticket of an event that has the name of a reserved system is not written into. A host that gives notes of its own to the
// outbox must refuse systems that begin with "mspkit-" where users type them: a [Router] takes such a ticket for one of ours.
//
// # Concurrency
//
// Log, Sends and Router are safe for concurrent use. Router makes one ticket for notes that arrive at the same time;
// several processes rely on [psa.NewTicket.Key].
//
// # Errors
//
//	errors.Is                   returned by                meaning
//	mspkit.ErrInvalid           New, NewRouter             what is missing or cannot be used, all at once
//	psa.ErrValidation           Router                     the company or contact is not mapped to the tenant; nothing was written
//	psa.ErrUnsupported          Router                     the ticket system cannot do this, or something is not set up
//	psa.ErrUnavailable          Router                     nothing was written, because something before failed; try again
//	securesend.ErrUnsupported   Sends.CanNote, NoteData    content cannot be noted in confidence
//
// The recorders return an error where the event must come again. What the noter refuses for good (psa.FateOf is Never) is
// logged and not returned: it would hold up every later event of the tenant. An outbox refuses nothing for good, it keeps
// dead letters; so put one in between.
package ticketlog
