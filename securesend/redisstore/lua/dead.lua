-- index with its region, where to go on ('' at the first), most. Returns where to go on, or '' at the end, and the time of the end and the
-- name of each.
local prefix, most = ARGV[1], tonumber(ARGV[3])
local out = { 'ok', '' }
local members = call('ZRANGEBYLEX', X, ARGV[2] == '' and '[' .. prefix or '(' .. ARGV[2], '(' .. prefix .. '~', 'LIMIT', 0, most)
for _, m in ipairs(members) do
  local name = m:sub(#prefix + 21)
  local b = call('HGET', H, 'r' .. name)
  if b and place(unpacked(b), name) == m then
    out[#out + 1] = m:sub(#prefix + 1)
  else -- left over by a crash
    call('ZREM', X, m)
  end
end
if #members == most then
  out[2] = members[most]
end
return out
