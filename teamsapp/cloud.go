package teamsapp

// Cloud is the set of hosts of one Microsoft cloud. Take one of the functions below and change what a test, an
// emulator or a recorder needs: every URL may have a path, and http is accepted for loopback addresses.
type Cloud struct {
	Name string
	// Login is where tokens come from, without a path: https://login.microsoftonline.com.
	Login string
	// Scope is what a token is asked for.
	Scope string
	// SharedTenant is where multi-tenant bots, which cannot be made since July 2025, get their token.
	SharedTenant string
	// Issuer is the issuer of the tokens that come with activities, Metadata the OpenID document that leads to the
	// keys they are signed with.
	Issuer, Metadata string
	// ServiceURL is where a conversation is begun with somebody of whom no activity told another one.
	ServiceURL string
	// Hosts are those that the bot's token may be sent to. One that begins with a dot stands for every host below it.
	// A host may have a port; without one, 443 is meant.
	Hosts []string
}

// PublicCloud is the worldwide cloud, with GCC.
//
// Sources: https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication and
// https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/send-proactive-messages.
func PublicCloud() Cloud {
	return Cloud{
		Name: "public", Login: "https://login.microsoftonline.com", Scope: "https://api.botframework.com/.default",
		SharedTenant: "botframework.com", Issuer: "https://api.botframework.com",
		Metadata:   "https://login.botframework.com/v1/.well-known/openidconfiguration",
		ServiceURL: "https://smba.trafficmanager.net/teams/",
		Hosts:      []string{"smba.trafficmanager.net", ".teams.microsoft.com", ".botframework.com", ".botapi.skype.com"},
	}
}

// USGovCloud is GCC High and DoD.
func USGovCloud() Cloud {
	return Cloud{
		Name: "usgov", Login: "https://login.microsoftonline.us", Scope: "https://api.botframework.us/.default",
		SharedTenant: "botframework.us", Issuer: "https://api.botframework.us",
		Metadata:   "https://login.botframework.azure.us/v1/.well-known/openidconfiguration",
		ServiceURL: "https://smba.infra.gov.teams.microsoft.us/gcch/",
		Hosts:      []string{".teams.microsoft.us", ".botframework.us"},
	}
}

// ChinaCloud is the cloud operated by 21Vianet.
func ChinaCloud() Cloud {
	return Cloud{
		Name: "china", Login: "https://login.partner.microsoftonline.cn", Scope: "https://api.botframework.azure.cn/.default",
		SharedTenant: "botframework.azure.cn", Issuer: "https://api.botframework.azure.cn",
		Metadata:   "https://login.botframework.azure.cn/v1/.well-known/openidconfiguration",
		ServiceURL: "https://frontend.botapi.msg.infra.teams.microsoftonline.cn/teams/",
		Hosts:      []string{".teams.microsoftonline.cn", ".botframework.azure.cn"},
	}
}
