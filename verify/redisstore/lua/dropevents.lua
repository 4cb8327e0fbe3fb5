-- before, most
local left, n = tonumber(ARGV[2]), 0
for _, g in ipairs(call('ZRANGEBYLEX', X, '[g', '(g' .. ARGV[1], 'LIMIT', 0, left)) do
  local tenant = g:sub(22)
  local t = keyed(tenant)
  local chain = unpacked(call('HGET', H, 'h' .. tenant))
  local went = false
  if left == 0 then
    break
  end
  for _, m in ipairs(call('ZRANGEBYLEX', X, '[k' .. t, '(k' .. t .. '~', 'LIMIT', 0, left)) do
    local seq = m:sub(-16)
    local v = call('HGET', H, 'v' .. seq)
    local e = v and unpacked(v)
    if e and tonumber(e[E_LINK]) > tonumber(chain[1]) then
      if e[E_AT] >= ARGV[1] or call('ZSCORE', X, 'u' .. t .. seq) then
        break
      end
      chain[1], chain[2] = e[E_LINK], e[E_VALUE]
      call('HSET', H, 'h' .. tenant, pack(chain))
      n = n + 1
    end
    if e then -- also one that a crash kept although the base of the chain is behind it
      call('HDEL', H, 'v' .. seq, 'i' .. e[E_ID])
    end
    call('ZREM', X, m)
    left, went = left - 1, true
  end
  if went then
    call('ZREM', X, g)
    collect(tenant)
  end
end
return { 'ok', text(n) }
