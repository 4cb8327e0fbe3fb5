-- version, key, half, sealed
if r[VERSION] ~= ARGV[8] then
  return answer('conflict')
end
local _, mac, passmac = secrets()
local was, is = 'k' .. keyed(r[HALFKEY]) .. x.name, 'k' .. keyed(ARGV[9]) .. x.name
r[HALFKEY], r[SEALED] = ARGV[9], ARGV[11]
count(r, VERSION)
return done('ok', {}, {
  fields = { 'm' .. x.name, pack({ ARGV[10], mac, passmac }) }, add = ARGV[10] ~= '' and { 0, is } or nil, gone = { was ~= is and was or nil },
})
