package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	someApp    = "0B51D7A0-5a4e-4b7b-9d6c-7e1f2a3b4c5d"
	someTenant = "1f6c1f8e-3f52-4d59-9a0a-0d8f7f3f2a11"
	other      = "2a6c1f8e-3f52-4d59-9a0a-0d8f7f3f2a11"
)

type settings map[string]string

func (s settings) get(name string) string { return s[name] }

func TestSettings(t *testing.T) {
	t.Parallel()
	with := func(more settings) settings {
		out := settings{envClient: someApp, envTenants: "contoso=" + someTenant, envSecret: "s3cr3t-value"}
		maps.Copy(out, more)
		return out
	}
	for name, tc := range map[string]struct {
		set  settings
		says []string // nothing: it is fine
	}{
		"secret":                        {set: with(nil)},
		"certificate":                   {set: with(settings{envSecret: "", envCert: "good.pem", envPassword: "p"})},
		"a person":                      {set: with(settings{envSecret: ""})},
		"bare ids":                      {set: with(settings{envTenants: someTenant + " , " + strings.ToUpper(other) + ","})},
		"partner":                       {set: with(settings{envTenants: "", envPartner: other, envRefresh: "r3fr3sh"})},
		"partner with some":             {set: with(settings{envPartner: other, envRefresh: "r3fr3sh", envCloud: "USGov", envRegion: "us"})},
		"nothing":                       {set: settings{}, says: []string{envClient + ": is not set", envTenants + ": is not set", "-selftest"}},
		"client no id":                  {set: with(settings{envClient: "my app"}), says: []string{envClient, `"my app" is not an id`}},
		"tenant no id":                  {set: with(settings{envTenants: "contoso=contoso.onmicrosoft.com"}), says: []string{envTenants, `"contoso.onmicrosoft.com" is not an id`}},
		"tenant without id":             {set: with(settings{envTenants: "contoso="}), says: []string{`"" is not an id`}},
		"tenant without name":           {set: with(settings{envTenants: "=" + someTenant}), says: []string{"is not a name"}},
		"tenant twice":                  {set: with(settings{envTenants: "a=" + someTenant + ",b=" + strings.ToUpper(someTenant)}), says: []string{`names "b" twice, or its id`}},
		"name twice":                    {set: with(settings{envTenants: "a=" + someTenant + ",a=" + other}), says: []string{`names "a" twice`}},
		"secret and certificate":        {set: with(settings{envCert: "good.pem"}), says: []string{envSecret, envCert, "both set"}},
		"certificate not there":         {set: with(settings{envSecret: "", envCert: "none.pem"}), says: []string{envCert + ": cannot be read", "does not exist"}},
		"password without certificate":  {set: with(settings{envPassword: "s3cr3t-value"}), says: []string{envPassword + ": is set, and " + envCert + " is not"}},
		"two tenants and a person":      {set: with(settings{envSecret: "", envTenants: someTenant + "," + other}), says: []string{"2 tenants, and a person signs in to one"}},
		"partner without refresh token": {set: with(settings{envPartner: other}), says: []string{envRefresh}},
		"partner without secret":        {set: with(settings{envSecret: "", envPartner: other, envRefresh: "s3cr3t-value"}), says: []string{envSecret}},
		"partner no id":                 {set: with(settings{envPartner: "us", envRefresh: "s3cr3t-value"}), says: []string{envPartner, `"us" is not an id`}},
		"refresh token alone":           {set: with(settings{envRefresh: "s3cr3t-value"}), says: []string{envRefresh + ": is set, and " + envPartner + " is not"}},
		"cloud":                         {set: with(settings{envCloud: "mars"}), says: []string{envCloud + ": must be public"}},
		"region":                        {set: with(settings{envRegion: "Germany"}), says: []string{envRegion, `"GERMANY" is no country`}},
		"several faults at once":        {set: settings{envClient: "x", envTenants: "y", envCloud: "z"}, says: []string{envClient, envTenants, envCloud}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := configFrom(tc.set.get, func(name string) ([]byte, error) {
				if name != "good.pem" {
					return nil, os.ErrNotExist
				}
				return []byte("good"), nil
			})
			if len(tc.says) == 0 {
				require.NoError(t, err)
				return
			}
			for _, text := range tc.says {
				require.ErrorContains(t, err, text)
			}
			require.NotContains(t, err.Error(), "s3cr3t-value")
		})
	}
}

func TestNothingIsMadeWhereItCannotStart(t *testing.T) {
	t.Parallel()
	junk := filepath.Join(t.TempDir(), "junk.pem")
	require.NoError(t, os.WriteFile(junk, []byte("-----BEGIN RSA s3cr3t-value"), 0o600))
	for name, tc := range map[string]struct {
		set  settings
		args []string
		says string
	}{
		"nothing":              {says: envClient},
		"damaged certificate":  {set: settings{envClient: someApp, envTenants: someTenant, envCert: junk}, says: "it must be PEM"},
		"unknown flag":         {args: []string{"-force"}, says: "-h says what there is"},
		"argument":             {args: []string{"contoso"}, says: `unexpected argument "contoso"`},
		"plan and yes":         {args: []string{"-plan", "-yes"}, says: "-plan changes nothing"},
		"less than no names":   {args: []string{"-names", "-1"}, says: "-names cannot be negative"},
		"names that is no one": {args: []string{"-names", "few"}, says: "-h says what there is"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "people.db")
			var out bytes.Buffer
			c := &command{env: tc.set.get, in: strings.NewReader("yes\n"), out: &out}
			err := c.run(t.Context(), append([]string{"-db", file}, tc.args...))
			require.ErrorContains(t, err, tc.says)
			require.NotContains(t, err.Error()+out.String(), "s3cr3t-value")
			require.NoFileExists(t, file)
		})
	}
}
