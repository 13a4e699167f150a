-- Ten megabytes a request.
wrk.method = "POST"
wrk.body = string.rep("x", 10 * 1024 * 1024)

done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("\nresult %d %d %d %d %d\n", summary.requests, summary.duration,
    e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
