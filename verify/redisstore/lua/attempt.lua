-- method, technician, answerers
if before then -- this very try was counted: it gets what it got, unless the answer has been replaced
  if r[STATE] == 'pending' and r[SENDS] == before[E_SENDS] then
    r[TRIES] = before[E_TRIES]
    return { 'ok', pack(r), text(failures), frozen, call('HGET', H, 'm' .. name(r)) }
  end
  return { 'ok', b, text(failures), frozen }
end
local fits = false
if ARGV[7] ~= '' then
  fits = ARGV[7] == r[TECHNICIAN]
else
  local answerers = unpacked(ARGV[8])
  if r[ANSWERER] == '' then
    fits = #answerers == 0
  else
    for _, a in ipairs(answerers) do
      fits = fits or a == r[ANSWERER]
    end
  end
end
if not fits or ARGV[6] ~= r[METHOD] or r[STATE] ~= 'pending' or now >= r[EXPIRES] or tonumber(r[TRIES]) >= tonumber(r[MAXTRIES])
  or frozen > now or failures >= tonumber(r[LOCKAFTER]) then
  return { 'ok', b, text(failures), frozen }
end
local macs = call('HGET', H, 'm' .. name(r))
r[TRIES] = text(tonumber(r[TRIES]) + 1)
if r[KIND] == 'caller' then
  failures = failures + 1
  done('s' .. keyed(r[TENANT]) .. r[SUBJECT], frozen .. text(failures))
else
  done()
end
if r[KIND] == 'caller' and failures == tonumber(r[LOCKAFTER]) then
  tell(r, { st[1] .. '-locked', 'locked', st[3], '' }, now)
end
return { 'ok', b, text(failures), frozen, macs }
