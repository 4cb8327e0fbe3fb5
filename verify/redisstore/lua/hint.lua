if before then
  return { 'ok', b }
end
if r[STATE] ~= 'pending' or now >= r[EXPIRES] then
  return { 'notpending' }
end
if r[HINTED] == '' then
  r[HINTED] = '1'
  done()
end
return { 'ok', b }
