// Package csvcontacts reads the contacts of one tenant from a CSV file, as a [contacts.ContactSource].
//
//	source, err := csvcontacts.New("contoso", csvcontacts.Path("contoso.csv"), &csvcontacts.Options{Region: "US"})
//	report, err := source.Check(ctx) // everything that is wrong with the file, for who uploads it
//	for c, err := range contacts.All(ctx, source, contacts.Query{Tenant: "contoso"}) { … }
//
// The file is UTF-8, with or without a byte order mark, with columns between commas, semicolons or tabs, which is found
// out from the first line (a line "sep=;" before it is understood), and with lines that end in LF or CRLF. The first line
// has the names of the columns, in any order. These are known, whatever their case, with any digits, spaces and
// punctuation in them, and with anything in brackets after them:
//
//	id             Id, Contact ID, External ID, User ID, Record ID, contact_RecID; else Object Id
//	entra id       Object Id, Entra ID, Entra Object ID, AAD Object ID, azureoid
//	name           Name, Display name, Full Name, Contact Name, Contact
//	first name     First Name, Given Name, Forename, Vorname
//	last name      Last Name, Surname, Family Name, Nachname
//	company        Company, Company Name, Organization, Organization Name, Account, Client, Customer, with or without Name; Firma
//	job title      Job Title, Title, Organization Title, Employee Title, Position
//	manager        Manager, Manager ID, Manager Email
//	photo, locale  Photo; Locale, Language, Preferred language
//	e-mail         Email, E-mail Address, E-mail 2 Address, E-mail 1 - Value, Mail, Primary Email, Work Email, Primary SMTP
//	               Address, Alternate email addresses, Work Secondary Email; else User principal name
//	phone          Phone, Phone number, Phone 1 - Value, Telephone, Telephone number, Mobile, Mobile Phone, Cell, Cell Phone,
//	               Business Phone 2, Work Phone, Direct Phone, Telefon, Handy
//	enabled        Enabled, Active, Is Active, Account Enabled, Status; the opposite: Disabled, Inactive, Block credential,
//	               Blocked, Suspended
//	changed at     Changed At, Modified At
//
// They are those of exports of Microsoft 365, Outlook, Google and ticket systems, from memory; what follows "else" counts
// where the file has no better column. [Options].Columns has the last word. Columns that are not known are not read, and
// so are private phone numbers unless Columns says so.
//
// A cell may have several e-mail addresses or numbers, separated by semicolons, line breaks or ":::"; a row has at most
// [contacts.MaxAddresses] of each. Where the file has a
// column for the id, each row needs one. Where it has none, the id is made of the first e-mail address: it is the same in
// every run, and another one for a person whose address changes. Rows with the same id are one contact of which the last
// counts; [Source.Check] tells their lines.
//
// Every run is whole. A cursor belongs to the content of the file: what changes between two pages is
// [contacts.ErrCursor]. Of a file with a size and a time, as [os.File] has them, the content is read once to know it, and
// again when either changes or the program begins anew; of any other reader it is read for each page. Memory does not grow
// with the file.
//
// # Security
//
// A cell is data: "=HYPERLINK(…)" stays as it is, because a name may begin with any character. Who writes contacts into a
// file that a spreadsheet opens must put a quote before =, +, - and @. Control, bidi and invisible characters are dropped.
// An [*Error] names line and column and repeats nothing of a row. There is no [contacts.Address.FirstSeen]: addresses
// from a file count as new. Cells, rows and files have limits, so that a missing quote does not fill memory.
//
// # Concurrency
//
// A [Source] is safe for concurrent use where its [Opener] is.
//
// # Errors
//
//	errors.Is            meaning
//	mspkit.ErrInvalid    an option or query that cannot be used, or, as an [*Error], a fault of the file
//	contacts.ErrCursor   the file has changed since the first page, or the cursor is foreign or damaged
//	contacts.ErrTenant   the file is of another tenant
//	fs.ErrNotExist       whatever the [Opener] returns
package csvcontacts
