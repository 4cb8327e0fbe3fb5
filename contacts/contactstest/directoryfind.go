package contactstest

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
)

var findParts = []directoryPart{
	{"People are found by phone and e-mail", findsByAddress},
	{"People are found by the beginning of a name", findsByName},
	{"People are found by the beginning of the company", findsByCompany},
	{"Wildcards are letters", findsWildcards},
	{"A search is limited and in order", findsLimited},
	{"A search that cannot be is refused", findsRefuse},
	{"A caller is found in every tenant", findsCaller},
	{"Hostile text is kept safe", hostileText},
	{"Numbers that cannot be read are shown and not found", unreadable},
}

// found checks whom a search finds, by name.
func (d *directory) found(s contacts.Search, want ...string) {
	d.Helper()
	if s.Tenant == "" {
		s.Tenant = contoso
	}
	for i, instance := range d.both {
		list, err := instance.Find(d.Context(), s)
		d.ok(err)
		got := []string{}
		for _, c := range list {
			got = append(got, c.Name)
			if c.Tenant != s.Tenant {
				d.Fatalf("a search in %s finds a contact of %s", s.Tenant, c.Tenant)
			}
			if one, err := instance.Get(d.Context(), s.Tenant, c.ID); err != nil || fmt.Sprint(one) != fmt.Sprint(c) {
				d.Fatalf("a search finds %+v, the directory has %+v, %v", c, one, err)
			}
		}
		d.equal(fmt.Sprintf("%q", got), fmt.Sprintf("%q", append([]string{}, want...)), fmt.Sprintf("%+v at instance %d", s, i+1))
	}
}

func findsByAddress(d *directory) {
	dana := calling(someone("1", "Dana", "dana@contoso.example", "d.w@contoso.example"), number1, number2)
	omar := calling(someone("2", "Omar", "omar@contoso.example"), number1)
	d.whole("entra", dana, omar, off(calling(someone("3", "Left", "left@contoso.example"), number1)))
	d.found(contacts.Search{Phone: number1}, "Dana", "Omar")
	d.found(contacts.Search{Phone: number1, Left: true}, "Dana", "Left", "Omar")
	d.found(contacts.Search{Phone: number2}, "Dana")
	d.found(contacts.Search{Phone: "+1202555014"})
	d.found(contacts.Search{Phone: number2 + "0"})
	d.found(contacts.Search{Email: " D.W@Contoso.EXAMPLE "}, "Dana")
	d.found(contacts.Search{Email: "d_w@contoso.example"})
	d.found(contacts.Search{Email: "w@contoso.example"})
	d.found(contacts.Search{Email: "left@contoso.example"})
	d.found(contacts.Search{Email: "left@contoso.example", Left: true}, "Left")
	d.found(contacts.Search{Tenant: fabrikam, Phone: number1})
	d.delta("entra", calling(someone("1", "Dana", "dana@contoso.example"), number2))
	d.found(contacts.Search{Phone: number1}, "Omar")
	d.found(contacts.Search{Email: "d.w@contoso.example"})
	d.gone("entra", "1")
	d.found(contacts.Search{Phone: number2})
	d.found(contacts.Search{Phone: number2, Left: true}, "Dana")
}

func findsByName(d *directory) {
	joerg := someone("1", "Jörg Müller-Lüdenscheidt")
	joerg.FirstName, joerg.LastName = "Jörg", "Müller-Lüdenscheidt"
	shown := someone("2", "Whitfield, Dana")
	shown.FirstName, shown.LastName = "Dana", "Whitfield"
	d.whole("entra", joerg, shown, someone("3", "Ludwig van Beethoven"), someone("4", "Đặng Thị Straße"), someone("5", "Иван Йозеф"), someone("6", "Ευαγγελία Άννα"),
		someone("7", "山田 太郎"), someone("8", "José"), someone("9", ""), off(someone("10", "Ludwig Left")))
	for prefix, want := range map[string][]string{
		"jörg": {"Jörg Müller-Lüdenscheidt"}, "JORG M": {"Jörg Müller-Lüdenscheidt"}, "mü": {"Jörg Müller-Lüdenscheidt"}, "MULLER-lud": {"Jörg Müller-Lüdenscheidt"},
		"jo\u0308rg": {"Jörg Müller-Lüdenscheidt"}, "lüd": {"Ludwig van Beethoven"}, "lud": {"Ludwig van Beethoven"}, "örg": nil,
		"dana w": {"Whitfield, Dana"}, "Whitfield, d": {"Whitfield, Dana"}, "whit": {"Whitfield, Dana"}, "field": nil,
		"beet": {"Ludwig van Beethoven"}, "van  beet": {"Ludwig van Beethoven"}, "ludwig van": {"Ludwig van Beethoven"}, " ludwig ": {"Ludwig van Beethoven"},
		"dang": {"Đặng Thị Straße"}, "STRASS": {"Đặng Thị Straße"}, "straß": {"Đặng Thị Straße"}, "иОЗ": {"Иван Йозеф"}, "ανν": {"Ευαγγελία Άννα"}, "太": {"山田 太郎"},
		"jose": {"José"}, "josé": {"José"}, "JOSE\u0301": {"José"},
	} {
		d.found(contacts.Search{Name: prefix}, want...)
	}
	d.found(contacts.Search{Name: "Ludwig", Left: true}, "Ludwig Left", "Ludwig van Beethoven")
	d.delta("entra", someone("3", "Beethoven"))
	d.found(contacts.Search{Name: "Ludwig"})
	d.found(contacts.Search{Name: "beet"}, "Beethoven")
}

func findsByCompany(d *directory) {
	of := func(id, name, company string) contacts.Contact {
		c := someone(id, name)
		c.Company = company
		return c
	}
	d.whole("entra", of("1", "Dana", "Contoso Électronique"), of("2", "Omar", "CONTOSO Élan"), of("3", "Ann", "Fabrikam"), off(of("4", "Left", "Contoso")), someone("5", "Contoso"))
	d.found(contacts.Search{Company: "contoso"}, "Dana", "Omar")
	d.found(contacts.Search{Company: "Contoso elE"}, "Dana")
	d.found(contacts.Search{Company: "Contoso", Left: true}, "Dana", "Left", "Omar")
	d.found(contacts.Search{Company: "ontoso"})
	d.found(contacts.Search{Company: "electronique"})
}

func findsWildcards(d *directory) {
	var list []contacts.Contact
	for i, name := range []string{"100% Dana", "100 Dana", "a_b", "axb", `back\slash`, "back slash", "[abc]", "a*", "quote's", `double"quote`, "x^y", "~tilde"} {
		c := someone(strconv.Itoa(i), name)
		c.Company = name
		list = append(list, c)
	}
	d.whole("entra", list...)
	for prefix, want := range map[string][]string{
		"%": nil, "_": nil, "100%": {"100% Dana"}, "1%": nil, "a_": {"a_b"}, "a%": nil, `back\`: {`back\slash`}, `\`: nil, "[": {"[abc]"}, "[a": {"[abc]"}, "a*": {"a*"},
		"*": nil, "quote'": {"quote's"}, "'": nil, `double"`: {`double"quote`}, "x^": {"x^y"}, "~": {"~tilde"}, "' OR 1=1 --": nil, "?": nil, "$1": nil,
	} {
		d.found(contacts.Search{Company: prefix}, want...)
		d.found(contacts.Search{Name: prefix}, want...)
	}
}

func findsLimited(d *directory) {
	var list []contacts.Contact
	var want []string
	for i := range 60 {
		name := fmt.Sprintf("Person %02d", i)
		want = append(want, name)
		c := calling(someone(strconv.Itoa((i*37)%60), name), number1)
		c.Company = "Contoso"
		list = append([]contacts.Contact{c}, list...)
	}
	list = append(list, calling(someone("lower", "person 05b"), number1), calling(someone("accent", "Pérson 05a"), number1))
	want = append(want[:6:6], append([]string{"Pérson 05a", "person 05b"}, want[6:]...)...)
	d.whole("entra", list...)
	d.found(contacts.Search{Phone: number1}, want[:50]...)
	d.found(contacts.Search{Phone: number1, Limit: 7}, want[:7]...)
	d.found(contacts.Search{Phone: number1, Limit: 1000}, want...)
	d.found(contacts.Search{Name: "person", Limit: 8}, want[:8]...)
	d.found(contacts.Search{Company: "c", Limit: 1}, want[:1]...)
	// Those of one name come by ID.
	d.whole("psa", someone("a", "Same"), someone("b", "Same"), someone("c", "Same"))
	got, err := d.Find(d.Context(), contacts.Search{Tenant: contoso, Name: "same"})
	d.ok(err)
	if len(got) != 3 || got[0].ID >= got[1].ID || got[1].ID >= got[2].ID {
		d.Fatalf("three of one name come as %+v", got)
	}
}

func findsRefuse(d *directory) {
	for name, s := range map[string]contacts.Search{
		"nothing":             {Tenant: contoso},
		"no tenant":           {Name: "dana"},
		"two things":          {Tenant: contoso, Name: "dana", Company: "contoso"},
		"phone and e-mail":    {Tenant: contoso, Phone: number1, Email: "dana@contoso.example"},
		"a number as typed":   {Tenant: contoso, Phone: "(202) 555-0143"},
		"no e-mail address":   {Tenant: contoso, Email: "dana"},
		"e-mail in brackets":  {Tenant: contoso, Email: "Dana <dana@contoso.example>"},
		"a space for a name":  {Tenant: contoso, Name: " "},
		"control for company": {Tenant: contoso, Company: "\x00\u200b"},
		"less than one":       {Tenant: contoso, Name: "dana", Limit: -1},
		"too many":            {Tenant: contoso, Name: "dana", Limit: 1001},
	} {
		_, err := d.Find(d.Context(), s)
		d.is(err, mspkit.ErrInvalid, name)
	}
	for _, phone := range []string{"", "2025550143", "+0", "+12025550143x"} {
		_, err := d.FindCaller(d.Context(), phone, 0)
		d.is(err, mspkit.ErrInvalid, "the caller "+phone)
	}
	_, err := d.FindCaller(d.Context(), number1, -1)
	d.is(err, mspkit.ErrInvalid, "less than one caller")
	_, err = d.Get(d.Context(), "", "x")
	d.is(err, mspkit.ErrInvalid, "a contact of no tenant")
	_, err = d.BySource(d.Context(), contoso, "", "x")
	d.is(err, mspkit.ErrInvalid, "a record of no source")
	for _, id := range []string{"", "x\x00", "x\xff", strings.Repeat("x", 100_000)} {
		_, err := d.Get(d.Context(), contoso, id)
		d.is(err, contacts.ErrNotFound, "a contact that nobody can be")
		_, err = d.BySource(d.Context(), contoso, "entra", id)
		d.is(err, contacts.ErrNotFound, "a record that nobody can be")
	}
	d.found(contacts.Search{Name: "\xff\xfe dana \x00"})
	d.found(contacts.Search{Name: strings.Repeat("x", 100_000)})
}

func findsCaller(d *directory) {
	for _, tenant := range []mspkit.TenantID{contoso, fabrikam, "northwind"} {
		list := []contacts.Contact{calling(someone("1", "Dana"), number1), calling(someone("2", "Ann"), number1), off(calling(someone("3", "Left"), number1)), calling(someone("4", "Omar"), number2)}
		if tenant == "northwind" {
			list = list[3:]
		}
		d.apply(d.batch(tenant, "entra", contacts.Page{Contacts: list, Whole: true}))
	}
	callers := func(phone string, limit int) string {
		d.Helper()
		list, err := d.both[1].FindCaller(d.Context(), phone, limit)
		d.ok(err)
		var out []string
		for _, c := range list {
			out = append(out, string(c.Tenant)+"/"+c.Name)
		}
		return strings.Join(out, " ")
	}
	d.equal(callers(number1, 0), "contoso/Ann contoso/Dana fabrikam/Ann fabrikam/Dana", "who has a number")
	d.equal(callers(number1, 3), "contoso/Ann contoso/Dana fabrikam/Ann", "the first three who have it")
	d.equal(callers(number2, 0), "contoso/Omar fabrikam/Omar northwind/Omar", "who has another one")
	d.equal(callers("+4312345678", 0), "", "a number that nobody has")
}

func hostileText(d *directory) {
	c := someone("1", "Da\x00na\u202e \xff\xfeWhit\tfield\n", "dana@contoso.example", "Dana <d@contoso.example>", "a\x00@contoso.example", "DANA@contoso.example", "jörg@contoso.example", "")
	c.FirstName, c.LastName, c.Company = strings.Repeat("ä", 10_000), strings.Repeat("z\u0301", 10_000), "C\x00\xf0\x28"
	c.JobTitle, c.Photo, c.Locale, c.Manager = strings.Repeat("<script>", 1000), strings.Repeat("p", 100_000), "\x00de", "m\x00"
	c.Sources = map[string]string{"en\x00tra": "x", "psa": strings.Repeat("x", 100_000), "": "y"}
	c.Phones = []contacts.Address{
		{Value: "+1\x002025550143", Raw: "a\x00b\xff" + strings.Repeat("1", 10_000)}, {Value: "", Raw: "\x00"}, {Value: number1, Raw: "\xff", TypedBy: "j\x00oe"},
	}
	for i := range 300 {
		c.Phones = append(c.Phones, contacts.Address{Value: fmt.Sprintf("+1202555%04d", i)})
		c.Emails = append(c.Emails, contacts.Address{Value: fmt.Sprintf("dana%d@contoso.example", i)})
	}
	d.counts(d.whole("entra", c), 1, 0, 0, 0, "a hostile contact")
	got := d.by("entra", "1")
	d.equal([]string{got.Name, got.Locale, got.Manager}, []string{"Dana Whit field", "de", ""}, "cleaned text")
	for name, s := range map[string]string{"first name": got.FirstName, "last name": got.LastName, "job title": got.JobTitle, "company": got.Company, "photo": got.Photo, "raw number": got.Phones[0].Raw} {
		if n := utf8.RuneCountInString(s); n > 2048 || n == 0 || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			d.Fatalf("the %s has %d runes: %.30q", name, n, s)
		}
	}
	d.equal(len(got.Emails), contacts.MaxAddresses, "e-mail addresses")
	d.equal(len(got.Phones), contacts.MaxAddresses, "phone numbers")
	d.equal(got.Emails[0].Value, "dana@contoso.example", "the first address")
	d.equal(got.Phones[0].Value, "", "a number with a NUL")
	d.age("entra", "1", number1, d.now, "joe", "a cleaned name of who typed it")
	d.equal(got.Sources, map[string]string{"entra": "1"}, "sources")
	d.found(contacts.Search{Name: strings.Repeat("A", 40)}, "Dana Whit field")
	d.found(contacts.Search{Name: "dana whit"}, "Dana Whit field")
	d.counts(d.delta("entra", c), 0, 0, 0, 1, "a hostile contact again")
	d.gone("entra", "\x00", "\xff", "", strings.Repeat("x", 100_000))
}

func unreadable(d *directory) {
	c := someone("1", "Dana")
	c.Phones = []contacts.Address{{Raw: "ask at the desk, ext. 9"}, {Raw: "555-0143 ext. 12"}, {Value: "0043 1 5550143"}}
	d.whole("entra", c)
	got := d.by("entra", "1").Phones
	d.equal(addresses(got), "  ", "values")
	d.equal([]string{got[0].Raw, got[2].Raw}, []string{"ask at the desk, ext. 9", "0043 1 5550143"}, "as they were written")
	c.Phones[0].Raw = "ask in the office"
	d.delta("entra", c)
	d.equal(changed(d.last())[contacts.FieldPhones], [2]string{"…, …4312, …0143", "…, …4312, …0143"}, "masked")
}
