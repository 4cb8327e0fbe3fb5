package gdap

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Customer is a customer of the partner.
type Customer struct {
	// EntraID is the canonical id of its tenant, Name and Domain are what it is called; Domain is known of customers with a
	// contract only.
	EntraID, Name, Domain string
	// Contract says that the customer has a reseller's contract with the partner.
	Contract bool
	// Relationships are all that there are or were, the one that ends last first. None is a customer by contract only.
	Relationships []Relationship
	// Roles are the template ids of the roles that groups of the partner hold now, by any relationship that works.
	Roles []string
	// Missing are the required roles that no relationship that works gives, Unassigned those that one gives but no security
	// group of the partner holds.
	Missing, Unassigned []Role
	// EndsAt is when the last relationship that works ends, zero where none works. AutoExtend says that it will be extended
	// by itself before that.
	EndsAt     time.Time
	AutoExtend bool
	// Problem is what keeps the customer from being reached, Warning what soon will, in words for an administrator. They are
	// empty where there is nothing to say.
	Problem, Warning string
}

// Relationship is one of delegated administration (GDAP).
type Relationship struct {
	ID, Name string
	// Status is Microsoft's word, in lower case: created, approvalpending, approved, activating, active, expiring, expired,
	// terminationrequested, terminating, terminated.
	Status string
	EndsAt time.Time
	// AutoExtend says that Microsoft extends it before it ends.
	AutoExtend bool
	// Roles are the template ids of the roles that the customer has approved, Assigned those of them that security groups of
	// the partner hold.
	Roles, Assigned []string
	// Groups are the object ids of these security groups.
	Groups []string

	fault string // why its assignments are not known
}

// Works reports whether the relationship gives the partner its roles now.
func (r Relationship) Works(now time.Time) bool {
	return (r.Status == "active" || r.Status == "expiring") && (r.EndsAt.IsZero() || now.Before(r.EndsAt))
}

// coming are the states before a relationship works.
var coming = []string{"created", "approvalpending", "approved", "activating"}

// Works reports whether any of the customer's relationships works now. Roles may be missing all the same: see Problem.
func (c Customer) Works(now time.Time) bool {
	return slices.ContainsFunc(c.Relationships, func(r Relationship) bool { return r.Works(now) })
}

// judge fills in what follows from the relationships.
func (c *Customer) judge(required []Role, now time.Time, warn time.Duration) {
	slices.SortStableFunc(c.Relationships, func(a, b Relationship) int { return b.EndsAt.Compare(a.EndsAt) })
	var approved, faults []string
	forever := false
	works := 0
	for _, r := range c.Relationships {
		if !r.Works(now) {
			continue
		}
		works++
		approved = append(approved, r.Roles...)
		c.Roles = append(c.Roles, r.Assigned...)
		if r.fault != "" {
			faults = append(faults, r.fault)
		}
		forever = forever || r.EndsAt.IsZero()
		if works == 1 || r.EndsAt.After(c.EndsAt) {
			c.EndsAt, c.AutoExtend = r.EndsAt, r.AutoExtend
		} else if r.EndsAt.Equal(c.EndsAt) {
			c.AutoExtend = c.AutoExtend || r.AutoExtend
		}
	}
	if forever {
		c.EndsAt = time.Time{}
	}
	slices.Sort(c.Roles)
	c.Roles = slices.Compact(c.Roles)
	if works == 0 {
		c.Problem = c.without(now)
		return
	}
	for _, role := range required {
		switch {
		case !role.has(approved):
			c.Missing = append(c.Missing, role)
		case !role.has(c.Roles):
			c.Unassigned = append(c.Unassigned, role)
		}
	}
	c.Problem = c.problem(faults)
	c.Warning = c.warning(required, now, warn)
}

// without says why no relationship works.
func (c *Customer) without(now time.Time) string {
	if len(c.Relationships) == 0 {
		return "there is a reseller's contract but no GDAP relationship: ask the customer to approve one"
	}
	for _, r := range c.Relationships {
		if slices.Contains(coming, r.Status) {
			return fmt.Sprintf("the GDAP relationship does not work yet (%s): ask the customer to approve it, or wait some minutes", r.Status)
		}
	}
	switch r := c.Relationships[0]; {
	case strings.HasPrefix(r.Status, "terminat"):
		return "the GDAP relationship was ended: ask the customer to approve a new one"
	case !r.EndsAt.IsZero() && !now.Before(r.EndsAt):
		return fmt.Sprintf("the GDAP relationship ended on %s: ask the customer to approve a new one", day(r.EndsAt))
	}
	return "no GDAP relationship works: ask the customer to approve a new one"
}

// problem names the roles that are not there.
func (c *Customer) problem(faults []string) string {
	var parts []string
	if len(c.Missing) > 0 {
		parts = append(parts, "no GDAP relationship has "+names(c.Missing)+": ask the customer to approve one with it")
	}
	if len(c.Unassigned) > 0 && len(faults) == 0 {
		parts = append(parts, names(c.Unassigned)+" is given to no security group: assign it to the group of the service user in Partner Center")
	}
	slices.Sort(faults)
	for _, f := range slices.Compact(faults) {
		parts = append(parts, "which security groups have roles could not be read: "+f)
	}
	return strings.Join(parts, "; ")
}

// warning says what is lost soon, be it one of the roles where another relationship goes on.
func (c *Customer) warning(required []Role, now time.Time, warn time.Duration) string {
	if warn < 0 {
		return ""
	}
	soon := func(at time.Time, extends bool) bool { return !extends && !at.IsZero() && at.Sub(now) <= warn }
	if soon(c.EndsAt, c.AutoExtend) {
		return fmt.Sprintf("the GDAP relationship ends on %s: ask the customer to approve a new one", day(c.EndsAt))
	}
	var parts []string
	for _, role := range required {
		var last *Relationship
		for i := range c.Relationships { // the one that ends last first, those without an end are last
			if r := &c.Relationships[i]; r.Works(now) && role.has(r.Assigned) && (last == nil || r.EndsAt.IsZero() || r.AutoExtend) {
				last = r
			}
		}
		if last != nil && soon(last.EndsAt, last.AutoExtend) {
			parts = append(parts, fmt.Sprintf("%s is lost on %s, when its GDAP relationship ends", role.Name, day(last.EndsAt)))
		}
	}
	return strings.Join(parts, "; ")
}

func names(roles []Role) string {
	out := make([]string, 0, len(roles))
	for _, r := range roles {
		out = append(out, r.Name)
	}
	return strings.Join(out, " and ")
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
