-- before, most
local members = call('ZRANGEBYLEX', X, '[d', '(d' .. ARGV[1], 'LIMIT', 0, tonumber(ARGV[2]))
for _, m in ipairs(members) do
  local r = unpacked(call('HGET', H, 'r' .. m:sub(22)))
  call('ZREM', X, m, listed('la', r), listed('lt', r), listed('ls', r), listed('lo', r))
  call('HDEL', H, 'r' .. name(r), 'm' .. name(r))
  if r[IDEMPOTENCY] ~= '' then
    call('HDEL', H, 'k' .. keyed(r[TENANT]) .. r[IDEMPOTENCY])
  end
end
return { 'ok', text(#members) }
