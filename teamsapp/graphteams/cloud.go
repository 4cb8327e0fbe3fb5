package graphteams

import (
	"net/url"
	"strings"

	"github.com/mspkit/mspkit/entra/azurecred"
)

// national is one of Microsoft's clouds, by what it offers.
type national int

const (
	cloudPublic national = iota
	cloudUSGov
	cloudUSGovDoD
	cloudChina
)

// nationalCloud says which one c is: by its hosts, and by its name where those are stand-ins.
func nationalCloud(c azurecred.Cloud) national {
	is := func(name, suffix string) bool {
		for _, s := range []string{c.Graph, c.GraphScope} {
			if u, err := url.Parse(s); err == nil && strings.HasSuffix(strings.ToLower(u.Hostname()), suffix) {
				return true
			}
		}
		return strings.EqualFold(c.Name, name)
	}
	switch {
	case is("china", ".chinacloudapi.cn"):
		return cloudChina
	case is("usgov-dod", "dod-graph.microsoft.us"):
		return cloudUSGovDoD
	case is("usgov", ".microsoft.us"):
		return cloudUSGov
	}
	return cloudPublic
}

// environment is what Connect-MicrosoftTeams calls the cloud; empty is the public one.
// Source: https://learn.microsoft.com/powershell/module/microsoftteams/connect-microsoftteams.
func (n national) environment() string {
	switch n {
	case cloudUSGov:
		return "TeamsGCCH"
	case cloudUSGovDoD:
		return "TeamsDOD"
	case cloudChina:
		return "TeamsChina"
	case cloudPublic:
	}
	return ""
}

// adminCenter is where Teams is administered.
func (n national) adminCenter() string {
	switch n {
	case cloudUSGov:
		return "https://admin.gov.teams.microsoft.us"
	case cloudUSGovDoD:
		return "https://admin.dod.teams.microsoft.us"
	case cloudChina, cloudPublic:
	}
	return "https://admin.teams.microsoft.com"
}
