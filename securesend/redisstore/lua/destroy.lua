-- destroy ends x and returns what store needs to drop what opens it. It is written over first, in the one HSET.
local function destroy(x, state, now)
  local r, name = x.r, x.name
  local gone = { 'k' .. keyed(r[HALFKEY]) .. name }
  r[STATE], r[ENDED] = state, now
  r[HALFKEY], r[SEALED], r[HEADER], r[KEY], r[PASSKEY] = '', '', '', '', ''
  count(r, VERSION)
  return { fields = { 'm' .. name, '', 't' .. name, '' }, drop = { 'm' .. name, 't' .. name }, gone = gone }
end
