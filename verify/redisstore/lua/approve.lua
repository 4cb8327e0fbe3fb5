-- by, a technician of whom it is known that they are the same person as by or ''
if before then
  return { 'ok', b }
end
local by = ARGV[6]
if r[STATE] ~= 'confirmed' or r[KIND] ~= 'caller' or r[NEEDSAPPROVAL] == '' then
  return { 'notpending' }
elseif by == '' or by == r[TECHNICIAN] or (ARGV[7] ~= '' and ARGV[7] == r[TECHNICIAN]) then
  return { 'forbidden' }
elseif frozen > now then
  return { 'frozen' }
elseif now >= r[PROOF] then
  return { 'proofexpired' }
elseif r[APPROVEDBY] == '' then
  r[APPROVEDBY], r[APPROVEDAT] = by, now
  r[VERSION] = text(tonumber(r[VERSION]) + 1)
  done()
end
return { 'ok', b }
