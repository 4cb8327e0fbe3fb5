-- try compares an answer, given as key and MAC of each key of the ring, and counts it where it is wrong. It returns a
-- refusal, or nil.
local function try(given, mac, key, tries, most, what, word)
  if tonumber(r[tries]) >= tonumber(r[most]) then
    return answer('locked')
  elseif given == '' then
    return answer(word)
  end
  local macs = unpacked(given)
  for i = 1, #macs, 2 do
    if macs[i] == r[key] and same(mac, macs[i + 1]) then
      return
    end
  end
  count(r, tries)
  count(r, REFUSALS)
  local stamps = { { st[S_ID], 'refused', st[S_BY], what, st[S_FILES] } }
  if tonumber(r[tries]) >= tonumber(r[most]) then
    stamps[2], word = { st[S_ID] .. '-locked', 'locked', st[S_BY], what, st[S_FILES] }, 'locked'
  end
  return done(word, stamps)
end

-- trynumber tries the number or code, where the record asks for one.
local function trynumber(given, mac)
  if r[GATE] == 'number' or r[GATE] == 'code' then
    return try(given, mac, KEY, TRIES, MAXTRIES, r[GATE], 'number')
  end
end
