-- version, state, end of the proof, end of the freeze, stamp of the freeze
if before then
  return { 'ok', b }
end
if r[STATE] ~= 'pending' then
  return { 'notpending' }
elseif r[VERSION] ~= ARGV[6] then
  return { 'conflict' }
end
local confirmed = ARGV[7] == 'confirmed'
if confirmed and now >= r[EXPIRES] then
  return { 'notpending' }
elseif confirmed and frozen > now then
  return { 'frozen' }
end
r[VERSION] = text(tonumber(r[VERSION]) + 1)
r[STATE], r[DECIDED], r[PROOF] = ARGV[7], now, ARGV[8]
call('ZADD', X, 0, 'd' .. now .. name(r))
local was_failures, was_frozen = failures, frozen
if confirmed and r[KIND] == 'caller' then
  failures = 0
end
if ARGV[9] > frozen then
  frozen = ARGV[9]
end
if frozen ~= was_frozen then
  done('s' .. keyed(r[TENANT]) .. r[SUBJECT], frozen .. text(failures))
else
  done()
  if failures ~= was_failures then
    keep(r[TENANT], r[SUBJECT], failures, frozen)
  end
end
call('ZREM', X, 'e' .. r[EXPIRES] .. name(r))
if ARGV[7] ~= 'failed' then
  call('ZREM', X, listed('lo', r))
end
if confirmed and r[REFUND] ~= '' then
  local refund = unpacked(r[REFUND])
  for i = 1, #refund, 3 do
    local key, ends = refund[i + 1], refund[i + 2]
    if refund[i] == 'g' then -- counted on another machine perhaps: given back by DeleteExpired
      call('ZADD', X, 0, 'z' .. pack({ st[1] .. '-' .. text(i), key, ends }))
    else
      local v = call('HGET', H, 'c' .. key)
      if v and v:sub(1, 20) == ends and now < ends and tonumber(v:sub(21)) > 0 then
        call('HSET', H, 'c' .. key, ends .. text(tonumber(v:sub(21)) - 1))
      end
    end
  end
end
if ARGV[9] ~= NEVER then
  tell(r, unpacked(ARGV[10]), now)
end
return { 'ok', b }
