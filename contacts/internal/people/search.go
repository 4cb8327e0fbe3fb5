package people

import (
	"strings"
	"unicode"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/cleantext"
)

// The limits of a search.
const (
	DefaultLimit = 50
	MaxLimit     = 1000
	// maxWords is how many words of a name it can be found by.
	maxWords = 8
)

// Query is a search that is fit to be run: one of Phone, Email, Name and Company is set, Name and Company by [Fold].
type Query struct {
	Tenant                      mspkit.TenantID
	Phone, Email, Name, Company string
	Left                        bool
	Limit                       int
}

// NewQuery checks a search.
func NewQuery(s contacts.Search) (Query, error) {
	q := Query{Tenant: s.Tenant, Phone: s.Phone, Name: Fold(s.Name), Company: Fold(s.Company), Left: s.Left}
	if err := s.Tenant.Validate(); err != nil {
		return q, err
	}
	set := 0
	for _, v := range []string{s.Phone, s.Email, s.Name, s.Company} {
		if v != "" {
			set++
		}
	}
	var err error
	switch {
	case set != 1:
		return q, invalid("a search has exactly one of Phone, Email, Name and Company")
	case s.Phone != "" && !E164(s.Phone):
		return q, invalid("the phone number is not in E.164 form, such as +12025550143")
	case s.Name != "" && q.Name == "" || s.Company != "" && q.Company == "":
		return q, invalid("the text to search for has no letter, digit or sign")
	case s.Email != "":
		if q.Email, err = contacts.CanonicalEmail(s.Email); err != nil {
			return q, err
		}
	}
	q.Limit, err = Limit(s.Limit)
	return q, err
}

// Limit returns how many are wanted: [DefaultLimit] for 0. Below, and above [MaxLimit], is [mspkit.ErrInvalid].
func Limit(n int) (int, error) {
	switch {
	case n == 0:
		return DefaultLimit, nil
	case n < 0 || n > MaxLimit:
		return 0, invalid("a limit is 1 to %d, or 0 for %d", MaxLimit, DefaultLimit)
	}
	return n, nil
}

// Names returns what somebody is found by, by the beginning: the full, first and last name, and the name from each of its
// words on where the source does not tell which is which; all by [Fold], none twice. The first is what people are sorted
// by, before their ID; it may be empty.
func Names(c contacts.Contact) []string {
	full := Fold(c.Name)
	out := []string{full}
	add := func(s string) {
		for _, have := range out {
			if s == "" || s == have {
				return
			}
		}
		out = append(out, s)
	}
	first, last := Fold(c.FirstName), Fold(c.LastName)
	add(first)
	add(last)
	add(strings.TrimSpace(first + " " + last))
	if last == "" {
		for rest, ok := full, true; ok && len(out) < maxWords; {
			_, rest, ok = strings.Cut(rest, " ")
			add(rest)
		}
	}
	return out
}

// Fold returns a text as it is searched: in lower case, without accents, white space as one space. It is at most twice
// [MaxText] runes.
func Fold(s string) string {
	s = cleantext.Line(s, MaxText)
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		if r < 0x80 {
			if r >= 'A' && r <= 'Z' {
				r += 'a' - 'A'
			}
			b.WriteRune(r)
			continue
		}
		r = unicode.ToLower(r)
		if base, ok := bases[r]; ok {
			b.WriteString(base)
		} else if !unicode.Is(unicode.Mn, r) {
			b.WriteRune(r)
		}
	}
	return strings.TrimSpace(b.String())
}

// bases are letters without their accents.
var bases = letters(map[string]string{
	"a": "àáâãäåāăąǎǟǡǻȁȃȧḁẚạảấầẩẫậắằẳẵặ", "b": "ḃḅḇƀɓ", "c": "çćĉċčḉƈ", "d": "ďđḋḍḏḑḓðɖɗ", "e": "èéêëēĕėęěȅȇȩḕḗḙḛḝẹẻẽếềểễệǝə",
	"f": "ḟƒ", "g": "ĝğġģǥǧǵḡɠ", "h": "ĥħȟḣḥḧḩḫẖ", "i": "ìíîïĩīĭįıǐȉȋḭḯỉịɨ", "j": "ĵǰɉ", "k": "ķǩḱḳḵƙĸ", "l": "ĺļľŀłḷḹḻḽƚ",
	"m": "ḿṁṃ", "n": "ñńņňŋǹṅṇṉṋɲ", "o": "òóôõöøōŏőơǒǫǭǿȍȏȫȭȯȱṍṏṑṓọỏốồổỗộớờởỡợɔ", "p": "ṕṗƥ", "r": "ŕŗřȑȓṙṛṝṟɍ", "s": "śŝşšșṡṣṥṧṩſ",
	"t": "ţťŧțṫṭṯṱẗƭ", "u": "ùúûüũūŭůűųưǔǖǘǚǜȕȗṳṵṷṹṻụủứừửữựʉ", "v": "ṽṿʋ", "w": "ŵẁẃẅẇẉẘ", "x": "ẋẍ", "y": "ýÿŷȳẏẙỳỵỷỹƴ",
	"z": "źżžẑẓẕƶ", "ss": "ßẞ", "ae": "æǣǽ", "oe": "œ", "ij": "ĳ", "th": "þ", "lj": "ǉǈ", "nj": "ǌǋ", "dz": "ǆǳǅǲ",
	"α": "άἀἁἂἃἄἅἆἇὰάᾀᾁᾂᾃᾄᾅᾆᾇᾰᾱᾲᾳᾴᾶᾷ", "ε": "έἐἑἒἓἔἕὲέ", "η": "ήἠἡἢἣἤἥἦἧὴήῂῃῄῆῇ", "ι": "ίϊΐἰἱἲἳἴἵἶἷὶίῐῑῒΐῖῗ", "ο": "όὀὁὂὃὄὅὸό", "υ": "ύϋΰὐὑὒὓὔὕὖὗὺύῠῡῢΰῦῧ",
	"ω": "ώὠὡὢὣὤὥὦὧὼώῲῳῴῶῷ", "ρ": "ῤῥ", "σ": "ς", "е": "ёѐ", "и": "йѝ", "і": "ї", "г": "ѓґ", "к": "ќ", "у": "ўӯӱӳ",
})

func letters(table map[string]string) map[rune]string {
	out := map[rune]string{}
	for base, list := range table {
		for _, r := range list {
			out[r] = base
		}
	}
	return out
}
