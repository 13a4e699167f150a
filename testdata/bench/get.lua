-- Prints what make bench reads, with exact numbers instead of wrk's rounded ones.
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("\nresult %d %d %d %d %d\n", summary.requests, summary.duration,
    e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
