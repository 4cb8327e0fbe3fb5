// Package teamsapp reaches people in Microsoft Teams with an MSP's own bot.
package teamsapp
