-- begin and end of a range of records by the key of their half, most. Returns where to go on, or '' at the end, and
-- records, each followed by its half.
local out, most = { 'ok', '' }, tonumber(ARGV[3])
local members = call('ZRANGEBYLEX', X, ARGV[1], ARGV[2], 'LIMIT', 0, most)
for _, m in ipairs(members) do
  local rest = m:sub(2)
  local key = tenantof(rest)
  local tenant = tenantof(rest:sub(#key + 1))
  local x = read(tenant, rest:sub(#key + #tenant + 1))
  local half = x and x.secrets and unpacked(x.secrets)[1] or ''
  if half ~= '' and not FINAL[x.r[STATE]] and keyed(x.r[HALFKEY]) == key then
    out[#out + 1], out[#out + 2] = x.packed, half
  else -- left over by a crash
    call('ZREM', X, m)
  end
end
if #members == most then
  out[2] = members[most]
end
return out
