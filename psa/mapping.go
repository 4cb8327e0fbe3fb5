package psa

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"unicode"

	"github.com/mspkit/mspkit"
)

// Mapping says which company of a ticket system is which tenant. An administrator has confirmed it.
type Mapping struct {
	System      string
	CompanyID   string
	CompanyName string
	Tenant      mspkit.TenantID
	// By is the administrator who confirmed it.
	By string
}

// Validate reports everything that is missing.
func (m Mapping) Validate() error {
	errs := []error{m.Tenant.Validate()}
	if err := (mspkit.Ticket{System: m.System, ID: m.CompanyID}).Validate(); err != nil || m.System == "" || m.CompanyID == "" {
		errs = append(errs, fmt.Errorf("psa: a mapping needs a system and a company id: %w", mspkit.ErrInvalid))
	}
	if m.By == "" {
		errs = append(errs, fmt.Errorf("psa: a mapping needs who confirmed it: %w", mspkit.ErrInvalid))
	}
	return errors.Join(errs...)
}

// MappingStore keeps confirmed mappings. A company belongs to one tenant; a tenant may have several companies.
// Implementations are [NewMemory] and psa/sqlstore.
type MappingStore interface {
	// SaveMapping stores m. A company that is mapped to another tenant is an [ErrConflict]: it must be unmapped first, so
	// that nobody moves a company's contacts to another tenant by a slip.
	SaveMapping(ctx context.Context, m Mapping) error
	// DeleteMapping unmaps a company; deleting what is not there is fine.
	DeleteMapping(ctx context.Context, system, companyID string) error
	// Mappings returns all mappings of a system, by company id.
	Mappings(ctx context.Context, system string) ([]Mapping, error)
}

// KnownTenant is what the host knows of a tenant, for [Suggest].
type KnownTenant struct {
	ID      mspkit.TenantID
	Name    string
	Domains []string
}

// Suggestion is a tenant that a company may be. Nothing is mapped before an administrator confirms it.
type Suggestion struct {
	Company Company
	// Tenant is empty where none fits: the company is unmapped and nothing is suggested.
	Tenant mspkit.TenantID
	// Score is 0 to 100. A shared domain counts more than a name.
	Score int
	// Reason says in words why.
	Reason string
}

// Suggest returns one suggestion per company that is not mapped yet, the best first and those without a tenant last. A
// domain that several tenants have, or that everybody can have such as gmail.com, says nothing.
func Suggest(companies []Company, tenants []KnownTenant, mapped []Mapping) []Suggestion {
	owners := map[string][]mspkit.TenantID{}
	for _, t := range tenants {
		for _, d := range t.Domains {
			if d = domain(d); d != "" && !slices.Contains(owners[d], t.ID) {
				owners[d] = append(owners[d], t.ID)
			}
		}
	}
	names := make([][]string, len(tenants))
	for i, t := range tenants {
		names[i] = words(t.Name)
	}
	done := map[string]bool{}
	for _, m := range mapped {
		done[m.CompanyID] = true
	}
	var out []Suggestion
	for _, c := range companies {
		if !done[c.ID] {
			out = append(out, suggest(c, tenants, names, owners))
		}
	}
	slices.SortStableFunc(out, func(a, b Suggestion) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Company.Name, b.Company.Name))
	})
	return out
}

const (
	domainScore = 60
	nameScore   = 40
	// leastScore is what a name alone must reach: half of the words of one are in the other.
	leastScore = 20
)

// suggest compares one company with all tenants, whose names in words are given.
func suggest(c Company, tenants []KnownTenant, names [][]string, owners map[string][]mspkit.TenantID) Suggestion {
	best := Suggestion{Company: c}
	tie := false
	name := words(c.Name)
	byDomain := map[mspkit.TenantID]string{}
	for _, d := range c.Domains {
		if d = domain(d); d != "" && len(owners[d]) == 1 && byDomain[owners[d][0]] == "" {
			byDomain[owners[d][0]] = d
		}
	}
	for i, t := range tenants {
		score, why := 0, []string(nil)
		if d := byDomain[t.ID]; d != "" {
			score, why = domainScore, []string{"the domain " + d}
		}
		if n := likeness(name, names[i]); n > 0 {
			score += n * nameScore / 100
			switch {
			case n == 100:
				why = append(why, "the same name")
			case n >= 50:
				why = append(why, "a similar name")
			}
		}
		switch {
		case score < leastScore:
		case score > best.Score:
			best.Tenant, best.Score, best.Reason, tie = t.ID, score, strings.Join(why, " and "), false
		case score == best.Score && t.ID != best.Tenant:
			tie = true
		}
	}
	if tie { // two tenants fit alike: the administrator has to look
		return Suggestion{Company: c, Reason: "several tenants fit alike"}
	}
	return best
}

// shared are domains that belong to a provider and not to a company.
var shared = map[string]bool{
	"gmail.com": true, "googlemail.com": true, "icloud.com": true, "me.com": true, "mac.com": true, "aol.com": true, "web.de": true,
	"t-online.de": true, "freenet.de": true, "proton.me": true, "protonmail.com": true, "onmicrosoft.com": true, "msn.com": true,
	"comcast.net": true, "verizon.net": true, "att.net": true, "orange.fr": true, "free.fr": true, "bluewin.ch": true,
}

// sharedEverywhere are providers that have a domain in most countries.
var sharedEverywhere = []string{"yahoo.", "hotmail.", "outlook.", "live.", "gmx."}

// domain reads "https://www.Contoso.com/x", "ana@contoso.com" or "contoso.com" as contoso.com; a provider's is empty.
func domain(s string) string {
	if len(s) > maxDomain {
		return ""
	}
	s = strings.ToLower(strings.TrimSpace(s))
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	}
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		s = s[i+1:]
	}
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		s = s[:i]
	}
	if h, _, err := net.SplitHostPort(s); err == nil {
		s = h
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "www."), ".")
	if !strings.Contains(s, ".") || strings.ContainsAny(s, " \t") || shared[s] {
		return ""
	}
	if slices.ContainsFunc(sharedEverywhere, func(p string) bool { return strings.HasPrefix(s, p) }) {
		return ""
	}
	return s
}

// likeness is the share of words that two names have in common, in percent.
func likeness(x, y []string) int {
	if len(x) == 0 || len(y) == 0 {
		return 0
	}
	both := 0
	for _, w := range x {
		if slices.Contains(y, w) {
			both++
		}
	}
	return 100 * both / (len(x) + len(y) - both)
}

var legalForms = []string{"inc", "llc", "ltd", "limited", "corp", "corporation", "co", "company", "gmbh", "ag", "kg", "ug", "sa", "sarl", "bv", "plc", "lda", "the", "and", "und"}

// Names and domains of companies are a ticket system's, so as much is read of one as people write.
const (
	maxNameBytes = 200
	maxDomain    = 2048 // with what may stand around it
)

// words are the words of a name, each once. Legal forms do not count.
func words(s string) []string {
	s = s[:min(len(s), maxNameBytes)] // half a letter at the end is no letter
	list := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	slices.Sort(list)
	list = slices.Compact(list)
	return slices.DeleteFunc(list, func(w string) bool { return slices.Contains(legalForms, w) })
}
