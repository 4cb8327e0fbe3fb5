-- auth
if not same(r[AUTH], ARGV[8]) then
  return unauthorized()
elseif r[OPENED] == NEVER and r[STATE] ~= 'draft' and not FINAL[effective()] then
  r[OPENED] = now
  store(x, now, { st })
end
return answer('ok')
