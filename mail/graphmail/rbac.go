package graphmail

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/powershell"
	"github.com/mspkit/mspkit/mail"
)

// Restriction are the values of a tenant for [Restriction.PowerShell].
type Restriction struct {
	// ClientID is the application's id, ObjectID that of its service principal in the tenant: the enterprise application's,
	// not the app registration's.
	ClientID, ObjectID string
	// Name is what the application is called; it names the objects that are made.
	Name string
	// Mailbox is the shared mailbox.
	Mailbox mail.Address
	// Read also lets the application read the settings of this mailbox, so that [Client.Check] works without a permission
	// for all mailboxes.
	Read bool
}

// PowerShell returns what an administrator runs in Exchange Online PowerShell, so that the application can send from this one
// mailbox and no other: RBAC for Applications, which takes the place of application access policies. The last step matters
// most: the permission for all mailboxes must be removed in Entra, because permissions add up. It takes up to two hours to
// work.
//
// Sources: https://learn.microsoft.com/exchange/permissions-exo/application-rbac and
// https://learn.microsoft.com/powershell/module/exchange/new-managementscope.
func (r Restriction) PowerShell() (string, error) {
	app, err1 := azurecred.CanonicalID(r.ClientID)
	sp, err2 := azurecred.CanonicalID(r.ObjectID)
	errs := []error{err1, err2, r.Mailbox.Validate()}
	if r.Name == "" || len(r.Name) > 40 || strings.Trim(r.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_.") != "" {
		errs = append(errs, fmt.Errorf("graphmail: Restriction.Name must have 1 to 40 letters, digits, spaces, '-', '_' or '.': %w", mspkit.ErrInvalid))
	}
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	name, box := powershell.Quote(r.Name), powershell.Quote(r.Mailbox.Email)
	scope := powershell.Quote(r.Name + " sender")
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Lets the application %s send from this mailbox and from no other.", r.Name)
	line("# Needs the module ExchangeOnlineManagement and an administrator of Exchange.")
	line("Connect-ExchangeOnline")
	line("New-ServicePrincipal -AppId %s -ObjectId %s -DisplayName %s", app, sp, name)
	line("$mailbox = Get-EXOMailbox -Identity %s -ErrorAction Stop", box)
	// One statement, so that nothing of it is done for another mailbox, or for none: a scope without an id is no scope.
	line("if ($mailbox.RecipientTypeDetails -eq 'SharedMailbox' -and $mailbox.ExternalDirectoryObjectId) {")
	line("  New-ManagementScope -Name %s -RecipientRestrictionFilter \"ExternalDirectoryObjectId -eq '$($mailbox.ExternalDirectoryObjectId)'\"", scope)
	line("  New-ManagementRoleAssignment -App %s -Role 'Application Mail.Send' -CustomResourceScope %s", sp, scope)
	if r.Read {
		line("  New-ManagementRoleAssignment -App %s -Role 'Application MailboxSettings.Read' -CustomResourceScope %s", sp, scope)
	}
	line("} else { throw 'This is not a shared mailbox: nothing was allowed.' }")
	line("# InScope must be True here, and False for any other mailbox:")
	line("Test-ServicePrincipalAuthorization -Identity %s -Resource %s", sp, box)
	line("# Then remove the permission for all mailboxes, or the scope above does nothing:")
	line("# Entra admin center, Enterprise applications, %s, Permissions: remove Mail.Send.", r.Name)
	line("# It may take two hours until all of Exchange knows. Send a test mail afterwards.")
	return b.String(), nil
}
