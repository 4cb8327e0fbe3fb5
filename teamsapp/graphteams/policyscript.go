package graphteams

import (
	"fmt"
	"strings"

	"github.com/mspkit/mspkit/internal/powershell"
)

// PowerShell returns what an administrator of Teams runs once, or again: it installs the app by the policy, which is made where
// it is not there and otherwise keeps what else is in it, pins the app, and gives the policy to the groups. It is one
// statement, so that nothing of it is done where it stops, and it stops in another tenant, and where a group has another setup
// policy. It is plain ASCII, whatever is in the names.
//
// Microsoft documents New-CsTeamsAppSetupPolicy and Set-CsTeamsAppSetupPolicy, and asks at the same place to make and change
// these policies in the Teams admin center: [SetupPolicy.Steps] has the way that Microsoft supports. To give a policy to
// groups by PowerShell is supported. What it does reaches people within 24 hours, or later.
//
// Sources: https://learn.microsoft.com/powershell/module/microsoftteams/new-csteamsappsetuppolicy,
// https://learn.microsoft.com/powershell/module/microsoftteams/grant-csteamsappsetuppolicy and
// https://learn.microsoft.com/powershell/module/microsoftteams/get-csgrouppolicyassignment.
func (p SetupPolicy) PowerShell() (string, error) {
	if err := p.Validate(); err != nil {
		return "", err
	}
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	q := powershell.Quote
	identity := p.label()
	if !p.global() {
		identity = "Tag:" + p.Name
	}
	say("# Installs an app in Teams by an app setup policy. It may be run again. It does nothing in another tenant.")
	say("# Microsoft asks to make and change setup policies in the Teams admin center rather than by these commands:")
	say("# https://learn.microsoft.com/powershell/module/microsoftteams/new-csteamsappsetuppolicy")
	say("# Needs an administrator of Teams and the module MicrosoftTeams: Install-Module MicrosoftTeams -Scope CurrentUser")
	say("# It may take 24 hours and more until people have the app.")
	say("& {")
	say("  $ErrorActionPreference = 'Stop'")
	say("  $tenant = %s", q(strings.ToLower(p.EntraID)))
	say("  $app = %s", q(strings.ToLower(p.App.CatalogID)))
	say("  $name = %s", q(p.label()))
	say("  $identity = %s", q(identity))
	say("  Import-Module MicrosoftTeams")
	if env := nationalCloud(p.Cloud).environment(); env != "" {
		say("  Connect-MicrosoftTeams -TenantId $tenant -TeamsEnvironmentName %s | Out-Null", q(env))
	} else {
		say("  Connect-MicrosoftTeams -TenantId $tenant | Out-Null")
	}
	say("  if ([string](Get-CsTenant).TenantId -ne $tenant) { throw 'This is another tenant: nothing was changed.' }")
	p.checkGroups(say)
	say("  $types = 'Microsoft.Teams.Policy.Administration.Cmdlets.Core'")
	say("  $policies = @(Get-CsTeamsAppSetupPolicy)")
	say("  $policy = $policies | Where-Object { $_.Identity -eq $identity }")
	say("  $base = $policies | Where-Object { $_.Identity -eq 'Global' }")
	say("  if ($policy) { $base = $policy }")
	say("  if (-not $base) { throw 'The setup policies cannot be read: nothing was changed.' }")
	say("  $installed = @($base.AppPresetList | ForEach-Object { $_.Id } | Where-Object { $_ })")
	say("  if ($installed -notcontains $app) { $installed += $app }")
	say("  $pinned = @($base.PinnedAppBarApps | ForEach-Object { $_.Id } | Where-Object { $_ })")
	if p.Pin {
		say("  if ($pinned -notcontains $app) { $pinned += $app }")
	}
	say(`  $set = @{ AppPresetList = @($installed | ForEach-Object { New-Object -TypeName "$types.AppPreset" -Property @{ Id = $_ } }) }`)
	say(`  if ($pinned.Count -gt 0) { $set.PinnedAppBarApps = @($pinned | ForEach-Object { New-Object -TypeName "$types.PinnedApp" -Property @{ Id = $_ } }) }`)
	if p.Description != "" {
		say("  $set.Description = %s", q(p.Description))
	}
	say("  if ($policy) {")
	say("    Set-CsTeamsAppSetupPolicy -Identity $name @set")
	if p.global() {
		say("  } else { throw 'The org-wide default cannot be read: nothing was changed.' }")
	} else {
		say("  } else { # it begins as the org-wide default is, so that nobody loses what they have")
		say("    New-CsTeamsAppSetupPolicy -Identity $name -AllowUserPinning $base.AllowUserPinning -AllowSideLoading $base.AllowSideLoading @set | Out-Null")
		say("  }")
	}
	p.grant(say)
	say("  Get-CsTeamsAppSetupPolicy -Identity $name | Format-List Identity, AppPresetList, PinnedAppBarApps")
	say("}")
	return b.String(), nil
}

// checkGroups writes what looks at the groups before anything is changed.
func (p *SetupPolicy) checkGroups(say func(string, ...any)) {
	if len(p.Groups) == 0 {
		return
	}
	say("  $groups = @(")
	for _, g := range p.ranked() {
		replace := "$false"
		if g.Replace {
			replace = "$true"
		}
		say("    @{ Id = %s; Rank = %d; Replace = %s }", powershell.Quote(strings.ToLower(g.ID)), g.Rank, replace)
	}
	say("  )")
	say("  $have = @(Get-CsGroupPolicyAssignment -PolicyType TeamsAppSetupPolicy)")
	say("  $others = @($have | Where-Object { @($groups | ForEach-Object { $_.Id }) -notcontains $_.GroupId })")
	say("  if ($others.Count + $groups.Count -gt %d) { throw 'Only %d groups can have setup policies: nothing was changed.' }", MaxPolicyGroups, MaxPolicyGroups)
	say("  foreach ($g in $groups) {")
	say("    $old = $have | Where-Object { $_.GroupId -eq $g.Id }")
	say("    if ($old -and $old.PolicyName -ne $name -and -not $g.Replace) { throw ('The group ' + $g.Id + ' has another setup policy: nothing was changed.') }")
	say("  }")
}

// grant writes what gives the policy to the groups. A policy that is new is not known everywhere at once.
func (p *SetupPolicy) grant(say func(string, ...any)) {
	if len(p.Groups) == 0 {
		return
	}
	say("  foreach ($g in $groups) {")
	say("    $old = $have | Where-Object { $_.GroupId -eq $g.Id }")
	say("    if ($old -and $old.PolicyName -eq $name -and [int]$old.Rank -eq $g.Rank) { continue }")
	say("    if ($old) { Remove-CsGroupPolicyAssignment -GroupId $g.Id -PolicyType TeamsAppSetupPolicy }")
	say("    for ($try = 1; ; $try++) {")
	say("      try { Grant-CsTeamsAppSetupPolicy -Group $g.Id -PolicyName $name -Rank $g.Rank; break }")
	say("      catch { if ($try -ge 6) { throw }; Start-Sleep -Seconds 20 }")
	say("    }")
	say("  }")
}
