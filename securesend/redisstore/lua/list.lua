-- keyed tenant, beginning of the index, where to go on ('' at the newest), most records, most members to look at; sender,
-- subject, system and id of the ticket, kind, where they are not ''. Returns where to go on, or '' at the end, and the records.
local prefix, from, most, scan = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local sender, subject, system, ticket, kind = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local members = call('ZRANGEBYLEX', X, from == '' and '[' .. prefix or '(' .. from, '(' .. prefix .. '~', 'LIMIT', 0, scan)
local out = { 'ok', '' }
for i, m in ipairs(members) do
  local b = call('HGET', H, 'r' .. ARGV[1] .. m:sub(#prefix + 21))
  local ok = b
  if b and sender .. subject .. system .. ticket .. kind ~= '' then
    local r = unpacked(b)
    local w = unpacked(r[WHAT])
    ok = (sender == '' or w[W_SENDER] == sender) and (subject == '' or w[W_SUBJECT] == subject) and (kind == '' or r[KIND] == kind)
      and (system .. ticket == '' or (w[W_SYSTEM] == system and w[W_TICKET] == ticket))
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
