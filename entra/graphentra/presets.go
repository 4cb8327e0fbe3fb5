package graphentra

import "strings"

// SignIn is the application that technicians sign in with, for package entra's SSO. key is [Desired].Key, owner the MSP whose roles
// it has, name what people see, and baseURL where the SSO's handler is reached, such as "https://msp.example/auth". People must be
// assigned; add them, and what the application proves itself with:
//
//	d := graphentra.SignIn("signin", "north", "North IT", "https://msp.example/auth")
//	d.Secrets = []graphentra.Secret{{Name: "main"}}
//	d.Assignments = []graphentra.Assignment{{Principal: technicians, Kind: graphentra.Group, Role: "Technician"}}
//
// The claims are those that the SSO reads: which authentication contexts are satisfied, when the person signed in, the session that
// a sign-out elsewhere names, and whether it is a guest.
func SignIn(key, owner, name, baseURL string) Desired {
	base := strings.TrimSuffix(baseURL, "/")
	return Desired{
		Key: key, Name: name, RedirectURIs: []string{base + "/callback", base + "/signedout"}, LogoutURL: base + "/frontchannel-logout",
		Permissions: delegated("openid", "profile"), Roles: Roles(owner), Claims: []string{"acct", "acrs", "auth_time", "sid"}, GroupClaims: "None", Consent: true,
	}
}

// OutboundMail is the application that sends mail from mailboxes of the tenant, for package mail/graphmail. large is for files of
// more than 2.7 MB, which go by a draft. Mail.Send lets it write as everybody in the tenant: restrict it to mailboxes, as
// graphmail.Restriction says.
func OutboundMail(key, name string, large bool) Desired {
	d := Desired{Key: key, Name: name, Permissions: application("Mail.Send"), Consent: true}
	if large {
		d.Permissions = append(d.Permissions, application("Mail.ReadWrite")...)
	}
	return d
}

// TeamsMessenger is the application by which technicians and clients write to each other in Teams. redirect is where the sign-in of
// whoever writes comes back to; empty where nobody signs in.
func TeamsMessenger(key, name, redirect string) Desired {
	d := Desired{
		Key: key, Name: name, Consent: true,
		Permissions: append(delegated(
			"Chat.ReadWrite", "ChatMessage.Send", "ChannelMessage.Send", "Directory.Read.All", "Group.Read.All", "Presence.Read.All", "Subscription.Read.All", "User.Read.All",
		), application("Chat.ReadWrite.All", "ChannelMessage.Read.All", "User.Read.All")...),
	}
	if redirect != "" {
		d.RedirectURIs = []string{redirect}
	}
	return d
}

// At returns d for a tenant other than that of the registration: the enterprise application of appID, with what of d belongs there.
func (d Desired) At(appID string) Desired {
	return Desired{
		Key: d.Key, AppID: appID, Permissions: d.Permissions, Unassigned: d.Unassigned, Assignments: d.Assignments, Consent: d.Consent,
		Conditional: d.Conditional, Prune: d.Prune,
	}
}

func delegated(names ...string) []Permission { return permissions(Delegated, names) }

func application(names ...string) []Permission { return permissions(Application, names) }

func permissions(kind PermissionKind, names []string) []Permission {
	out := make([]Permission, len(names))
	for i, n := range names {
		out[i] = Permission{Name: n, Kind: kind}
	}
	return out
}
