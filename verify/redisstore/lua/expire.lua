-- now, channel, ids of events, of which there are as many as records may expire
local now, ids = ARGV[1], unpacked(ARGV[3])
local members = call('ZRANGEBYLEX', X, '[e', '(e' .. now .. '~', 'LIMIT', 0, #ids)
for i, m in ipairs(members) do
  local r = unpacked(call('HGET', H, 'r' .. m:sub(22)))
  call('ZREM', X, m, listed('lo', r))
  call('ZADD', X, 0, 'd' .. now .. name(r))
  r[VERSION] = text(tonumber(r[VERSION]) + 1)
  r[STATE], r[DECIDED] = 'expired', now
  store(r)
  tell(r, { ids[i], 'expired', 'system', '' }, now)
  changed(ARGV[2], r[TENANT], r[SUBJECT])
end
return { 'ok', text(#members) }
