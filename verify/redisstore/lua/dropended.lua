-- before, most
local n, members = 0, call('ZRANGEBYLEX', X, '[d', '(d' .. ARGV[1], 'LIMIT', 0, tonumber(ARGV[2]))
for _, m in ipairs(members) do
  local b = call('HGET', H, 'r' .. m:sub(22))
  local r = b and unpacked(b)
  if r and r[STATE] ~= 'pending' and r[DECIDED] == m:sub(2, 21) then
    local gone = { 'r' .. name(r), 'm' .. name(r) }
    if r[IDEMPOTENCY] ~= '' then
      gone[3] = 'k' .. keyed(r[TENANT]) .. r[IDEMPOTENCY]
    end
    call('HDEL', H, unpack(gone))
    call('ZREM', X, listed('la', r), listed('lt', r), listed('ls', r), listed('lo', r))
    n = n + 1
  end
  call('ZREM', X, m)
end
return { 'ok', text(n) }
