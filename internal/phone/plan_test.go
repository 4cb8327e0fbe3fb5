package phone_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/mspkit/mspkit/internal/phone"
)

// byLibrary reads what is dialled by the library alone: parsed, validated, written, and read again where that differs.
func byLibrary(r phone.Reader, dial string) (*phonenumbers.PhoneNumber, string) {
	usable := func(n *phonenumbers.PhoneNumber, err error) bool {
		if err != nil {
			return false
		}
		if r.AllowUnassigned {
			return phonenumbers.IsPossibleNumber(n)
		}
		return phonenumbers.IsValidNumber(n)
	}
	read := func(dial string) *phonenumbers.PhoneNumber {
		rest, abroad := strings.CutPrefix(dial, "00")
		if strings.HasPrefix(dial, "+") {
			rest, abroad = dial[1:], true
		} else if r.Region != "" {
			if n, err := phonenumbers.Parse(dial, r.Region); usable(n, err) {
				return n
			}
		}
		if abroad {
			if n, err := phonenumbers.Parse("+"+rest, ""); usable(n, err) {
				return n
			}
		}
		return nil
	}
	n := read(dial)
	if n == nil {
		return nil, ""
	}
	out := phonenumbers.Format(n, phonenumbers.E164)
	if len(out) < 8 || len(out) > 16 || out[1] == '0' {
		return nil, ""
	}
	if out != dial {
		if again := read(out); again == nil || phonenumbers.Format(again, phonenumbers.E164) != out {
			return nil, ""
		}
	}
	return n, out
}

// same requires that a number is read as by the library.
func same(t testing.TB, r phone.Reader, dial string) {
	t.Helper()
	n, out := byLibrary(r, dial)
	got, text, err := r.Read(dial)
	if text != out || (err == nil) != (out != "") {
		t.Fatalf("%+v reads %q as %q (%v), the library alone as %q", r, dial, text, err, out)
	}
	if out != "" && !proto.Equal(n, got) {
		t.Fatalf("%+v reads %q as %v, the library alone as %v", r, dial, got, n)
	}
}

// examples has a number of every kind in every region, and those of no region.
func examples() []string {
	var list []string
	add := func(n *phonenumbers.PhoneNumber) {
		if n != nil {
			list = append(list, phonenumbers.Format(n, phonenumbers.E164))
		}
	}
	for id := range phonenumbers.GetSupportedRegions() {
		for kind := phonenumbers.FIXED_LINE; kind <= phonenumbers.VOICEMAIL; kind++ {
			add(phonenumbers.GetExampleNumberForType(id, kind))
		}
	}
	for code := range phonenumbers.GetSupportedGlobalNetworkCallingCodes() {
		add(phonenumbers.GetExampleNumberForNonGeoEntity(code))
	}
	return list
}

// TestAsTheLibrary compares the short way of reading with the library: examples of every kind of number there is, the same
// with a digit changed, missing, doubled or a prefix between, and digits at random after country codes. With
// MSPKIT_SOAK=1 it tries a hundred times as many.
func TestAsTheLibrary(t *testing.T) {
	t.Parallel()
	rounds := 1
	if os.Getenv("MSPKIT_SOAK") != "" {
		rounds = 100
	}
	list, r := examples(), rand.New(rand.NewPCG(7, 7))
	require.Greater(t, len(list), 1000)
	strict, lenient := phone.Reader{}, phone.Reader{AllowUnassigned: true}
	valid := 0
	for _, s := range list {
		same(t, strict, s)
		if _, err := strict.E164(s); err == nil {
			valid++
		}
		same(t, lenient, s)
	}
	require.Greater(t, valid, len(list)*9/10)
	digits := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('0' + r.IntN(10))
		}
		return string(b)
	}
	for range rounds {
		for _, s := range list {
			i := 1 + r.IntN(len(s)-1)
			same(t, strict, s[:i]+digits(1)+s[i+1:])
			switch r.IntN(6) {
			case 0:
				same(t, lenient, s[:i]+digits(1)+s[i+1:])
			case 1:
				same(t, strict, s[:i]+s[i+1:])
			case 2:
				same(t, strict, s[:i]+s[max(i-1, 1):])
			case 3:
				same(t, strict, s[:min(len(s), 2+r.IntN(3))]+[]string{"0", "1", "8", "9", "06", "00"}[r.IntN(6)]+s[min(len(s), 3):])
			case 4:
				same(t, phone.Reader{Region: "DE"}, "00"+s[1:])
			case 5:
				same(t, strict, s[:i]+digits(len(s)-i))
			}
		}
		for code := r.IntN(4); code < 1000; code += 1 + r.IntN(4) {
			c := strconv.Itoa(code)
			same(t, strict, "+"+c+digits(r.IntN(16)))
			if r.IntN(4) == 0 {
				same(t, lenient, "+"+c+digits(5+r.IntN(8)))
			}
		}
	}
}

// TestNationalAsTheLibrary reads national numbers, which the library parses and we validate.
func TestNationalAsTheLibrary(t *testing.T) {
	t.Parallel()
	for id := range phonenumbers.GetSupportedRegions() {
		r := phone.Reader{Region: id}
		for _, kind := range []phonenumbers.PhoneNumberType{phonenumbers.FIXED_LINE, phonenumbers.MOBILE, phonenumbers.TOLL_FREE} {
			if n := phonenumbers.GetExampleNumberForType(id, kind); n != nil {
				same(t, r, phonenumbers.NormalizeDigitsOnly(phonenumbers.Format(n, phonenumbers.NATIONAL)))
				same(t, r, phonenumbers.GetNationalSignificantNumber(n))
			}
		}
	}
}

func FuzzAsTheLibrary(f *testing.F) {
	for _, s := range []string{"12025550143", "4915112345678", "390612345678", "5491123456789", "870773111632", "0"} {
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, unassigned bool) {
		if len(s) == 0 || len(s) > 20 || strings.Trim(s, "0123456789") != "" {
			t.Skip()
		}
		same(t, phone.Reader{AllowUnassigned: unassigned}, "+"+s)
		same(t, phone.Reader{Region: "BR", AllowUnassigned: unassigned}, s)
	})
}
