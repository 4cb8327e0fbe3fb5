-- version, key, MAC, sealed, most renewals
local state = effective()
if FINAL[state] then
  return answer('ended')
elseif state == 'opening' then
  return answer('opening')
elseif r[VERSION] ~= ARGV[8] then
  return answer('conflict')
elseif tonumber(r[RENEWALS]) >= tonumber(ARGV[12]) then
  return answer('renewals')
end
local half, _, passmac = secrets()
r[KEY], r[SEALED] = ARGV[9], ARGV[11]
r[TRIES], r[PASSTRIES], r[CODESENDS] = '0', '0', '0'
r[CODEUNTIL], r[CODESENT] = NEVER, NEVER
if r[KIND] == 'request' and r[STATE] == 'draft' then
  r[UPLOAD] = ''
end
count(r, RENEWALS)
count(r, VERSION)
return done('ok', { st }, { fields = { 'm' .. x.name, pack({ half, ARGV[10], passmac }) } })
