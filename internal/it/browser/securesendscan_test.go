package browser_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
)

// hammer calls everything that the page could call, with the right key of the link and every number but the right one.
const hammer = `(async (right, digits) => {
	const s = mspkitSecuresend, app = document.querySelector("#app"), api = app.dataset.api;
	const token = location.pathname.split("/").pop();
	const f = app.dataset.kind === "held" ? await s.heldFragment(s.fromBase64url(token).slice(0, 32)) : s.fromBase64url(location.hash.slice(1));
	const auth = s.toBase64url(await s.auth(f)), claim = s.toBase64url(crypto.getRandomValues(new Uint8Array(32)));
	const answers = {};
	const post = async (verb, body) => {
		const r = await fetch(api + "/" + verb, {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
		const text = await r.text();
		answers[verb + " " + r.status] = (answers[verb + " " + r.status] || 0) + 1;
		return text;
	};
	const leaks = [];
	for (let n = 0; n < 1000; n++) {
		const number = String(n).padStart(digits, "0");
		if (number === right) continue;
		const body = app.dataset.kind === "request" ? {upload: claim, number} : {auth, claim, number};
		const text = await post(app.dataset.kind === "request" ? "begin" : "take", body);
		if (text.includes("half") || text.includes("manifest") || text.includes("limits")) leaks.push(number);
	}
	if (app.dataset.kind !== "request") {
		for (const body of [{auth, claim}, {auth, claim, code: "1"}, {auth, claim, pass: claim}]) if ((await post("take", body)).includes("half")) leaks.push(JSON.stringify(body));
		await post("verify", {auth, claim});
		await post("chunks", {auth, claim, file: 0, from: 0, to: 1});
		await post("ack", {auth, claim});
	}
	return [leaks.join(), JSON.stringify(answers)];
})`

// came waits for what a press brings, and reports whether it is another view.
const came = `new Promise(done => { const app = document.querySelector("#app"), was = app && app.dataset.view; setTimeout(() => done(Boolean(app) && (app.dataset.view !== was || was !== "gate")), 100); })`

// scanSend types a guess into every field and presses one thing, then the next with a fresh page; those that come out of a press are pressed as well.
func (b *tab) scanSend(link string, guesses []string, right string) (presses int) {
	b.Helper()
	fresh := func() int {
		b.open("about:blank")
		b.open(link)
		b.until("a view", `!document.querySelector("#app") || document.querySelector("#app").dataset.view`)
		eval[bool](b, drawn)
		return eval[int](b, clickables)
	}
	fresh()
	guesses = append(eval[[]string](b, suggested), guesses...)
	guesses = slices.DeleteFunc(guesses, func(g string) bool { return g != "" && g == right })
	for _, guess := range guesses {
		for i := 0; i < fresh(); i++ {
			eval[bool](b, fmt.Sprintf(press, i, guess))
			presses++
			b.settle()
			if !eval[bool](b, came) {
				continue
			}
			// Something else is shown now: press all of that.
			for j := 0; j < eval[int](b, clickables); j++ {
				eval[bool](b, fmt.Sprintf(press, j, guess))
				presses++
				b.settle()
			}
		}
	}
	return presses
}

// Guarantee 2, in a real browser with the complete link: it runs the script, presses everything, submits everything with every
// number but the right one. Nothing is released and nothing burnt, and with a new number the same link opens.
func TestAScannerWithABrowserOpensNothing(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*securesend.SendRequest){
		"number":     func(r *securesend.SendRequest) { r.Files = withFilesOf(file{"a.txt", "abc"}) },
		"held":       func(r *securesend.SendRequest) { r.Choice.Held = true },
		"passphrase": withPassphrase("correct horse"),
		"code":       gated(securesend.GateCode),
		"proof":      gated(securesend.GateProof),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, w := newTab(t), newSends(t)
			w.settings.Brand.Phone = "" // its digits are no guesses
			s := w.create(change)
			right := s.Number.Reveal()
			guesses := []string{"", "000000"}
			if right != "" {
				guesses = []string{"", wrong(right)}
			}
			require.Greater(t, b.scanSend(s.Link.Reveal(), guesses, right), 5)
			b.open("about:blank")
			b.open(s.Link.Reveal())
			out := eval[[]string](b, fmt.Sprintf(hammer+"(%q, 3)", right))
			require.Empty(t, out[0], out[1])

			st := w.status(s)
			require.Equal(t, securesend.StateReady, st.State)
			require.Zero(t, st.Views)
			kinds := w.kinds()
			require.Contains(t, kinds, securesend.EventOpened)
			for _, k := range []securesend.EventKind{securesend.EventRevealed, securesend.EventAcknowledged, securesend.EventLapsed, securesend.EventRevoked} {
				require.NotContains(t, kinds, k)
			}
			if s.Gate != securesend.GateProof {
				require.True(t, st.Locked)
				require.Contains(t, kinds, securesend.EventLocked, "the sender is told")
				var err error
				st, err = w.svc.Renew(t.Context(), s.Ref, sender.ID)
				require.NoError(t, err)
			}

			r := newTab(t)
			r.open(s.Link.Reveal())
			r.view("gate")
			switch s.Gate {
			case securesend.GateNumber:
				r.put("number", st.Number.Reveal())
			case securesend.GateCode:
				w.pass(securesend.Lease)
				r.push("code-send")
				r.until("the code is sent", slot("code-state")+".innerText.includes('on its way')")
				r.put("code", w.codes.code())
			case securesend.GateNone:
			case securesend.GateProof:
				w.gate.set(securesend.GatePassed)
				r.push("proof-start")
				r.until("passed", "!"+slot("open")+".disabled")
			}
			if name == "passphrase" {
				r.put("passphrase", "correct horse")
			}
			r.submit()
			r.view("content")
			require.Equal(t, content, eval[string](r, slot("text")+".textContent"))
			b.quiet()
		})
	}
}

func TestAScannerWithABrowserAnswersNothing(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	w.settings.Brand.Phone = ""
	s := w.ask("Which serial number is on the printer?")
	right := s.Number.Reveal()
	require.Greater(t, b.scanSend(s.Link.Reveal(), []string{"", wrong(right)}, right), 4)
	b.open("about:blank")
	b.open(s.Link.Reveal())
	out := eval[[]string](b, fmt.Sprintf(hammer+"(%q, 3)", right))
	require.Empty(t, out[0], out[1])
	require.Equal(t, securesend.StateDraft, w.status(s).State)
	require.True(t, w.status(s).OpenedAt.IsZero(), "nobody was admitted")

	st, err := w.svc.Renew(t.Context(), s.Ref, sender.ID)
	require.NoError(t, err)
	r := newTab(t)
	r.open(s.Link.Reveal())
	r.view("gate")
	r.put("number", st.Number.Reveal())
	r.submit()
	r.view("form")
	r.put("text", "4711")
	r.submit()
	r.view("sent")
	got, err := w.svc.Receive(t.Context(), s.Ref, sender.ID, securesend.RandomKey())
	require.NoError(t, err)
	require.Equal(t, "4711", got.Text.Reveal())
	b.quiet()
}

// The scanner of these tests is one that opens what can be opened: without a gate it does.
func TestAScannerWithABrowserOpensWhatHasNoGate(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	s := w.create(gated(securesend.GateNone))
	require.NotEmpty(t, s.Warning, "the sender is told")
	b.scanSend(s.Link.Reveal(), []string{""}, "")
	require.Equal(t, 1, w.status(s).Views)
}
