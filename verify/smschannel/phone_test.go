package smschannel_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify/smschannel"
)

type nobody struct{}

func (nobody) SendText(context.Context, string, string, string) (string, error) { return "", nil }

func channel(t testing.TB, o *smschannel.Options) *smschannel.Channel {
	t.Helper()
	c, err := smschannel.New(nobody{}, o)
	require.NoError(t, err)
	return c
}

func TestCanonicalReadsWhatPeopleWrite(t *testing.T) {
	t.Parallel()
	all := []string{"DE", "AT", "IT", "GB", "US", "AU", "AR"}
	for name, tc := range map[string]struct{ region, in, want string }{
		"e164":                         {"", "+4915112345678", "+4915112345678"},
		"spaces":                       {"", "+49 151 1234 5678", "+4915112345678"},
		"no-break spaces":              {"", "+49\u00a0151\u202f12345678", "+4915112345678"},
		"punctuation":                  {"", "+49 (151) 123-45.678", "+4915112345678"},
		"slash":                        {"DE", "0151/12345678", "+4915112345678"},
		"typographic dash":             {"", "+49 151–12345678", "+4915112345678"},
		"pasted direction marks":       {"", "\u202a+49 151 12345678\u202c", "+4915112345678"},
		"trunk zero in brackets":       {"", "+49 (0)151 12345678", "+4915112345678"},
		"zero that belongs":            {"", "+39 06 12345678", "+390612345678"},
		"double zero":                  {"", "0049 151 12345678", "+4915112345678"},
		"double zero, region":          {"DE", "0043 664 1234567", "+436641234567"},
		"double zero where it is 011":  {"US", "0049 151 12345678", "+4915112345678"},
		"011 in the United States":     {"US", "011 49 151 12345678", "+4915112345678"},
		"0011 in Australia":            {"AU", "0011 44 20 7946 0000", "+442079460000"},
		"national":                     {"DE", "0151 12345678", "+4915112345678"},
		"national, United States":      {"US", "(202) 555-0123", "+12025550123"},
		"national with trunk 1":        {"US", "1-202-555-0123", "+12025550123"},
		"national, Argentina":          {"AR", "011 15 2345-6789", "+5491123456789"},
		"plus wins over region":        {"DE", "+1 202 555 0123", "+12025550123"},
		"full width":                   {"DE", "＋４９ １５１ １２３４５６７８", "+4915112345678"},
		"arabic digits":                {"DE", "٠١٥١ ١٢٣٤٥٦٧٨", "+4915112345678"},
		"devanagari digits":            {"", "+४९ १५१ १२३४५६७८", "+4915112345678"},
		"mathematical digits":          {"", "+\U0001D7DC\U0001D7E1 151 12345678", "+4915112345678"},
		"national without a region":    {"", "0151 12345678", ""},
		"too short":                    {"DE", "0151 123", ""},
		"emergency":                    {"DE", "112", ""},
		"too long":                     {"", "+49 151 1234567890123", ""},
		"far too long":                 {"", "+" + strings.Repeat("1", 40), ""},
		"far too many bytes":           {"", "+4915112345678" + strings.Repeat(" ", 200), ""},
		"country code zero":            {"", "+0151 12345678", ""},
		"unknown country code":         {"", "+999 151 12345678", ""},
		"unassigned range":             {"", "+1 555 010 0123", ""},
		"premium rate":                 {"DE", "0900 1 123456", ""},
		"toll-free":                    {"", "+1 800 555 0199", ""},
		"personal numbering":           {"", "+44 70 1234 5678", ""},
		"satellite":                    {"", "+881 6 1234 5678", ""},
		"international freephone":      {"", "+800 1234 5678", ""},
		"extension x":                  {"", "+49 151 12345678 x12", ""},
		"extension ext":                {"US", "202-555-0123 ext. 4", ""},
		"extension rfc3966":            {"", "+4915112345678;ext=12", ""},
		"extension hash":               {"", "+4915112345678#12", ""},
		"extension full width":         {"", "+4915112345678ｘ12", ""},
		"vanity":                       {"US", "1-800-FLOWERS", ""},
		"letters":                      {"DE", "call me", ""},
		"uri":                          {"", "tel:+4915112345678", ""},
		"two numbers":                  {"", "+4915112345678 +4915112345679", ""},
		"plus inside":                  {"", "49+15112345678", ""},
		"two pluses":                   {"", "++4915112345678", ""},
		"star code":                    {"DE", "*31#015112345678", ""},
		"newline":                      {"", "+4915112345678\n", ""},
		"nul":                          {"", "+49151\x0012345678", ""},
		"invalid utf-8":                {"", "+49151\xff12345678", ""},
		"empty":                        {"DE", "", ""},
		"only punctuation":             {"DE", "+ -", ""},
		"double zero only":             {"DE", "00", ""},
		"superscript is not a decimal": {"", "+4915112345678²", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := channel(t, &smschannel.Options{Region: tc.region, Countries: all})
			got, err := c.Canonical(tc.in)
			require.Equal(t, tc.want, got)
			if tc.want != "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.NotRegexp(t, `\d{4}`, err.Error(), "the error repeats the number")
		})
	}
}

func TestNumbersOutsideTheAllowedCountriesAreRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		o       smschannel.Options
		in      string
		allowed bool
	}{
		"own region":                        {smschannel.Options{Region: "DE"}, "0151 12345678", true},
		"nil is the region alone":           {smschannel.Options{Region: "DE"}, "+43 664 1234567", false},
		"listed":                            {smschannel.Options{Region: "DE", Countries: []string{"AT"}}, "+43 664 1234567", true},
		"the region is not in by itself":    {smschannel.Options{Region: "DE", Countries: []string{"AT"}}, "0151 12345678", false},
		"an island with the American code":  {smschannel.Options{Region: "US"}, "+1 876 555 0123", false},
		"Canada with the American code":     {smschannel.Options{Region: "US"}, "+1 416 555 0123", false},
		"a Channel Island with Britain's":   {smschannel.Options{Region: "GB"}, "+44 7911 123456", false},
		"Jamaica where it is wanted":        {smschannel.Options{Countries: []string{"JM"}}, "+1 876 555 0123", true},
		"unassigned counts to the largest":  {smschannel.Options{Region: "US", AllowUnassigned: true}, "+1 555 010 0123", true},
		"unassigned elsewhere":              {smschannel.Options{Region: "DE", AllowUnassigned: true}, "+1 555 010 0123", false},
		"assigned island stays that island": {smschannel.Options{Region: "US", AllowUnassigned: true}, "+1 876 555 0123", false},
		"satellite, even so":                {smschannel.Options{Region: "US", AllowUnassigned: true}, "+881 6 1234 5678", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := channel(t, &tc.o).Canonical(tc.in)
			if tc.allowed {
				require.NoError(t, err)
				require.NotEmpty(t, got)
				return
			}
			require.ErrorIs(t, err, smschannel.ErrCountry)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.Empty(t, got)
			require.NotRegexp(t, `\d{3}`, err.Error())
		})
	}
}

func TestTheBudgetIsPerTenantAndCountry(t *testing.T) {
	t.Parallel()
	c := channel(t, &smschannel.Options{Region: "US"})
	scope, most, window := c.Budget("contoso", "+12025550123")
	require.Equal(t, "US", scope)
	require.Equal(t, smschannel.DefaultBudget, most)
	require.Equal(t, 24*time.Hour, window)
	scope, _, _ = c.Budget("contoso", "+18765550123")
	require.Equal(t, "JM", scope, "fraud goes to islands that share a country code")
	scope, _, _ = c.Budget("contoso", "nonsense")
	require.Equal(t, "ZZ", scope)
	_, most, _ = channel(t, &smschannel.Options{Region: "US", Budget: -1}).Budget("contoso", "+12025550123")
	require.Negative(t, most)
	_, most, _ = channel(t, &smschannel.Options{Region: "US", Budget: 7}).Budget("contoso", "+12025550123")
	require.Equal(t, 7, most)
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{
		"+4915112345678", "0151 12345678", "0049 (0)151/12345678", "＋４９１５１１２３４５６７８", "1-800-FLOWERS", "+1 876 555 0123",
		"+4915112345678;ext=1", "011 15 2345-6789", "+39 06 12345678", "\u202a+44 20 7946 0000\u202c", "00", "+", "+52 1 55 1234 5678",
	} {
		f.Add(s)
	}
	shape := regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	countries := []string{"DE", "AT", "IT", "GB", "US", "AU", "AR", "MX", "BR", "JP", "JM", "KZ", "RU"}
	channels := []*smschannel.Channel{
		channel(f, &smschannel.Options{Region: "DE", Countries: countries}),
		channel(f, &smschannel.Options{Region: "US", Countries: countries, AllowUnassigned: true}),
		channel(f, &smschannel.Options{Countries: countries}),
		channel(f, &smschannel.Options{Region: "AR", Countries: countries}),
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range channels {
			got, err := c.Canonical(s)
			if err != nil {
				require.Empty(t, got)
				require.ErrorIs(t, err, mspkit.ErrInvalid)
				continue
			}
			require.Regexp(t, shape, got)
			again, err := c.Canonical(got)
			require.NoError(t, err)
			require.Equal(t, got, again)
			scope, _, _ := c.Budget("t", got)
			require.Contains(t, countries, scope)
		}
	})
}
