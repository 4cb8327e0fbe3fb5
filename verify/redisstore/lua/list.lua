-- tenant, beginning of the index, where to go on ('' at the newest), most records, most members to look at, technician or
-- '', time at which they must be open or ''. Returns where to go on, or '' at the end, and the records.
local prefix, from, most, scan = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local members = call('ZREVRANGEBYLEX', X, from == '' and '(' .. prefix .. '~' or '(' .. from, '[' .. prefix, 'LIMIT', 0, scan)
local out = { 'ok', '' }
for i, m in ipairs(members) do
  local b = call('HGET', H, 'r' .. keyed(ARGV[1]) .. m:sub(#prefix + 21))
  local ok = b
  if b and (ARGV[6] ~= '' or ARGV[7] ~= '') then
    local r = unpacked(b)
    ok = (ARGV[6] == '' or r[TECHNICIAN] == ARGV[6])
      and (ARGV[7] == '' or ((r[STATE] == 'pending' or r[STATE] == 'failed') and ARGV[7] < r[EXPIRES]))
  end
  if ok then
    out[#out + 1] = b
  end
  if #out == most + 2 or i == #members then
    if i < #members or i == scan then
      out[2] = m
    end
    break
  end
end
return out
