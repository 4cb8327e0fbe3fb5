package graphteams

import "errors"

// The reasons why somebody does not get an app, besides [ErrNotPublished] and [teamsapp.ErrNotInstalled].
var (
	// ErrBlocked means that an app permission policy, or the administrator for all, blocks the app for the person.
	ErrBlocked = errors.New("a policy of the tenant blocks the app for this person")
	// ErrNotLicensed means that the person has no licence for Teams.
	ErrNotLicensed = errors.New("the person has no licence for Teams")
	// ErrNoUser means that nobody of this id or name is in the tenant.
	ErrNoUser = errors.New("nobody of this id is in the tenant")
	// ErrTeamsUnused means that Teams does not know the person, most likely because they have never signed in to it.
	ErrTeamsUnused = errors.New("the person has not used Teams yet")
	// ErrScope means that the app cannot be installed for a person, because its bot is not for private chats.
	ErrScope = errors.New("the app is not for private chats")
	// ErrCheckpoint means that a checkpoint is damaged, or of another tenant, app, audience or kind of run.
	ErrCheckpoint = errors.New("the checkpoint is of another run or damaged")
)
