-- upload, number
if r[KIND] ~= 'request' then
  return answer('auth')
elseif FINAL[effective()] then
  return answer('ended')
elseif same(r[UPLOAD], ARGV[8]) then
  return answer('ok')
elseif r[UPLOAD] ~= '' or r[STATE] ~= 'draft' then
  return answer('opening')
end
local _, mac = secrets()
local refused = trynumber(ARGV[9], mac)
if refused then
  return refused
end
r[UPLOAD] = ARGV[8]
count(r, VERSION)
if r[OPENED] == NEVER then
  r[OPENED] = now
end
return done('ok', { { st[S_ID], 'opened', st[S_BY], '', st[S_FILES] } })
