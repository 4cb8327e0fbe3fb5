-- advance corrects what is kept of the events of a tenant after some of them were deleted.
local function advance(tenant)
  local u = call('HGET', H, 'u' .. tenant)
  local n, last, since, v = tonumber(u:sub(1, 16)), u:sub(17, 32), u:sub(33), nil
  while n <= tonumber(last) and not v do
    v = call('HGET', H, 'v' .. tenant .. number(n))
    n = v and n or n + 1
  end
  local is = v and unpacked(v)[E_AT] or NEVER
  if v and is ~= since then
    call('ZADD', X, 0, 'U' .. is .. tenant)
  end
  call('HSET', H, 'u' .. tenant, number(n) .. last .. is)
  if is ~= since then
    call('ZREM', X, 'U' .. since .. tenant)
  end
end
