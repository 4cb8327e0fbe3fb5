package twilio

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
)

// Package is something that can be asked about a number. Twilio charges for each
// (https://www.twilio.com/docs/lookup/v2-api).
type Package string

const (
	// LineType is the kind of line. For numbers in Canada Twilio must approve it first (60601)
	// (https://www.twilio.com/docs/lookup/v2-api/line-type-intelligence).
	LineType Package = "line_type_intelligence"
	// SIMSwap is the last change of the SIM card. Twilio and the carriers must approve it first, and it covers some
	// countries of Europe and the Americas (https://www.twilio.com/docs/lookup/v2-api/sim-swap).
	SIMSwap Package = "sim_swap"
)

// Facts is what is known about a number. It converts to smschannel.Facts.
type Facts struct {
	// Line is Twilio's word for the kind of line: "mobile", "landline", "fixedVoip", "nonFixedVoip" and others; empty
	// where it was not asked for or is not known.
	Line string
	// SIMChangedAt is when the SIM card was changed last; zero where it was not asked for or is not known.
	SIMChangedAt time.Time
	// SIMChanged is set in countries whose carriers tell no date, where it was changed within the period that was agreed
	// with Twilio for them: agree one as long as the age that you ask for.
	SIMChanged bool
}

// Lookup asks about number, in E.164. At least one package is needed. Where a country or carrier is not covered, what is
// not known stays zero. The error is [mspkit.ErrInvalid], [ErrInvalidNumber], [ErrNoFacts] with Twilio's code for the
// package (the carrier did not tell, the account is not approved), or that of the request; it does not repeat the number.
func (c *Client) Lookup(ctx context.Context, number string, packages ...Package) (Facts, error) {
	f, err := c.lookup(ctx, number, packages)
	if err != nil {
		return Facts{}, fmt.Errorf("twilio: lookup: %w", err)
	}
	return f, nil
}

// found is what we need of the answer. A package that was not asked for is null.
type found struct {
	Valid    bool `json:"valid"`
	LineType *struct {
		Type      string `json:"type"`
		ErrorCode int    `json:"error_code"`
	} `json:"line_type_intelligence"`
	SIMSwap *struct {
		Last *struct {
			Date     *time.Time `json:"last_sim_swap_date"`
			InPeriod bool       `json:"swapped_in_period"`
		} `json:"last_sim_swap"`
		ErrorCode int `json:"error_code"`
	} `json:"sim_swap"`
}

func (c *Client) lookup(ctx context.Context, number string, packages []Package) (Facts, error) {
	if !numberForm.MatchString(number) {
		return Facts{}, fmt.Errorf("not in E.164: %w", ErrInvalidNumber)
	}
	fields := make([]string, 0, len(packages))
	for _, p := range packages {
		if p != LineType && p != SIMSwap {
			return Facts{}, fmt.Errorf("there is no package %q: %w", p, mspkit.ErrInvalid)
		}
		fields = append(fields, string(p))
	}
	if len(fields) == 0 {
		return Facts{}, fmt.Errorf("no package is named: %w", mspkit.ErrInvalid)
	}
	u := c.numbers.JoinPath(number)
	u.RawQuery = url.Values{"Fields": {strings.Join(fields, ",")}}.Encode()
	var a found
	if _, err := c.do(ctx, http.MethodGet, u, nil, &a); err != nil {
		return Facts{}, err
	}
	return a.facts(packages)
}

func (a found) facts(packages []Package) (Facts, error) {
	if !a.Valid {
		return Facts{}, ErrInvalidNumber
	}
	var f Facts
	for _, p := range packages {
		switch {
		case p == LineType && a.LineType == nil, p == SIMSwap && a.SIMSwap == nil:
			return Facts{}, fmt.Errorf("%w: the answer has no %s", ErrNoFacts, p)
		case p == LineType && a.LineType.ErrorCode != 0:
			return Facts{}, fmt.Errorf("%w: %s: code %d", ErrNoFacts, p, a.LineType.ErrorCode)
		case p == SIMSwap && a.SIMSwap.ErrorCode != 0:
			return Facts{}, fmt.Errorf("%w: %s: code %d", ErrNoFacts, p, a.SIMSwap.ErrorCode)
		case p == LineType:
			if len(a.LineType.Type) <= 32 {
				f.Line = a.LineType.Type
			}
		case a.SIMSwap.Last == nil: // a country or carrier that is not covered
		case a.SIMSwap.Last.Date != nil: // the period is made of it then, and says nothing
			f.SIMChangedAt = a.SIMSwap.Last.Date.UTC()
		default:
			f.SIMChanged = a.SIMSwap.Last.InPeriod
		}
	}
	return f, nil
}
