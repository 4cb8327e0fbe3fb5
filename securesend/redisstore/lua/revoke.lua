if FINAL[effective()] then
  return answer('ended')
end
return done('ok', { st }, destroy(x, 'revoked', now))
