package csvcontacts

import (
	"strings"
	"unicode"
)

// Field is what a column is for.
type Field string

// The fields. E-mail and phone may have several columns; of the others the first that is not empty counts.
const (
	FieldID        Field = "id"
	FieldEntraID   Field = "entra id"
	FieldName      Field = "name"
	FieldFirstName Field = "first name"
	FieldLastName  Field = "last name"
	FieldCompany   Field = "company"
	FieldJobTitle  Field = "job title"
	FieldManager   Field = "manager"
	FieldPhoto     Field = "photo"
	FieldLocale    Field = "locale"
	FieldEmail     Field = "e-mail"
	FieldPhone     Field = "phone"
	// FieldEnabled is a yes or no: whether the person is still there. FieldDisabled is its opposite.
	FieldEnabled  Field = "enabled"
	FieldDisabled Field = "disabled"
	// FieldChangedAt is a time as in 2026-11-27T09:00:00Z.
	FieldChangedAt Field = "changed at"
	// FieldIgnore is for a column that is not to be read.
	FieldIgnore Field = "ignore"
)

// known are the names that exports of Microsoft 365 and Entra, Outlook, Google Contacts and Workspace, and ticket systems
// give to columns, in the form that [plain] makes of them. The names are from memory and vendors change them, which is what
// [Options.Columns] is for.
var known = map[string]Field{
	"id": FieldID, "contactid": FieldID, "externalid": FieldID, "userid": FieldID, "recordid": FieldID, "contactrecid": FieldID,

	"objectid": FieldEntraID, "entraid": FieldEntraID, "entraobjectid": FieldEntraID, "aadobjectid": FieldEntraID, "azureoid": FieldEntraID,

	"name": FieldName, "displayname": FieldName, "fullname": FieldName, "contactname": FieldName, "contact": FieldName,
	"firstname": FieldFirstName, "givenname": FieldFirstName, "forename": FieldFirstName, "vorname": FieldFirstName,
	"lastname": FieldLastName, "surname": FieldLastName, "familyname": FieldLastName, "nachname": FieldLastName,

	"company": FieldCompany, "companyname": FieldCompany, "organization": FieldCompany, "organisation": FieldCompany,
	"organizationname": FieldCompany, "account": FieldCompany, "accountname": FieldCompany, "client": FieldCompany,
	"clientname": FieldCompany, "customer": FieldCompany, "customername": FieldCompany, "firma": FieldCompany,

	"jobtitle": FieldJobTitle, "title": FieldJobTitle, "organizationtitle": FieldJobTitle, "employeetitle": FieldJobTitle, "position": FieldJobTitle,

	"manager": FieldManager, "managerid": FieldManager, "manageremail": FieldManager,
	"photo": FieldPhoto, "locale": FieldLocale, "language": FieldLocale, "preferredlanguage": FieldLocale,

	"email": FieldEmail, "emails": FieldEmail, "emailaddress": FieldEmail, "emailaddresses": FieldEmail, "mail": FieldEmail, "emailvalue": FieldEmail,
	"primaryemail": FieldEmail, "workemail": FieldEmail, "primarysmtpaddress": FieldEmail, "alternateemailaddress": FieldEmail,
	"alternateemailaddresses": FieldEmail, "worksecondaryemail": FieldEmail,

	"phone": FieldPhone, "phones": FieldPhone, "phonenumber": FieldPhone, "phonenumbers": FieldPhone, "telephone": FieldPhone, "telephonenumber": FieldPhone,
	"phonevalue": FieldPhone, "mobile": FieldPhone, "mobilephone": FieldPhone, "mobilenumber": FieldPhone, "cell": FieldPhone,
	"cellphone": FieldPhone, "businessphone": FieldPhone, "workphone": FieldPhone, "directphone": FieldPhone, "telefon": FieldPhone, "handy": FieldPhone,

	"enabled": FieldEnabled, "active": FieldEnabled, "isactive": FieldEnabled, "accountenabled": FieldEnabled, "status": FieldEnabled,
	"disabled": FieldDisabled, "inactive": FieldDisabled, "blockcredential": FieldDisabled, "blocked": FieldDisabled, "suspended": FieldDisabled,

	"changedat": FieldChangedAt, "modifiedat": FieldChangedAt,
}

// instead are names that count for a field where the file has no column for it otherwise.
var instead = map[string]Field{"userprincipalname": FieldEmail, "objectid": FieldID, "entraid": FieldID, "entraobjectid": FieldID}

// plain is a column's name in small letters without anything else: "E-mail 2 Address" and "Email Address [Required]" are
// both emailaddress.
func plain(header string) string {
	header, _, _ = strings.Cut(header, "[")
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, header)
}

// column is one column of the file.
type column struct {
	header string
	field  Field
	// also is a field for which the column counts as well, because the file has no better one.
	also Field
}

func (c column) is(f Field) bool { return c.field == f || c.also == f }

// columnsOf reads a header. overrides are by the name as it is written but for case and spaces around it.
func columnsOf(header []string, overrides map[string]Field) []column {
	own := map[string]Field{}
	for name, f := range overrides {
		own[strings.ToLower(strings.TrimSpace(name))] = f
	}
	out := make([]column, 0, len(header))
	has := map[Field]bool{}
	for _, h := range header {
		h = strings.TrimSpace(h)
		f, ok := own[strings.ToLower(h)]
		if !ok {
			f = known[plain(h)]
		}
		if f == "" {
			f = FieldIgnore
		}
		has[f] = true
		out = append(out, column{header: h, field: f})
	}
	for i, c := range out {
		_, chosen := own[strings.ToLower(c.header)]
		if f := instead[plain(c.header)]; f != "" && !has[f] && !chosen {
			out[i].also = f
			has[f] = true
		}
	}
	return out
}
