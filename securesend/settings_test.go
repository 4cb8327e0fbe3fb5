package securesend_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

func TestTheZeroSettingsAreTheSafeDefaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sent := w.create(w.text("hunter2"))
	require.Equal(t, securesend.GateNumber, sent.Gate)
	require.Regexp(t, `^[0-9]{3}$`, sent.Number.Reveal())
	require.Empty(t, sent.Warning)
	require.Equal(t, securesend.RegionEurope, sent.Region, "of the tenant's country")
	require.Equal(t, w.clock.Add(24*time.Hour).Truncate(time.Second), sent.ExpiresAt)
	r := w.stored(sent.Ref)
	require.Equal(t, 1, r.MaxViews)
	require.Equal(t, 2, r.MaxTries)
	require.Equal(t, 10, r.MaxPassTries)
	require.Zero(t, r.AfterView)
	require.Equal(t, securesend.Log{To: "ticket"}, r.Log)

	req := w.text("")
	req.Files = w.files("x")
	sent = w.create(req)
	require.Equal(t, w.clock.Add(24*time.Hour).Truncate(time.Second), sent.ExpiresAt)

	req = w.text("")
	grant, err := w.Grant(t.Context(), req)
	require.NoError(t, err)
	b := w.composes(grant)
	u, err := w.BeginUpload(t.Context(), b.tok, b.upload)
	require.NoError(t, err)
	require.Equal(t, 256<<10, u.MaxText)
	require.Equal(t, int64(1<<30), u.MaxSize)
	require.Equal(t, 20, u.MaxFiles)
	require.Empty(t, w.book.notes, "data to internal note is off")
}

func TestTheTenantsDefaultsAreTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) {
		w.set.Defaults = securesend.Choice{
			Views: 3, AfterView: time.Hour, Region: securesend.RegionUK, Gate: securesend.GateNone, Header: "Above", Message: "With it",
			LogTo: "contact", LogPublic: true, DataToNote: true,
		}
		w.set.TextTTL, w.set.FileTTL, w.set.MaxTTL = 2*time.Hour, 3*time.Hour, 4*time.Hour
		w.set.NumberTries, w.set.PassphraseTries = 1, 7
	})
	sent := w.create(w.text("hunter2"))
	require.Equal(t, w.clock.Add(2*time.Hour).Truncate(time.Second), sent.ExpiresAt)
	require.Equal(t, securesend.RegionUK, sent.Region)
	require.NotEmpty(t, sent.Warning)
	require.Empty(t, sent.Number.Reveal())
	r := w.stored(sent.Ref)
	require.Equal(t, 3, r.MaxViews)
	require.Equal(t, time.Hour, r.AfterView)
	require.Equal(t, 1, r.MaxTries)
	require.Equal(t, 7, r.MaxPassTries)
	require.Equal(t, securesend.Log{To: "contact", Public: true}, r.Log)
	require.Len(t, w.book.notes, 1)
	v, err := w.View(t.Context(), sent.Ref)
	require.NoError(t, err)
	require.Equal(t, "Above", v.Header)
	require.Equal(t, "Jane Doe", v.Technician)
	require.Equal(t, "en", v.Locale)
	got, err := w.reader(sent).takes()
	require.NoError(t, err)
	require.Equal(t, "With it", got.Message)

	req := w.text("")
	req.Files = w.files("x")
	require.Equal(t, w.clock.Add(3*time.Hour).Truncate(time.Second), w.create(req).ExpiresAt)

	req = w.text("x")
	req.Choice = securesend.Choice{
		TTL: 4 * time.Hour, Views: 1, AfterView: 2 * time.Hour, Region: securesend.RegionEurope, Gate: securesend.GateNumber,
		Header: "Mine", Message: "Mine too", LogTo: "none",
	}
	sent = w.create(req)
	require.Equal(t, w.clock.Add(4*time.Hour).Truncate(time.Second), sent.ExpiresAt)
	require.Equal(t, securesend.RegionEurope, sent.Region)
	require.Equal(t, securesend.GateNumber, sent.Gate)
	r = w.stored(sent.Ref)
	require.Equal(t, 1, r.MaxViews)
	require.Equal(t, 2*time.Hour, r.AfterView)
	require.Equal(t, "none", r.Log.To)
}

func TestSettingsNameEveryFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	type S = securesend.Settings
	type C = securesend.Choice
	for _, c := range []struct {
		name   string
		change func(*S)
	}{
		{"brand", func(s *S) { s.Brand.Name = "" }},
		{"brand", func(s *S) { s.Brand.Color = "blue" }},
		{"Locale", func(s *S) { s.Locale = "<script>" }},
		{"Locale", func(s *S) { s.Locale = strings.Repeat("a", 36) }},
		{"MaxText", func(s *S) { s.MaxText = -1 }},
		{"MaxText", func(s *S) { s.MaxText = 512<<10 + 1 }},
		{"MaxSize", func(s *S) { s.MaxSize = -1 }},
		{"MaxSize", func(s *S) { s.MaxSize = securesend.MaxFileSize + 1 }},
		{"MaxFiles", func(s *S) { s.MaxFiles = -1 }},
		{"MaxFiles", func(s *S) { s.MaxFiles = securesend.MaxFiles + 1 }},
		{"MaxTTL", func(s *S) { s.MaxTTL = -1 }},
		{"MaxTTL", func(s *S) { s.MaxTTL = securesend.MaxTTL + 1 }},
		{"MaxTTL", func(s *S) { s.MaxTTL = time.Minute - 1 }},
		{"TextTTL", func(s *S) { s.TextTTL = -1 }},
		{"TextTTL", func(s *S) { s.TextTTL, s.MaxTTL = time.Hour+1, time.Hour }},
		{"TextTTL", func(s *S) { s.TextTTL = time.Minute - 1 }},
		{"FileTTL", func(s *S) { s.FileTTL = -1 }},
		{"FileTTL", func(s *S) { s.FileTTL, s.MaxTTL = time.Hour+1, time.Hour }},
		{"NumberTries", func(s *S) { s.NumberTries = 3 }},
		{"NumberTries", func(s *S) { s.NumberTries = -1 }},
		{"CodeTries", func(s *S) { s.CodeTries = 6 }},
		{"CodeTries", func(s *S) { s.CodeTries = -1 }},
		{"PassphraseTries", func(s *S) { s.PassphraseTries = 21 }},
		{"PassphraseTries", func(s *S) { s.PassphraseTries = -1 }},
		{"Defaults.TTL", func(s *S) { s.Defaults.TTL = time.Hour }},
		{"Views", func(s *S) { s.Defaults.Views = -1 }},
		{"Views", func(s *S) { s.Defaults.Views = 101 }},
		{"AfterView", func(s *S) { s.Defaults.AfterView = -1 }},
		{"AfterView", func(s *S) { s.Defaults.AfterView = time.Second }},
		{"Region", func(s *S) { s.Defaults.Region = strings.Repeat("a", 65) }},
		{"Gate", func(s *S) { s.Defaults.Gate = "door" }},
		{"Header", func(s *S) { s.Defaults.Header = strings.Repeat("ü", 301) }},
		{"Message", func(s *S) { s.Defaults.Message = strings.Repeat("ü", 2001) }},
		{"LogTo", func(s *S) { s.Defaults.LogTo = "wall" }},
		{`template "sms"`, func(s *S) { s.Templates = map[string]string{"sms": "hello"} }},
		{`template "sms"`, func(s *S) { s.Templates = map[string]string{"sms": "${link} ${link}"} }},
		{`template "sms"`, func(s *S) { s.Templates = map[string]string{"sms": "${link} ${ticket}"} }},
		{`template "sms"`, func(s *S) { s.Templates = map[string]string{"sms": "${link} ${brand"} }},
		{`template "sms"`, func(s *S) { s.Templates = map[string]string{"sms": "${link}" + strings.Repeat("a", 2000)} }},
		{"Subject", func(s *S) { s.Subject = "open ${link}" }},
		{"Subject", func(s *S) { s.Subject = "${who}" }},
		{"Subject", func(s *S) { s.Subject = "two\r\nBcc: all@example.com" }},
		{"Subject", func(s *S) { s.Subject = strings.Repeat("a", 201) }},
	} {
		s := S{Brand: mspkit.Brand{Name: "Contoso IT"}}
		require.NoError(t, s.Validate())
		c.change(&s)
		err := s.Validate()
		require.ErrorContains(t, err, c.name)
		if c.name != "brand" {
			require.ErrorIs(t, err, securesend.ErrInvalid)
		}
	}
	all := S{MaxText: -1, MaxFiles: -1, Defaults: C{Gate: "door"}}
	err := all.Validate()
	for _, name := range []string{"brand", "MaxText", "MaxFiles", "Gate"} {
		require.ErrorContains(t, err, name, "all at once")
	}
}

func TestSettingsThatAreAtTheirLimitsAreTaken(t *testing.T) {
	t.Parallel()
	s := securesend.Settings{
		Brand: mspkit.Brand{Name: "Contoso IT"}, Locale: "de-AT", Country: "AT", MaxText: 512 << 10, MaxSize: securesend.MaxFileSize,
		MaxFiles: securesend.MaxFiles, TextTTL: securesend.MaxTTL, FileTTL: time.Minute, MaxTTL: securesend.MaxTTL, NumberTries: 2, CodeTries: 5,
		PassphraseTries: 20, Templates: map[string]string{"sms": "${link}", "mail": "${brand} ${technician}: ${link}"}, Subject: "${brand}",
		Defaults: securesend.Choice{
			Views: 100, AfterView: securesend.Lease, Gate: securesend.GateProof, Header: strings.Repeat("ü", 300),
			Message: strings.Repeat("ü", 2000), LogTo: "none", Region: "Mars",
		},
	}
	require.NoError(t, s.Validate())
	short := securesend.Settings{Brand: s.Brand, MaxTTL: time.Hour}
	require.NoError(t, short.Validate(), "the default of a day is brought down to the tenant's most")
}

func TestBadSettingsOfATenantRefuseEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set.MaxText = -1
	_, err := w.Create(t.Context(), w.text("x"))
	require.ErrorIs(t, err, securesend.ErrInvalid)
	require.ErrorContains(t, err, "MaxText")
	w.set.MaxText = 0
	require.Zero(t, w.listed())
}

func TestALockedFieldIsRefusedByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.set.LockTechnician = true })
	for name, choice := range map[string]securesend.Choice{
		"TTL":        {TTL: time.Hour},
		"Views":      {Views: 1},
		"AfterView":  {AfterView: time.Hour},
		"Region":     {Region: securesend.RegionEurope},
		"Gate":       {Gate: securesend.GateNumber},
		"Header":     {Header: "x"},
		"Message":    {Message: "x"},
		"LogTo":      {LogTo: "ticket"},
		"LogPublic":  {LogPublic: true},
		"Held":       {Held: true},
		"DataToNote": {DataToNote: true},
	} {
		r := w.text("x")
		r.Choice = choice
		_, err := w.Create(t.Context(), r)
		require.ErrorIs(t, err, securesend.ErrForbidden, name)
		var locked *securesend.LockedFieldError
		require.ErrorAs(t, err, &locked, name)
		require.Equal(t, name, locked.Field)
		require.ErrorContains(t, err, name)
		r.By.Admin = true
		_, err = w.Create(t.Context(), r)
		require.NoError(t, err, "%s: an administrator is not bound", name)

		r = w.text("")
		r.Choice = choice
		_, err = w.Grant(t.Context(), r)
		require.ErrorAs(t, err, &locked, name)
		if name != "DataToNote" && name != "AfterView" && name != "Held" { // which have no meaning there
			_, err = w.Ask(t.Context(), r, "what?")
			require.ErrorAs(t, err, &locked, name)
		}
	}
	r := w.text("x")
	r.Choice = securesend.Choice{TTL: time.Hour, Views: 2}
	_, err := w.Create(t.Context(), r)
	require.ErrorContains(t, err, "TTL is locked")
	require.ErrorContains(t, err, "Views is locked")
	_, err = w.Create(t.Context(), w.text("x"))
	require.NoError(t, err)
}

func TestTheRegionIsTheTenantsOrTheOnlyOne(t *testing.T) {
	t.Parallel()
	for country, region := range map[string]string{
		"CA": "Canada Central", "US": "Central US", "DE": "Europe", "fr": "Europe", "CH": "Europe", "AU": "Australia East", "NZ": "Australia East",
		"GB": "UK South", "JP": "", "": "", "D": "", "DEU": "",
	} {
		require.Equal(t, region, securesend.RegionOf(country), country)
	}
	w := newWorld(t)
	require.Equal(t, []string{"Europe", "UK South"}, w.Regions())
	w.set.Country = "GB"
	require.Equal(t, securesend.RegionUK, w.create(w.text("x")).Region)

	w.set.Country = "JP"
	_, err := w.Create(t.Context(), w.text("x"))
	require.ErrorIs(t, err, securesend.ErrRegion)
	require.ErrorContains(t, err, "Europe, UK South")

	w.set.Country = "US"
	_, err = w.Create(t.Context(), w.text("x"))
	require.ErrorIs(t, err, securesend.ErrRegion, "the preset is not served here")
	r := w.text("x")
	r.Choice.Region = "Mars"
	_, err = w.Create(t.Context(), r)
	require.ErrorIs(t, err, securesend.ErrRegion)
	require.ErrorContains(t, err, `"Mars"`)

	one := newWorld(t, func(w *world) {
		w.set.Country = "JP"
		w.o.Blobs = map[string]securesend.BlobStore{"Tokyo": w.eu}
	})
	require.Equal(t, "Tokyo", one.create(one.text("x")).Region, "there is one only, whatever its name")

	none := newWorld(t, func(w *world) { w.o.Blobs = nil })
	require.Equal(t, securesend.RegionEurope, none.create(none.text("x")).Region)
	r = none.text("")
	r.Files = none.files("x")
	_, err = none.Create(t.Context(), r)
	require.ErrorIs(t, err, securesend.ErrUnsupported)
	require.ErrorContains(t, err, "Options.Blobs")
}
