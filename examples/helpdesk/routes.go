package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/webpage"
)

// public are the parts of the program that nobody signs in to, each with what stands in place of that. Everything else is in
// [rules].
var public = map[string]string{
	"/verify/":         "callers: the link that they were sent, and “Is this call real?”",
	callerPath + "/":   "callers who sign in to their own Microsoft 365: the link, and that sign-in",
	sendPath + "/":     "recipients: the link that they were sent, with the number that they are told",
	connectPath + "/":  "clients' administrators: the link that an admin here made, and their own sign-in",
	podPath + "/":      "the frame beside a ticket: the launch in its address, and for whom that was signed",
	signInPath + "/":   "the sign-in itself",
	accountsPath + "/": "who was invited: the link of the invitation; the list of accounts asks for an admin by itself",
	botPath:            "Teams: the token of the Bot Connector",
	feedPath:           "Microsoft Graph: the secret of the subscription",
	"/twilio/status":   "Twilio: its signature",
}

// rule is what a route of the portal needs, and what stands in "Who did what" once it was used.
type rule struct {
	needs []entra.Permission // all of them
	did   string             // empty: looking at something is not noted
}

// What the routes need. Who has the compact view only lacks [entra.PermissionUI], so that nothing of the portal is open to
// them, whatever else they may do.
var (
	anyView   = []entra.Permission{entra.PermissionPod}
	work      = []entra.Permission{entra.PermissionUI, entra.PermissionFeatures}
	overrule  = []entra.Permission{entra.PermissionUI, entra.PermissionVerification}
	podWork   = []entra.Permission{entra.PermissionPod, entra.PermissionFeatures}
	podLead   = []entra.Permission{entra.PermissionPod, entra.PermissionVerification}
	systems   = []entra.Permission{entra.PermissionUI, entra.PermissionIntegrations}
	templates = []entra.Permission{entra.PermissionUI, entra.PermissionTicketTemplates}
	mapping   = []entra.Permission{entra.PermissionUI, entra.PermissionCompanyMapping}
	messages  = []entra.Permission{entra.PermissionUI, entra.PermissionMessaging}
	auditing  = []entra.Permission{entra.PermissionUI, entra.PermissionAccount}
)

// rules is the whole table: a route of the portal or of the compact view that is not in it keeps the program from starting.
var rules = map[string]rule{
	// The tickets, and what is done for the person on the phone.
	"home":         {anyView, ""},
	"tickets":      {anyView, ""},
	"tickets-open": {anyView, "opened the compact view of"},
	"launch":       {anyView, ""},
	"portal":       {work, ""},
	"state":        {work, ""},
	"photo":        {work, ""},
	"directory":    {work, ""},
	"start":        {work, "began to verify"},
	"technician":   {work, "let themselves be checked by"},
	"check":        {work, "typed the code of"},
	"renew":        {work, "gave a new number or code to"},
	"cancel":       {work, "cancelled the verification of"},
	"redeem":       {work, "used the verification of"},
	"call":         {work, ""},
	"send":         {work, "sent something to"},
	"grant":        {work, "sealed something for"},
	"ask":          {work, "asked for something from"},
	"send-renew":   {work, "gave a new number for a send to"},
	"send-revoke":  {work, "took back a send to"},
	"receive":      {work, "received the answer of"},
	"received":     {work, ""},
	"receive-file": {work, ""},
	"freeze":       {overrule, "froze"},
	"unfreeze":     {overrule, "ended the freeze of"},
	"unlock":       {overrule, "unlocked"},
	"approve":      {overrule, "approved the verification of"},

	// The demonstration: its clock, and the caller's devices.
	"advance": {work, ""},
	"press":   {work, ""},
	"say":     {work, ""},
	"install": {work, ""},

	// Settings.
	"settings":      {messages, ""},
	"settings-save": {messages, "changed the settings of sends"},
	"psa":           {systems, ""},
	"psa-plug":      {systems, "pulled the plug of the ticket system, or put it back"},
	"psa-replay":    {systems, "had a note delivered again"},
	"psa-drop":      {systems, "gave a note up"},
	"psa-defaults":  {templates, "changed what new tickets are like"},
	"psa-map":       {mapping, "said which client a company is"},
	"psa-unmap":     {mapping, "took back which client a company is"},

	officeTag:               {systems, ""},
	officeTag + "-connect":  {systems, "made a link to connect Microsoft 365"},
	officeTag + "-release":  {systems, "disconnected Microsoft 365"},
	officeTag + "-withdraw": {systems, "played an administrator who withdraws consent"},
	officeTag + "-sync":     {systems, "began a sync"},
	officeTag + "-cancel":   {systems, "stopped the sync"},
	officeTag + "-joins":    {systems, "let somebody join"},
	officeTag + "-leaves":   {systems, "let somebody leave"},
	officeTag + "-choose":   {messages, "chose a sender"},
	officeTag + "-test":     {messages, "sent a test mail"},
	officeTag + "-forget":   {messages, "gave a sender up"},
	officeTag + "-remove":   {messages, "let the sender's mailbox be deleted"},

	teamsTag:           {systems, ""},
	"teams-icon":       {systems, ""},
	"teams-package":    {systems, ""},
	"teams-brand":      {systems, "packaged the app for Teams"},
	"teams-publish":    {systems, "published the app for Teams"},
	"teams-withdraw":   {systems, "withdrew the app for Teams"},
	"teams-connect":    {messages, "connected a channel"},
	"teams-test":       {messages, "tested the channel"},
	"teams-text":       {messages, "let a text message come in"},
	"teams-disconnect": {messages, "disconnected the channel"},
	"teams-follow":     {systems, "began to follow chats"},
	"teams-unfollow":   {systems, "ended following chats"},
	"teams-chat":       {systems, "let somebody write in a chat"},

	"audit": {auditing, ""},

	// The compact view.
	"pod":              {anyView, ""},
	"pod-state":        {podWork, ""},
	"pod-start":        {podWork, "began to verify"},
	"pod-technician":   {podWork, "let themselves be checked by"},
	"pod-check":        {podWork, "typed the code of"},
	"pod-renew":        {podWork, "gave a new number or code to"},
	"pod-cancel":       {podWork, "cancelled the verification of"},
	"pod-redeem":       {podWork, "used the verification of"},
	"pod-send":         {podWork, "sent something to"},
	"pod-grant":        {podWork, "sealed something for"},
	"pod-ask":          {podWork, "asked for something from"},
	"pod-send-renew":   {podWork, "gave a new number for a send to"},
	"pod-send-revoke":  {podWork, "took back a send to"},
	"pod-receive":      {podWork, "received the answer of"},
	"pod-received":     {podWork, ""},
	"pod-receive-file": {podWork, ""},
	"pod-freeze":       {podLead, "froze"},
	"pod-unfreeze":     {podLead, "ended the freeze of"},
	"pod-unlock":       {podLead, "unlocked"},
	"pod-approve":      {podLead, "approved the verification of"},
}

// served is what a request is for: the route, and its rule.
type served struct {
	route string
	rule
}

type servedKey struct{}

// servedOf is what a request is for. Without a route it needs what nobody has.
func servedOf(ctx context.Context) served {
	if s, ok := ctx.Value(servedKey{}).(served); ok {
		return s
	}
	return served{rule: rule{needs: []entra.Permission{entra.PermissionNone}}}
}

// lacks is the first permission that u has not, and [entra.PermissionNone] where u has all.
func (s served) lacks(u *entra.User) (lacking entra.Permission, ok bool) {
	for _, p := range s.needs {
		if !u.May(p) {
			return p, true
		}
	}
	return entra.PermissionNone, false
}

// guarded puts before each route what its rule needs. gate is asked before the route's own handler.
func guarded(routes []webpage.Route, gate func(next http.Handler) http.Handler) ([]webpage.Route, error) {
	var errs []error
	out := slices.Clone(routes)
	for i := range out {
		r := &out[i]
		of, ok := rules[r.Name]
		if !ok || len(of.needs) == 0 {
			errs = append(errs, fmt.Errorf("the route %q is not in the table of who may what", r.Name))
			continue
		}
		next := gate(r.Handler)
		s := served{r.Name, of}
		r.Handler = func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), servedKey{}, s)))
		}
	}
	return out, errors.Join(errs...)
}

// handle serves what callers, Teams and Twilio need, on this machine and to the proxy.
func (a *app) handle(pattern string, h http.Handler) {
	a.handleHere(pattern, h)
	a.outside.Handle(pattern, h)
}

// handleHere serves a part of the program on this machine. What is not of the portal must be in [public].
func (a *app) handleHere(pattern string, h http.Handler) {
	if public[pattern] == "" {
		a.faults = append(a.faults, fmt.Errorf("nothing says why %s is open to everybody", pattern))
		return
	}
	a.mux.Handle(pattern, h)
	a.open = append(a.open, pattern)
}

// closed reports every part of the program that the tables name and that is not there, and the other way round.
func (a *app) closed() error {
	errs := a.faults
	missing := maps.Clone(rules)
	for _, r := range a.routes {
		delete(missing, r.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		errs = append(errs, fmt.Errorf("the table of who may what has %q, which is no route", name))
	}
	return errors.Join(errs...)
}
