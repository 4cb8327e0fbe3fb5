package mspkit

import (
	"errors"
	"fmt"
	"strings"
)

// MaxLogo is the largest logo in bytes.
const MaxLogo = 512 << 10

// Brand is how a tenant looks to the people it serves: on pages, in mails and in Teams.
type Brand struct {
	// Name is what callers know the helpdesk by, for example "Contoso IT". It is required.
	Name string
	// Color is the accent colour as "#rrggbb". Empty means the module's own blue.
	Color string
	// Logo is a PNG, JPEG, GIF or WebP image of at most [MaxLogo] bytes. Empty means that the name stands
	// alone. SVG is refused because it can carry script.
	Logo []byte
	// Phone is the helpdesk's published number, shown where a person is told to call back. Optional.
	Phone string
	// Site is the helpdesk's published web address, shown beside the phone number. Optional.
	Site string
}

// Validate reports everything that is wrong with b.
func (b Brand) Validate() error {
	var errs []error
	if strings.TrimSpace(b.Name) == "" {
		errs = append(errs, fmt.Errorf("mspkit: brand has no name: %w", ErrInvalid))
	} else if len(b.Name) > MaxID {
		errs = append(errs, fmt.Errorf("mspkit: brand name has %d bytes, at most %d are allowed: %w", len(b.Name), MaxID, ErrInvalid))
	}
	if b.Color != "" && !validColor(b.Color) {
		errs = append(errs, fmt.Errorf("mspkit: brand colour %q is not of the form #rrggbb: %w", b.Color, ErrInvalid))
	}
	if len(b.Logo) > MaxLogo {
		errs = append(errs, fmt.Errorf("mspkit: brand logo has %d bytes, at most %d are allowed: %w", len(b.Logo), MaxLogo, ErrInvalid))
	} else if len(b.Logo) > 0 && b.LogoType() == "" {
		errs = append(errs, fmt.Errorf("mspkit: brand logo is not a PNG, JPEG, GIF or WebP image: %w", ErrInvalid))
	}
	return errors.Join(errs...)
}

// LogoType returns the media type of the logo by its first bytes, or "" if it is none of the allowed ones.
func (b Brand) LogoType() string {
	l := string(b.Logo[:min(len(b.Logo), 12)])
	switch {
	case strings.HasPrefix(l, "\x89PNG\r\n\x1a\n"):
		return "image/png"
	case strings.HasPrefix(l, "\xff\xd8\xff"):
		return "image/jpeg"
	case strings.HasPrefix(l, "GIF87a"), strings.HasPrefix(l, "GIF89a"):
		return "image/gif"
	case len(l) == 12 && l[:4] == "RIFF" && l[8:] == "WEBP":
		return "image/webp"
	}
	return ""
}

func validColor(s string) bool {
	if len(s) != 7 || s[0] != '#' {
		return false
	}
	for _, c := range s[1:] {
		if !strings.ContainsRune("0123456789abcdefABCDEF", c) {
			return false
		}
	}
	return true
}
