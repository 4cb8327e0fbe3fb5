-- now, channel, ids of events, of which there are as many as records may expire
local now, ids = ARGV[1], unpacked(ARGV[3])
local n, members = 0, call('ZRANGEBYLEX', X, '[e', '(e' .. now .. '~', 'LIMIT', 0, #ids)
for i, m in ipairs(members) do
  local b = call('HGET', H, 'r' .. m:sub(22))
  local r = b and unpacked(b)
  if r and r[STATE] == 'pending' and r[EXPIRES] == m:sub(2, 21) then
    r[VERSION] = text(tonumber(r[VERSION]) + 1)
    r[STATE], r[DECIDED] = 'expired', now
    call('ZADD', X, 0, 'd' .. now .. name(r))
    tell(r, { ids[i], 'expired', 'system', '' }, now, { 'r' .. name(r), pack(r) })
    call('ZREM', X, listed('lo', r))
    n = n + 1
    changed(ARGV[2], r[TENANT], r[SUBJECT])
  end
  call('ZREM', X, m)
end
return { 'ok', text(n) }
