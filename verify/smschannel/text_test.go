package smschannel_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/smschannel"
)

// phone is a sender that keeps what it was given.
type phone struct {
	mu             sync.Mutex
	to, body, keys []string
	err            error
}

func (p *phone) SendText(_ context.Context, to, body, key string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return "", p.err
	}
	p.to, p.body, p.keys = append(p.to, to), append(p.body, body), append(p.keys, key)
	return "SM1", nil
}

const link = "https://help.contoso.example/verify/v/AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_"

func delivery(m verify.Method) verify.Delivery {
	d := verify.Delivery{
		Ref: verify.Ref{Tenant: "contoso", ID: "c1"}, Kind: verify.KindCaller, Method: m, Key: "k-1", To: "+12025550123",
		Brand: mspkit.Brand{Name: "Contoso IT"}, Locale: "en", Name: "Dana", Company: "Contoso", Technician: "Jane Doe",
		Ticket: mspkit.Ticket{System: "psa", ID: "4711"}, Purpose: "reset your password", TTL: 5*time.Minute - 400*time.Millisecond,
	}
	switch m {
	case verify.MethodCode:
		d.Code = mspkit.Redact("804215")
	case verify.MethodWord:
		d.Kind, d.Link, d.Purpose = verify.KindTechnician, mspkit.Redact(link), ""
	default:
		d.Link = mspkit.Redact(link)
	}
	return d
}

func deliver(t testing.TB, o *smschannel.Options, d verify.Delivery) string {
	t.Helper()
	p := &phone{}
	if o == nil {
		o = &smschannel.Options{}
	}
	o.Region = "US"
	c, err := smschannel.New(p, o)
	require.NoError(t, err)
	r, err := c.Deliver(t.Context(), d)
	require.NoError(t, err)
	require.Equal(t, "SM1", r.ID)
	require.Equal(t, []string{"+12025550123"}, p.to)
	require.Equal(t, []string{d.Key}, p.keys)
	return p.body[0]
}

func TestMessagesSayWhoAsksForWhat(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		method verify.Method
		change func(*verify.Delivery)
		want   string
	}{
		"code": {verify.MethodCode, nil, "Contoso IT: Jane Doe asks to reset your password (ticket 4711). Code 804 215, valid 5 min. Read it only to someone YOU called."},
		"link": {verify.MethodNumber, nil, "Contoso IT: Jane Doe asks to reset your password (ticket 4711) and will tell you a number. Type it here only if YOU called us: " + link},
		"word": {verify.MethodWord, nil, "Contoso IT: check who is on the phone (ticket 4711). Jane Doe will say two words. Type them here: " + link},
		"no ticket, nobody known": {
			verify.MethodWord, func(d *verify.Delivery) { d.Ticket, d.Technician = mspkit.Ticket{}, "" },
			"Contoso IT: check who is on the phone. The technician will say two words. Type them here: " + link,
		},
		"code of eight digits": {
			verify.MethodCode, func(d *verify.Delivery) { d.Code, d.TTL = mspkit.Redact("80421567"), 20*time.Second },
			"Contoso IT: Jane Doe asks to reset your password (ticket 4711). Code 8042 1567, valid 1 min. Read it only to someone YOU called.",
		},
		"german": {
			verify.MethodCode, func(d *verify.Delivery) { d.Locale, d.Purpose = "de-AT", "Ihr Kennwort zurücksetzen" },
			"Contoso IT: Jane Doe möchte Ihr Kennwort zurücksetzen (Ticket 4711). Code 804 215, gültig 5 Min. Nur vorlesen, wenn SIE uns angerufen haben.",
		},
		"unknown language": {
			verify.MethodCode, func(d *verify.Delivery) { d.Locale, d.Ticket = "xx-YY", mspkit.Ticket{} },
			"Contoso IT: Jane Doe asks to reset your password. Code 804 215, valid 5 min. Read it only to someone YOU called.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := delivery(tc.method)
			if tc.change != nil {
				tc.change(&d)
			}
			require.Equal(t, tc.want, deliver(t, nil, d))
		})
	}
}

// gsm7 is the basic character set and the extension table of 3GPP TS 23.038, section 6.2.1.
const (
	gsm7     = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsm7more = "\f^{}\\[~]|€"
)

// segments returns how many messages the network makes of s.
func segments(s string) int {
	n, one, part := 0, 160, 153
	for _, r := range s {
		switch {
		case strings.ContainsRune(gsm7, r):
			n++
		case strings.ContainsRune(gsm7more, r):
			n += 2
		default:
			n, one, part = len(utf16.Encode([]rune(s))), 70, 67
			if n <= one {
				return 1
			}
			return (n + part - 1) / part
		}
	}
	if n <= one {
		return 1
	}
	return (n + part - 1) / part
}

func TestMessagesAreShort(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		locale, purpose string
		method          verify.Method
		most            int
	}{
		"code":        {"en", "reset your password", verify.MethodCode, 1},
		"link":        {"en", "reset your password", verify.MethodNumber, 2},
		"word":        {"en", "", verify.MethodWord, 2},
		"german code": {"de", "Ihr Kennwort zurücksetzen", verify.MethodCode, 1},
		"german link": {"de", "Ihr Kennwort zurücksetzen", verify.MethodNumber, 2},
		"german word": {"de", "", verify.MethodWord, 2},
		"arabic code": {"ar-XB", "x", verify.MethodCode, 2},
		"arabic link": {"ar-XB", "x", verify.MethodNumber, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := delivery(tc.method)
			d.Locale, d.Purpose = tc.locale, tc.purpose
			d.Technician = "Jane O’Neill–Doe…" // typography must not cost a segment
			body := deliver(t, nil, d)
			require.LessOrEqual(t, segments(body), tc.most, "%d characters: %s", len([]rune(body)), body)
		})
	}
	d := delivery(verify.MethodNumber)
	d.Brand.Name, d.Technician, d.Ticket.ID = strings.Repeat("b", 128), strings.Repeat("t", 500), strings.Repeat("4", 128)
	d.Purpose = strings.Repeat("p", 300)
	require.LessOrEqual(t, segments(deliver(t, nil, d)), 3)
}

func TestNamesCannotBecomeLinksLinesOrPlaceholders(t *testing.T) {
	t.Parallel()
	d := delivery(verify.MethodCode)
	evil := "Eve {code}{minutes}\n@evil.example #123 www.evil.example \u202ehttps://evil.example"
	d.Brand.Name, d.Technician, d.Purpose, d.Ticket.ID = "Desk", evil, evil, evil
	body := deliver(t, &smschannel.Options{Origin: "help.example"}, d)
	require.NotContains(t, body, "evil.example")
	require.NotContains(t, body, "\u202e")
	require.Equal(t, 1, strings.Count(body, "\n"), "the origin's line and no other")
	require.Equal(t, 1, strings.Count(body, "804 215"))
}

func TestTheOriginLineIsLastAndOnlyForCodes(t *testing.T) {
	t.Parallel()
	o := func() *smschannel.Options { return &smschannel.Options{Origin: "help.example"} }
	body := deliver(t, o(), delivery(verify.MethodCode))
	require.True(t, strings.HasSuffix(body, "\n@help.example #804215"), body)
	require.NotContains(t, deliver(t, o(), delivery(verify.MethodNumber)), "@help.example")
	require.NotContains(t, deliver(t, nil, delivery(verify.MethodCode)), "#")
	for _, bad := range []string{"https://help.example", "help.example/x", "help.example:443", "Help.example", "localhost", "müller.example", "a..b", "-a.example", "x y.example"} {
		_, err := smschannel.New(&phone{}, &smschannel.Options{Region: "US", Origin: bad})
		require.ErrorIs(t, err, mspkit.ErrInvalid, bad)
	}
}

func TestOwnTextsReplaceTheBuiltInOnes(t *testing.T) {
	t.Parallel()
	o := func() *smschannel.Options {
		return &smschannel.Options{Texts: map[string]smschannel.Texts{
			"en":    {Code: "{code} for {name}, {company}[, {ticket}]"},
			"pt_BR": {Link: "L {link}", Code: "C {code}", Technician: "T {technician|?} {link}"},
		}}
	}
	require.Equal(t, "804 215 for Dana, Contoso, 4711", deliver(t, o(), delivery(verify.MethodCode)))
	require.Contains(t, deliver(t, o(), delivery(verify.MethodNumber)), "asks to", "what is not replaced stays")
	d := delivery(verify.MethodWord)
	d.Locale, d.Technician = "pt-br", ""
	require.Equal(t, "T ? "+link, deliver(t, o(), d))
}

func TestBadTextsFailAtStart(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		locale string
		texts  smschannel.Texts
		says   string
	}{
		"link without link":         {"en", smschannel.Texts{Link: "hello"}, "does not contain {link}"},
		"code without code":         {"de", smschannel.Texts{Code: "hello {minutes}"}, "does not contain {code}"},
		"technician without link":   {"en", smschannel.Texts{Technician: "hello"}, "does not contain {link}"},
		"code in a link text":       {"en", smschannel.Texts{Link: "{link} {code}"}, "{code} does not exist here"},
		"link in a code text":       {"en", smschannel.Texts{Code: "{link} {code}"}, "{link} does not exist here"},
		"unknown placeholder":       {"en", smschannel.Texts{Code: "{code} {pasword}"}, "{pasword} does not exist here"},
		"placeholder in upper case": {"en", smschannel.Texts{Code: "{Code}"}, "{Code} does not exist here"},
		"dollar style":              {"en", smschannel.Texts{Link: "${Link}"}, "does not exist here"},
		"only sometimes":            {"en", smschannel.Texts{Code: "hi[ {ticket} {code}]"}, "must not be left out"},
		"words instead":             {"en", smschannel.Texts{Code: "{code|none}"}, "no words instead"},
		"open brace":                {"en", smschannel.Texts{Code: "{code} {"}, "belongs to no placeholder"},
		"close brace":               {"en", smschannel.Texts{Code: "{code} }"}, "belongs to no placeholder"},
		"open bracket":              {"en", smschannel.Texts{Code: "{code} ["}, "[ without ]"},
		"close bracket":             {"en", smschannel.Texts{Code: "{code} ]"}, "] without ["},
		"nested brackets":           {"en", smschannel.Texts{Code: "{code} [{ticket} [{name}]]"}, "nested"},
		"brackets around nothing":   {"en", smschannel.Texts{Code: "{code} [x]"}, "without a placeholder"},
		"half a locale":             {"fr", smschannel.Texts{Code: "{code}"}, "needs all three texts"},
		"no locale":                 {"e n", smschannel.Texts{Code: "{code}"}, "is not a locale"},
		"control character":         {"en", smschannel.Texts{Code: "{code}\r"}, "control character"},
		"direction override":        {"en", smschannel.Texts{Code: "{code}\u202e"}, "control character"},
		"invalid utf-8":             {"en", smschannel.Texts{Code: "{code}\xff"}, "UTF-8"},
		"too long":                  {"en", smschannel.Texts{Code: "{code}" + strings.Repeat("x", 500)}, "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := smschannel.New(&phone{}, &smschannel.Options{Region: "US", Texts: map[string]smschannel.Texts{tc.locale: tc.texts}})
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.ErrorContains(t, err, tc.says)
			require.ErrorContains(t, err, tc.locale)
		})
	}
}

func TestAllFaultsOfTheOptionsAreReportedTogether(t *testing.T) {
	t.Parallel()
	_, err := smschannel.New(nil, &smschannel.Options{
		Region: "de", Countries: []string{"UK"}, Origin: "x", Texts: map[string]smschannel.Texts{"en": {Code: "x"}},
	})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, s := range []string{"a sender", `Region "de"`, `"UK"`, "Origin", "{code}"} {
		require.ErrorContains(t, err, s)
	}
	_, err = smschannel.New(&phone{}, nil)
	require.ErrorContains(t, err, "set Options.Region or Options.Countries", "a channel to everywhere is an invitation to fraud")
	_, err = smschannel.New(&phone{}, &smschannel.Options{Countries: []string{}})
	require.ErrorContains(t, err, "set Options.Region or Options.Countries")
}

// reasoned explains its errors.
type reasoned struct{ phone }

var errStop = errors.New("+12025550123 has opted out")

func (*reasoned) Explain(err error) (string, bool) {
	if errors.Is(err, errStop) {
		return "the recipient has opted out", true
	}
	return "", false
}

func TestFailuresAreSaidInWordsWithoutNumberOrCode(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err       error
		reason    string
		permanent bool
	}{
		"explained":      {errStop, "the recipient has opted out", true},
		"unexplained":    {errors.New("+12025550123 804215"), "the text message could not be sent", false},
		"own reason":     {&verify.DeliveryError{Reason: "no credit is left", Permanent: true}, "no credit is left", true},
		"no answer":      {context.DeadlineExceeded, "the text message service did not answer in time, it is not known whether the message was sent", false},
		"caller is gone": {context.Canceled, "sending was cancelled", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := smschannel.New(&reasoned{phone{err: tc.err}}, &smschannel.Options{Region: "US"})
			require.NoError(t, err)
			_, err = c.Deliver(t.Context(), delivery(verify.MethodCode))
			var de *verify.DeliveryError
			require.ErrorAs(t, err, &de)
			require.ErrorIs(t, err, tc.err)
			require.Equal(t, tc.reason, de.Reason)
			require.Equal(t, tc.permanent, de.Permanent)
			require.Equal(t, tc.reason, err.Error())
		})
	}
}

func TestWhatCannotBeWrittenIsNotSent(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*verify.Delivery){
		"no code":           func(d *verify.Delivery) { d.Code = mspkit.Redact("") },
		"code with letters": func(d *verify.Delivery) { d.Code = mspkit.Redact("80421x") },
		"no link":           func(d *verify.Delivery) { d.Method = verify.MethodNumber },
		"link with space": func(d *verify.Delivery) {
			d.Method, d.Link = verify.MethodNumber, mspkit.Redact("https://a.example/ b")
		},
		"script link":    func(d *verify.Delivery) { d.Method, d.Link = verify.MethodNumber, mspkit.Redact("javascript:alert(1)") },
		"unknown method": func(d *verify.Delivery) { d.Method = "smoke" },
		"unknown kind":   func(d *verify.Delivery) { d.Kind = "dog" },
		"no brand":       func(d *verify.Delivery) { d.Brand.Name = "\u200b" },
		"other country":  func(d *verify.Delivery) { d.To = "+18765550123" },
		"no number":      func(d *verify.Delivery) { d.To = "x" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &phone{}
			c, err := smschannel.New(p, &smschannel.Options{Region: "US"})
			require.NoError(t, err)
			d := delivery(verify.MethodCode)
			change(&d)
			_, err = c.Deliver(t.Context(), d)
			var de *verify.DeliveryError
			require.ErrorAs(t, err, &de)
			require.True(t, de.Permanent)
			require.NotRegexp(t, `\d{3}`, err.Error()+de.Err.Error())
			require.Empty(t, p.body)
		})
	}
}
