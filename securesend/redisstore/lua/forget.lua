if not FINAL[r[STATE]] then
  return answer('conflict')
elseif r[BLOBS] ~= '' then
  r[BLOBS] = ''
  store(x, now, {})
end
return answer('ok')
