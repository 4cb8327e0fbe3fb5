package entra

// What tests of the package look into.
var (
	ReasonTexts = reasonTexts
	PageOf      = pageOf
	ReturnTo    = returnTo
)

// JudgeClaims is what [Verifier.Verify] does besides the signature.
func JudgeClaims(v *Verifier, payload []byte, nonce string) (Identity, error) {
	return v.judge(payload, nonce)
}

// JudgeLogout is what [Verifier.VerifyLogout] does besides signature and type.
func JudgeLogout(v *Verifier, payload []byte) (Logout, error) {
	l, _, err := v.judgeLogout(payload)
	return l, err
}
