-- most. What is returned is gone here: a count is rather lost than given back twice.
local members = call('ZRANGEBYLEX', X, '[z', '({', 'LIMIT', 0, tonumber(ARGV[1]))
local out = { 'ok' }
for _, m in ipairs(members) do
  call('ZREM', X, m)
  out[#out + 1] = m:sub(2)
end
return out
