package graphteams

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
)

// GlobalPolicy is the name of the policy that everybody has who was given no other: the org-wide default.
const GlobalPolicy = "Global"

// MaxPolicyGroups is how many groups a tenant can give policies of one type.
// Source: https://learn.microsoft.com/powershell/module/microsoftteams/new-csgrouppolicyassignment.
const MaxPolicyGroups = 64

// SetupPolicy is an app setup policy of Teams that installs an app for people, and pins it. No API of Microsoft makes one:
// [SetupPolicy.PowerShell] and [SetupPolicy.Steps] say how an administrator of the tenant does.
//
// Without Groups the policy has to be given to people by [Client.AssignPolicy]; the policy with an empty Name is everybody's who
// has no other.
type SetupPolicy struct {
	// Cloud is the tenant's; the zero value is the public one.
	Cloud azurecred.Cloud
	// EntraID is the id of the tenant in Microsoft 365. The script does nothing in another one.
	EntraID string
	// App is what is installed: CatalogID and Name are needed. [Client.Publish] and [Client.Find] return it.
	App App
	// Name is that of the policy, 1 to 64 characters; empty or "Global" changes the org-wide default.
	Name string
	// Description is for administrators, at most 200 characters; empty leaves it as it is.
	Description string
	// Pin also puts the app into the bar at the side of Teams.
	Pin bool
	// Groups get the policy: at most [MaxPolicyGroups]. Only direct members count.
	Groups []PolicyGroup
}

// PolicyGroup is a group that gets a policy.
type PolicyGroup struct {
	// ID is the object id of the group.
	ID string
	// Name is for people to find it; it may be empty.
	Name string
	// Rank says which policy somebody has who is in several groups: that of the lowest number, from 1.
	Rank int
	// Replace takes another setup policy from the group where it has one. Without it the script stops before it changes anything.
	Replace bool
}

// global says that it is the org-wide default.
func (p *SetupPolicy) global() bool { return p.Name == "" || strings.EqualFold(p.Name, GlobalPolicy) }

// ranked are the groups in the order of their ranks, which is the order to give a policy in: a rank may depend on those before it.
func (p *SetupPolicy) ranked() []PolicyGroup {
	return slices.SortedFunc(slices.Values(p.Groups), func(a, b PolicyGroup) int { return cmp.Compare(a.Rank, b.Rank) })
}

// label is what the policy is called.
func (p *SetupPolicy) label() string {
	if p.global() {
		return GlobalPolicy
	}
	return p.Name
}

// Validate reports everything that is wrong with p.
func (p *SetupPolicy) Validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("graphteams: SetupPolicy."+format+": %w", append(args, mspkit.ErrInvalid)...))
	}
	if nationalCloud(p.Cloud) == cloudChina {
		errs = append(errs, fmt.Errorf("graphteams: apps of an organisation cannot be installed by policy in the cloud operated by 21Vianet: %w", ErrCloud))
	}
	if _, err := azurecred.CanonicalID(p.EntraID); err != nil {
		bad("EntraID is no GUID")
	}
	if _, err := azurecred.CanonicalID(p.App.CatalogID); err != nil {
		bad("App.CatalogID is no GUID: take an App of Publish or Find")
	}
	if why := line(p.App.Name, 1, 100); why != "" {
		bad("App.Name %s", why)
	}
	if why := policyName(p.Name); !p.global() && why != "" {
		bad("Name %s", why)
	}
	if why := line(p.Description, 0, 200); why != "" {
		bad("Description %s", why)
	}
	if p.global() && len(p.Groups) > 0 {
		bad("Groups must be empty for the org-wide default, which everybody has")
	}
	if len(p.Groups) > MaxPolicyGroups {
		bad("Groups has %d groups, and %d are allowed", len(p.Groups), MaxPolicyGroups)
	}
	var ids []string
	var ranks []int
	for i, g := range p.Groups {
		id, err := azurecred.CanonicalID(g.ID)
		switch {
		case err != nil:
			bad("Groups[%d].ID is no GUID", i)
		case slices.Contains(ids, id):
			bad("Groups[%d].ID is there twice", i)
		}
		switch {
		case g.Rank < 1:
			bad("Groups[%d].Rank must be 1 or more", i)
		case slices.Contains(ranks, g.Rank):
			bad("Groups[%d].Rank is there twice", i)
		}
		if why := line(g.Name, 0, 256); why != "" {
			bad("Groups[%d].Name %s", i, why)
		}
		ids, ranks = append(ids, id), append(ranks, g.Rank)
	}
	return errors.Join(errs...)
}

// line says why a text cannot stand on a line that people act on; empty is that it can. What cannot be seen is refused, as
// it could make one thing look like another.
func line(s string, least, most int) string {
	n := utf8.RuneCountInString(s)
	switch {
	case n < least:
		return "is empty"
	case n > most:
		return fmt.Sprintf("has %d characters, and %d are allowed", n, most)
	case !utf8.ValidString(s):
		return "is not UTF-8"
	case strings.ContainsFunc(s, unseen):
		return "has characters that cannot be seen"
	case strings.TrimSpace(s) != s:
		return "begins or ends with a space"
	}
	return ""
}

// unseen reports whether r shows nothing. Some of what counts as a letter or a mark does not, and PowerShell compares texts as
// if it was not there.
func unseen(r rune) bool {
	return !unicode.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) || r == 0x2800
}

// policyName is line for the name of a policy, which cannot have the characters by which PowerShell looks for several.
func policyName(s string) string {
	if why := line(s, 1, 64); why != "" {
		return why
	}
	if i := strings.IndexAny(s, `*?[]:/\"<>|`+"`"); i >= 0 {
		return fmt.Sprintf("has a %q, which no name of a policy can have", s[i])
	}
	return ""
}
