-- before, most
local n, members = 0, call('ZRANGEBYLEX', X, '[d', '(d' .. ARGV[1], 'LIMIT', 0, tonumber(ARGV[2]))
for _, m in ipairs(members) do
  local name = m:sub(22)
  local b = call('HGET', H, 'r' .. name)
  local r = b and unpacked(b)
  if r and place(r, name) == m then
    call('ZREM', X, listed(r, name))
    call('HDEL', H, 'r' .. name, 'm' .. name, 't' .. name)
    n = n + 1
  end
  call('ZREM', X, m)
end
return { 'ok', text(n) }
