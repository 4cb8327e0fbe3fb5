package graphteams

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
)

// Steps returns what an administrator of Teams does in the Teams admin center, one sentence or two a step, in English, with
// the values of p in it. It is the way to make and change setup policies that Microsoft supports.
//
// Source: https://learn.microsoft.com/microsoftteams/teams-app-setup-policies.
func (p SetupPolicy) Steps() ([]string, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	app := fmt.Sprintf("%q (App ID %s)", p.App.Name, strings.ToLower(p.App.CatalogID))
	steps := []string{
		fmt.Sprintf("Sign in to %s as an administrator of Teams of the tenant %s.", nationalCloud(p.Cloud).adminCenter(), strings.ToLower(p.EntraID)),
		fmt.Sprintf("Open Teams apps, Manage apps, look for %s, and see that it is not blocked and that it is available to these people.", app),
		"Open Teams apps, Setup policies.",
	}
	if p.global() {
		steps = append(steps, "Choose the policy Global (Org-wide default). It is that of everybody who has no policy of their own and none by a group.")
	} else {
		steps = append(steps, fmt.Sprintf("Choose the policy %q; where there is none, choose Add and give it that name.", p.Name))
		if p.Description != "" {
			steps = append(steps, fmt.Sprintf("Write as its description: %q.", p.Description))
		}
	}
	steps = append(steps, fmt.Sprintf("Below Installed apps choose Add apps, look for %q, choose Add beside it, and Add again.", p.App.Name))
	if p.Pin {
		steps = append(steps, fmt.Sprintf("Below Pinned apps choose Add apps, add %q, and move it to where it shall be.", p.App.Name))
	}
	steps = append(steps, "Choose Save.")
	for _, g := range p.ranked() {
		who := strings.ToLower(g.ID)
		if g.Name != "" {
			who = fmt.Sprintf("%q (Object ID %s)", g.Name, who)
		}
		s := fmt.Sprintf("Open the tab Group policy assignment, choose Add, look for the group %s, choose the rank %d and the policy %q, and Apply.", who, g.Rank, p.Name)
		if g.Replace {
			s += " Where the group has another setup policy, remove that before."
		}
		steps = append(steps, s)
	}
	if len(p.Groups) > 0 {
		steps = append(steps, fmt.Sprintf("A policy that is given to a person goes before that of a group, and of several groups the one with the lowest rank counts. "+
			"Only direct members of a group get it, and at most %d groups can have setup policies.", MaxPolicyGroups))
	}
	return append(steps, "Wait: it may take 24 hours and more until people have the app, and they get it when they sign in to Teams."), nil
}

// Trial is a package that one person tries before it is published, without an administrator's work on the catalog.
type Trial struct {
	// Cloud is the tenant's; the zero value is the public one.
	Cloud azurecred.Cloud
	// Name is the short name of the app, File the name of the zip file that the person has.
	Name, File string
}

// Steps returns what the person does, in English. Their account must be allowed to upload custom apps, and the app is theirs
// alone then. Uploading needs Teams on a desktop or in a browser.
//
// Source: https://learn.microsoft.com/microsoftteams/platform/concepts/deploy-and-publish/apps-upload.
func (t Trial) Steps() ([]string, error) {
	var errs []error
	for _, f := range []struct{ name, value string }{{"Name", t.Name}, {"File", t.File}} {
		if why := line(f.value, 1, 200); why != "" {
			errs = append(errs, fmt.Errorf("graphteams: Trial.%s %s: %w", f.name, why, mspkit.ErrInvalid))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	center := nationalCloud(t.Cloud).adminCenter()
	return []string{
		fmt.Sprintf("Save the package %q and leave it packed.", t.File),
		"In Teams open Apps, then Manage your apps, and choose Upload an app.",
		fmt.Sprintf("Choose Upload a custom app and then %q. Where this choice is missing, see the last step.", t.File),
		fmt.Sprintf("Look at the name %q and the icons, and choose Add.", t.Name),
		"Open the chat with the app and write something: the answer shows that the bot can be reached.",
		"To end the trial open Apps, Manage your apps, and remove it there. Do so before the app is published in the tenant: two copies share one bot.",
		fmt.Sprintf("Where custom apps cannot be uploaded, an administrator of Teams opens %s: Teams apps, Setup policies, and in the policy of this person turns on Upload custom apps; "+
			"and Teams apps, Manage apps, Actions, Org-wide app settings, Custom apps. It may take 24 hours.", center),
	}, nil
}
