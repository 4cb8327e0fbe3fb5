package phone_test

import (
	"testing"

	"github.com/mspkit/mspkit/internal/phone"
)

// BenchmarkE164 reads what directories have: numbers that are in E.164 form, written with punctuation, or national. Library
// is what the library alone takes for the same.
func BenchmarkE164(b *testing.B) {
	r := phone.Reader{Region: "DE"}
	for _, x := range []struct{ name, in, dial string }{
		{"US", "+12025550143", "+12025550143"},
		{"Germany", "+4915112345678", "+4915112345678"},
		{"Britain", "+442079460123", "+442079460123"},
		{"Punctuation", "+49 (151) 1234-5678", "+4915112345678"},
		{"NoNumber", "+12025550", "+12025550"},
		{"National", "0151 12345678", "015112345678"},
		{"Trunk", "+49 (0) 151 12345678", "+49015112345678"},
	} {
		b.Run(x.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = r.E164(x.in)
			}
		})
		b.Run(x.name+"Library", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = byLibrary(r, x.dial)
			}
		})
	}
}
