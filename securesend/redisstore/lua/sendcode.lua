-- auth, key, MAC, end of the code, now less the cooldown, most sends
if not same(r[AUTH], ARGV[8]) then
  return unauthorized()
elseif FINAL[effective()] then
  return answer('ended')
elseif r[GATE] ~= 'code' then
  return answer('invalid')
elseif tonumber(r[TRIES]) >= tonumber(r[MAXTRIES]) then
  return answer('locked')
elseif tonumber(r[CODESENDS]) >= tonumber(ARGV[13]) then
  return answer('codes')
elseif ARGV[12] < r[CODESENT] then
  return answer('cooldown')
end
local half, _, passmac = secrets()
r[KEY], r[CODEUNTIL], r[CODESENT] = ARGV[9], ARGV[11], now
count(r, CODESENDS)
return done('ok', { st }, { fields = { 'm' .. x.name, pack({ half, ARGV[10], passmac }) } })
